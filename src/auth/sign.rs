//! Signs tokens, for the command line (`shared-chats token`, `shared-chats demo`).

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

/// The claims could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SignError(#[source] jsonwebtoken::errors::Error);

/// A token with these claims, signed with HS256 (RFC 7518, 3.2). The claims are not checked:
/// without a numeric `exp` (Unix seconds) and a `sub` the token is refused.
pub fn sign_hs256(secret: &[u8], claims: &impl Serialize) -> Result<String, SignError> {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .map_err(SignError)
}
