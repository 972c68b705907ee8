//! Answers that are made here, below the framework: errors like any other (contract 2).

use actix_web::{
    body::MessageBody,
    http::header::{self, HttpDate},
};

use crate::http::{
    error::ApiError,
    request::{RequestId, on_every_answer},
};

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Closes,
    /// An answer to HEAD says all but the body.
    Stays {
        is_head: bool,
    },
}

/// The answer as it is sent.
pub(super) fn answer(error: &ApiError, id: &RequestId, ending: Ending) -> Vec<u8> {
    let mut response = error.respond(id.as_str());
    on_every_answer(response.headers_mut(), id);
    let (head, body) = response.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let mut answer = Vec::with_capacity(1024);
    answer.extend_from_slice(format!("HTTP/1.1 {}\r\n", head.status()).as_bytes());
    let mut line = |name: &str, value: &[u8]| {
        answer.extend_from_slice(name.as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value);
        answer.extend_from_slice(b"\r\n");
    };
    for (name, value) in head.headers() {
        line(name.as_str(), value.as_bytes());
    }
    line(header::CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
    if let Ending::Closes = ending {
        line(header::CONNECTION.as_str(), b"close");
    }
    line(header::DATE.as_str(), now().to_string().as_bytes());
    answer.extend_from_slice(b"\r\n");
    if !matches!(ending, Ending::Stays { is_head: true }) {
        answer.extend_from_slice(&body);
    }
    answer
}

#[expect(clippy::disallowed_methods, reason = "it is the machine's time in every `Date`")]
fn now() -> HttpDate {
    std::time::SystemTime::now().into()
}
