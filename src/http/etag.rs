//! Entity tags and what clients ask with them (RFC 9110, 8.8.3 and 13.1).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use super::error::ApiError;
use crate::sharing::Precondition;

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
fn revision(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.split('-').nth(1)?.parse().ok()
}

/// Whether the client has this representation already: `If-None-Match` names it, weakly compared.
#[must_use]
pub fn not_modified(request: &HttpRequest, tag: &str) -> bool {
    values(request, &header::IF_NONE_MATCH).any(|given| given == "*" || strong_part(given) == tag)
}

/// Which settings `If-Match` names: those of any of its tags, strongly compared.
///
/// # Errors
/// 400 when the header holds something else than `*` or a list of tags.
pub fn precondition(request: &HttpRequest) -> Result<Precondition, ApiError> {
    let mut revisions = Vec::new();
    let mut given_any = false;
    for given in values(request, &header::IF_MATCH) {
        given_any = true;
        let strong = given.starts_with('"') && given.ends_with('"') && given.len() >= 2;
        let weak = given.starts_with("W/\"") && given.ends_with('"');
        match given {
            "*" => return Ok(Precondition::None),
            _ if strong => revisions.extend(revision(given)),
            _ if weak => {}
            _ => return Err(ApiError::bad_value("If-Match", "must be * or a list of entity tags")),
        }
    }
    Ok(if given_any { Precondition::Revisions(revisions) } else { Precondition::None })
}

/// Our tags hold no comma, so a list can be split at each.
fn values<'r>(request: &'r HttpRequest, name: &HeaderName) -> impl Iterator<Item = &'r str> {
    request
        .headers()
        .get_all(name)
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
}

fn strong_part(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(name: HeaderName, value: &str) -> HttpRequest {
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
        assert!(precondition(&asked(header::IF_MATCH, "seven")).is_err());
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
