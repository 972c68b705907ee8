//! The body of an event stream. Before anything is sent, also a heartbeat, it is asked whether the
//! viewer may still see the link.

use std::time::Duration;

use actix_web::Error;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    http::{credentials::OptionalCaller, error::ErrorType},
    model::SharedChat,
    sharing::{Frame, Next, SharingError, Watching, may_view},
    telemetry,
};

/// The longest silence (contract 3).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream waits, and sends nothing, while nobody can tell whether its viewer may see the
/// link. Browsers give a stream up that is refused once; the database may be back in a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon it is asked again then.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What `settings` tells; a change of anything else is nobody else's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Settings {
    is_private: bool,
    includes_artifacts: bool,
    expires_at: Option<DateTime<Utc>>,
}

impl Settings {
    fn of(link: &SharedChat) -> Self {
        Self {
            is_private: link.is_private(),
            includes_artifacts: link.includes_artifacts,
            expires_at: link.expires_at,
        }
    }
}

struct EventStream {
    watching: Watching,
    /// Whoever came, by what was presented then: it decides when the link turns private.
    viewer: OptionalCaller,
    settings: Settings,
    /// When the viewer's right ends by itself.
    deadline: Option<DateTime<Utc>>,
    heartbeat_at: Instant,
    has_ended: bool,
}

/// Whether something may be sent now.
enum Access {
    Granted,
    Revoked,
    /// It cannot be told, at the moment.
    Unknown,
}

/// The stream for a viewer who was admitted to this link just now.
pub fn events(
    watching: Watching,
    viewer: OptionalCaller,
    link: &SharedChat,
) -> impl Stream<Item = Result<Bytes, Error>> + 'static {
    let stream = EventStream {
        watching,
        viewer,
        settings: Settings::of(link),
        deadline: None,
        heartbeat_at: Instant::now() + HEARTBEAT,
        has_ended: false,
    };
    Box::pin(stream::unfold(stream, EventStream::next))
}

impl EventStream {
    async fn next(mut self) -> Option<(Result<Bytes, Error>, Self)> {
        let mut unknown_since = None;
        while !self.has_ended {
            if unknown_since.is_none() && !self.watching.has_more() {
                self.wait().await;
            }
            if self.watching.is_stopping() {
                return None;
            }
            match self.access().await {
                Access::Granted => unknown_since = None,
                Access::Revoked => return Some(self.revoked()),
                Access::Unknown => {
                    let since = *unknown_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= PATIENCE {
                        return None;
                    }
                    sleep(ASK_AGAIN).await;
                    continue;
                }
            }
            let chunk = match self.chunk() {
                Ok(chunk) => chunk,
                Err(Ended::ByTheChat) => return Some(self.revoked()),
                Err(Ended::ByTheReader) => return None,
            };
            if !chunk.is_empty() {
                telemetry::frames_sent(&chunk);
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Some((Ok(chunk), self));
            }
        }
        None
    }

    /// Until something may have happened, the viewer's right ends, or it has been quiet for long.
    async fn wait(&mut self) {
        let deadline = self.deadline;
        let clock = self.watching.clock();
        tokio::select! {
            () = sleep_until(self.heartbeat_at) => {}
            () = clock.reached(deadline.unwrap_or_default()), if deadline.is_some() => {}
            () = self.watching.woken() => {}
        }
    }

    async fn access(&mut self) -> Access {
        // Telling who it is may take long, and then the link is asked for again.
        for _ in 0..2 {
            let link = match self.watching.standing().await {
                Ok(link) => link,
                Err(SharingError::NotFound) => return Access::Revoked,
                Err(_) => return Access::Unknown,
            };
            if !link.is_private() {
                self.deadline = link.expires_at;
                return Access::Granted;
            }
            if let Some(caller) = self.viewer.verified() {
                // What the check of tokens grants to clocks that differ is not for streams.
                let ends_at = caller.identity.expires_at;
                let may = may_view(link.visibility, Some(&caller.identity)).is_ok();
                self.deadline = Some(link.expires_at.map_or(ends_at, |at| at.min(ends_at)));
                return match may && self.watching.clock().now() < ends_at {
                    true => Access::Granted,
                    false => Access::Revoked,
                };
            }
            // On the heap, or its kilobytes were part of every idle stream.
            let required = Box::pin(self.viewer.require()).await;
            match required.map_err(|error| error.error_type()) {
                Ok(_) => {}
                Err(ErrorType::Unavailable) => return Access::Unknown,
                Err(_) => return Access::Revoked,
            }
        }
        Access::Unknown
    }

    /// What there is to be sent: it may be nothing.
    fn chunk(&mut self) -> Result<Bytes, Ended> {
        let settings = Settings::of(self.watching.link());
        let told = (settings != self.settings).then(|| Frame::event("settings", &settings));
        self.settings = settings;
        let frames = match self.watching.read() {
            Ok(Next::Frames(frames)) => frames,
            Ok(Next::Gone) => return Err(Ended::ByTheChat),
            Err(_) => return Err(Ended::ByTheReader),
        };
        match told {
            Some(told) if frames.is_empty() => Ok(told.bytes().clone()),
            Some(told) => {
                let mut both = BytesMut::from(&told.bytes()[..]);
                both.extend_from_slice(&frames);
                Ok(both.freeze())
            }
            None if frames.is_empty() && Instant::now() >= self.heartbeat_at => {
                Ok(Frame::heartbeat().bytes().clone())
            }
            None => Ok(frames),
        }
    }

    /// The last thing that is sent.
    fn revoked(mut self) -> (Result<Bytes, Error>, Self) {
        self.has_ended = true;
        let frame = Frame::revoked().bytes().clone();
        telemetry::frames_sent(&frame);
        (Ok(frame), self)
    }
}

/// Why nothing more can be sent, though the viewer may see the link.
enum Ended {
    ByTheChat,
    ByTheReader,
}
