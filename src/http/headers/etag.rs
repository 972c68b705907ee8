//! Entity tags and what clients ask with them (RFC 9110, 8.8.3 and 13.1).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::{http::error::ApiError, sharing::Precondition};

/// Counts the forms that this service has given a view; a new form makes old copies stale.
const FORM: u32 = 1;

/// A strong entity tag of a link's view: `"FORM-REVISION-CONTENT-VARIANT"`. The revision stands for
/// the link's settings, the content for what a live chat holds, the variant for coding and medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewTag(String);

impl ViewTag {
    #[must_use]
    pub fn new(revision: i64, content: Option<&str>, variant: &str) -> Self {
        Self(format!("\"{FORM}-{revision}-{}-{variant}\"", content.unwrap_or("0")))
    }

    /// As a header.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        // What it is made of are ASCII letters, digits, dots and hyphens.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// As it stands in a header, quotes included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The revision that a tag of ours stands for, whatever its content and variant.
fn revision(tag: &[u8]) -> Option<i64> {
    let tag = std::str::from_utf8(tag).ok()?;
    tag.strip_prefix('"')?.strip_suffix('"')?.split('-').nth(1)?.parse().ok()
}

/// Whether the client has this representation already: `If-None-Match` names it, weakly compared.
#[must_use]
pub fn not_modified(request: &HttpRequest, tag: &str) -> bool {
    match Named::of(request, &header::IF_NONE_MATCH) {
        Named::Any => true,
        Named::Tags(tags) => tags.iter().any(|given| given.opaque == tag.as_bytes()),
        Named::NotAsked | Named::Malformed => false,
    }
}

/// Which settings `If-Match` names: those of any of its tags, strongly compared.
///
/// # Errors
/// 400 when the header holds something else than `*` or a list of tags.
pub fn precondition(request: &HttpRequest) -> Result<Precondition, ApiError> {
    match Named::of(request, &header::IF_MATCH) {
        Named::NotAsked | Named::Any => Ok(Precondition::None),
        Named::Tags(tags) => {
            let strong = tags.iter().filter(|tag| !tag.is_weak);
            Ok(Precondition::Revisions(strong.filter_map(|tag| revision(tag.opaque)).collect()))
        }
        Named::Malformed => {
            Err(ApiError::bad_value("If-Match", "must be * or a list of entity tags"))
        }
    }
}

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, PartialEq, Eq)]
enum Named<'r> {
    /// The header is not there.
    NotAsked,
    /// `*`
    Any,
    /// A list, which may be empty: then nothing matches.
    Tags(Vec<Tag<'r>>),
    Malformed,
}

/// An entity tag as a client sends it.
#[derive(Debug, PartialEq, Eq)]
struct Tag<'r> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'r [u8],
}

impl<'r> Named<'r> {
    /// Several headers are one list (RFC 9110, 5.3).
    fn of(request: &'r HttpRequest, name: &HeaderName) -> Self {
        let mut headers = request.headers().get_all(name).map(HeaderValue::as_bytes).peekable();
        if headers.peek().is_none() {
            return Self::NotAsked;
        }
        let headers: Vec<&[u8]> = headers.map(<[u8]>::trim_ascii).collect();
        if headers == [b"*"] {
            return Self::Any;
        }
        let mut tags = Vec::new();
        for header in headers {
            match list(header) {
                Some(listed) => tags.extend(listed),
                None => return Self::Malformed,
            }
        }
        Self::Tags(tags)
    }
}

/// Entity tags between commas, of which there may be more than needed (RFC 9110, 5.6.1.2). A comma
/// may stand within a tag too. `None` where something else stands there.
fn list(mut rest: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut is_separated = true;
    loop {
        rest = rest.trim_ascii_start();
        rest = match rest {
            [] => return Some(tags),
            [b',', rest @ ..] => {
                is_separated = true;
                rest
            }
            _ if !is_separated => return None,
            _ => {
                let weak = rest.strip_prefix(b"W/");
                let quoted = weak.unwrap_or(rest);
                let inner = quoted.strip_prefix(b"\"")?;
                let bytes = inner.iter().position(|b| *b == b'"')?;
                // etagc (8.8.3): neither blanks nor control characters, but what is not ASCII.
                if inner[..bytes].iter().any(|b| b.is_ascii_control() || *b == b' ') {
                    return None;
                }
                let (opaque, rest) = quoted.split_at(bytes + 2);
                tags.push(Tag { is_weak: weak.is_some(), opaque });
                is_separated = false;
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(name: HeaderName, value: &str) -> HttpRequest {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        TestRequest::default().insert_header((name, value)).to_http_request()
    }

    #[test]
    fn if_match_compares_the_settings_whatever_the_coding() {
        let tag = ViewTag::new(7, None, "json.zstd");
        let request = asked(header::IF_MATCH, &format!("\"x\", {}", tag.as_str()));
        assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![7]));
        let request = asked(header::IF_MATCH, "*");
        assert_eq!(precondition(&request).unwrap(), Precondition::None);
        // A weak tag never matches strongly, and neither does somebody else's.
        for other in [format!("W/{}", tag.as_str()), "\"\"".to_owned(), "\"a-b-c\"".to_owned()] {
            let request = asked(header::IF_MATCH, &other);
            assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![]), "{other}");
        }
        for malformed in ["seven", "\"a", "\"a\" \"b\"", "\"a b\"", "*, \"a\"", "w/\"a\""] {
            assert!(precondition(&asked(header::IF_MATCH, malformed)).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_tag_may_hold_commas_and_what_is_not_ascii() {
        let tag = ViewTag::new(7, None, "json");
        for other in ["\"x,\"", "\",\" , W/\",\",", "\"\u{e9}\""] {
            let request = asked(header::IF_MATCH, other);
            assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![]), "{other}");
            let request = asked(header::IF_MATCH, &format!("{other},{}", tag.as_str()));
            assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![7]));
            let request = asked(header::IF_NONE_MATCH, &format!("{other},{}", tag.as_str()));
            assert!(not_modified(&request, tag.as_str()), "{other}");
        }
    }

    #[test]
    fn a_condition_without_a_tag_holds_for_no_settings() {
        for empty in ["", " ", ",", " , "] {
            let request = asked(header::IF_MATCH, empty);
            assert_eq!(
                precondition(&request).unwrap(),
                Precondition::Revisions(vec![]),
                "{empty:?}"
            );
        }
        assert_eq!(
            precondition(&TestRequest::default().to_http_request()).unwrap(),
            Precondition::None
        );
    }

    #[test]
    fn if_none_match_compares_the_whole_tag_weakly() {
        let tag = ViewTag::new(7, Some("abc"), "json");
        for (given, same) in [
            (tag.as_str().to_owned(), true),
            (format!("W/{}", tag.as_str()), true),
            (format!("\"other\", {}", tag.as_str()), true),
            ("*".to_owned(), true),
            (ViewTag::new(7, Some("abc"), "json.br").as_str().to_owned(), false),
            (ViewTag::new(8, Some("abc"), "json").as_str().to_owned(), false),
        ] {
            let request = asked(header::IF_NONE_MATCH, &given);
            assert_eq!(not_modified(&request, tag.as_str()), same, "{given}");
        }
    }
}
