//! An OpenID provider over HTTP: where its endpoints are (OpenID Connect Discovery 1.0), and its
//! documents, bounded. `auth` fetches keys this way, `chat_service` a token of our own.
//!
//! To use one more endpoint: a variant of [`Endpoint`].

mod token;

use std::{fmt, time::Duration};

use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::{Map, Value};
use url::Url;

pub use token::{ClientCredentials, Token};

/// How long a fetch may take in all, discovery included.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes that are read of a document; real ones have a few KiB.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why a provider's document could not be had. For the log only; it holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
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
    #[error("{url} is not a discovery document with issuer and {endpoint}")]
    NoDiscoveryDocument { url: Url, endpoint: Endpoint },
    #[error("the discovery document is about another issuer, {found:?}")]
    OtherIssuer { found: String },
    #[error("the discovery document of an https issuer sends us to {url}")]
    NotHttps { url: Url },
    #[error("{url} holds no key set with a key that can be used")]
    NoKeys { url: Url },
    /// With the provider's own word for why, where it is a registered one.
    #[error("{url} refused a token with status {status}: {error}")]
    TokenRefused { url: Url, status: u16, error: &'static str },
    #[error("{url} gave no bearer token that can be used: {why}")]
    NoToken { url: Url, why: &'static str },
}

/// What the discovery document leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The key set (RFC 7517, 5).
    Keys,
    /// Where tokens are given (RFC 6749, 3.2).
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

/// A client for providers. Redirects are not followed: keys and tokens come from where the settings
/// and the provider itself say, and a secret goes nowhere else.
///
/// # Errors
/// Why there can be none, such as certificates that cannot be read.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("shared-chats/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A provider.
#[derive(Debug, Clone)]
pub struct Issuer {
    http: Client,
    issuer: String,
}

/// The part of a discovery document that was asked for.
#[derive(Debug)]
pub struct Discovered {
    pub url: Url,
    metadata: Map<String, Value>,
}

impl Discovered {
    /// Whether the metadata's list of this name holds the value; `None` where there is no such list.
    #[must_use]
    pub fn lists(&self, name: &str, value: &str) -> Option<bool> {
        let list = self.metadata.get(name)?.as_array()?;
        Some(list.iter().any(|one| one == value))
    }
}

impl Issuer {
    /// `http` should be [`client`]'s. The issuer as tokens name it; nothing is asked yet.
    #[must_use]
    pub fn new(http: Client, issuer: String) -> Self {
        Self { http, issuer }
    }

    /// The client that it is asked with.
    #[must_use]
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Where the endpoint is now. Asked anew each time, since providers move.
    ///
    /// # Errors
    /// [`FetchError`].
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

    /// What the discovery document from this URL says about the endpoint.
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
        // OpenID Connect Discovery 1.0, 4.3: exactly the issuer, or somebody else speaks for it.
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

    /// The document at this URL.
    ///
    /// # Errors
    /// [`FetchError`], for every status but 200 too.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let response = self.http.get(url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(FetchError::Status { url: url.clone(), status });
        }
        bounded(url, response).await
    }
}

/// The body of an answer, of at most a mebibyte.
///
/// # Errors
/// [`FetchError::TooLarge`], or `Request` where it breaks off.
pub async fn bounded(url: &Url, mut response: Response) -> Result<Vec<u8>, FetchError> {
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
