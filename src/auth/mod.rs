//! Verifies access tokens (docs/API.md 1): `token` decodes one, `claims` checks its claims, and
//! `key` its signature, with a key that was fetched from the identity provider (`provider`, its JSON
//! put in order by `normal_key`) and is cached (`keyring`).
//!
//! `jsonwebtoken` verifies signatures only. Its validation reads the machine's clock and gives
//! fewer reasons than the log needs, so claims are checked here, against [`Clock`].
//!
//! To accept one more algorithm: name it in `key::algorithms_of`, for its kind of key. To read one
//! more claim: `claims`.

mod claims;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod key;
mod keyring;
mod normal_key;
mod provider;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;
mod token;

use std::{fmt, sync::Arc};

use chrono::TimeDelta;
use moka::{policy::EvictionPolicy, sync::Cache};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{clock::Clock, model::Identity, telemetry};

use self::{
    claims::Expected,
    key::{Key, KeyIdentity},
    keyring::Keyring,
    provider::Provider,
    token::{AcceptedAlgorithms, Token},
};

pub use self::{
    claims::ClaimNames,
    refusal::{AuthError, Refusal},
    sign::{SignError, sign_hs256},
};

/// The clock skew that is allowed for `exp` and `nbf` (docs/API.md 1; RFC 7519, 4.1.4 and 4.1.5).
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Real tokens have 1–4 KiB, and most proxies refuse larger headers. Without a bound each request
/// could make this service decode and hash a megabyte.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The size of the cache of verified tokens. One takes well under 1 KiB.
const MAX_VERIFIED_TOKENS: u64 = 10_000;

/// How often the provider's keys are refreshed (docs/API.md 1).
const REFRESH_EVERY: std::time::Duration = std::time::Duration::from_secs(600);

/// Which tokens are accepted. Either kind, never both: a verifier of HS256 and public keys alike
/// may accept a token that is "signed" with a public key as the secret (RFC 8725, 2.1 and 3.1).
#[derive(Clone)]
pub enum AuthSettings {
    /// Tokens that are signed with one of the provider's public keys.
    Jwks {
        /// What `iss` must be, byte for byte.
        issuer: String,
        /// What the claim of the audience must be or contain.
        audience: String,
        /// The URL of the key set (RFC 7517, 5); `None` to discover it (OpenID Connect Discovery
        /// 1.0, 4).
        jwks_url: Option<Url>,
        claims: ClaimNames,
    },
    /// Tokens that are signed with a shared secret.
    Hs256 {
        /// At least 32 bytes (RFC 7518, 3.2), which the configuration has checked.
        secret: Vec<u8>,
        /// `None` is not compared.
        issuer: Option<String>,
        /// `None` is not compared.
        audience: Option<String>,
        claims: ClaimNames,
    },
}

impl fmt::Debug for AuthSettings {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwks { issuer, audience, jwks_url, claims } => f
                .debug_struct("Jwks")
                .field("issuer", issuer)
                .field("audience", audience)
                .field("jwks_url", &jwks_url.as_ref().map(Url::as_str))
                .field("claims", claims)
                .finish(),
            Self::Hs256 { secret: _, issuer, audience, claims } => f
                .debug_struct("Hs256")
                .field("issuer", issuer)
                .field("audience", audience)
                .field("claims", claims)
                .finish_non_exhaustive(),
        }
    }
}

/// Verifies tokens. Clones share the keys and the cache of verified tokens, across runtimes too.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    expected: Expected,
    keys: Keys,
    verified: Cache<[u8; 32], Verified>,
    clock: Clock,
}

enum Keys {
    Shared(Key),
    Provider(Arc<Keyring>),
}

/// The identity of a verified token, valid as long as the key that verified it.
#[derive(Clone)]
struct Verified {
    identity: Arc<Identity>,
    key: KeyIdentity,
}

impl Authenticator {
    /// Fetches nothing yet: see [`Authenticator::start`]. `http` should come from
    /// [`openid::client`](crate::openid::client).
    #[must_use]
    pub fn new(settings: AuthSettings, http: reqwest::Client, clock: Clock) -> Self {
        let (keys, issuer, audience, names) = match settings {
            AuthSettings::Jwks { issuer, audience, jwks_url, claims } => {
                let provider = Provider::new(http, issuer.clone(), jwks_url);
                let keyring = Arc::new(Keyring::new(provider, clock.clone()));
                (Keys::Provider(keyring), Some(issuer), Some(audience), claims)
            }
            AuthSettings::Hs256 { secret, issuer, audience, claims } => {
                (Keys::Shared(Key::shared_secret(&secret)), issuer, audience, claims)
            }
        };
        // Not by frequency: a token that was used often is worth nothing once expired.
        let verified = Cache::builder()
            .max_capacity(MAX_VERIFIED_TOKENS)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let expected = Expected { issuer, audience, names };
        Self(Arc::new(Inner { expected, keys, verified, clock }))
    }

    /// Fetches the provider's keys for the first time and then every 10 minutes, in a task that
    /// ends with the last clone. A failure is logged and retried soon: public links need no key.
    /// With a shared secret there is nothing to do.
    pub async fn start(&self) {
        if let Keys::Provider(keyring) = &self.0.keys {
            keyring.refresh().await;
            keyring.keep_fresh(REFRESH_EVERY);
        }
    }

    /// The identity of a token in the cache, if the token and its key are still valid. Does not
    /// wait; on `None` call [`Authenticator::verify`].
    #[must_use]
    pub fn verified(&self, token: &str) -> Option<Arc<Identity>> {
        let known = self.remembered(token);
        if known.is_some() {
            telemetry::cache_asked(telemetry::Cache::VerifiedTokens, true);
        }
        known
    }

    /// Updates the gauge of the cache.
    pub fn report(&self) {
        self.0.verified.run_pending_tasks();
        let cache = telemetry::Cache::VerifiedTokens;
        telemetry::set_cache(cache, self.0.verified.entry_count(), None);
    }

    fn remembered(&self, token: &str) -> Option<Arc<Identity>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let hash = hash(token);
        let known = self.0.verified.get(&hash)?;
        if self.0.clock.now() >= known.identity.expires_at + LEEWAY {
            self.0.verified.invalidate(&hash);
            return None;
        }
        let key_is_known = match &self.0.keys {
            Keys::Shared(_) => true,
            Keys::Provider(keyring) => keyring.current()?.holds(&known.key),
        };
        key_is_known.then_some(known.identity)
    }

    /// The identity of a valid token. When no cached key verifies it, the provider's keys are
    /// fetched again, at most once a minute (docs/API.md 1) and for at most 10 s.
    ///
    /// # Errors
    /// [`AuthError::KeysUnavailable`] when the provider was never reached, or not for 24 hours.
    pub async fn verify(&self, token: &str) -> Result<Arc<Identity>, AuthError> {
        let known = self.remembered(token);
        telemetry::cache_asked(telemetry::Cache::VerifiedTokens, known.is_some());
        if let Some(identity) = known {
            return Ok(identity);
        }
        // First, since an invalid token must not cause a fetch of keys.
        let accepted = match &self.0.keys {
            Keys::Shared(_) => AcceptedAlgorithms::Hs256,
            Keys::Provider(_) => AcceptedAlgorithms::PublicKey,
        };
        let parsed = Token::parse(token, accepted)?;
        let identity = claims::check(&parsed.claims, &self.0.expected, self.0.clock.now())?;
        let key = match &self.0.keys {
            Keys::Shared(key) => key.verify(&parsed)?,
            Keys::Provider(keyring) => keyring.verify(&parsed).await?,
        };
        let identity = Arc::new(identity);
        self.0.verified.insert(hash(token), Verified { identity: identity.clone(), key });
        Ok(identity)
    }

    /// Whether there are keys; always so with a shared secret.
    #[must_use]
    pub fn ready(&self) -> bool {
        match &self.0.keys {
            Keys::Shared(_) => true,
            Keys::Provider(keyring) => keyring.current().is_some(),
        }
    }
}

/// The key of the cache of verified tokens, which holds no usable credential this way.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
