//! Normalises text so that every database stores and compares it alike.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

/// Decodes a JSON string that may hold escapes of lone surrogates, which `String` cannot: each
/// becomes U+FFFD, and so does NUL, which PostgreSQL's text cannot hold (docs/API.md 3, `name`).
/// `None` when the value is not a string.
pub fn decode_json_string(raw: &RawValue) -> Option<String> {
    let Wtf8(bytes) = serde_json::from_str(raw.get()).ok()?;
    Some(storable(&from_wtf8(bytes)))
}

/// Replaces NUL by U+FFFD.
pub fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The form in which names are searched and sorted: case-folded beyond ASCII (É is é, ß is ss, a
/// final ς is σ) and composed (NFC), so that both databases find and sort alike.
pub fn fold_case(text: &str) -> String {
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What serde_json returns for a string that is requested as bytes: UTF-8, except for lone
/// surrogates, which have three bytes each (WTF-8).
struct Wtf8(Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Wtf8;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Wtf8, E> {
                Ok(Wtf8(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn from_wtf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        let mut rest = error.as_bytes();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    break;
                }
                Err(at) => {
                    let (valid, broken) = rest.split_at(at.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    text.push('\u{fffd}');
                    // A surrogate in WTF-8 is always three bytes, ED A0..BF xx.
                    rest = &broken[broken.len().min(3)..];
                }
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str) -> Option<String> {
        decode_json_string(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn nul_and_lone_surrogates_become_replacement_characters() {
        assert_eq!(decoded(r#""a\u0000b""#).unwrap(), "a\u{fffd}b");
        assert_eq!(decoded(r#""\ud800x\udc00""#).unwrap(), "\u{fffd}x\u{fffd}");
        assert_eq!(decoded(r#""\ud83d\ude00 plain é""#).unwrap(), "😀 plain é");
        assert_eq!(decoded("17"), None);
        assert_eq!(decoded("null"), None);
        assert_eq!(decoded("[1,2]"), None);
    }

    #[test]
    fn folding_goes_beyond_ascii() {
        assert_eq!(fold_case("ÉCOLE"), fold_case("école"));
        assert_eq!(fold_case("E\u{301}cole"), fold_case("éCOLE"));
        assert_eq!(fold_case("Straße"), fold_case("STRASSE"));
        assert_eq!(fold_case("ΟΔΟΣ"), fold_case("οδος"));
        assert_ne!(fold_case("é"), fold_case("e"));
    }
}
