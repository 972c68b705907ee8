//! The credentials that a request shows (docs/API.md 1). Nothing is verified here.

use actix_web::{
    HttpRequest,
    cookie::Cookie,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

use crate::model::{Credential, CredentialScheme};

/// So many cookies of the same name are tried: a browser sends one for each path and domain that
/// set it. Each may cost a verification.
const MAX_COOKIES: usize = 4;

/// The schemes that carry a token, as they are forwarded.
const SCHEMES: [(&str, CredentialScheme); 3] = [
    ("bearer", CredentialScheme::Bearer),
    ("bearer-token", CredentialScheme::BearerToken),
    ("bearer-ad", CredentialScheme::BearerAd),
];

/// The credentials of a request.
#[derive(Debug)]
pub enum Presented {
    Nothing,
    /// Several `Authorization` headers (RFC 6750, 2), or one that is neither a token nor the
    /// credential of something in front of this service.
    Malformed(&'static str),
    Header(Credential),
    /// One to [`MAX_COOKIES`], of which the first that verifies counts.
    Cookies(Vec<Credential>),
}

/// Fetch Metadata: from where, and for what, a browser makes the request. A page cannot set them.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// The credential in `Authorization`, else those in the cookies of this name where they count. A
/// header of another scheme, such as the Basic of a proxy, leaves the cookies to count.
pub fn presented(request: &HttpRequest, cookie: Option<&str>) -> Presented {
    let without_header = match header(request) {
        Authorization::Token(credential) => return Presented::Header(credential),
        Authorization::Malformed(why) => return Presented::Malformed(why),
        Authorization::OtherScheme => Presented::Malformed("another scheme than Bearer"),
        Authorization::None => Presented::Nothing,
    };
    match cookie.filter(|_| cookies_count(request)).map(|name| cookies(request, name)) {
        Some(cookies) if !cookies.is_empty() => Presented::Cookies(cookies),
        _ => without_header,
    }
}

/// Whether a person's cookies speak for the request. A browser sends them with requests that other
/// sites make it send, so they count only where nothing is changed (CSRF); and what another site
/// begins counts only if the person sees it, as a page that they go to, and the site does not: a
/// frame, an image or a script's request would tell it what the person may see.
fn cookies_count(request: &HttpRequest) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // Browsers send neither over plain HTTP, and older ones never.
    let is_own =
        |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"same-site" | b"none");
    let is_from_another_site = !request.headers().get_all(SEC_FETCH_SITE).all(is_own);
    let mut destinations = request.headers().get_all(SEC_FETCH_DEST);
    let is_page = destinations.next().is_some_and(|destination| destination == "document");
    is_read && (!is_from_another_site || is_page && destinations.next().is_none())
}

enum Authorization {
    None,
    Token(Credential),
    OtherScheme,
    Malformed(&'static str),
}

fn header(request: &HttpRequest) -> Authorization {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Authorization::None };
    if values.next().is_some() {
        return Authorization::Malformed("several Authorization headers");
    }
    let malformed = Authorization::Malformed("malformed Authorization header");
    let Ok(value) = value.to_str() else { return malformed };
    let Some((scheme, token)) = value.trim().split_once(' ') else { return malformed };
    let token = token.trim();
    match scheme_of(scheme) {
        _ if token.is_empty() => malformed,
        Some(scheme) => Authorization::Token(Credential::new(scheme, token)),
        // A proxy may join several headers to one (RFC 9110, 5.2).
        None if token.split(',').any(|part| has_our_scheme(part.trim())) => malformed,
        None => Authorization::OtherScheme,
    }
}

fn scheme_of(text: &str) -> Option<CredentialScheme> {
    let (_, scheme) = SCHEMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name))?;
    Some(*scheme)
}

fn has_our_scheme(credential: &str) -> bool {
    scheme_of(credential.split(' ').next().unwrap_or_default()).is_some()
}

/// The cookies of this name that are not empty, in the request's order. Bytes that are not UTF-8 in
/// another cookie do no harm.
fn cookies(request: &HttpRequest, name: &str) -> Vec<Credential> {
    let pairs = request.headers().get_all(header::COOKIE);
    let pairs = pairs.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let tokens = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        // Parsing, and with it decoding, is for those alone that begin with the name.
        pair.strip_prefix(name.as_bytes())?;
        let cookie = Cookie::parse_encoded(std::str::from_utf8(pair).ok()?).ok()?;
        let is_ours = cookie.name() == name && !cookie.value().is_empty();
        is_ours.then(|| Credential::new(CredentialScheme::Bearer, cookie.value()))
    });
    tokens.take(MAX_COOKIES).collect()
}
