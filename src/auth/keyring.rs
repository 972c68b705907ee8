//! The cached keys of the provider: refreshed periodically and when a token needs another key, kept
//! through an outage, and fetched with a cool-down (docs/API.md 1).

use std::{error::Error, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{clock::Clock, telemetry};

use super::{
    key::{KeyIdentity, KeySet},
    provider::Provider,
    refusal::AuthError,
    token::Token,
};

/// For so long after the last attempt a token that no key verifies does not cause another fetch.
const COOL_DOWN: TimeDelta = TimeDelta::seconds(60);

/// The cool-down without any key, short so that a provider that starts late is noticed soon.
const COOL_DOWN_WITHOUT_KEYS: TimeDelta = TimeDelta::seconds(5);

/// How long keys are valid after the last successful fetch.
const KEYS_LAST: TimeDelta = TimeDelta::hours(24);

pub(super) struct Keyring {
    provider: Provider,
    clock: Clock,
    fetched: RwLock<Option<Fetched>>,
    /// When a fetch was last attempted. A fetch holds the lock; others wait for it and then find
    /// that the cool-down has begun.
    attempted: Arc<Mutex<Option<DateTime<Utc>>>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    at: DateTime<Utc>,
}

impl Keyring {
    pub(super) fn new(provider: Provider, clock: Clock) -> Self {
        Self { provider, clock, fetched: RwLock::default(), attempted: Arc::default() }
    }

    /// The keys, unless they are older than [`KEYS_LAST`].
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        Some(self.fetched()?.keys)
    }

    /// Verifies the token's signature. When no key does, the keys are fetched again, if the
    /// cool-down allows it: also for a bad signature or a wrong algorithm, since some providers
    /// change a key and keep its `kid`, and some use none.
    pub(super) async fn verify(
        self: &Arc<Self>,
        token: &Token<'_>,
    ) -> Result<KeyIdentity, AuthError> {
        let Some(known) = self.current() else {
            self.refresh_after(COOL_DOWN_WITHOUT_KEYS).await;
            let fetched = self.current().ok_or(AuthError::KeysUnavailable)?;
            return Ok(fetched.verify(token)?);
        };
        let refusal = match known.verify(token) {
            Ok(key) => return Ok(key),
            Err(refusal) => refusal,
        };
        self.refresh_after(COOL_DOWN).await;
        let fetched = self.current().ok_or(AuthError::KeysUnavailable)?;
        if Arc::ptr_eq(&fetched, &known) {
            return Err(AuthError::InvalidToken(refusal));
        }
        Ok(fetched.verify(token)?)
    }

    /// Fetches the keys, regardless of the cool-down.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let attempted = Arc::clone(&self.attempted).lock_owned().await;
        self.fetch(attempted).await;
    }

    /// Fetches the keys periodically until the keyring is dropped, and more often while that fails.
    pub(super) fn keep_fresh(self: &Arc<Self>, every: Duration) {
        let keyring = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Some(pause) = keyring.upgrade().map(|keyring| keyring.pause(every)) else {
                    return;
                };
                tokio::time::sleep(pause).await;
                let Some(keyring) = keyring.upgrade() else { return };
                if keyring.current().is_some() {
                    keyring.refresh().await;
                } else {
                    keyring.refresh_after(COOL_DOWN_WITHOUT_KEYS).await;
                }
            }
        });
    }

    fn pause(&self, every: Duration) -> Duration {
        let retry = match self.fetched() {
            None => COOL_DOWN_WITHOUT_KEYS,
            Some(fetched) => {
                let age = (self.clock.now() - fetched.at).to_std().unwrap_or_default();
                if age < every {
                    return every;
                }
                // Overdue, so the last attempt has failed.
                COOL_DOWN
            }
        };
        retry.to_std().unwrap_or(every).min(every)
    }

    /// Fetches the keys unless that was attempted within `cool_down`.
    async fn refresh_after(self: &Arc<Self>, cool_down: TimeDelta) {
        let attempted = Arc::clone(&self.attempted).lock_owned().await;
        let is_recent = attempted.is_some_and(|at| {
            let ago = self.clock.now() - at;
            // A clock that was set back must not stop fetching until it has caught up.
            ago >= TimeDelta::zero() && ago < cool_down
        });
        if !is_recent {
            self.fetch(attempted).await;
        }
    }

    /// In a task of its own, so that a cancelled request does not cancel the fetch, the only
    /// attempt within the cool-down.
    async fn fetch(self: &Arc<Self>, mut attempted: OwnedMutexGuard<Option<DateTime<Utc>>>) {
        let keyring = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            *attempted = Some(keyring.clock.now());
            match keyring.provider.fetch().await {
                Ok(keys) => keyring.replace(keys),
                Err(error) => {
                    telemetry::keys_not_fetched(keyring.fetched().map(|fetched| fetched.at));
                    tracing::warn!(
                        error = &error as &(dyn Error + 'static),
                        keys_at_hand = keyring.current().is_some(),
                        "the identity provider's keys could not be fetched"
                    );
                }
            }
            // Again at the end, or the tasks that waited for a slow failure would each repeat it.
            *attempted = Some(keyring.clock.now());
        });
        if let Err(error) = fetch.await {
            tracing::error!(%error, "fetching the identity provider's keys broke off");
        }
    }

    pub(super) fn replace(&self, keys: KeySet) {
        tracing::debug!(keys = keys.len(), "fetched the identity provider's keys");
        let fetched = Fetched { keys: Arc::new(keys), at: self.clock.now() };
        telemetry::keys_fetched(fetched.at);
        *self.fetched.write() = Some(fetched);
    }

    fn fetched(&self) -> Option<Fetched> {
        let fetched = self.fetched.read().clone()?;
        (self.clock.now() - fetched.at < KEYS_LAST).then_some(fetched)
    }
}
