//! The settings of the chat service, and their checks at the start.

use std::{path::PathBuf, str::FromStr, time::Duration};

use url::Url;

use super::ServiceCredential;

/// Where chats come from: `CHAT_SERVICE_URL` (docs/API.md 5 and 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The chat service's base URL, which may have a path.
    Http(Url),
    /// A JSON file of chats.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = InvalidSettings;

    /// Reads `http://…`, `https://…` or `file:PATH`, where PATH may be relative, and
    /// `file:///PATH` means the same as `file:/PATH`.
    fn from_str(text: &str) -> Result<Self, InvalidSettings> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = if path.starts_with("///") { &path[2..] } else { path };
            if path.is_empty() || path.starts_with("//") {
                return Err(url_error("must be file:PATH, with the path of a JSON file"));
            }
            return Ok(Self::File(path.into()));
        }
        let url = Url::parse(text).map_err(|error| url_error(&error.to_string()))?;
        check_base(&url)?;
        Ok(Self::Http(url))
    }
}

/// `CHAT_SERVICE_FILE_PATH`: where the bytes of a file are asked for, with `{id}` for the chat and
/// `{file_id}` for the file, each exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath(String);

impl FilePath {
    /// The path's segments for this file, not yet percent-encoded. `None` when one of them would be
    /// `.` or `..`, which URLs give a meaning.
    pub(super) fn segments(&self, chat: &str, file: &str) -> Option<Vec<String>> {
        let fill = |segment: &str| match segment.split_once("{file_id}") {
            // Filled in last, since a file's id may hold `{id}`.
            Some((before, after)) => {
                format!("{}{file}{}", before.replace("{id}", chat), after.replace("{id}", chat))
            }
            None => segment.replace("{id}", chat),
        };
        let segments: Vec<String> = self.0[1..].split('/').map(fill).collect();
        segments.iter().all(|s| !matches!(s.as_str(), "." | "..")).then_some(segments)
    }
}

impl Default for FilePath {
    fn default() -> Self {
        Self("/api/v1/chats/{id}/agent_server_files/{file_id}/content".to_owned())
    }
}

impl FromStr for FilePath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let once = |place: &str| text.matches(place).count() == 1;
        let rest = text.replacen("{id}", "", 1).replacen("{file_id}", "", 1);
        let plain =
            rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:@!$&'()*+,;=".contains(&b));
        let dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
        if text.starts_with('/') && once("{id}") && once("{file_id}") && plain && !dots {
            return Ok(Self(text.to_owned()));
        }
        Err("must be a path that begins with '/' and holds {id} and {file_id} exactly once each")
    }
}

/// How the chat service is called. [`ChatServiceSettings::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct ChatServiceSettings {
    pub source: Source,
    /// For [`Access::Service`](super::Access::Service).
    pub service_credential: Option<ServiceCredential>,
    /// For all calls of one operation together.
    pub timeout: Duration,
    /// How many operations may be in flight; 1 or more.
    pub max_calls: usize,
    /// How long a further operation waits.
    pub queue_timeout: Duration,
    pub connect_timeout: Duration,
    /// Messages per page; 1 or more.
    pub page_size: u32,
    /// `MAX_SNAPSHOT_BYTES`: the most bytes that the messages of one chat may have as JSON, as a
    /// viewer gets them. As the chat service sends them they may have 4 times that and 1 MiB more,
    /// for the fields that are ignored.
    pub max_snapshot_bytes: u64,
    pub file_path: FilePath,
}

impl ChatServiceSettings {
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            service_credential: None,
            timeout: Duration::from_secs(30),
            max_calls: 32,
            queue_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(5),
            page_size: 200,
            max_snapshot_bytes: 16 * 1024 * 1024,
            file_path: FilePath::default(),
        }
    }

    /// Whether [`Access::Service`](super::Access::Service) cannot be used: a chat service needs a
    /// credential, a file none.
    #[must_use]
    pub fn lacks_service_credential(&self) -> bool {
        matches!(self.source, Source::Http(_)) && self.service_credential.is_none()
    }

    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        if let Source::Http(url) = &self.source {
            check_base(url)?;
        }
        for (name, value) in [("timeout", self.timeout), ("connect time-out", self.connect_timeout)]
        {
            if value.is_zero() || value > MAX_TIMEOUT {
                let problem = format!("the {name} must be above 0 and at most a day");
                return Err(InvalidSettings { setting: "the chat service's time-outs", problem });
            }
        }
        if self.page_size == 0 {
            let problem = "must be 1 or more".to_owned();
            return Err(InvalidSettings { setting: "the chat service's page size", problem });
        }
        Ok(())
    }
}

/// Longer time-outs are taken for mistakes, and could overflow a clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A setting that stops the start (docs/API.md 7). It names the setting and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct InvalidSettings {
    pub setting: &'static str,
    pub problem: String,
}

pub(super) fn url_error(problem: &str) -> InvalidSettings {
    InvalidSettings { setting: "CHAT_SERVICE_URL", problem: problem.to_owned() }
}

/// A base URL to which path segments can be added, without user and password, which would be sent
/// as a credential.
fn check_base(url: &Url) -> Result<(), InvalidSettings> {
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(url_error("must begin with http://, https:// or file:"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(url_error("must not hold a user or password; see CHAT_SERVICE_TOKEN"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(url_error("must not have a query or a fragment"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openid::ClientCredentials;

    #[test]
    fn a_source_is_an_http_address_or_a_file() {
        let file = |path: &str| Ok(Source::File(path.into()));
        assert_eq!("file:chats.json".parse::<Source>(), file("chats.json"));
        assert_eq!("file:/srv/chats.json".parse::<Source>(), file("/srv/chats.json"));
        assert_eq!("file:///srv/chats.json".parse::<Source>(), file("/srv/chats.json"));
        assert!(matches!("https://chats.example/h2o".parse(), Ok(Source::Http(_))));
        let bad = ["", "chats.json", "ftp://a/b", "file:", "file://host/x", "https://", "data:x"];
        for text in bad {
            assert_eq!(text.parse::<Source>().unwrap_err().setting, "CHAT_SERVICE_URL", "{text}");
        }
    }

    #[test]
    fn a_base_address_carries_no_credential_and_no_query() {
        for text in ["http://joe:geheim@a/", "http://joe@a/", "http://a/?x=1", "http://a/#x"] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn a_file_path_names_the_chat_once_and_the_file_once() {
        let path: FilePath = "/files/{file_id}.bin/of/{id}".parse().unwrap();
        let segments = |file: &str| path.segments("chat", file).unwrap();
        assert_eq!(segments("a/b"), ["files", "a/b.bin", "of", "chat"]);
        assert_eq!(segments("{id}"), ["files", "{id}.bin", "of", "chat"]);
        for file in [".", ".."] {
            assert_eq!(FilePath::default().segments("chat", file), None, "{file}");
        }
        for bad in [
            "",
            "files/{id}/{file_id}",
            "/{id}",
            "/{file_id}",
            "/{id}/{id}/{file_id}",
            "/../{id}/{file_id}",
            "/{id}/{file_id}?x=1",
            "/{id}/{file_id}#x",
            "/{id}/{file_id}/{other}",
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let good = ChatServiceSettings::new("http://a".parse().unwrap());
        assert!(good.check().is_ok());
        let no_time = ChatServiceSettings { timeout: Duration::ZERO, ..good.clone() };
        let too_long = ChatServiceSettings { connect_timeout: Duration::MAX, ..good.clone() };
        let no_page = ChatServiceSettings { page_size: 0, ..good };
        for settings in [no_time, too_long, no_page] {
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }

    #[test]
    fn debug_output_of_the_settings_holds_no_token() {
        let mut settings = ChatServiceSettings::new("http://a".parse().unwrap());
        let client = ClientCredentials {
            issuer: "http://a".to_owned(),
            client_id: "share-links".to_owned(),
            client_secret: "geheim".to_owned(),
            scope: None,
            audience: None,
        };
        for credential in
            [ServiceCredential::Token("geheim".to_owned()), ServiceCredential::Client(client)]
        {
            settings.service_credential = Some(credential);
            assert!(!format!("{settings:?}").contains("geheim"));
            let service = crate::chat_service::ChatService::new(settings.clone()).unwrap();
            assert!(!format!("{service:?}").contains("geheim"));
        }
    }
}
