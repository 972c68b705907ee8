//! Answers that are made here, below the framework: errors like any other (contract 2).

use actix_web::{
    body::MessageBody,
    http::header::{self, HttpDate},
};

use uuid::fmt::Hyphenated;

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

/// An answer that is made again and again, and differs in its id and its date alone.
#[derive(Debug)]
pub(super) struct Prepared {
    error: ApiError,
    answer: Vec<u8>,
    ids: Vec<usize>,
    date: usize,
    body: usize,
}

impl Prepared {
    /// The answer with this error, after which the connection stays.
    pub(super) fn new(error: ApiError) -> Self {
        let id = RequestId::new();
        let answer = answer(&error, &id, Ending::Stays { is_head: false });
        let ids = places(&answer, id.as_str().as_bytes()).collect();
        let date = places(&answer, b"\r\ndate: ").next().map_or(0, |at| at + 8);
        let body = places(&answer, b"\r\n\r\n").next().map_or(0, |at| at + 4);
        Self { error, answer, ids, date, body }
    }

    /// The same as [`answer`] gives.
    pub(super) fn to(&self, id: &RequestId, is_head: bool) -> Vec<u8> {
        // A client's own id may be of another length, and with it the body.
        if id.as_str().len() != ID_LENGTH {
            return answer(&self.error, id, Ending::Stays { is_head });
        }
        let mut answer = self.answer.clone();
        let mut write = |at: usize, text: &str| {
            if let Some(place) = answer.get_mut(at..at + text.len()) {
                place.copy_from_slice(text.as_bytes());
            }
        };
        self.ids.iter().for_each(|at| write(*at, id.as_str()));
        write(self.date, &now().to_string());
        if is_head {
            answer.truncate(self.body);
        }
        answer
    }
}

/// How long an id is that nobody gave.
const ID_LENGTH: usize = Hyphenated::LENGTH;

/// Where these bytes begin in others.
fn places(bytes: &[u8], wanted: &[u8]) -> impl Iterator<Item = usize> {
    let found = bytes.windows(wanted.len()).enumerate();
    found.filter(move |(_, part)| *part == wanted).map(|(at, _)| at)
}

#[expect(clippy::disallowed_methods, reason = "it is the machine's time in every `Date`")]
fn now() -> HttpDate {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_answer_is_the_same_as_one_that_is_made_for_its_request() {
        let error = || ApiError::overloaded("a cause");
        let prepared = Prepared::new(error());
        assert_eq!(prepared.ids.len(), 2, "in the head and in the body");
        for id in [RequestId::new(), RequestId::given_or_new(Some(&"mine".parse().unwrap()))] {
            for is_head in [false, true] {
                let made = || answer(&error(), &id, Ending::Stays { is_head });
                // Unless the second changes in between, and then there is a second try.
                let same = (0..2).any(|_| prepared.to(&id, is_head) == made());
                let text = String::from_utf8_lossy(&prepared.to(&id, is_head)).into_owned();
                assert!(same, "{text}");
                assert_eq!(text.contains("request_id"), !is_head);
            }
        }
    }
}
