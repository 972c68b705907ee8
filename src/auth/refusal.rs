//! Why a token was refused.

use std::fmt;

/// Why a token gives no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A 401 with `error="invalid_token"` (docs/API.md 1; RFC 6750, 3.1).
    #[error("invalid token: {0}")]
    InvalidToken(#[from] Refusal),
    /// There are no keys to verify tokens with: a 503 (docs/API.md 1).
    #[error("no keys of the identity provider are at hand")]
    KeysUnavailable,
}

/// Why a token is refused. For logs and tests: callers only learn that it is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`super::MAX_TOKEN_BYTES`].
    TooLong,
    /// Not three parts of base64url, or the first two not JSON objects, or a bad header member.
    Malformed,
    /// A `crit` header: it demands extensions, and none is supported (RFC 7515, 4.1.11).
    CriticalHeader,
    /// The `typ` of another kind of token, such as a logout token (RFC 8725, 3.11).
    WrongType,
    /// `none`, one that docs/API.md 1 does not list, or one of the other kind of settings.
    AlgorithmNotAllowed,
    /// The named key is not for this algorithm.
    AlgorithmNotForKey,
    /// No key has this `kid`, or without a `kid`, none is for this algorithm.
    UnknownKey,
    /// No `kid`, and more than one key is for this algorithm.
    AmbiguousKey,
    BadSignature,
    MissingExp,
    /// `exp` or `nbf` is not a number.
    BadDate,
    /// `exp` is past.
    Expired,
    /// `nbf` is in the future.
    NotYetValid,
    /// `iss` is missing or another one.
    WrongIssuer,
    /// The claim of the audience is missing or does not contain the configured one.
    WrongAudience,
    /// `sub` is missing, empty, or no valid user id.
    BadSubject,
}

impl Refusal {
    /// In words, which hold nothing of the token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Malformed => "malformed",
            Self::CriticalHeader => "critical header not understood",
            Self::WrongType => "not an access token",
            Self::AlgorithmNotAllowed => "algorithm not allowed",
            Self::AlgorithmNotForKey => "algorithm does not fit the key",
            Self::UnknownKey => "unknown key",
            Self::AmbiguousKey => "no key id, and several keys fit",
            Self::BadSignature => "bad signature",
            Self::MissingExp => "no expiry",
            Self::BadDate => "expiry or not-before is not a number",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::WrongIssuer => "wrong issuer",
            Self::WrongAudience => "wrong audience",
            Self::BadSubject => "bad subject",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
