//! The end of a connection whose client sent no HTTP, or not in time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::answer::{Ending, answer};
use crate::{
    http::{
        error::{ApiError, ErrorType},
        request::{RequestId, note},
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
        // Nothing was worked on.
        note(UNKNOWN, route, status, Duration::ZERO, &id);
        let ends = Box::pin(sleep_until(Instant::now() + LINGERING));
        let error = ApiError::from(ErrorType::for_status(status));
        Self { answer: answer(&error, &id, Ending::Closes), sent: 0, is_sent: false, ends }
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
