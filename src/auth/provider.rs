//! Fetches the identity provider's keys.

use std::time::Duration;

use url::Url;

use crate::openid::{Endpoint, FETCH_TIMEOUT, Issuer};

pub(super) use crate::openid::FetchError;

use super::key::KeySet;

pub(super) struct Provider {
    issuer: Issuer,
    jwks_url: Option<Url>,
    /// [`FETCH_TIMEOUT`], unless a test sets another one.
    pub(super) timeout: Duration,
}

impl Provider {
    pub(super) fn new(http: reqwest::Client, issuer: String, jwks_url: Option<Url>) -> Self {
        Self { issuer: Issuer::new(http, issuer), jwks_url, timeout: FETCH_TIMEOUT }
    }

    /// Fetches the keys. A set without a usable key is an error: such a provider is broken, and
    /// must not replace the keys that worked.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let fetch = tokio::time::timeout(self.timeout, async {
            let url = match &self.jwks_url {
                Some(url) => url.clone(),
                None => self.issuer.discover(Endpoint::Keys).await?.url,
            };
            let document = self.issuer.get(&url).await?;
            let keys = KeySet::parse(&document).ok_or(FetchError::NoKeySet { url: url.clone() })?;
            if keys.is_empty() {
                let why =
                    keys.unusable().unwrap_or_else(|| "it has none for signatures".to_owned());
                return Err(FetchError::NoKeys { url, why });
            }
            Ok(keys)
        });
        let timed_out = |_| {
            let at = self.jwks_url.as_ref().map_or(self.issuer.as_str(), Url::as_str);
            FetchError::TimedOut { at: at.to_owned() }
        };
        fetch.await.map_err(timed_out)?
    }
}
