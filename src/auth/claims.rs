//! Checks a token's claims and makes an [`Identity`] of them (RFC 7519, 4.1; docs/API.md 1).

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::model::{Groups, Identity, UserId, decode_json_string};

use super::{
    LEEWAY,
    refusal::Refusal,
    token::{Members, read},
};

/// The scope that makes a caller the chat service (docs/API.md 1).
const SERVICE_SCOPE: &str = "shared_chats:service";

/// The scope that makes a caller an administrator (docs/API.md 1).
const ADMIN_SCOPE: &str = "shared_chats:admin";

/// More groups than these count as none, as they do where the provider leaves them out (Entra's
/// overage): if only some were taken, chance would decide who is admitted.
const MAX_GROUPS: usize = 256;

/// A longer display name is cut.
const MAX_NAME_CHARS: usize = 200;

/// The end of the year 9999 in Unix seconds, which RFC 3339 can still write and every database
/// store. Later dates become this one.
const LATEST: f64 = 253_402_300_799.0;

/// Which claims of a token have its audience and its scopes: providers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// Compared with the configured audience.
    pub audience: String,
    /// Each a string of words separated by spaces (RFC 8693, 4.2) or an array of words. Whole words
    /// are compared, and a claim of another type is ignored.
    pub scopes: Vec<String>,
    /// A string or an array of strings: the name of a claim, or a JSON Pointer to a part of one
    /// (RFC 6901), which begins with `/`.
    pub groups: String,
    /// The group whose members are administrators.
    pub admin_group: Option<String>,
}

impl Default for ClaimNames {
    /// `aud` (RFC 7519, 4.1.3), `scope` and `scp`, and `groups`.
    fn default() -> Self {
        Self {
            audience: "aud".to_owned(),
            scopes: vec!["scope".to_owned(), "scp".to_owned()],
            groups: "groups".to_owned(),
            admin_group: None,
        }
    }
}

/// The configured issuer and audience; `None` is not compared.
pub(super) struct Expected {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) names: ClaimNames,
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
        let audience = claims.get(&expected.names.audience).and_then(|raw| read::<Words>(raw));
        if !audience.is_some_and(|audience| audience.is_or_holds(ours)) {
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
    let is_chat_service = has_scope(claims, &expected.names.scopes, SERVICE_SCOPE);
    let groups = groups(claims, &expected.names.groups).unwrap_or_default();
    let is_admin = has_scope(claims, &expected.names.scopes, ADMIN_SCOPE)
        || expected.names.admin_group.as_ref().is_some_and(|group| groups.contains(group));
    Ok(Identity { user_id, display_name, is_chat_service, is_admin, groups, expires_at })
}

/// The groups that the claims have; `None` if they are not strings, or too many.
fn groups(claims: &Members, name: &str) -> Option<Groups> {
    let words = match name.strip_prefix('/') {
        None => read::<Words>(claims.get(name)?)?,
        Some(path) => {
            let (claim, rest) = path
                .split_once('/')
                .map_or((path, ""), |(claim, _)| (claim, &name[1 + claim.len()..]));
            let claim = claim.replace("~1", "/").replace("~0", "~");
            let value: serde_json::Value = read(claims.get(&claim)?)?;
            Words::deserialize(value.pointer(rest)?).ok()?
        }
    };
    let values = match words {
        Words::One(one) => vec![one],
        Words::Several(several) => several,
    };
    (values.len() <= MAX_GROUPS).then(|| Groups::of(&values))
}

/// Whether one of these claims has this scope.
fn has_scope(claims: &Members, names: &[String], scope: &str) -> bool {
    let words = |name: &String| read::<Words>(claims.get(name)?);
    names.iter().filter_map(words).any(|words| words.has_word(scope))
}

/// A string or an array of strings, as audiences (RFC 7519, 4.1.3) and scopes are written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

impl Words {
    fn is_or_holds(&self, whole: &str) -> bool {
        match self {
            Self::One(one) => one == whole,
            Self::Several(several) => several.iter().any(|one| one == whole),
        }
    }

    /// The same, where a string has several words.
    fn has_word(&self, word: &str) -> bool {
        match self {
            Self::One(words) => words.split(' ').any(|one| one == word),
            Self::Several(_) => self.is_or_holds(word),
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
