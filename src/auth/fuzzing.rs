//! For the fuzz target: what it needs and nobody else may do.

use std::sync::Arc;

use moka::sync::Cache;
use url::Url;

use super::{
    AuthSettings, Authenticator, Expected, Inner, Keys, key::KeySet, keyring::Keyring,
    provider::Provider,
};
use crate::clock::Clock;

impl Authenticator {
    /// One that has these keys and can fetch no others. `None` where it is no set of usable keys.
    pub(crate) fn with_keys(issuer: &str, audience: &str, keys: &[u8]) -> Option<Self> {
        let clock = Clock::system();
        let keys = KeySet::parse(keys)?;
        // No client speaks this scheme, so nothing is ever asked.
        let nowhere = Url::parse("nowhere:").ok()?;
        let provider = Provider::new(reqwest::Client::new(), issuer.to_owned(), Some(nowhere));
        let keyring = Keyring::new(provider, clock.clone());
        keyring.replace(keys);
        let expected =
            Expected { issuer: Some(issuer.to_owned()), audience: Some(audience.to_owned()) };
        let keys = Keys::Provider(Arc::new(keyring));
        Some(Self(Arc::new(Inner { expected, keys, verified: Cache::new(100), clock })))
    }

    /// By these settings, and the machine's clock.
    pub(crate) fn with_settings(settings: AuthSettings) -> Self {
        Self::new(settings, reqwest::Client::new(), Clock::system())
    }
}
