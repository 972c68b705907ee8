//! Constructors for the fuzz target.

use std::sync::Arc;

use moka::sync::Cache;
use url::Url;

use super::{
    AuthSettings, Authenticator, ClaimNames, Expected, Inner, Keys, key::KeySet, keyring::Keyring,
    provider::Provider,
};
use crate::clock::Clock;

impl Authenticator {
    /// With these keys, and unable to fetch others. `None` when there is no usable key.
    pub(crate) fn with_keys(issuer: &str, audience: &str, keys: &[u8]) -> Option<Self> {
        let clock = Clock::system();
        let keys = KeySet::parse(keys).filter(|keys| !keys.is_empty())?;
        // No client supports this scheme, so nothing is fetched.
        let nowhere = Url::parse("nowhere:").ok()?;
        let provider = Provider::new(reqwest::Client::new(), issuer.to_owned(), Some(nowhere));
        let keyring = Keyring::new(provider, clock.clone());
        keyring.replace(keys);
        let expected = Expected {
            issuer: Some(issuer.to_owned()),
            audience: Some(audience.to_owned()),
            names: ClaimNames::default(),
        };
        let keys = Keys::Provider(Arc::new(keyring));
        Some(Self(Arc::new(Inner { expected, keys, verified: Cache::new(100), clock })))
    }

    pub(crate) fn with_settings(settings: AuthSettings) -> Self {
        Self::new(settings, reqwest::Client::new(), Clock::system())
    }
}
