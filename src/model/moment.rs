//! Moments in time as they come from outside.

use chrono::{DateTime, Datelike, Utc};

/// A moment by RFC 3339, strictly: chrono's own reader takes more than that. Cut to microseconds,
/// and within the years that RFC 3339 can write in UTC. `None` when the text is anything else.
pub fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    let strict = text.get(10..11).is_some_and(|t| t.eq_ignore_ascii_case("t"));
    let moment = DateTime::parse_from_rfc3339(text).ok().filter(|_| strict)?;
    // By way of the count of microseconds a leap second is the one after it, as it is stored.
    DateTime::from_timestamp_micros(moment.timestamp_micros())
        .filter(|at| (0..=9999).contains(&at.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_date_a_time_and_a_zone() {
        let text = "2027-01-31T13:00:00.123456789+01:00";
        let moment = parse_rfc3339(text).unwrap();
        assert_eq!(moment.to_rfc3339(), "2027-01-31T12:00:00.123456+00:00");
        for bad in ["", "2027-01-31", "2027-01-31T12:00:00", "2027-01-31 12:00:00Z", "tomorrow"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
