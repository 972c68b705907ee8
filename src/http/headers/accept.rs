//! Content negotiation: weighted lists (RFC 9110, 12.4.2) and media types (12.5.1).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

/// The items of a header such as `Accept`, each with its weight: 1 without `q`, 0 if `q` is
/// malformed.
pub(super) fn weighted(
    request: &HttpRequest,
    name: HeaderName,
) -> impl Iterator<Item = (&str, f32)> {
    let values = request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let item = parts.next().unwrap_or_default();
        let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        (item, q.map_or(1.0, weight))
    })
}

/// A float of another form (`nan`, `inf`, `-1`) is not a weight.
fn weight(text: &str) -> f32 {
    text.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

/// The weight of a media type: that of the most specific range in `Accept` that names it or its
/// type. `None` if there is none; `*/*` does not count.
pub fn named_quality(request: &HttpRequest, media_type: &str) -> Option<f32> {
    let family = media_type.split('/').next().unwrap_or_default();
    let (mut exact, mut of_family) = (None, None);
    for (range, weight) in weighted(request, header::ACCEPT) {
        if range.eq_ignore_ascii_case(media_type) {
            exact = Some(weight);
        } else if range.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family)) {
            of_family = Some(weight);
        }
    }
    exact.or(of_family)
}

/// Of what is offered, each with its media type, what the client names and prefers; the first of
/// several with equal weight. `None` if it names nothing of it.
pub fn preferred<T: Copy>(request: &HttpRequest, offers: &[(&str, T)]) -> Option<T> {
    let mut best: Option<(T, f32)> = None;
    for (media_type, offer) in offers {
        let quality = named_quality(request, media_type).unwrap_or(0.0);
        if quality > best.map_or(0.0, |(_, best)| best) {
            best = Some((*offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_most_specific_range_gives_the_weight() {
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
