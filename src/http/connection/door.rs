//! What is refused before the framework sees it. When a worker is behind, it has to get through more
//! requests than it could serve, and what the framework does for each of them (a request, an application's
//! layers, a response) costs as much as the answer to a view. A request that came whole and alone is
//! refused for a small part of that.
//!
//! Nothing may be mistaken for a request that is a part of something else. So what is refused here is what
//! one read gave, from its first byte to its last, on a connection on which all that came before
//! was such as well, and is answered, and the answers are sent. Everything else is the framework's.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::{Method, StatusCode, header::HeaderValue, uri::PathAndQuery};
use httparse::{Request, Status};
use tokio::io::AsyncWrite;

use super::{Server, Traffic};
use crate::http::request::{RequestId, note};

/// More fields than any browser sends; a request with more goes the framework's way.
const MOST_FIELDS: usize = 64;

/// A request whose first and last byte are those of what was read.
#[derive(Debug)]
struct Whole<'a> {
    method: &'a str,
    path: &'a str,
    id: Option<&'a [u8]>,
    /// Another site's page asks.
    is_from_elsewhere: bool,
}

impl<'a> Whole<'a> {
    /// The request, unless there is any doubt whether it is one: then it is the framework's to say. After
    /// the answer the connection goes on (RFC 9112, 9.3).
    fn found_in(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = Request::new(&mut fields);
        let Ok(Status::Complete(head_bytes)) = head.parse(bytes) else { return None };
        let (Some(method), Some(path), Some(1)) = (head.method, head.path, head.version) else {
            return None;
        };
        let mut whole = Self { method, path, id: None, is_from_elsewhere: false };
        let (mut body, mut hosts) = (None, 0);
        for field in head.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                // A second one is an error (RFC 9112, 6.3).
                if body.replace(length(field.value)?).is_some() {
                    return None;
                }
            } else if is("connection") {
                if !field.value.eq_ignore_ascii_case(b"keep-alive") {
                    return None;
                }
            } else if is("host") {
                hosts += 1;
            } else if is("transfer-encoding") || is("upgrade") || is("expect") {
                return None;
            } else if is("origin") {
                whole.is_from_elsewhere = true;
            } else if is("x-request-id") {
                whole.id.get_or_insert(field.value);
            }
        }
        let is_all = head_bytes.checked_add(body.unwrap_or(0)) == Some(bytes.len());
        // One without a host is refused as what it is (RFC 9112, 3.2).
        (is_all && hosts == 1 && method != Method::CONNECT.as_str()).then_some(whole)
    }

    /// Whether it can be refused here: probes never are, and another site's page has to be told whether it
    /// may read the answer.
    fn may_be_refused(&self) -> bool {
        let may_wait = self.path.starts_with('/') && !self.path.starts_with("/health/");
        may_wait && !self.is_from_elsewhere && PathAndQuery::try_from(self.path).is_ok()
    }

    /// The refusal, with its line in the log.
    fn refuse(&self, server: &Server) -> Vec<u8> {
        server.round.refuse();
        let given = self.id.and_then(|id| HeaderValue::from_bytes(id).ok());
        let id = RequestId::given_or_new(given.as_ref());
        let status = StatusCode::SERVICE_UNAVAILABLE;
        note(self.method, server.route.as_ref(), status, Duration::ZERO, &id);
        server.refusal.to(&id, self.method == Method::HEAD.as_str())
    }
}

/// Where the requests of one connection come in.
#[derive(Debug)]
pub(super) struct Door {
    /// So many were let in, each of them whole; `None` when something else was.
    let_in: Option<u32>,
    /// All of them are answered, and the answers are sent.
    all_answered: bool,
    /// One was refused since somebody asked.
    has_refused: bool,
    /// What is left to be said to those who were refused.
    to_say: VecDeque<u8>,
}

impl Door {
    /// Of a new connection.
    pub(super) fn new() -> Self {
        let to_say = VecDeque::new();
        Self { let_in: Some(0), all_answered: true, has_refused: false, to_say }
    }

    /// Whether what was read is a request that is refused here and now; else it is let in. Its answer is
    /// sent by [`Door::poll_said`], before anything else is read.
    pub(super) fn refuses(&mut self, read: &[u8], server: &Server) -> bool {
        if read.is_empty() {
            return false;
        }
        let whole = if self.all_answered { Whole::found_in(read) } else { None };
        match &whole {
            Some(whole) if server.has_no_time() && whole.may_be_refused() => {
                self.to_say = whole.refuse(server).into();
                self.has_refused = true;
                return true;
            }
            Some(_) => self.let_in = self.let_in.map(|count| count.wrapping_add(1)),
            None => self.let_in = None,
        }
        self.all_answered = false;
        false
    }

    /// The framework has nothing to say any more.
    pub(super) fn all_sent(&mut self, traffic: &Traffic) {
        // What was let in may not have begun.
        self.all_answered = !traffic.is_under_way() && self.let_in == Some(traffic.begun());
    }

    /// Whatever comes from here on is let in: the framework throws it away.
    pub(super) fn leave_open(&mut self) {
        self.let_in = None;
        self.all_answered = false;
    }

    /// Whether a request was refused since this was asked last.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.has_refused)
    }

    /// Says what is left to be said.
    pub(super) fn poll_said(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.to_say.is_empty() {
            let (rest, _) = self.to_say.as_slices();
            match ready!(stream.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.to_say.drain(..written)),
            }
        }
        // An idle connection keeps no memory for it.
        self.to_say = VecDeque::new();
        Poll::Ready(Ok(()))
    }
}

/// Digits alone.
fn length(value: &[u8]) -> Option<usize> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(bytes: &str) -> bool {
        Whole::found_in(bytes.as_bytes()).is_some()
    }

    #[test]
    fn what_came_whole_and_alone_is_known_as_that() {
        for whole in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "HEAD /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n",
            "PATCH /a HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\n\r\n{}",
            "POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n",
            "DELETE /a HTTP/1.1\r\nhost: x\r\nOrigin: https://a.example\r\n\r\n",
        ] {
            assert!(is_whole(whole), "{whole}");
        }
    }

    #[test]
    fn what_may_be_anything_else_is_not() {
        for other in [
            "",
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nx",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 1\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: +2\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 18446744073709551615\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 99999999999999999999\r\n\r\n{}",
            "PATCH / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
            "PATCH / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
            "\u{16}\u{3}\u{1}",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        ] {
            assert!(!is_whole(other), "{other}");
        }
        let many = "a: b\r\n".repeat(MOST_FIELDS + 1);
        assert!(!is_whole(&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")));
    }
}
