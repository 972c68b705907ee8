//! An HTTP client of OpenID providers: discovery of endpoints (OpenID Connect Discovery 1.0), and
//! documents of bounded size. `auth` fetches keys with it, `chat_service` an access token.
//!
//! To use one more endpoint: a variant of [`Endpoint`].

mod said;
mod token;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::{Map, Value};
use url::Url;

pub use said::Said;
pub use token::{ClientCredentials, Token};

/// How long a fetch may take in all, discovery included.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Real documents have a few KiB.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why a provider's document could not be fetched. For the log only, with its sources; it holds no
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no whole answer from {at} in time")]
    TimedOut { at: String },
    /// The sources say the address and what failed: the name, the connection, TLS.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error("{url} answered with status {status}{said}")]
    Status { url: Url, status: u16, said: Said },
    #[error("{url} sent more than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge { url: Url },
    #[error("the issuer is not an http or https URL, so its discovery document cannot be found")]
    IssuerIsNoUrl,
    #[error("{url} is not a discovery document with issuer and {endpoint}")]
    NoDiscoveryDocument { url: Url, endpoint: Endpoint },
    #[error("the discovery document is about another issuer, {found:?}")]
    OtherIssuer { found: String },
    #[error("the discovery document of an https issuer sends us to {url}")]
    NotHttps { url: Url },
    #[error("{url} is not a key set")]
    NoKeySet { url: Url },
    #[error("{url} has no key that can be used: {why}")]
    NoKeys { url: Url, why: String },
    #[error("{url} refused a token with status {status}{said}")]
    TokenRefused { url: Url, status: u16, said: Said },
    #[error("{url} gave no bearer token that can be used: {why}")]
    NoToken { url: Url, why: &'static str },
}

/// An endpoint of the discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The key set (RFC 7517, 5).
    Keys,
    /// The token endpoint (RFC 6749, 3.2).
    Token,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys => "jwks_uri",
            Self::Token => "token_endpoint",
        })
    }
}

/// An HTTP client for providers. It follows no redirects: keys, tokens and the client secret are
/// exchanged only with the URLs of the settings and the discovery document.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("shared-chats/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A provider. Clones share what was learned of it.
#[derive(Debug, Clone)]
pub struct Issuer {
    http: Client,
    issuer: String,
    /// Whether the client secret is sent in the body, since the header was refused.
    posts_secret: Arc<AtomicBool>,
}

/// An endpoint's URL, with the metadata of the discovery document.
#[derive(Debug)]
pub struct Discovered {
    pub url: Url,
    metadata: Map<String, Value>,
}

impl Discovered {
    /// Whether the metadata's list of this name contains the value; `None` without such a list.
    #[must_use]
    pub fn lists(&self, name: &str, value: &str) -> Option<bool> {
        let list = self.metadata.get(name)?.as_array()?;
        Some(list.iter().any(|one| one == value))
    }
}

impl Issuer {
    /// `http` should come from [`client`], and `issuer` is what tokens have as `iss`.
    #[must_use]
    pub fn new(http: Client, issuer: String) -> Self {
        Self { http, issuer, posts_secret: Arc::default() }
    }

    /// What tokens have as `iss`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.issuer
    }

    /// Fetches the discovery document, each time anew: endpoints may move.
    pub async fn discover(&self, endpoint: Endpoint) -> Result<Discovered, FetchError> {
        // OpenID Connect Discovery 1.0, 4.1: a terminating slash of the issuer goes first.
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or(FetchError::IssuerIsNoUrl)?;
        let document = self.get(&url).await?;
        self.read(url, &document, endpoint)
    }

    /// Reads the endpoint from the discovery document that was fetched from `url`.
    pub(crate) fn read(
        &self,
        url: Url,
        document: &[u8],
        endpoint: Endpoint,
    ) -> Result<Discovered, FetchError> {
        let metadata: Map<String, Value> = serde_json::from_slice(document).unwrap_or_default();
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        let member = endpoint.to_string();
        let (Some(issuer), Some(at)) = (text("issuer"), text(&member)) else {
            return Err(FetchError::NoDiscoveryDocument { url, endpoint });
        };
        // OpenID Connect Discovery 1.0, 4.3: it must be exactly the issuer.
        if issuer != self.issuer {
            return Err(FetchError::OtherIssuer { found: issuer.to_owned() });
        }
        let Ok(at) = Url::parse(at) else {
            return Err(FetchError::NoDiscoveryDocument { url, endpoint });
        };
        if url.scheme() == "https" && at.scheme() != "https" {
            return Err(FetchError::NotHttps { url: at });
        }
        Ok(Discovered { url: at, metadata })
    }

    /// The document at this URL. Every status but 200 is an error.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let response = self.http.get(url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            let body = bounded(url, response).await.unwrap_or_default();
            return Err(FetchError::Status { url: url.clone(), status, said: Said::of(&body) });
        }
        bounded(url, response).await
    }
}

/// The body of an answer, of at most [`MAX_DOCUMENT_BYTES`].
pub async fn bounded(url: &Url, mut response: Response) -> Result<Vec<u8>, FetchError> {
    // `Content-Length` may be missing or wrong.
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(FetchError::TooLarge { url: url.clone() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
