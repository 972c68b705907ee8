//! What an operator sets of the page.

use std::str::FromStr;

use url::Url;

use crate::model::{IdTemplate, ShareId};

/// The settings of the page.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// `CONTINUE_URL`
    pub continue_url: Option<ContinueUrl>,
    /// `LINK_PREVIEW`
    pub link_preview: LinkPreview,
}

/// What programs that draw a preview of a link are told of the chat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkPreview {
    /// That it is a shared chat.
    #[default]
    Off,
    /// Its name too, of a link that anyone may open.
    Name,
}

impl FromStr for LinkPreview {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "name" => Ok(Self::Name),
            _ => Err("must be off or name"),
        }
    }
}

/// Where a viewer goes on with the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueUrl {
    url: IdTemplate,
    /// The host, with the port unless it is the scheme's own.
    host: String,
}

const WRONG: &str = "must be an http or https URL that holds {id} once, behind the host, such as \
                     https://chat.example/continue?shared={id}";

impl ContinueUrl {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn of(&self, id: &ShareId) -> String {
        self.url.with(id.as_str())
    }
}

impl FromStr for ContinueUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let template = IdTemplate::parse(text).ok_or(WRONG)?;
        let with = |id| Url::parse(&template.with(id)).map_err(|_| WRONG);
        let url = with("0")?;
        // In the host it would lead to another one for each link.
        let is_behind_host = url.origin() == with("1")?.origin();
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_odd = text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
        if !is_web || has_user || !is_behind_host || is_odd {
            return Err(WRONG);
        }
        let host = url.host_str().ok_or(WRONG)?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { url: template, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_put_into_the_address_and_the_host_is_named() {
        let id = ShareId::parse("0123456789").unwrap();
        for (text, url, host) in [
            (
                "https://chat.example/continue?shared={id}",
                "https://chat.example/continue?shared=0123456789",
                "chat.example",
            ),
            (
                "http://localhost:3000/#/s/{id}/go",
                "http://localhost:3000/#/s/0123456789/go",
                "localhost:3000",
            ),
            (
                "https://b\u{fc}cher.example/{id}",
                "https://b\u{fc}cher.example/0123456789",
                "xn--bcher-kva.example",
            ),
            (
                "https://chat.example:443?{id}",
                "https://chat.example:443?0123456789",
                "chat.example",
            ),
        ] {
            let parsed: ContinueUrl = text.parse().unwrap();
            assert_eq!((parsed.of(&id).as_str(), parsed.host()), (url, host), "{text}");
        }
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        for text in [
            "",
            "{id}",
            "/continue/{id}",
            "https://chat.example/continue",
            "https://chat.example/{id}/{id}",
            "https://{id}.example/",
            "https://chat.example{id}",
            "https://chat.example:80{id}/",
            "https://{id}",
            "https:///{id}",
            "https:///chat{id}.evil.example/",
            "https://alice:pw@chat.example/{id}",
            "https://alice@chat.example/{id}",
            "javascript:alert(1)//{id}",
            "data:text/html,{id}",
            "ftp://chat.example/{id}",
            "https://chat.example/ {id}",
            "https://chat.example/{id}\n",
        ] {
            assert_eq!(text.parse::<ContinueUrl>(), Err(WRONG), "{text}");
        }
    }
}
