//! Media types that a client takes (RFC 9110, 12.5.1).

use actix_web::{HttpRequest, http::header};

/// How much the client likes a media type, from 0 to 1: the weight of the most specific range of
/// `Accept` that holds it; `None` when only a range without a type (`*/*`) or nothing does.
#[must_use]
pub fn named_quality(request: &HttpRequest, media_type: &str) -> Option<f32> {
    let family = media_type.split('/').next().unwrap_or_default();
    let mut exact = None;
    let mut of_family = None;
    for value in request.headers().get_all(header::ACCEPT) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
                .map_or(1.0, weight);
            if range.eq_ignore_ascii_case(media_type) {
                exact = Some(weight);
            } else if range.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family)) {
                of_family = Some(weight);
            }
        }
    }
    exact.or(of_family)
}

/// A weight of another form, which a float may still have (`nan`, `inf`, `-1`), is none.
fn weight(text: &str) -> f32 {
    text.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_most_specific_range_counts() {
        for (accept, quality) in [
            ("image/svg+xml", Some(1.0)),
            ("image/*;q=0.5", Some(0.5)),
            ("image/*, IMAGE/SVG+XML; q=0.2", Some(0.2)),
            ("*/*", None),
            ("text/html", None),
            ("image/svg+xml;q=nonsense", Some(0.0)),
            ("image/svg+xml;q=NaN", Some(0.0)),
            ("image/svg+xml;q=inf", Some(0.0)),
            ("image/svg+xml;q=-1", Some(0.0)),
        ] {
            let request =
                TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(named_quality(&request, "image/svg+xml"), quality, "{accept}");
        }
    }
}
