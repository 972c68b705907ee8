//! A connection, driven step by step as the framework does it.

mod door;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Patience, Server, Traffic, refusal::found_at_the_end, traffic::UnderWay};
use crate::http::{Lifecycle, Round};

const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75) };
const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";

/// A client, as its connection sees it.
#[derive(Default)]
struct Client {
    sends: VecDeque<&'static [u8]>,
    got: Vec<u8>,
    /// How much it takes at a time, and then it pauses.
    takes: Option<usize>,
    pauses: bool,
    /// Our side said its last.
    was_told: bool,
    /// It closes its side when it was told.
    is_polite: bool,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.sends.pop_front() {
            Some(bytes) => buf.put_slice(bytes),
            None if self.was_told && self.is_polite => {}
            None => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes.is_some() && std::mem::replace(&mut self.pauses, true) {
            self.pauses = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let taken = self.takes.map_or(buf.len(), |most| most.min(buf.len()));
        self.got.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.was_told = true;
        Poll::Ready(Ok(()))
    }
}

struct Driven {
    connection: Connection<Client>,
    traffic: Rc<Traffic>,
    /// What the framework was given to read.
    passed_on: Vec<u8>,
}

impl Driven {
    fn new() -> Self {
        Self::by(Round::new(Duration::MAX))
    }

    /// By a worker that has no time for anybody.
    fn in_haste() -> Self {
        Self::by(Round::over())
    }

    fn by(round: Round) -> Self {
        let client = Client { is_polite: true, ..Client::default() };
        let lifecycle = Lifecycle::default();
        let server = Server::new(PATIENCE, None, round, lifecycle);
        let connection = Connection::new(client, server.into());
        Self { traffic: connection.traffic(), connection, passed_on: Vec::new() }
    }

    /// From here on the worker has no time.
    fn hurry(&mut self) {
        self.connection.server = Self::in_haste().connection.server;
    }

    fn begin(&self) -> UnderWay {
        UnderWay::by(Some(self.traffic.clone()))
    }

    /// What the framework does when it is woken: it reads, it flushes. Whether the connection goes on.
    async fn wake(&mut self) -> bool {
        self.read().await;
        self.flush().await
    }

    async fn read(&mut self) {
        let mut space = [0; 200];
        poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut space);
            while Pin::new(&mut self.connection).poll_read(cx, &mut buf).is_ready() {}
            self.passed_on.extend_from_slice(buf.filled());
            Poll::Ready(())
        })
        .await;
    }

    async fn flush(&mut self) -> bool {
        // Nobody waits for what is still to be written.
        let flushed =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut self.connection).poll_flush(cx))).await;
        !matches!(flushed, Poll::Ready(Err(_)))
    }

    /// As the framework does, until all of it is taken or the connection ends.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        poll_fn(|cx| {
            while !rest.is_empty() {
                match Pin::new(&mut self.connection).poll_write(cx, rest) {
                    Poll::Ready(Ok(written)) => rest = &rest[written..],
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    async fn comes(&mut self, bytes: &'static [u8]) -> bool {
        self.connection.stream.sends.push_back(bytes);
        self.wake().await
    }

    /// A request, answered when it is read.
    async fn exchange(&mut self, request: &'static [u8]) {
        self.connection.stream.sends.push_back(request);
        self.read().await;
        drop(self.begin());
        assert!(self.flush().await);
    }

    fn got(&self) -> &str {
        std::str::from_utf8(&self.connection.stream.got).unwrap()
    }
}

async fn after(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[track_caller]
fn is_json(answer: &str, status: &str, error_type: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error_type"], error_type);
}

#[tokio::test(start_paused = true)]
async fn the_first_head_has_its_time_from_the_beginning() {
    let mut driven = Driven::new();
    assert!(driven.wake().await);
    after(9).await;
    assert!(driven.comes(b"GET / HT").await);
    after(1).await;
    assert!(!driven.wake().await);
    is_json(driven.got(), "408", "request_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_its_time_from_its_first_byte_however_it_comes() {
    let mut driven = Driven::new();
    driven.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
    after(60).await;
    for _ in 0..10 {
        assert!(driven.comes(b"x").await);
        after(1).await;
    }
    assert!(!driven.comes(b"x").await);
    is_json(driven.got(), "408", "request_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_request_in_one_piece_needs_no_timer() {
    let mut driven = Driven::new();
    for _ in 0..3 {
        driven.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
        after(70).await;
    }
    assert!(driven.connection.timer.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_not_cut_nor_what_comes_meanwhile() {
    let mut driven = Driven::new();
    driven.connection.stream.sends.push_back(b"POST / HTTP/1.1\r\n\r\n");
    driven.read().await;
    let under_way = driven.begin();
    assert!(driven.flush().await);
    for _ in 0..100 {
        after(10).await;
        assert!(driven.comes(b"part of its body").await);
    }
    drop(under_way);
    assert!(driven.flush().await);
    assert!(driven.connection.timer.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_a_head_that_came_in_time_cuts_nothing() {
    let mut driven = Driven::new();
    driven.exchange(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(driven.comes(b"GET / HT").await);
    after(9).await;
    driven.exchange(b"TP/1.1\r\n\r\n").await;
    after(2).await;
    assert!(driven.wake().await);
    after(60).await;
    assert!(driven.comes(b"GET / HT").await);
    after(9).await;
    assert!(driven.wake().await);
    after(1).await;
    assert!(!driven.wake().await);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_head_that_came_with_the_last_request_does_not_stay_for_ever() {
    let mut driven = Driven::new();
    driven.exchange(b"GET / HTTP/1.1\r\n\r\nGET / HT").await;
    assert!(driven.wake().await);
    after(84).await;
    assert!(driven.wake().await);
    after(1).await;
    assert!(!driven.wake().await);
    is_json(driven.got(), "408", "request_timeout");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_read_any_more_is_told_nothing() {
    let mut driven = Driven::new();
    driven.exchange(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await;
    // The framework lingers: it flushes first, and throws away what comes.
    for _ in 0..20 {
        assert!(driven.flush().await);
        driven.connection.stream.sends.push_back(b"x");
        driven.read().await;
        after(1).await;
    }
    assert_eq!(driven.got(), "");
}

#[tokio::test(start_paused = true)]
async fn the_frameworks_own_refusal_takes_our_shape_behind_answers_too() {
    for takes in [None, Some(1), Some(7), Some(BARE.len())] {
        for before in ["", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"] {
            let mut driven = Driven::new();
            drop(driven.begin());
            driven.connection.stream.takes = takes;
            let ended = driven.write(format!("{before}{BARE}").as_bytes()).await;
            assert!(ended.is_err(), "{takes:?}");
            let rest = driven.got().strip_prefix(before).unwrap();
            is_json(rest, "400", "bad_request");
            assert!(driven.connection.stream.was_told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_holds_a_refusal_is_sent_as_it_is() {
    use actix_web::body::{BoxBody, MessageBody};
    let mut driven = Driven::new();
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BARE}", BARE.len());
    // While it is under way, and when its last piece is written.
    let under_way = driven.begin();
    driven.write(text.as_bytes()).await.unwrap();
    let mut body = under_way.around(BoxBody::new(BARE.to_owned()));
    while poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.is_some() {}
    drop(body);
    driven.write(text.as_bytes()).await.unwrap();
    assert_eq!(driven.got(), text.repeat(2));
    // And when all of it is out, a refusal is one.
    assert!(driven.write(BARE.as_bytes()).await.is_err());
    is_json(&driven.got()[2 * text.len()..], "400", "bad_request");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_is_left_after_a_moment() {
    let mut driven = Driven::new();
    driven.connection.stream.is_polite = false;
    let began = tokio::time::Instant::now();
    assert!(driven.write(BARE.as_bytes()).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[test]
fn only_a_bare_head_is_the_frameworks_own() {
    let found = |text: &str| found_at_the_end(text.as_bytes()).map(|(at, s)| (at, s.as_u16()));
    assert_eq!(found(BARE), Some((0, 400)));
    assert_eq!(found(&format!("{{}}{BARE}")), Some((2, 400)));
    let kept = BARE.replace("connection: close\r\n", "");
    assert_eq!(found(&kept), Some((0, 400)));
    assert_eq!(found(&BARE.replace("HTTP/1.1", "HTTP/1.0")), Some((0, 400)));
    let large = BARE.replace("400 Bad Request", "431 Request Header Fields Too Large");
    assert_eq!(found(&large), Some((0, 431)));
    assert_eq!(found(&BARE.replace("400 Bad Request", "200 OK")), None);
    assert_eq!(found(&BARE.replace("date:", "x-request-id: 1\r\ndate:")), None);
    assert_eq!(found(&BARE.replace("length: 0", "length: 2")), None);
    assert_eq!(found(&(BARE.to_owned() + "{}")), None);
    assert_eq!(found("HTTP/1.1 100 Continue\r\n\r\n"), None);
    assert_eq!(found(&BARE[1..]), None);
}
