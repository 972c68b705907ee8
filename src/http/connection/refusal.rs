//! The end of a connection whose client sent no HTTP, or not in time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    body::MessageBody,
    http::{
        StatusCode,
        header::{self, HttpDate},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    http::{
        error::{ApiError, ErrorType},
        request::{RequestId, on_every_answer},
    },
    telemetry::Route,
};

/// How long it takes at most. The answer is out at once; then what the client still sends is read and
/// thrown away, since a connection that is closed before is reset, and the answer with it (RFC 9112, 9.6).
const LINGERING: Duration = Duration::from_secs(1);

/// How long the framework's own answers are at most: four lines, of which the longest is the status
/// with its reason.
const LONGEST: usize = 256;

/// Where the framework's own answer begins that these bytes end with, if they do. It holds a length of
/// zero, the date and perhaps what becomes of the connection; every other answer holds more.
pub(super) fn found_at_the_end(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let head = bytes.strip_suffix(b" GMT\r\n\r\n")?;
    let from = head.len().saturating_sub(LONGEST);
    let tail = head.get(from..)?;
    let at = tail.windows(BEGINNING.len()).rposition(|part| part == BEGINNING)?;
    let mut lines = tail.get(at..)?.split(|byte| *byte == b'\n');
    let status = StatusCode::from_bytes(lines.next()?.get(9..12)?).ok()?;
    let is_bare = lines.next()? == b"content-length: 0\r"
        && match (lines.next()?, lines.next()) {
            (date, None) => date.starts_with(b"date: "),
            (connection, Some(date)) => {
                connection.starts_with(b"connection: ") && date.starts_with(b"date: ")
            }
        }
        && lines.next().is_none();
    let refuses = status.is_client_error() || status.is_server_error();
    (is_bare && refuses).then_some((from + at, status))
}

/// An answer to nothing that has a place in the API, on its way out.
pub(super) struct Refusal {
    answer: Vec<u8>,
    sent: usize,
    /// Nothing more will be written.
    is_sent: bool,
    ends: Pin<Box<Sleep>>,
}

impl Refusal {
    /// With its line in the log, and counted as this route.
    pub(super) fn begin(status: StatusCode, route: Option<&Route>) -> Self {
        let id = RequestId::new();
        if let Some(route) = route {
            // Nothing was worked on.
            route.answered(UNKNOWN, status.as_u16(), Duration::ZERO);
        }
        tracing::info!(
            target: "shared_chats::request",
            method = UNKNOWN,
            route = "none",
            status = status.as_u16(),
            duration_us = 0,
            request_id = id.as_str(),
        );
        let ends = Box::pin(sleep_until(Instant::now() + LINGERING));
        Self { answer: answer(status, &id), sent: 0, is_sent: false, ends }
    }

    /// Sends it, and waits for a moment until the client closes its side.
    pub(super) fn poll_sent(
        &mut self,
        mut stream: Pin<&mut (impl AsyncRead + AsyncWrite)>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while let Some(rest) = self.answer.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(stream.as_mut().poll_write(cx, rest)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(written) => self.sent += written,
            }
        }
        if !self.is_sent {
            let closed = ready!(stream.as_mut().poll_shutdown(cx));
            self.is_sent = true;
            if closed.is_err() {
                return Poll::Ready(());
            }
        }
        let mut thrown_away = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut thrown_away);
            match ready!(stream.as_mut().poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// The method of what is no request.
const UNKNOWN: &str = "unknown";

/// The answer as it is sent, which is an error like any other (contract 2).
fn answer(status: StatusCode, id: &RequestId) -> Vec<u8> {
    let mut response = ApiError::from(ErrorType::for_status(status)).respond(id.as_str());
    on_every_answer(response.headers_mut(), id);
    let status = response.status();
    let headers = response.headers().clone();
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        answer.extend_from_slice(name.as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value);
        answer.extend_from_slice(b"\r\n");
    };
    for (name, value) in &headers {
        line(name.as_str(), value.as_bytes());
    }
    line(header::CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
    line(header::CONNECTION.as_str(), b"close");
    line(header::DATE.as_str(), now().to_string().as_bytes());
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}

#[expect(clippy::disallowed_methods, reason = "it is the machine's time in every `Date`")]
fn now() -> HttpDate {
    std::time::SystemTime::now().into()
}
