//! The caller of a request, after the token was verified.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{Groups, UserId};

/// The claims of a verified token (docs/API.md 1). Cached by the token's hash until `expires_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The `sub` claim.
    pub user_id: UserId,
    /// What others may see as the sharer's name: the claim `name`, else `preferred_username`; never
    /// the `sub`, an e-mail address, or anything with an `@`.
    pub display_name: Option<String>,
    /// Whether the scope holds exactly `shared_chats:service`: then this is the chat service.
    pub is_chat_service: bool,
    /// Whether the scope holds exactly `shared_chats:admin`, or the groups `AUTH_ADMIN_GROUP`.
    pub is_admin: bool,
    /// What the groups claim holds (`AUTH_GROUPS_CLAIM`).
    pub groups: Groups,
    /// The `exp` claim: from this moment on the token is invalid.
    pub expires_at: DateTime<Utc>,
}

/// The scheme in `Authorization`. A credential is forwarded to the chat service with the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialScheme {
    /// `Authorization: Bearer <JWT>` (RFC 6750), also used for a token from a cookie.
    Bearer,
    /// `Authorization: Bearer-Token <JWT>`, which the h2ogpte client sends.
    BearerToken,
    /// `Authorization: Bearer-AD <JWT>`, which it sends with a token from Azure.
    BearerAd,
}

/// A token as it was received, to be verified and forwarded to the chat service.
#[derive(Clone)]
pub struct Credential {
    pub scheme: CredentialScheme,
    token: Arc<str>,
}

impl Credential {
    pub fn new(scheme: CredentialScheme, token: &str) -> Self {
        Self { scheme, token: token.into() }
    }

    /// A secret: for the verifier and the chat service alone.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The value of an `Authorization` header, also a secret.
    pub fn authorization(&self) -> String {
        let scheme = match self.scheme {
            CredentialScheme::Bearer => "Bearer",
            CredentialScheme::BearerToken => "Bearer-Token",
            CredentialScheme::BearerAd => "Bearer-AD",
        };
        format!("{scheme} {}", self.token)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?}, …)", self.scheme)
    }
}

/// An authenticated caller with its credential.
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

/// Whom calls and streams are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    User(UserId),
    /// An IPv4 address, or the /64 that an IPv6 client has at least (RFC 6177).
    Network(IpAddr),
}

impl Client {
    /// A client without a credential that counts.
    pub fn at(address: IpAddr) -> Self {
        Self::Network(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}
