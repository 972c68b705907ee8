//! The settings of this service's own credential at the chat service.

use crate::{
    chat_service::{ServiceCredential, Source},
    openid::ClientCredentials,
};

use super::{ConfigError, Env, parse::HttpUrl};

const TOKEN: &str = "CHAT_SERVICE_TOKEN";
const CLIENT_ID: &str = "CHAT_SERVICE_CLIENT_ID";
const CLIENT_SECRET: &str = "CHAT_SERVICE_CLIENT_SECRET";
const SCOPE: &str = "CHAT_SERVICE_SCOPE";
const AUDIENCE: &str = "CHAT_SERVICE_AUDIENCE";

/// A configured token, the credentials with which one is fetched, or neither.
pub(super) fn service_credential(
    env: &Env,
    source: &Source,
) -> Result<Option<ServiceCredential>, ConfigError> {
    let token = env.secret(TOKEN)?;
    let client_id: Option<String> = env.get(CLIENT_ID)?;
    let client_secret = env.secret(CLIENT_SECRET)?;
    let scope: Option<String> = env.get(SCOPE)?;
    let audience: Option<String> = env.get(AUDIENCE)?;
    let issuer: Option<String> = env.get("AUTH_ISSUER")?;
    let Some(client_id) = client_id else {
        let others = [(CLIENT_SECRET, client_secret), (SCOPE, scope), (AUDIENCE, audience)];
        return match others.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(ConfigError::new(*name, format!("needs {CLIENT_ID}"))),
            None => Ok(token.map(ServiceCredential::Token)),
        };
    };
    let wrong = |name: &str, problem: &str| Err(ConfigError::new(name, problem));
    if token.is_some() {
        return wrong(TOKEN, "cannot be set together with CHAT_SERVICE_CLIENT_ID");
    }
    if matches!(source, Source::File(_)) {
        return wrong(CLIENT_ID, "cannot be set for a file of chats (CHAT_SERVICE_URL)");
    }
    let Some(client_secret) = client_secret else {
        return wrong(CLIENT_SECRET, "is needed for CHAT_SERVICE_CLIENT_ID");
    };
    for (name, value) in [
        (CLIENT_ID, Some(&client_id)),
        (CLIENT_SECRET, Some(&client_secret)),
        (SCOPE, scope.as_ref()),
        (AUDIENCE, audience.as_ref()),
    ] {
        // RFC 6749, appendix A.
        if value.is_some_and(|text| !text.bytes().all(|b| (b' '..=b'~').contains(&b))) {
            return wrong(name, "must be printable ASCII characters");
        }
    }
    match issuer.filter(|issuer| issuer.parse::<HttpUrl>().is_ok()) {
        Some(issuer) => Ok(Some(ServiceCredential::Client(ClientCredentials {
            issuer,
            client_id,
            client_secret,
            scope,
            audience,
        }))),
        None => wrong(
            "AUTH_ISSUER",
            "must be an http or https URL for CHAT_SERVICE_CLIENT_ID: the token endpoint is \
             discovered there",
        ),
    }
}
