//! An access token from the identity provider, cached: renewed after half of its lifetime, used
//! until it expires while the provider is down, and requested with a backoff.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use reqwest::{Client, header::HeaderValue};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};

use crate::{
    clock::Clock,
    openid::{ClientCredentials, FetchError, Issuer, Token},
    telemetry,
};

use super::authorization::bearer;

/// The longest backoff; it begins with a second and doubles with each failed attempt.
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// For so long after the last attempt a 401 of the chat service does not cause another fetch: it
/// would refuse the next token too.
const PAUSE_AFTER_REFUSAL: TimeDelta = TimeDelta::seconds(30);

/// The token; clones share it.
#[derive(Clone)]
pub(super) struct FetchedToken(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    client: ClientCredentials,
    clock: Clock,
    kept: RwLock<Option<Kept>>,
    /// A fetch holds the lock. Others wait for it and then find that the token is fresh.
    attempts: Arc<Mutex<Attempts>>,
}

#[derive(Clone)]
struct Kept {
    authorization: HeaderValue,
    asked_at: DateTime<Utc>,
    renew_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

#[derive(Default)]
struct Attempts {
    last: Option<DateTime<Utc>>,
    /// Since the last success.
    failed: u32,
}

impl Attempts {
    /// Whether the last attempt is long enough ago.
    fn allow(&self, now: DateTime<Utc>, at_least: TimeDelta) -> bool {
        let doubled = TimeDelta::seconds(1 << self.failed.saturating_sub(1).min(6));
        let failed = if self.failed == 0 { TimeDelta::zero() } else { doubled.min(LONGEST_PAUSE) };
        self.last.is_none_or(|at| {
            let ago = now - at;
            // A clock that was set back must not stop fetching until it has caught up.
            ago < TimeDelta::zero() || ago >= failed.max(at_least)
        })
    }
}

impl fmt::Debug for FetchedToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FetchedToken({:?})", self.0.client)
    }
}

impl FetchedToken {
    /// Nothing is fetched yet.
    pub(super) fn new(http: Client, client: ClientCredentials, clock: Clock) -> Self {
        let issuer = Issuer::new(http, client.issuer.clone());
        let (kept, attempts) = (RwLock::default(), Arc::default());
        Self(Arc::new(Inner { issuer, client, clock, kept, attempts }))
    }

    /// The token to send, fetched if there is no valid one. One that is due for renewal is returned
    /// all the same, and renewed in the background.
    pub(super) async fn authorization(&self) -> Option<HeaderValue> {
        let Some(kept) = self.valid() else {
            let attempts = Arc::clone(&self.0.attempts).lock_owned().await;
            if self.valid().is_none() && attempts.allow(self.now(), TimeDelta::zero()) {
                self.fetch(attempts).await.ok()?;
            }
            return Some(self.valid()?.authorization);
        };
        let now = self.now();
        // After the clock was set back, `renew_at` means nothing.
        let is_due = now >= kept.renew_at || now < kept.asked_at;
        if is_due
            && let Ok(attempts) = Arc::clone(&self.0.attempts).try_lock_owned()
            && attempts.allow(now, TimeDelta::zero())
        {
            drop(self.fetch(attempts));
        }
        Some(kept.authorization)
    }

    /// Another token than this one, which the chat service refused; fetched unless that was done
    /// within [`PAUSE_AFTER_REFUSAL`].
    pub(super) async fn instead_of(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        let another = || self.valid().filter(|kept| kept.authorization != refused);
        if another().is_none() {
            let attempts = Arc::clone(&self.0.attempts).lock_owned().await;
            if another().is_none() && attempts.allow(self.now(), PAUSE_AFTER_REFUSAL) {
                self.fetch(attempts).await.ok()?;
            }
        }
        another().map(|kept| kept.authorization)
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    fn valid(&self) -> Option<Kept> {
        let kept = self.0.kept.read().clone()?;
        (self.now() < kept.ends_at).then_some(kept)
    }

    /// In a task of its own, so that a cancelled request does not cancel the fetch for others.
    fn fetch(&self, mut attempts: OwnedMutexGuard<Attempts>) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            let asked_at = this.now();
            match this.0.issuer.token(&this.0.client).await {
                Ok(token) => this.keep(asked_at, &token, &mut attempts),
                Err(error) => this.report(&error, &mut attempts),
            }
            attempts.last = Some(this.now());
        })
    }

    fn keep(&self, asked_at: DateTime<Utc>, token: &Token, attempts: &mut Attempts) {
        let after = |time: Duration| asked_at + TimeDelta::from_std(time).unwrap_or_default();
        // Always valid: the token is visible ASCII.
        let Some(authorization) = bearer(&token.access_token) else { return };
        let (renew_at, ends_at) = (after(token.lasts / 2), after(token.lasts));
        let kept = Kept { authorization, asked_at, renew_at, ends_at };
        *self.0.kept.write() = Some(kept);
        attempts.failed = 0;
        tracing::debug!(lasts_s = token.lasts.as_secs(), "fetched a token for the chat service");
    }

    fn report(&self, error: &FetchError, attempts: &mut Attempts) {
        attempts.failed = attempts.failed.saturating_add(1);
        tracing::warn!(
            error = %telemetry::error_chain(error),
            failed = attempts.failed,
            token_at_hand = self.valid().is_some(),
            "no new token for the chat service (CHAT_SERVICE_CLIENT_ID)"
        );
    }
}
