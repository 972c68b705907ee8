//! Normalises text so that every database stores and compares it alike.

use icu_casemap::CaseMapper;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

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

/// The form in which names are searched and sorted, so that both databases find and sort alike: by
/// Unicode's full case folding (É is é, ß and ẞ are ss, a final ς is σ), and composed (NFC). All i
/// of Turkish are one letter: İ folds to an i with a dot above, which is dropped, and ı, which folds
/// to itself, becomes an i. A name does not say whether a capital I lacks its dot.
pub fn fold_case(text: &str) -> String {
    const DOT_ABOVE: char = '\u{307}';
    let decomposed: String = text.nfd().collect();
    let folded = CaseMapper::new().fold_string(&decomposed);
    let mut is_i = false;
    let one_i = folded.chars().filter_map(|c| {
        if c == DOT_ABOVE && is_i {
            return None;
        }
        let c = if c == 'ı' { 'i' } else { c };
        // Other marks may stand before the dot.
        is_i = c == 'i' || is_i && canonical_combining_class(c) != 0;
        Some(c)
    });
    one_i.nfc().collect()
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

    #[test]
    fn folding_is_full() {
        for (one, other) in [
            ("ẞ", "ß"),
            ("STRAẞE", "strasse"),
            ("ﬁn", "FIN"),
            ("ᾼ", "αι"),
            ("ŉ", "ʼN"),
            ("Ა", "ა"),
            ("ꭰ", "Ꭰ"),
            ("\u{212a}", "k"),
        ] {
            assert_eq!(fold_case(one), fold_case(other), "{one} {other}");
        }
        let ascii: String = (' '..='~').collect();
        assert_eq!(fold_case(&ascii), ascii.to_lowercase());
    }

    #[test]
    fn folding_knows_one_i() {
        for name in ["İstanbul", "I\u{307}stanbul", "istanbul", "ISTANBUL", "ıstanbul"] {
            assert_eq!(fold_case(name), "istanbul", "{name}");
        }
        assert_eq!(fold_case("\u{1eca}\u{307}"), fold_case("ị"));
        // Other letters keep their dot.
        assert_ne!(fold_case("ż"), fold_case("z"));
        assert_ne!(fold_case("iż"), fold_case("iz"));
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            let once = fold_case(&c.to_string());
            assert_eq!(fold_case(&once), once, "{c:?}");
        }
    }
}
