//! The body of an event stream. The viewer's access is checked before everything that is sent,
//! heartbeats too.

use std::time::Duration;

use actix_web::Error;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::error::ErrorType;
use crate::http::extract::credentials::OptionalCaller;
use crate::live::{Ended, Frame, Subscription};
use crate::model::SharedChat;
use crate::sharing::may_view;
use crate::telemetry;

/// The longest time without output (docs/API.md 3).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream stays open, without output, while access cannot be checked because the
/// database is down. Browsers do not reconnect after an error response, and the outage may be
/// short.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two checks of access during an outage.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The data of a `settings` event: the settings that viewers see.
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
    /// Its credential counts if the link turns private.
    viewer: OptionalCaller,
    settings: Settings,
    /// When the link or, on a private link, the token expires.
    deadline: Option<DateTime<Utc>>,
    heartbeat_at: Instant,
    has_ended: bool,
}

enum Access {
    Granted,
    Revoked,
    /// The database or the provider's keys are unavailable.
    Unknown,
}

/// The stream for a viewer who was just admitted to this link.
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
                Err(Ended::TooSlow | Ended::NoRoom) => return None,
            };
            if !chunk.is_empty() {
                telemetry::frames_sent(&chunk);
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Some((Ok(chunk), self));
            }
        }
        None
    }

    /// Waits for a change, the deadline or the next heartbeat.
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
        // Verifying the credential may take long, so the link is read again afterwards.
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
                // Without the leeway that other calls give to tokens.
                let ends_at = caller.identity.expires_at;
                self.deadline = Some(link.expires_at.map_or(ends_at, |at| at.min(ends_at)));
                let (audience, owner) = (link.audience.as_ref(), link.owner_id.as_ref());
                let may_view = may_view(link.visibility, audience, owner, Some(&caller.identity));
                let granted = may_view.is_ok() && self.subscription.clock().now() < ends_at;
                return if granted { Access::Granted } else { Access::Revoked };
            }
            // Boxed, since its kilobytes would be part of every idle stream.
            let required = Box::pin(self.viewer.require()).await;
            match required.map_err(|error| error.error_type()) {
                Ok(_) => {}
                Err(ErrorType::Unavailable) => return Access::Unknown,
                Err(_) => return Access::Revoked,
            }
        }
        Access::Unknown
    }

    /// The next bytes to send; may be empty.
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

    /// Sends `revoked` and ends.
    fn revoked(mut self) -> (Result<Bytes, Error>, Self) {
        self.has_ended = true;
        let frame = Frame::revoked().bytes().clone();
        telemetry::frames_sent(&frame);
        (Ok(frame), self)
    }
}
