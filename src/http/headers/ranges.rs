//! Range requests (RFC 9110, 14.2).

use std::ops::Range;

use actix_web::{
    HttpRequest,
    http::{Method, header},
};

/// The part of a file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// There is no range, or one to be ignored: several at once, of another unit, malformed, or
    /// with an `If-Range` that does not match.
    Whole,
    Range(Range<u64>),
    /// A single range beyond the end of the file.
    Unsatisfiable,
}

/// Evaluates `Range` and `If-Range` for a file of this size. `If-Range` matches a strong `tag` only
/// (13.1.5).
pub fn part(request: &HttpRequest, bytes: u64, tag: Option<&str>) -> Part {
    let mut ranges = request.headers().get_all(header::RANGE);
    let (Some(range), None, &Method::GET) = (ranges.next(), ranges.next(), request.method()) else {
        return Part::Whole;
    };
    // A date never matches: this service sends no `Last-Modified`.
    if let Some(condition) = request.headers().get(header::IF_RANGE)
        && tag.is_none_or(|tag| condition.as_bytes().trim_ascii() != tag.as_bytes())
    {
        return Part::Whole;
    }
    range.to_str().ok().and_then(|range| single(range, bytes)).unwrap_or(Part::Whole)
}

/// `None` if it is not one well-formed range of bytes.
fn single(range: &str, bytes: u64) -> Option<Part> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let range = match range.trim().split_once('-')? {
        ("", suffix) => bytes.saturating_sub(number(suffix)?)..bytes,
        (first, "") => number(first)?..bytes,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(bytes)
        }
    };
    Some(if range.start < range.end { Part::Range(range) } else { Part::Unsatisfiable })
}

/// Digits alone, unlike `parse`. A number too large is beyond the end of any file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(range: &str) -> Part {
        let request = TestRequest::default().insert_header((header::RANGE, range));
        part(&request.to_http_request(), 10, Some("\"t\""))
    }

    #[test]
    fn a_single_range_is_clamped_to_the_file() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=9-", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes=4-400", 4..10),
            ("Bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(asked(range), Part::Range(expected), "{range}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(range), Part::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn malformed_and_multiple_ranges_are_ignored() {
        for range in ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "bytes=+1-2"]
            .into_iter()
            .chain(["items=0-1", "bytes=a-b", "bytes=1-2-3"])
        {
            assert_eq!(asked(range), Part::Whole, "{range}");
        }
        let head = TestRequest::default().method(Method::HEAD);
        let head = head.insert_header((header::RANGE, "bytes=0-1")).to_http_request();
        assert_eq!(part(&head, 10, None), Part::Whole);
    }

    #[test]
    fn if_range_must_name_the_strong_tag() {
        for (condition, tag, ranged) in [
            ("\"t\"", Some("\"t\""), true),
            ("W/\"t\"", Some("\"t\""), false),
            ("\"other\"", Some("\"t\""), false),
            ("\"t\"", None, false),
            ("Sun, 22 Nov 2026 10:00:00 GMT", Some("\"t\""), false),
        ] {
            let request = TestRequest::default()
                .insert_header((header::RANGE, "bytes=0-1"))
                .insert_header((header::IF_RANGE, condition))
                .to_http_request();
            assert_eq!(part(&request, 10, tag) == Part::Range(0..2), ranged, "{condition}");
        }
    }
}
