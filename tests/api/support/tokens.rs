//! Tokens, signed with the secret that the application is told.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared_chats::clock::Clock;

pub const SECRET: &str = "a secret of thirty-two bytes, ok";

/// Claims that are in order for the next hour. `alice` is called Alice.
pub fn claims(clock: &Clock, user: &str) -> Value {
    let mut letters = user.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    let exp = clock.now().timestamp() + 3600;
    json!({"sub": user, "name": name, "email": format!("{user}@example.com"), "exp": exp})
}

/// A token with these claims.
pub fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// The first or the second part of a token, whatever is in it.
pub fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}
