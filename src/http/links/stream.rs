//! The body of an event stream. Before anything is sent, heartbeats too, it is checked that the
//! viewer may still see the link.

use std::time::Duration;

use actix_web::Error;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    http::{error::ErrorType, extract::credentials::OptionalCaller},
    live::{Ended, Frame, Subscription},
    model::SharedChat,
    sharing::may_view,
    telemetry,
};

/// The longest silence (docs/API.md 3).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream stays open, and sends nothing, while the database cannot tell whether its viewer
/// may see the link. Browsers do not reconnect to a stream that was refused once; the database may
/// be back in a moment.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two checks of access then.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The data of a `settings` event; other changes are not shown to viewers.
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
    subscription: Subscription,
    /// By the credential that the request had: it decides when the link turns private.
    viewer: OptionalCaller,
    settings: Settings,
    /// When the viewer's access ends by itself.
    deadline: Option<DateTime<Utc>>,
    heartbeat_at: Instant,
    has_ended: bool,
}

/// Whether something may be sent now.
enum Access {
    Granted,
    Revoked,
    /// The database or the keys are out of reach.
    Unknown,
}

/// The stream for a viewer who was admitted to this link just now.
pub fn events(
    subscription: Subscription,
    viewer: OptionalCaller,
    link: &SharedChat,
) -> impl Stream<Item = Result<Bytes, Error>> + 'static {
    let stream = EventStream {
        subscription,
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
            if unknown_since.is_none() && !self.subscription.has_more() {
                self.wait().await;
            }
            if self.subscription.is_stopping() {
                return None;
            }
            match self.access().await {
                Access::Granted => unknown_since = None,
                Access::Revoked => return Some(self.revoked()),
                Access::Unknown => {
                    let since = *unknown_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= OUTAGE_TIMEOUT {
                        return None;
                    }
                    sleep(RETRY_INTERVAL).await;
                    continue;
                }
            }
            let chunk = match self.chunk() {
                Ok(chunk) => chunk,
                Err(Ended::ChatGone) => return Some(self.revoked()),
                Err(Ended::TooSlow) => return None,
            };
            if !chunk.is_empty() {
                telemetry::frames_sent(&chunk);
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Some((Ok(chunk), self));
            }
        }
        None
    }

    /// Until something may have changed, the viewer's access ends, or a heartbeat is due.
    async fn wait(&mut self) {
        let deadline = self.deadline;
        let clock = self.subscription.clock();
        tokio::select! {
            () = sleep_until(self.heartbeat_at) => {}
            () = clock.reached(deadline.unwrap_or_default()), if deadline.is_some() => {}
            () = self.subscription.changed() => {}
        }
    }

    async fn access(&mut self) -> Access {
        // Verifying the credential may take long, and then the link is read again.
        for _ in 0..2 {
            let link = match self.subscription.current_link().await {
                Ok(Some(link)) => link,
                Ok(None) => return Access::Revoked,
                Err(_) => return Access::Unknown,
            };
            if !link.is_private() {
                self.deadline = link.expires_at;
                return Access::Granted;
            }
            if let Some(caller) = self.viewer.verified() {
                // The leeway of the tokens' check is not for streams.
                let ends_at = caller.identity.expires_at;
                let may = may_view(link.visibility, Some(&caller.identity)).is_ok();
                self.deadline = Some(link.expires_at.map_or(ends_at, |at| at.min(ends_at)));
                return match may && self.subscription.clock().now() < ends_at {
                    true => Access::Granted,
                    false => Access::Revoked,
                };
            }
            // On the heap: its kilobytes would be part of every idle stream.
            let required = Box::pin(self.viewer.require()).await;
            match required.map_err(|error| error.error_type()) {
                Ok(_) => {}
                Err(ErrorType::Unavailable) => return Access::Unknown,
                Err(_) => return Access::Revoked,
            }
        }
        Access::Unknown
    }

    /// The next bytes to be sent, none if there is nothing to say.
    fn chunk(&mut self) -> Result<Bytes, Ended> {
        let settings = Settings::of(self.subscription.link());
        let changed = (settings != self.settings).then(|| Frame::event("settings", &settings));
        self.settings = settings;
        let frames = self.subscription.read()?;
        match changed {
            Some(changed) if frames.is_empty() => Ok(changed.bytes().clone()),
            Some(changed) => {
                let mut both = BytesMut::from(&changed.bytes()[..]);
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
