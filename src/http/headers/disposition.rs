//! `Content-Disposition` for untrusted file names (RFC 6266, RFC 8187).

use std::borrow::Cow;

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

/// A longer name is cut, so that the header fits into the buffers of proxies (4 KiB in nginx): a
/// character has up to twelve bytes in it.
const MAX_NAME_CHARS: usize = 200;

/// A longer extension is cut with the name. In characters, with its dot.
const MAX_EXTENSION_CHARS: usize = 20;

/// An attachment, which browsers save instead of showing it. Its file name has no path separators,
/// control characters, or bidirectional overrides, which make `gpj.exe` look like `exe.jpg`.
pub fn attachment(filename: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = filename.chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    let name = cut(name.trim().trim_matches('.'));
    let name = if name.is_empty() { "file" } else { &*name };
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

/// The name with at most [`MAX_NAME_CHARS`], and with its extension.
fn cut(name: &str) -> Cow<'_, str> {
    if name.chars().count() <= MAX_NAME_CHARS {
        return Cow::Borrowed(name);
    }
    let start = |chars: usize| name.char_indices().nth(chars).map_or(name.len(), |(at, _)| at);
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    match extension.chars().count() {
        chars @ 1..=MAX_EXTENSION_CHARS => {
            Cow::Owned(name[..start(MAX_NAME_CHARS - chars)].to_owned() + extension)
        }
        _ => Cow::Borrowed(&name[..start(MAX_NAME_CHARS)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_before_its_extension() {
        let file_name = |name: &str| {
            let value = attachment(name);
            // As HTTP/1.1 writes it; the buffer holds the other headers too.
            assert!(value.len() < 3000, "{} bytes", value.len());
            match value.split_once("filename*=UTF-8''") {
                Some((_, name)) => {
                    percent_encoding::percent_decode_str(name).decode_utf8().unwrap().into_owned()
                }
                None => value.split('"').nth(1).unwrap().to_owned(),
            }
        };
        for letter in ["a", "é", "中", "\u{1f600}", "\u{10ffff}"] {
            let long = letter.repeat(1000);
            assert_eq!(file_name(&format!("{long}.csv")), format!("{}.csv", letter.repeat(196)));
            assert_eq!(file_name(&long), letter.repeat(200));
            assert_eq!(file_name(&format!("{long}.{long}")), letter.repeat(200));
            let tar = format!("{long}.tar.gz");
            assert_eq!(file_name(&tar), format!("{}.gz", letter.repeat(197)));
            let fits = format!("{}.csv", letter.repeat(196));
            assert_eq!(file_name(&fits), fits);
        }
        assert_eq!(file_name(&format!("a.{}", "x".repeat(300))).chars().count(), 200);
    }

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
