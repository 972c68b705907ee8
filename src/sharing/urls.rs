//! The URLs of a link.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::model::{IdTemplate, ShareId};

/// All but the unreserved characters (RFC 3986, 2.3).
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a link, `SHARE_PATH`, which holds `{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharePath(IdTemplate);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must start with '/' and hold '{{id}}' exactly once, such as /shared/{{id}}")]
pub struct InvalidSharePath;

impl SharePath {
    pub fn parse(text: &str) -> Result<Self, InvalidSharePath> {
        let path = IdTemplate::parse(text).ok_or(InvalidSharePath)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~/#?=&".contains(&b);
        let is_absolute = text.starts_with('/') && !text.starts_with("//");
        let is_valid = is_absolute && path.with("").bytes().all(allowed);
        is_valid.then_some(Self(path)).ok_or(InvalidSharePath)
    }

    /// The pattern of the route that serves the link's page.
    pub fn route(&self) -> String {
        self.0.with("{id}")
    }

    /// The same with a slash at its end; `None` if it has one.
    pub fn route_with_slash(&self) -> Option<String> {
        let route = self.route();
        (!route.ends_with('/')).then(|| route + "/")
    }

    /// Whether it has no fragment and no query, which a server's routes do not match.
    pub fn is_plain_path(&self) -> bool {
        !self.0.with("").contains(['?', '#'])
    }

    fn of(&self, id: &ShareId) -> String {
        self.0.with(id.as_str())
    }
}

/// Every path begins with that of `PUBLIC_URL`: a proxy in front strips it.
#[derive(Debug, Clone)]
pub struct Urls {
    public_url: String,
    /// The path of `PUBLIC_URL` without the slash at its end, percent-encoded.
    base_path: String,
    share_path: SharePath,
}

impl Urls {
    pub fn new(public_url: &Url, share_path: SharePath) -> Self {
        let without_slash = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            public_url: without_slash(public_url.as_str()),
            base_path: without_slash(public_url.path()),
            share_path,
        }
    }

    /// The public URL, which a browser opens.
    pub fn url(&self, id: &ShareId) -> String {
        format!("{}{}", self.public_url, self.share_path.of(id))
    }

    /// The public URL without the host.
    pub fn relative_path(&self, id: &ShareId) -> String {
        self.at(&self.share_path.of(id))
    }

    /// A path of this service as clients see it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// The link on this API.
    pub fn api_path(&self, id: &ShareId) -> String {
        self.at(&format!("/api/v1/shared_chats/{}", id.as_str()))
    }

    pub fn qr_code_path(&self, id: &ShareId) -> String {
        format!("{}/qr_code", self.api_path(id))
    }

    pub fn events_path(&self, id: &ShareId) -> String {
        format!("{}/events", self.api_path(id))
    }

    pub fn artifact_path(&self, id: &ShareId, artifact_id: &str) -> String {
        let segment = utf8_percent_encode(artifact_id, NOT_UNRESERVED);
        format!("{}/artifacts/{segment}", self.api_path(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_the_public_url_with_the_share_path() {
        let id = ShareId::parse("0123456789").unwrap();
        for (base, path, url) in [
            ("https://chat.example", "/shared/{id}", "https://chat.example/shared/0123456789"),
            ("https://x.example/app/", "/s/{id}/view", "https://x.example/app/s/0123456789/view"),
            ("http://127.0.0.1:8080", "/#/s/{id}", "http://127.0.0.1:8080/#/s/0123456789"),
        ] {
            let links = Urls::new(&Url::parse(base).unwrap(), SharePath::parse(path).unwrap());
            assert_eq!(links.url(&id), url);
        }
    }

    #[test]
    fn paths_begin_with_the_path_of_the_public_url() {
        let id = ShareId::parse("0123456789").unwrap();
        for (base, before) in [
            ("https://chat.example", ""),
            ("https://chat.example/", ""),
            ("https://chat.example/links", "/links"),
            ("https://chat.example/a/links//", "/a/links"),
            ("https://chat.example/a%20b%2Fc/\u{e9}\">/", "/a%20b%2Fc/%C3%A9%22%3E"),
            ("https://chat.example/x/../links/", "/links"),
        ] {
            let path = SharePath::parse("/shared/{id}").unwrap();
            let links = Urls::new(&Url::parse(base).unwrap(), path);
            let api = format!("{before}/api/v1/shared_chats/0123456789");
            assert_eq!(links.url(&id), format!("https://chat.example{before}/shared/0123456789"));
            assert_eq!(links.relative_path(&id), format!("{before}/shared/0123456789"));
            assert_eq!(links.api_path(&id), api);
            assert_eq!(links.qr_code_path(&id), format!("{api}/qr_code"));
            assert_eq!(links.events_path(&id), format!("{api}/events"));
            assert_eq!(links.artifact_path(&id, "f1"), format!("{api}/artifacts/f1"));
            assert_eq!(links.at("/docs/"), format!("{before}/docs/"));
        }
    }

    #[test]
    fn share_path_without_exactly_one_id_is_invalid() {
        for bad in ["", "/shared", "shared/{id}", "/{id}/{id}", "//evil/{id}", "/a b/{id}"] {
            assert_eq!(SharePath::parse(bad), Err(InvalidSharePath), "{bad}");
        }
        assert!(!SharePath::parse("/#/{id}").unwrap().is_plain_path());
    }

    #[test]
    fn artifact_id_is_percent_encoded() {
        let links =
            Urls::new(&Url::parse("http://x").unwrap(), SharePath::parse("/shared/{id}").unwrap());
        let id = ShareId::parse("0123456789").unwrap();
        assert_eq!(
            links.artifact_path(&id, "../é?x"),
            "/api/v1/shared_chats/0123456789/artifacts/..%2F%C3%A9%3Fx"
        );
    }
}
