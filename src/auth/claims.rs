//! Checks a token's claims and makes an [`Identity`] of them (RFC 7519, 4.1; docs/API.md 1).

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::model::{Identity, UserId, decode_json_string};

use super::{
    LEEWAY,
    refusal::Refusal,
    token::{Members, read},
};

/// The scope that makes a caller the chat service (docs/API.md 1).
const SERVICE_SCOPE: &str = "shared_chats:service";

/// A longer display name is cut.
const MAX_NAME_CHARS: usize = 200;

/// The end of the year 9999 in Unix seconds, which RFC 3339 can still write and every database
/// store. Later dates become this one.
const LATEST: f64 = 253_402_300_799.0;

/// The configured issuer and audience; `None` is not compared.
pub(super) struct Expected {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
}

/// The identity in the claims, if they are valid now. The signature is checked elsewhere.
pub(super) fn check(
    claims: &Members,
    expected: &Expected,
    now: DateTime<Utc>,
) -> Result<Identity, Refusal> {
    let text = |name: &str| claims.get(name).and_then(|raw| read::<String>(raw));

    if expected.issuer.is_some() && text("iss") != expected.issuer {
        return Err(Refusal::WrongIssuer);
    }
    if let Some(ours) = &expected.audience {
        let audience = claims.get("aud").and_then(|raw| read::<Audience>(raw));
        if !audience.is_some_and(|audience| audience.holds(ours)) {
            return Err(Refusal::WrongAudience);
        }
    }
    let expires_at = date(claims, "exp")?.ok_or(Refusal::MissingExp)?;
    if now >= expires_at + LEEWAY {
        return Err(Refusal::Expired);
    }
    if date(claims, "nbf")?.is_some_and(|not_before| now + LEEWAY < not_before) {
        return Err(Refusal::NotYetValid);
    }
    let subject = text("sub").ok_or(Refusal::BadSubject)?;
    let user_id = UserId::parse(&subject).map_err(|_| Refusal::BadSubject)?;

    let display_name = ["name", "preferred_username"]
        .iter()
        .filter_map(|claim| decode_json_string(claims.get(*claim)?))
        .find_map(|name| presentable(&name, &subject));
    Ok(Identity { user_id, display_name, is_chat_service: is_chat_service(claims), expires_at })
}

/// RFC 7519, 4.1.3.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, ours: &str) -> bool {
        match self {
            Self::One(one) => one == ours,
            Self::Several(several) => several.iter().any(|one| one == ours),
        }
    }
}

/// A `NumericDate` (RFC 7519, 2), with a fraction or without, cut to microseconds and clamped to
/// the years 1970 to 9999.
fn date(claims: &Members, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
    let Some(raw) = claims.get(name) else { return Ok(None) };
    let seconds: f64 = read(raw).ok_or(Refusal::BadDate)?;
    #[expect(clippy::cast_possible_truncation, reason = "far within i64 after the clamp")]
    let micros = (seconds.clamp(0.0, LATEST) * 1e6) as i64;
    DateTime::from_timestamp_micros(micros).map(Some).ok_or(Refusal::BadDate)
}

/// A name that other users may see; `None` for an e-mail address or the `sub`.
fn presentable(name: &str, subject: &str) -> Option<String> {
    let name = name.replace(char::is_control, " ");
    let name = name.trim();
    let is_secret = name.contains('@') || name == subject.trim();
    (!name.is_empty() && !is_secret)
        .then(|| name.chars().take(MAX_NAME_CHARS).collect::<String>().trim_end().to_owned())
}

/// `scope` is a string of words separated by spaces (RFC 8693, 4.2), `scp` an array of them. Whole
/// words are compared, and a claim of another type is ignored.
fn is_chat_service(claims: &Members) -> bool {
    let scope = claims.get("scope").and_then(|raw| read::<String>(raw));
    let scp = claims.get("scp").and_then(|raw| read::<Vec<String>>(raw));
    scope.is_some_and(|scope| scope.split(' ').any(|word| word == SERVICE_SCOPE))
        || scp.is_some_and(|scp| scp.iter().any(|word| word == SERVICE_SCOPE))
}
