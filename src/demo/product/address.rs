//! The address of the product, and who may call it.
//!
//! It hands out tokens, so it listens on loopback alone. That alone does not keep out other users
//! of the machine, nor pages of other sites in the same browser: its address holds a random key,
//! and each request must come from its own page, or be a person who goes to it. The key stands in
//! `LOGIN_URL` too, for who has a private link of the demo; and browsers send the cookie that signs
//! in to every server on 127.0.0.1.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use actix_web::http::{
    Method,
    header::{self, HeaderMap, HeaderName},
};
use url::Url;
use uuid::Uuid;

/// The port, if it is free and not that of the service.
const PORT: u16 = 8090;

/// Fetch Metadata: from where, and for what, a browser makes the request. A page cannot set them.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Where the product is.
#[derive(Debug, Clone)]
pub(in crate::demo) struct ProductAddress {
    port: u16,
    /// The first segment of each path.
    key: String,
}

impl ProductAddress {
    /// Listens on the product's port, or on a free one if that is in use or the service's.
    pub fn bind(service_port: u16) -> io::Result<(Self, TcpListener)> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let usual = if service_port == PORT { bind(0) } else { bind(PORT) };
        let listener = usual.or_else(|_| bind(0))?;
        let port = listener.local_addr()?.port();
        Ok((Self { port, key: Uuid::new_v4().simple().to_string() }, listener))
    }

    /// As browsers send it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("{}{}/", self.origin(), self.path())
    }

    /// What every path begins with, without a slash at its end.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.key)
    }

    /// The cookie with the token. Browsers send the cookies of one port to all others too, so that
    /// the service receives it; the port is in its name because another demo has its own.
    pub fn token_cookie(&self) -> String {
        format!("shared_chats_demo_{}", self.port)
    }

    fn authority(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// # Errors
    /// Why the request is refused.
    pub(super) fn judge(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), &'static str> {
        let one = |name: &HeaderName| {
            let mut values = headers.get_all(name);
            let first = values.next().and_then(|value| value.to_str().ok());
            if values.next().is_some() { None } else { first }
        };
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_page = is_read && path == format!("{}/", self.path());
        // Another host may be a name that an attacker's server resolves to this machine (DNS
        // rebinding). With `localhost` neither the cookies nor the service's CORS headers work.
        if one(&header::HOST) != Some(self.authority().as_str()) {
            return Err("Open the address that the demo printed: it begins with http://127.0.0.1.");
        }
        let has = |name: &HeaderName| headers.contains_key(name);
        let is_from_own_page = if has(&header::ORIGIN) {
            one(&header::ORIGIN) == Some(self.origin().as_str())
        } else {
            // Browsers send the origin with every request that is no read.
            is_read
        };
        let is_own_site = match one(&SEC_FETCH_SITE) {
            Some(site) => site == "same-origin" || site == "none",
            None => !has(&SEC_FETCH_SITE),
        };
        let is_opened = is_page && one(&SEC_FETCH_DEST) == Some("document");
        if is_from_own_page && (is_own_site || is_opened) {
            Ok(())
        } else {
            Err("Only the page itself can call this.")
        }
    }
}

/// Where to go after signing in: back to the link, if it is one of this service.
pub(super) fn next(return_to: &str, public_url: &Url) -> Option<Url> {
    let url = Url::parse(return_to).ok()?;
    let below = public_url.path().trim_end_matches('/');
    let is_below = url.path().strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
    let has_user = !url.username().is_empty() || url.password().is_some();
    (url.origin() == public_url.origin() && is_below && !has_user).then_some(url)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address() -> ProductAddress {
        ProductAddress { port: 8090, key: "k".to_owned() }
    }

    fn judge(method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        address().judge(method, path, request.to_http_request().headers())
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:8090");

    #[test]
    fn only_the_printed_host_is_answered() {
        assert_eq!(judge(&Method::GET, "/k/", &[HOST]), Ok(()));
        for host in [
            "attacker.example:8090",
            "127.0.0.1",
            "127.0.0.1:8091",
            "127.0.0.1.attacker.example:8090",
            "127.0.0.1:8090@attacker.example",
            "localhost",
            "localhost:8090",
            "",
        ] {
            let judged = judge(&Method::GET, "/k/", &[("host", host)]);
            assert!(judged.is_err(), "{host}");
        }
        assert!(judge(&Method::GET, "/k/", &[]).is_err());
        let two = [HOST, ("host", "attacker.example")];
        assert!(judge(&Method::GET, "/k/", &two).is_err());
    }

    #[test]
    fn another_site_can_open_the_page_and_do_nothing_else() {
        for site in ["cross-site", "same-site"] {
            let from = ("sec-fetch-site", site);
            let opened = [HOST, from, ("sec-fetch-dest", "document")];
            assert_eq!(judge(&Method::GET, "/k/", &opened), Ok(()), "{site}");
            for (path, dest) in [("/k/", "iframe"), ("/k/state", "empty"), ("/k/app.js", "script")]
            {
                let judged = judge(&Method::GET, path, &[HOST, from, ("sec-fetch-dest", dest)]);
                assert!(judged.is_err(), "{site} {path}");
            }
        }
        let own = [HOST, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
        assert_eq!(judge(&Method::GET, "/k/state", &own), Ok(()));
    }

    #[test]
    fn a_post_names_its_own_origin() {
        let own = ("origin", "http://127.0.0.1:8090");
        assert_eq!(judge(&Method::POST, "/k/token", &[HOST, own]), Ok(()));
        let service = ("origin", "http://127.0.0.1:8080");
        for headers in [
            &[HOST][..],
            &[HOST, service],
            &[HOST, ("origin", "null")],
            &[HOST, own, service],
            &[HOST, own, ("sec-fetch-site", "cross-site")],
        ] {
            let judged = judge(&Method::POST, "/k/token", headers);
            assert!(judged.is_err(), "{headers:?}");
        }
        assert!(judge(&Method::GET, "/k/state", &[HOST, service]).is_err());
    }

    #[test]
    fn sign_in_leads_back_to_links_of_this_service_alone() {
        let public_url = Url::parse("http://127.0.0.1:8080/links").unwrap();
        let link = "http://127.0.0.1:8080/links/shared/1";
        assert_eq!(next(link, &public_url).unwrap().as_str(), link);
        for elsewhere in [
            "",
            "/links/shared/1",
            "//attacker.example/links/shared/1",
            "javascript:alert(1)",
            "http://127.0.0.1:8080/shared/1",
            "http://127.0.0.1:8080/links",
            "http://127.0.0.1:8080/linksand/more",
            "http://127.0.0.1:8080/links/../shared/1",
            "http://127.0.0.1:8081/links/shared/1",
            "https://127.0.0.1:8080/links/shared/1",
            "http://127.0.0.1:8080@attacker.example/links/shared/1",
            "http://attacker@127.0.0.1:8080/links/shared/1",
            "http://127.0.0.1:8080.attacker.example/links/shared/1",
        ] {
            assert_eq!(next(elsewhere, &public_url), None, "{elsewhere}");
        }
        let root = Url::parse("http://127.0.0.1:8080").unwrap();
        assert!(next("http://127.0.0.1:8080/shared/1", &root).is_some());
    }
}
