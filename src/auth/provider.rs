//! The identity provider, asked for its keys over HTTP.

use std::time::Duration;

use url::Url;

use crate::openid::{Endpoint, FETCH_TIMEOUT, Issuer};

pub(super) use crate::openid::FetchError;

use super::key::KeySet;

/// Where a provider's keys are.
pub(super) struct Provider {
    issuer: Issuer,
    jwks_url: Option<Url>,
    /// [`FETCH_TIMEOUT`], unless a test has less patience.
    pub(super) timeout: Duration,
}

impl Provider {
    pub(super) fn new(http: reqwest::Client, issuer: String, jwks_url: Option<Url>) -> Self {
        Self { issuer: Issuer::new(http, issuer), jwks_url, timeout: FETCH_TIMEOUT }
    }

    /// The provider's keys as they are now, within 10 s.
    ///
    /// # Errors
    /// [`FetchError`], also for a set without a single usable key: a provider that publishes none
    /// is broken, and no reason to forget the keys that worked.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        tokio::time::timeout(self.timeout, async {
            let url = match &self.jwks_url {
                Some(url) => url.clone(),
                None => self.issuer.discover(Endpoint::Keys).await?.url,
            };
            let document = self.issuer.get(&url).await?;
            KeySet::parse(&document).ok_or(FetchError::NoKeys { url })
        })
        .await
        .unwrap_or(Err(FetchError::TimedOut))
    }
}
