//! Where a link points.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::model::ShareId;

/// All but the unreserved characters (RFC 3986, 2.3).
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a link, `SHARE_PATH`, with a place for the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharePath {
    before: String,
    after: String,
}

/// A share path in which the id has no place, or that is no absolute path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must start with '/' and hold '{{id}}' exactly once, such as /shared/{{id}}")]
pub struct InvalidSharePath;

impl SharePath {
    /// # Errors
    /// [`InvalidSharePath`] when the text does not start with `/` or does not hold `{id}` once.
    pub fn parse(text: &str) -> Result<Self, InvalidSharePath> {
        let (before, after) = text.split_once("{id}").ok_or(InvalidSharePath)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~/#?=&".contains(&b);
        let plain = |part: &str| part.bytes().all(allowed);
        if before.starts_with('/') && !before.starts_with("//") && plain(before) && plain(after) {
            Ok(Self { before: before.to_owned(), after: after.to_owned() })
        } else {
            Err(InvalidSharePath)
        }
    }

    /// The pattern of the route that serves the link itself.
    pub fn route(&self) -> String {
        format!("{}{{id}}{}", self.before, self.after)
    }

    /// Whether it is a path alone, which a server sees; a fragment or a query is for a frontend.
    pub fn is_plain_path(&self) -> bool {
        !self.before.contains(['?', '#']) && !self.after.contains(['?', '#'])
    }

    fn of(&self, id: &ShareId) -> String {
        format!("{}{}{}", self.before, id.as_str(), self.after)
    }
}

/// Makes the addresses that a link has.
#[derive(Debug, Clone)]
pub struct Urls {
    public_url: String,
    share_path: SharePath,
}

impl Urls {
    pub fn new(public_url: &Url, share_path: SharePath) -> Self {
        Self { public_url: public_url.as_str().trim_end_matches('/').to_owned(), share_path }
    }

    /// What a person opens.
    pub fn url(&self, id: &ShareId) -> String {
        format!("{}{}", self.public_url, self.share_path.of(id))
    }

    /// The same, without the host.
    pub fn relative_path(&self, id: &ShareId) -> String {
        self.share_path.of(id)
    }

    /// The link on this API.
    pub fn api_path(&self, id: &ShareId) -> String {
        format!("/api/v1/shared_chats/{}", id.as_str())
    }

    /// The link's QR code on this API.
    pub fn qr_code_path(&self, id: &ShareId) -> String {
        format!("{}/qr_code", self.api_path(id))
    }

    /// What happens in a live link's chat, on this API.
    pub fn events_path(&self, id: &ShareId) -> String {
        format!("{}/events", self.api_path(id))
    }

    /// A file of the link on this API.
    pub fn artifact_path(&self, id: &ShareId, artifact_id: &str) -> String {
        let segment = utf8_percent_encode(artifact_id, NOT_UNRESERVED);
        format!("{}/artifacts/{segment}", self.api_path(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_public_url_with_the_share_path() {
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
    fn a_share_path_has_one_place_for_the_id() {
        for bad in ["", "/shared", "shared/{id}", "/{id}/{id}", "//evil/{id}", "/a b/{id}"] {
            assert_eq!(SharePath::parse(bad), Err(InvalidSharePath), "{bad}");
        }
        assert!(!SharePath::parse("/#/{id}").unwrap().is_plain_path());
    }

    #[test]
    fn an_artifact_id_cannot_leave_its_path() {
        let links =
            Urls::new(&Url::parse("http://x").unwrap(), SharePath::parse("/shared/{id}").unwrap());
        let id = ShareId::parse("0123456789").unwrap();
        assert_eq!(
            links.artifact_path(&id, "../é?x"),
            "/api/v1/shared_chats/0123456789/artifacts/..%2F%C3%A9%3Fx"
        );
    }
}
