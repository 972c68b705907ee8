//! The settings of authentication.

use std::str::FromStr;

use crate::auth::{AuthSettings, ClaimNames};

use super::{ConfigError, Env, parse::HttpUrl};

const AUDIENCE: &str = "AUTH_AUDIENCE";
const AUDIENCE_CLAIM: &str = "AUTH_AUDIENCE_CLAIM";

/// The secret with which tokens are signed, for `token`.
pub fn hs256_secret(env: &Env) -> Result<Option<Vec<u8>>, ConfigError> {
    const NAME: &str = "AUTH_HS256_SECRET";
    let Some(secret) = env.secret(NAME)? else { return Ok(None) };
    if secret.len() < 32 {
        // RFC 7518, 3.2: at least the size of the hash.
        return Err(ConfigError::new(NAME, "must have at least 32 bytes"));
    }
    Ok(Some(secret.into_bytes()))
}

/// Which claims have the audience and the scopes, for `token` too.
pub fn claim_names(env: &Env) -> Result<ClaimNames, ConfigError> {
    let usual = ClaimNames::default();
    let audience = env.get::<ClaimName>(AUDIENCE_CLAIM)?;
    let scopes = env.get::<ScopeClaims>("AUTH_SCOPE_CLAIMS")?;
    let groups = env.get::<ClaimName>("AUTH_GROUPS_CLAIM")?;
    Ok(ClaimNames {
        audience: audience.map_or(usual.audience, |name| name.0),
        scopes: scopes.map_or(usual.scopes, |names| names.0),
        groups: groups.map_or(usual.groups, |name| name.0),
        admin_group: env.get("AUTH_ADMIN_GROUP")?,
    })
}

pub(super) fn auth(env: &Env) -> Result<AuthSettings, ConfigError> {
    let issuer: Option<String> = env.get("AUTH_ISSUER")?;
    let audience: Option<String> = env.get(AUDIENCE)?;
    let jwks_url = env.get::<HttpUrl>("AUTH_JWKS_URL")?.map(|url| url.0);
    let claims = claim_names(env)?;
    if let Some(secret) = hs256_secret(env)? {
        if jwks_url.is_some() {
            let problem = "cannot be set together with AUTH_JWKS_URL: if both kinds of token were \
                           accepted, one could be signed with a public key as the secret";
            return Err(ConfigError::new("AUTH_HS256_SECRET", problem));
        }
        if audience.is_none() && env.raw(AUDIENCE_CLAIM).is_some() {
            return Err(ConfigError::new(AUDIENCE_CLAIM, format!("needs {AUDIENCE}")));
        }
        return Ok(AuthSettings::Hs256 { secret, issuer, audience, claims });
    }
    let missing = |name| {
        let problem = "is needed to check tokens with a provider's keys (or set AUTH_HS256_SECRET \
                       instead of a provider)";
        ConfigError::new(name, problem)
    };
    let issuer = issuer.ok_or_else(|| missing("AUTH_ISSUER"))?;
    let audience = audience.ok_or_else(|| missing(AUDIENCE))?;
    if jwks_url.is_none() && issuer.parse::<HttpUrl>().is_err() {
        let problem = "must be an http or https URL, where its keys are discovered (or set \
                       AUTH_JWKS_URL)";
        return Err(ConfigError::new("AUTH_ISSUER", problem));
    }
    Ok(AuthSettings::Jwks { issuer, audience, jwks_url, claims })
}

/// The TLS library reads this variable, and says no more than that there are no certificates.
pub(super) fn check_certificates(env: &Env) -> Result<(), ConfigError> {
    const NAME: &str = "SSL_CERT_FILE";
    let Some(path) = env.even_empty(NAME) else { return Ok(()) };
    match std::fs::read(&path) {
        Err(error) => Err(ConfigError::new(NAME, format!("cannot be read: {error}"))),
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => {
            Ok(())
        }
        Ok(_) => Err(ConfigError::new(NAME, "must name a file with certificates (PEM)")),
    }
}

/// The name of a claim, such as `client_id` or `https://id.example/audience`.
struct ClaimName(String);

impl FromStr for ClaimName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(char::is_whitespace) {
            return Err("must be the name of one claim, without spaces");
        }
        Ok(Self(text.to_owned()))
    }
}

/// Names of claims, separated by spaces, or by commas where a file of settings cannot have quotes.
struct ScopeClaims(Vec<String>);

impl FromStr for ScopeClaims {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split([' ', ',']).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.is_empty() || text.contains(char::is_control) {
            return Err("must be names of claims, separated by spaces, such as scope scp");
        }
        Ok(Self(names))
    }
}
