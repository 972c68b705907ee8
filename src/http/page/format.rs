//! Times, sizes and speakers on the page.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

use crate::model::Role;

/// A `<time>` element. It is safe markup: it holds only digits and fixed words.
pub(super) fn moment(moment: &DateTime<Utc>) -> String {
    let machine = moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let human = moment.format("%-d %b %Y, %H:%M UTC");
    format!(r#"<time datetime="{machine}">{human}</time>"#)
}

/// When a message was sent; `None` if the chat service sent something else than a time.
pub(super) fn time(created_at: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(created_at).map(|time| time.to_utc());
    // Some chat services omit the zone; they mean UTC.
    let time = time.or_else(|_| created_at.parse::<NaiveDateTime>().map(|time| time.and_utc()));
    time.ok()
}

/// When a message was sent, as markup; empty without a time.
pub(super) fn sent(created_at: &str) -> String {
    time(created_at).map(|time| moment(&time)).unwrap_or_default()
}

pub(super) fn speaker(role: &Role) -> &str {
    match role.as_str() {
        "user" => "User",
        "assistant" => "Assistant",
        other => other,
    }
}

/// The CSS class of a speaker's messages.
pub(super) fn speaker_class(role: &Role) -> &'static str {
    match role.as_str() {
        "user" => "user",
        "assistant" => "assistant",
        _ => "other",
    }
}

/// A size in decimal units.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
    }
    let (mut scale, mut unit) = (1000, 0);
    // 999 950 bytes are 1.0 MB, not 1000.0 kB.
    while unit + 1 < UNITS.len() && u128::from(bytes) * 20 >= scale * 19_999 {
        scale *= 1000;
        unit += 1;
    }
    let tenths = (u128::from(bytes) * 10 + scale / 2) / scale;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_and_never_1000_of_a_unit() {
        for (bytes, worded) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1_500_000_000, "1.5 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), worded);
        }
    }

    #[test]
    fn times_of_any_zone_are_shown_in_utc() {
        let worded = "<time datetime=\"2026-11-01T23:30:00Z\">1 Nov 2026, 23:30 UTC</time>";
        for time in ["2026-11-02T00:30:00+01:00", "2026-11-01T23:30:00.000Z", "2026-11-01T23:30:00"]
        {
            assert_eq!(sent(time), worded);
        }
        for nonsense in ["", "soon", "<b>", "2026-13-01T00:00:00Z"] {
            assert_eq!(sent(nonsense), "");
        }
    }
}
