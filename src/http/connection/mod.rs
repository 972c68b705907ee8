//! A client's connection, as the server of this process reads and writes it.
//!
//! The framework leaves three things to whoever uses it, and all are done here, below it. Of a kept
//! connection it times no request's head but the first, so that whoever sends the next one byte by byte
//! would stay for ever. And what is no HTTP it answers with a bare status, where every error of this
//! service is JSON (contract 2).
//!
//! It does so by looking at what the framework does, once for each time that it is woken: it reads what
//! there is, writes what it has to say, and then flushes, which it does only when all of that was taken.
//! So if nothing is under way at a flush, and nothing has been since the last one, it waits for the head
//! of a request that has begun to arrive. Requests are counted by [`Traffic`]. A request that comes in
//! one piece is read and answered between two flushes, and costs neither a timer nor a look at the clock.
//!
//! The third is to refuse what a worker that is far behind cannot serve: [`door`].

mod answer;
mod door;
mod refusal;
mod traffic;

#[cfg(test)]
mod tests;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{lifecycle::Lifecycle, rounds::Round};
use crate::telemetry::Route;
use answer::Prepared;
use door::Door;
use refusal::{Refusal, found_at_the_end};
pub use traffic::{Answered, Traffic, UnderWay, count};

/// How often in a row the framework may be woken while it can neither read nor write. When so many requests
/// lie before it that it takes no more, because an event stream is still being answered, it wakes itself
/// again and again, for as long as the stream lasts (`read_available` in `actix_http::h1::dispatcher`).
const MOST_VAIN_TURNS: u32 = 1000;

/// How long is waited for the head of a request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of it, or of the first one from the connection's beginning, to its last.
    pub head: Duration,
    /// Without a byte, for the next request. The framework closes the connection then.
    pub idle: Duration,
}

/// What the connections of one worker have in common.
pub struct Server {
    patience: Patience,
    /// What is answered here is counted as this route, if at all.
    route: Option<Route>,
    /// How much time there is for requests.
    round: Round,
    lifecycle: Lifecycle,
    /// What is said at the door.
    refusal: Prepared,
}

impl Server {
    /// Of a worker.
    #[must_use]
    pub fn new(
        patience: Patience,
        route: Option<Route>,
        round: Round,
        lifecycle: Lifecycle,
    ) -> Self {
        let refusal = Prepared::new(Round::too_far_behind());
        Self { patience, route, round, lifecycle, refusal }
    }

    /// Whether requests are refused at the door. At the end of the process they are not, as they are told
    /// that their connection ends as well.
    fn has_no_time(&self) -> bool {
        self.round.is_over() && !self.lifecycle.is_stopping()
    }
}

/// A client's connection.
pub struct Connection<S> {
    stream: S,
    traffic: Rc<Traffic>,
    server: Rc<Server>,
    door: Door,
    /// Something was to be read since the last flush.
    asked: bool,
    /// Something came since the last flush while no request was under way.
    came: bool,
    waits_for: Awaited,
    /// By when the next head has to be complete; `None` while nobody was seen to wait for one.
    deadline: Option<Instant>,
    /// Nothing of it came since the last request was refused at the door.
    is_idle: bool,
    /// May be earlier than the deadline: it is set anew when it is over. On the heap, as most
    /// connections never need one.
    timer: Option<Pin<Box<Sleep>>>,
    /// Flushes since anything was to be read or written.
    vain_turns: u32,
    /// The last thing that is said.
    refusal: Option<Box<Refusal>>,
}

/// What a connection is there for while no request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    FirstRequest,
    NextRequest,
    /// The framework reads no more requests from it.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Around what was accepted.
    #[must_use]
    pub fn new(stream: S, server: Rc<Server>) -> Self {
        Self {
            stream,
            traffic: Rc::default(),
            server,
            door: Door::new(),
            asked: false,
            came: false,
            waits_for: Awaited::FirstRequest,
            deadline: None,
            is_idle: false,
            timer: None,
            vain_turns: 0,
            refusal: None,
        }
    }

    /// What was accepted.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// What requests by this connection are counted in; it belongs among the connection's data.
    #[must_use]
    pub fn traffic(&self) -> Rc<Traffic> {
        self.traffic.clone()
    }

    /// Whether there is still time. To be asked when everything that there was to read and to write is
    /// done.
    fn is_in_time(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = std::mem::take(&mut self.asked);
        let came = std::mem::take(&mut self.came);
        let has_refused = self.door.take_refused();
        if self.traffic.take_moved() || has_refused {
            self.waits_for = Awaited::NextRequest;
            self.deadline = None;
            // The framework knows nothing of those, and so does not wait for a next one.
            self.is_idle = has_refused && !self.traffic.is_under_way() && !came;
            if !has_refused {
                return true;
            }
        }
        if self.traffic.is_under_way() {
            return true;
        }
        // It is about to be closed: what else comes by it is thrown away, and not for long.
        if !asked {
            self.waits_for = Awaited::End;
        }
        let patience = match self.waits_for {
            Awaited::End => return true,
            Awaited::FirstRequest => self.server.patience.head,
            Awaited::NextRequest if self.is_idle && !came => self.server.patience.idle,
            Awaited::NextRequest if came => self.server.patience.head,
            // It was woken for no reason of the client's. A part of a head may be there all the same: it
            // came in one piece with the last request.
            Awaited::NextRequest => self.server.patience.idle + self.server.patience.head,
        };
        if came && std::mem::take(&mut self.is_idle) {
            self.deadline = None;
        }
        let latest = Instant::now() + patience;
        let deadline = self.deadline.map_or(latest, |deadline| deadline.min(latest));
        self.deadline = Some(deadline);
        self.poll_timer(deadline, cx).is_pending()
    }

    fn poll_timer(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    fn refuse(&mut self, status: StatusCode) {
        self.refusal = Some(Box::new(Refusal::begin(status, self.server.route.as_ref())));
    }

    /// Sends the refusal, if there is one, and fails when that is done: it is the end of the connection.
    /// An error is the one end of which the framework makes no line in the log.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(())) };
        ready!(refusal.poll_sent(Pin::new(&mut self.stream), cx));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            // What still comes is no request any more; writing and flushing see to it.
            return Poll::Pending;
        }
        this.asked = true;
        this.vain_turns = 0;
        loop {
            ready!(this.door.poll_said(Pin::new(&mut this.stream), cx))?;
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let read = buf.filled().get(before..).unwrap_or_default();
            if !this.door.refuses(read, &this.server) {
                this.came |= !read.is_empty() && !this.traffic.is_under_way();
                return Poll::Ready(Ok(()));
            }
            buf.set_filled(before);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.vain_turns = 0;
        let mut own = buf;
        // The framework refuses when all requests are answered, as the last thing that it says.
        if this.refusal.is_none()
            && !this.traffic.is_under_way()
            && let Some((at, status)) = found_at_the_end(buf)
            && !this.traffic.may_end_like_a_head()
        {
            // First the answers before it, however many steps that takes.
            match buf.split_at(at) {
                ([], _) => this.refuse(status),
                (answers, _) => own = answers,
            }
        }
        ready!(this.poll_refused(cx))?;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, own))?;
        if written == own.len() {
            this.traffic.all_sent();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.vain_turns += 1;
        if this.vain_turns > MOST_VAIN_TURNS {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.refusal.is_none() && !this.is_in_time(cx) {
            if this.is_idle {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            this.refuse(StatusCode::REQUEST_TIMEOUT);
        }
        ready!(this.poll_refused(cx))?;
        match this.waits_for {
            Awaited::End => this.door.leave_open(),
            // All that the framework had to say was taken.
            _ => this.door.all_sent(&this.traffic),
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
