//! `Content-Disposition` for untrusted file names (RFC 6266, RFC 8187).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but attr-char (RFC 8187, 3.2.1).
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// An attachment, which browsers save instead of showing it. Its file name has no path separators,
/// control characters, or bidirectional overrides, which make `gpj.exe` look like `exe.jpg`.
pub fn attachment(filename: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = filename.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let name = name.trim().trim_matches('.');
    let name = if name.is_empty() { "file" } else { name };
    // For clients without `filename*`: ASCII without quotes and percent signs, which clients
    // interpret differently (RFC 6266, appendix D).
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && !matches!(c, '"' | '%');
    let fallback: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{fallback}\"");
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        value.extend(utf8_percent_encode(name, NOT_ATTR_CHAR));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_encoded() {
        for (name, value) in [
            ("plan.csv", "filename=\"plan.csv\""),
            ("my plan.csv", "filename=\"my plan.csv\""),
            (
                "Übersicht €.csv",
                "filename=\"_bersicht _.csv\"; filename*=UTF-8''%C3%9Cbersicht%20%E2%82%AC.csv",
            ),
            ("a\"b%41.txt", "filename=\"a_b_41.txt\"; filename*=UTF-8''a%22b%2541.txt"),
            ("../../etc/passwd", "filename=\"_.._etc_passwd\""),
            ("a\r\nSet-Cookie: x", "filename=\"a__Set-Cookie: x\""),
            ("\u{202e}gpj.exe", "filename=\"_gpj.exe\""),
            (" ", "filename=\"file\""),
            ("..", "filename=\"file\""),
        ] {
            assert_eq!(attachment(name), format!("attachment; {value}"), "{name:?}");
        }
    }
}
