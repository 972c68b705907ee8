//! An access token for this service, by the client credentials grant (RFC 6749, 4.4).

use std::{fmt, sync::atomic::Ordering, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{Discovered, Endpoint, FETCH_TIMEOUT, FetchError, Issuer, Said, bounded};

/// A token has to fit into a header.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The lifetime of a token without `expires_in` (RFC 6749, 5.1), and the longest one in seconds.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
const MAX_LIFETIME_SECONDS: f64 = 86_400.0;

/// The credentials of this service at the provider, and what it asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Byte for byte the provider's `issuer`, where the token endpoint is discovered.
    pub issuer: String,
    pub client_id: String,
    /// Sent to the token endpoint only.
    pub client_secret: String,
    /// Separated by spaces.
    pub scope: Option<String>,
    pub audience: Option<String>,
}

impl fmt::Debug for ClientCredentials {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// A bearer token.
pub struct Token {
    /// A secret, of visible ASCII characters.
    pub access_token: String,
    /// Its lifetime from the moment of the request.
    pub lasts: Duration,
}

impl Issuer {
    /// A new token for this client, within [`FETCH_TIMEOUT`].
    pub async fn token(&self, client: &ClientCredentials) -> Result<Token, FetchError> {
        let fetch = tokio::time::timeout(FETCH_TIMEOUT, async {
            let endpoint = self.discover(Endpoint::Token).await?;
            self.token_from(&endpoint, client).await
        });
        fetch.await.map_err(|_| FetchError::TimedOut { at: self.issuer.clone() })?
    }

    /// Some providers take the secret where the client is registered to send it and nowhere else,
    /// and list both places: where the one is refused, the other is tried, and remembered once it
    /// worked.
    async fn token_from(
        &self,
        endpoint: &Discovered,
        client: &ClientCredentials,
    ) -> Result<Token, FetchError> {
        let (may_post, may_send_header) = places(endpoint);
        let posts = may_post && (!may_send_header || self.posts_secret.load(Ordering::Relaxed));
        let first = self.ask(&endpoint.url, client, posts).await;
        match first {
            Err(FetchError::TokenRefused { status, said, .. })
                if may_post
                    && may_send_header
                    && (status == 401 || said.is_error("invalid_client")) =>
            {
                let token = self.ask(&endpoint.url, client, !posts).await?;
                self.posts_secret.store(!posts, Ordering::Relaxed);
                Ok(token)
            }
            first => first,
        }
    }

    /// Asks for a token, with the secret in the body or as HTTP Basic.
    async fn ask(
        &self,
        url: &Url,
        client: &ClientCredentials,
        posts: bool,
    ) -> Result<Token, FetchError> {
        let mut request = self.http.post(url.clone()).header(ACCEPT, "application/json");
        if !posts {
            let basic = basic(client).ok_or_else(|| no_token(url, "the secret fits no header"))?;
            request = request.header(AUTHORIZATION, basic);
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(client, posts));
        let response = request.send().await?;
        let status = response.status();
        let body = bounded(url, response).await?;
        if status == StatusCode::OK {
            let answer: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
            return read(url, &answer);
        }
        let said = Said::of(&body).without(&client.client_secret);
        Err(FetchError::TokenRefused { url: url.clone(), status: status.as_u16(), said })
    }
}

fn form(client: &ClientCredentials, with_secret: bool) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &client.scope {
        form.append_pair("scope", scope);
    }
    if let Some(audience) = &client.audience {
        form.append_pair("audience", audience);
        // RFC 8707, 2: an absolute URI without a fragment. Other providers use `audience`, and
        // ignore parameters that they do not know (RFC 6749, 3.2).
        if Url::parse(audience).is_ok_and(|url| url.fragment().is_none()) {
            form.append_pair("resource", audience);
        }
    }
    if with_secret {
        form.append_pair("client_id", &client.client_id)
            .append_pair("client_secret", &client.client_secret);
    }
    form.finish()
}

/// Whether the secret may be sent in the body, and whether as HTTP Basic, which every provider must
/// accept (RFC 6749, 2.3.1) unless its metadata says otherwise (OpenID Connect Discovery 1.0, 3).
fn places(endpoint: &Discovered) -> (bool, bool) {
    let lists = |method| endpoint.lists("token_endpoint_auth_methods_supported", method);
    let may_post = lists("client_secret_post") == Some(true);
    (may_post, lists("client_secret_basic") != Some(false) || !may_post)
}

fn basic(client: &ClientCredentials) -> Option<HeaderValue> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&client.client_id), encoded(&client.client_secret));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn read(url: &Url, answer: &Map<String, Value>) -> Result<Token, FetchError> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let access_token = text("access_token").unwrap_or_default();
    let fits = (1..=MAX_TOKEN_BYTES).contains(&access_token.len());
    if !fits || !access_token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(no_token(url, "access_token"));
    }
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(no_token(url, "token_type"));
    }
    let lasts = match answer.get("expires_in") {
        None | Some(Value::Null) => DEFAULT_LIFETIME,
        Some(value) => {
            // Some providers send a number as a string.
            let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            let seconds = seconds
                .filter(|seconds| *seconds >= 1.0)
                .ok_or_else(|| no_token(url, "expires_in"))?;
            Duration::from_secs_f64(seconds.min(MAX_LIFETIME_SECONDS))
        }
    };
    Ok(Token { access_token: access_token.to_owned(), lasts })
}

fn no_token(url: &Url, why: &'static str) -> FetchError {
    FetchError::NoToken { url: url.clone(), why }
}
