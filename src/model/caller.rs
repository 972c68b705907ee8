//! Who calls, once the token was verified.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};

use super::UserId;

/// What a verified token says (contract 1). Cached by the token's hash until [`Identity::expires_at`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The `sub` claim.
    pub user_id: UserId,
    /// What others may see as the sharer's name: the claim `name`, else `preferred_username`; never
    /// the `sub`, an e-mail address, or anything with an `@`.
    pub display_name: Option<String>,
    /// Whether the scope holds exactly `shared_chats:service`: then this is the chat service.
    pub is_chat_service: bool,
    /// The `exp` claim; from this moment on the token says nothing any more.
    pub expires_at: DateTime<Utc>,
}

/// How a credential was presented in `Authorization`. It is forwarded to the chat service as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialScheme {
    /// `Authorization: Bearer <JWT>` (RFC 6750), also used for a token from a cookie.
    Bearer,
    /// `Authorization: Bearer-Token <JWT>`, which the h2ogpte client sends.
    BearerToken,
}

/// A token as it came, to be verified, and to be forwarded to the chat service alone.
#[derive(Clone)]
pub struct Credential {
    pub scheme: CredentialScheme,
    token: Arc<str>,
}

impl Credential {
    pub fn new(scheme: CredentialScheme, token: &str) -> Self {
        Self { scheme, token: token.into() }
    }

    /// The token itself. It is a secret: for the verifier and for the chat service alone.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The value of an `Authorization` header that presents this credential. A secret as well.
    pub fn authorization(&self) -> String {
        match self.scheme {
            CredentialScheme::Bearer => format!("Bearer {}", self.token),
            CredentialScheme::BearerToken => format!("Bearer-Token {}", self.token),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?}, …)", self.scheme)
    }
}

/// Somebody who proved who they are, with the credential that proved it.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Arc<Identity>,
    pub credential: Credential,
}

impl Caller {
    pub fn user_id(&self) -> &UserId {
        &self.identity.user_id
    }
}
