//! Parsing of times.

use chrono::{DateTime, Datelike, Utc};

/// Parses RFC 3339 strictly: chrono's parser accepts more. Cut to microseconds, and within the
/// years that RFC 3339 can express in UTC.
pub fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    let strict = text.get(10..11).is_some_and(|t| t.eq_ignore_ascii_case("t"));
    let moment = DateTime::parse_from_rfc3339(text).ok().filter(|_| strict)?;
    // The count of microseconds turns a leap second into the next second, as databases do.
    DateTime::from_timestamp_micros(moment.timestamp_micros())
        .filter(|at| (0..=9999).contains(&at.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_date_or_zone_is_rejected() {
        let text = "2027-01-31T13:00:00.123456789+01:00";
        let moment = parse_rfc3339(text).unwrap();
        assert_eq!(moment.to_rfc3339(), "2027-01-31T12:00:00.123456+00:00");
        for bad in ["", "2027-01-31", "2027-01-31T12:00:00", "2027-01-31 12:00:00Z", "tomorrow"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
