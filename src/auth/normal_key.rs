//! The JSON of a provider's key, brought into the form of RFC 7517 and RFC 7518: many providers
//! write one that is slightly off.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// A longer `kid` is cut where it is shown.
const MAX_NAME_CHARS: usize = 64;

/// So many leading zero bytes of a coordinate may be missing. More of them are no accident: each is
/// missing in one of 256 keys.
const MAX_MISSING_ZEROS: usize = 4;

/// The key without its certificates, which are not used and often wrong, and without members that
/// say nothing; with numbers in base64url without padding, of the size that their kind has. `None`
/// if it is no object.
pub(super) fn normal(key: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut key) = key else { return None };
    key.retain(|name, value| {
        let may_be_empty = !matches!(name.as_str(), "alg" | "use" | "key_ops" | "kid");
        !name.starts_with("x5") && (may_be_empty || !is_empty(value))
    });
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let size = match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => Some(32),
        (Some("EC"), Some("P-384")) => Some(48),
        (Some("RSA"), _) => Some(0),
        _ => None,
    };
    for name in ["n", "e", "x", "y"] {
        if let Some(Value::String(text)) = key.get_mut(name) {
            *text = url_safe(text);
            if let Some(size) = size
                && let Some(bytes) = bytes(text)
            {
                *text = URL_SAFE_NO_PAD.encode(sized(&bytes, size));
            }
        }
    }
    Some(key)
}

/// How a key is named in the log: by its `kid`, else by its place in the set.
pub(super) fn name(key: &Value, at: usize) -> String {
    match key.get("kid").and_then(Value::as_str) {
        // Debug output escapes what a log should not have.
        Some(kid) if !kid.is_empty() => {
            format!("{:?}", kid.chars().take(MAX_NAME_CHARS).collect::<String>())
        }
        _ => format!("key {} without kid", at + 1),
    }
}

pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Base64 in the alphabet for URLs and without padding.
fn url_safe(text: &str) -> String {
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// An unsigned integer of `size` bytes, if it is about so long: with the leading zeros that some issuers leave out
/// against RFC 7518, 6.2.1.2, and without those that others add against 2, such as the sign of a
/// Java `BigInteger`.
fn sized(bytes: &[u8], size: usize) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let number = &bytes[zeros..];
    let missing = size.saturating_sub(number.len());
    let mut sized = vec![0; if missing <= MAX_MISSING_ZEROS { missing } else { 0 }];
    sized.extend_from_slice(number);
    sized
}
