//! Settings that are allowed, and that an operator should think about again.

use url::{Host, Url};

use super::Config;
use crate::auth::AuthSettings;

impl Config {
    /// What the start warns about. Nothing of a secret is in it.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let (issuer, jwks_url, lacks_audience) = match &self.auth {
            AuthSettings::Jwks { issuer, jwks_url, .. } => {
                (Url::parse(issuer).ok(), jwks_url.clone(), false)
            }
            AuthSettings::Hs256 { audience, .. } => (None, None, audience.is_none()),
        };
        let warnings = [
            (
                self.artifact_store_is_unshared,
                "ARTIFACT_STORE_URL is not set: files of links are kept in the folder `artifacts` \
                 of the working directory, which several instances would have to share",
            ),
            (
                // Where the keys have an address of their own, nothing is fetched from the issuer.
                jwks_url.is_none() && issuer.as_ref().is_some_and(is_plain_text),
                "AUTH_ISSUER is http: a host on the way to it can replace the keys that tokens \
                 are checked with",
            ),
            (
                jwks_url.as_ref().is_some_and(is_plain_text),
                "AUTH_JWKS_URL is http: a host on the way to it can replace the keys that \
                 tokens are checked with",
            ),
            (
                lacks_audience,
                "AUTH_AUDIENCE is not set: a token that was signed for another service with \
                 AUTH_HS256_SECRET is accepted too",
            ),
            (
                self.database.url.may_be_plain_text(),
                "DATABASE_URL has sslmode=prefer, the default: the connection is not encrypted if \
                 something on the way says so; take require, verify-full or disable",
            ),
        ];
        warnings.into_iter().filter(|(holds, _)| *holds).map(|(_, warning)| warning).collect()
    }
}

/// Whether the address is http, and not of this machine.
fn is_plain_text(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}
