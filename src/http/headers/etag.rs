//! Entity tags and conditional requests (RFC 9110, 8.8.3 and 13.1).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::{http::error::ApiError, sharing::Precondition};

/// The version of the views' format: a new one invalidates cached copies. Raise it when the code
/// changes the bytes of an unchanged chat's answer.
const FORMAT_VERSION: u32 = 2;

/// A strong entity tag of a view: `"VERSION-REVISION-CONTENT-REPRESENTATION"`. The revision stands
/// for the link's settings; the content is the hash of a live chat, else 0, and behind a dot the
/// revision of the policy, if one was ever set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewTag(String);

impl ViewTag {
    pub fn new(revision: i64, policy: i64, content: Option<&str>, representation: &str) -> Self {
        let content = content.unwrap_or("0");
        let policy = if policy == 0 { String::new() } else { format!(".{policy}") };
        Self(format!("\"{FORMAT_VERSION}-{revision}-{content}{policy}-{representation}\""))
    }

    pub fn to_header(&self) -> HeaderValue {
        // It is always ASCII letters, digits, dots and hyphens.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// With its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A strong entity tag of the policy: `"policy-REVISION"`.
pub struct PolicyTag(String);

impl PolicyTag {
    pub fn new(revision: i64) -> Self {
        Self(format!("\"policy-{revision}\""))
    }

    /// With its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The revision in a [`PolicyTag`].
fn policy_revision(tag: &[u8]) -> Option<i64> {
    let tag = std::str::from_utf8(tag).ok()?;
    tag.strip_prefix("\"policy-")?.strip_suffix('"')?.parse().ok()
}

/// The revision in a [`ViewTag`], of any content and representation.
fn revision(tag: &[u8]) -> Option<i64> {
    let tag = std::str::from_utf8(tag).ok()?;
    tag.strip_prefix('"')?.strip_suffix('"')?.split('-').nth(1)?.parse().ok()
}

/// Whether `If-None-Match` names this tag, by weak comparison.
pub fn not_modified(request: &HttpRequest, tag: &str) -> bool {
    match Condition::of(request, &header::IF_NONE_MATCH) {
        Condition::Any => true,
        Condition::Tags(tags) => tags.iter().any(|given| given.opaque == tag.as_bytes()),
        Condition::Absent | Condition::Malformed => false,
    }
}

/// The revisions of a link that `If-Match` names, by strong comparison.
///
/// # Errors
/// 400 if it is neither `*` nor a list of entity tags.
pub fn precondition(request: &HttpRequest) -> Result<Precondition, ApiError> {
    revisions(request, revision)
}

/// The revisions of the policy that `If-Match` names; otherwise as [`precondition`].
pub fn policy_precondition(request: &HttpRequest) -> Result<Precondition, ApiError> {
    revisions(request, policy_revision)
}

fn revisions(
    request: &HttpRequest,
    revision: impl Fn(&[u8]) -> Option<i64>,
) -> Result<Precondition, ApiError> {
    match Condition::of(request, &header::IF_MATCH) {
        Condition::Absent | Condition::Any => Ok(Precondition::None),
        Condition::Tags(tags) => {
            let strong = tags.iter().filter(|tag| !tag.is_weak);
            Ok(Precondition::Revisions(strong.filter_map(|tag| revision(tag.opaque)).collect()))
        }
        Condition::Malformed => {
            Err(ApiError::bad_value("If-Match", "must be * or a list of entity tags"))
        }
    }
}

/// Whether `If-Match` names a weak tag, which never matches. The service's own are strong: a proxy
/// that compresses makes them weak.
pub fn names_weak_tag(request: &HttpRequest) -> bool {
    match Condition::of(request, &header::IF_MATCH) {
        Condition::Tags(tags) => tags.iter().any(|tag| tag.is_weak),
        Condition::Absent | Condition::Any | Condition::Malformed => false,
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
enum Condition<'r> {
    Absent,
    /// `*`
    Any,
    /// A list; an empty one matches nothing.
    Tags(Vec<Tag<'r>>),
    Malformed,
}

/// An entity tag that a client sent.
#[derive(Debug, PartialEq, Eq)]
struct Tag<'r> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'r [u8],
}

impl<'r> Condition<'r> {
    /// Several header lines are one list (RFC 9110, 5.3).
    fn of(request: &'r HttpRequest, name: &HeaderName) -> Self {
        let lines = request.headers().get_all(name).map(|line| line.as_bytes().trim_ascii());
        let lines: Vec<&[u8]> = lines.collect();
        if lines.is_empty() {
            return Self::Absent;
        }
        if lines == [b"*"] {
            return Self::Any;
        }
        let lists: Option<Vec<_>> = lines.into_iter().map(list).collect();
        lists.map_or(Self::Malformed, |lists| Self::Tags(lists.into_iter().flatten().collect()))
    }
}

/// Parses entity tags separated by commas. There may be empty items (RFC 9110, 5.6.1.2), and commas
/// within a tag. `None` if malformed.
fn list(mut rest: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    loop {
        let start = rest.iter().position(|b| *b != b',' && !b.is_ascii_whitespace());
        let Some(start) = start else { return Some(tags) };
        if !tags.is_empty() && !rest[..start].contains(&b',') {
            return None;
        }
        let weak = rest[start..].strip_prefix(b"W/");
        let quoted = weak.unwrap_or(&rest[start..]);
        let inner = quoted.strip_prefix(b"\"")?;
        let length = inner.iter().position(|b| *b == b'"')?;
        // etagc (8.8.3) excludes spaces and control characters, but not non-ASCII bytes.
        if inner[..length].iter().any(|b| b.is_ascii_control() || *b == b' ') {
            return None;
        }
        let (opaque, after) = quoted.split_at(length + 2);
        tags.push(Tag { is_weak: weak.is_some(), opaque });
        rest = after;
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
    fn if_match_compares_the_revision_for_any_coding() {
        let tag = ViewTag::new(7, 0, None, "json.zstd");
        let request = asked(header::IF_MATCH, &format!("\"x\", {}", tag.as_str()));
        assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![7]));
        let request = asked(header::IF_MATCH, "*");
        assert_eq!(precondition(&request).unwrap(), Precondition::None);
        // A weak tag never matches strongly, and neither does a tag of another form.
        for other in [format!("W/{}", tag.as_str()), "\"\"".to_owned(), "\"a-b-c\"".to_owned()] {
            let request = asked(header::IF_MATCH, &other);
            assert_eq!(precondition(&request).unwrap(), Precondition::Revisions(vec![]), "{other}");
        }
        for malformed in ["seven", "\"a", "\"a\" \"b\"", "\"a b\"", "*, \"a\"", "w/\"a\""] {
            assert!(precondition(&asked(header::IF_MATCH, malformed)).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_tag_may_hold_commas_and_non_ascii_bytes() {
        let tag = ViewTag::new(7, 0, None, "json");
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
    fn an_if_match_without_a_tag_matches_no_revision() {
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
        let tag = ViewTag::new(7, 0, Some("abc"), "json");
        for (given, same) in [
            (tag.as_str().to_owned(), true),
            (format!("W/{}", tag.as_str()), true),
            (format!("\"other\", {}", tag.as_str()), true),
            ("*".to_owned(), true),
            (ViewTag::new(7, 0, Some("abc"), "json.br").as_str().to_owned(), false),
            (ViewTag::new(8, 0, Some("abc"), "json").as_str().to_owned(), false),
        ] {
            let request = asked(header::IF_NONE_MATCH, &given);
            assert_eq!(not_modified(&request, tag.as_str()), same, "{given}");
        }
    }
}
