//! The identity provider, asked for its keys over HTTP.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::key::KeySet;

/// How long a fetch may take in all, discovery included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes that are read of a document; real ones have a few KiB.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Where a provider's keys are.
pub(super) struct Provider {
    http: reqwest::Client,
    issuer: String,
    jwks_url: Option<Url>,
    /// [`FETCH_TIMEOUT`], unless a test has less patience.
    pub(super) timeout: Duration,
}

/// Why there are no new keys. For the log only.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no whole answer in time")]
    TimedOut,
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("{url} answered with status {status}")]
    Status { url: Url, status: u16 },
    #[error("{url} sent more than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge { url: Url },
    #[error("the issuer is not an http or https URL, so its discovery document cannot be found")]
    IssuerIsNoUrl,
    #[error("{url} is not a discovery document with issuer and jwks_uri")]
    NoDiscoveryDocument { url: Url },
    #[error("the discovery document is about another issuer, {found:?}")]
    OtherIssuer { found: String },
    #[error("the discovery document of an https issuer sends us to {url}")]
    NotHttps { url: Url },
    #[error("{url} holds no key set with a key that can be used")]
    NoKeys { url: Url },
}

/// The part of OpenID provider metadata that matters here (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Provider {
    pub(super) fn new(http: reqwest::Client, issuer: String, jwks_url: Option<Url>) -> Self {
        Self { http, issuer, jwks_url, timeout: FETCH_TIMEOUT }
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
                None => self.discover().await?,
            };
            let document = self.get(&url).await?;
            KeySet::parse(&document).ok_or(FetchError::NoKeys { url })
        })
        .await
        .unwrap_or(Err(FetchError::TimedOut))
    }

    /// Asked anew at every fetch, since providers move their key sets too.
    async fn discover(&self) -> Result<Url, FetchError> {
        // OpenID Connect Discovery 1.0, 4.1: a terminating slash of the issuer goes first.
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or(FetchError::IssuerIsNoUrl)?;
        let document = self.get(&url).await?;
        self.keys_url(url, &document)
    }

    /// What the discovery document from this URL says about where the keys are.
    pub(super) fn keys_url(&self, url: Url, document: &[u8]) -> Result<Url, FetchError> {
        let Ok(Discovery { issuer, jwks_uri }) = serde_json::from_slice(document) else {
            return Err(FetchError::NoDiscoveryDocument { url });
        };
        // OpenID Connect Discovery 1.0, 4.3: exactly the issuer, or somebody else speaks for it.
        if issuer != self.issuer {
            return Err(FetchError::OtherIssuer { found: issuer });
        }
        let Ok(jwks_uri) = Url::parse(&jwks_uri) else {
            return Err(FetchError::NoDiscoveryDocument { url });
        };
        if url.scheme() == "https" && jwks_uri.scheme() != "https" {
            return Err(FetchError::NotHttps { url: jwks_uri });
        }
        Ok(jwks_uri)
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut response = self.http.get(url.clone()).send().await?;
        if response.status() != reqwest::StatusCode::OK {
            let status = response.status().as_u16();
            return Err(FetchError::Status { url: url.clone(), status });
        }
        // Counted as it comes: a length that was announced need not be true, or there.
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(FetchError::TooLarge { url: url.clone() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
