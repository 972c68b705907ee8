//! Decodes a token (RFC 7515, 3.1 and 4.1). Nothing in here is verified yet.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{MAX_TOKEN_BYTES, refusal::Refusal};

/// Members of a JSON object by name; of members with the same name the last one (RFC 7519, 4). Kept
/// raw: most are not read, and a value such as a lone surrogate must not make the token invalid.
pub(super) type Members = HashMap<String, Box<RawValue>>;

/// A compact JWS with one of the accepted algorithms.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Members,
    /// The signed text: the first two parts.
    pub(super) message: &'a [u8],
    /// In base64url.
    pub(super) signature: &'a str,
}

/// Which algorithms a token may name. The settings decide this, never the token.
#[derive(Debug, Clone, Copy)]
pub(super) enum AcceptedAlgorithms {
    /// With a shared secret.
    Hs256,
    /// With the provider's public keys.
    PublicKey,
}

impl AcceptedAlgorithms {
    fn parse(self, name: &str) -> Option<Algorithm> {
        let algorithm: Algorithm = name.parse().ok()?;
        let accepted = match self {
            Self::Hs256 => algorithm == Algorithm::HS256,
            Self::PublicKey => algorithm.family() != AlgorithmFamily::Hmac,
        };
        accepted.then_some(algorithm)
    }
}

impl<'a> Token<'a> {
    /// Decodes header and claims. `jku`, `jwk`, `x5u` and `x5c` are ignored: a token must not bring
    /// or name the key that verifies it (RFC 8725, 3.10).
    pub(super) fn parse(text: &'a str, accepted: AcceptedAlgorithms) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Refusal::Malformed)?;
        // A further dot stays in `claims`, where base64url does not allow it.
        let header = members(header)?;
        let claims = members(claims)?;

        if header.contains_key("crit") {
            return Err(Refusal::CriticalHeader);
        }
        if !header.get("typ").is_none_or(|typ| is_access_token_type(typ)) {
            return Err(Refusal::WrongType);
        }
        let algorithm = header.get("alg").ok_or(Refusal::Malformed)?;
        let algorithm: String = read(algorithm).ok_or(Refusal::Malformed)?;
        let algorithm = accepted.parse(&algorithm).ok_or(Refusal::AlgorithmNotAllowed)?;
        let kid = header.get("kid").map(|kid| read(kid).ok_or(Refusal::Malformed)).transpose()?;
        Ok(Self { algorithm, kid, claims, message: message.as_bytes(), signature })
    }
}

/// A claim or header member; `None` when it is of another type.
pub(super) fn read<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn members(part: &str) -> Result<Members, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

/// `JWT` (RFC 7519, 5.1) or `at+jwt` (RFC 9068, 2.1), which may be written in full and in any case
/// as media types can (RFC 7515, 4.1.9).
fn is_access_token_type(raw: &RawValue) -> bool {
    read::<String>(raw).is_some_and(|typ| {
        let typ = typ.to_ascii_lowercase();
        matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
    })
}
