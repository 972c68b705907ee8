//! The cached keys of the provider: refreshed periodically and when a token needs another key, kept
//! through an outage, and fetched with a cool-down (docs/API.md 1).

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{clock::Clock, telemetry};

use super::{
    key::{KeyIdentity, KeySet},
    provider::Provider,
    refusal::{AuthError, Refusal},
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
    /// The keys that the log was told of.
    warned: parking_lot::Mutex<Option<String>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    at: DateTime<Utc>,
}

impl Keyring {
    pub(super) fn new(provider: Provider, clock: Clock) -> Self {
        let (fetched, attempted) = (RwLock::default(), Arc::default());
        Self { provider, clock, fetched, attempted, warned: parking_lot::Mutex::default() }
    }

    /// The keys, unless they are older than [`KEYS_LAST`].
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        Some(self.fetched()?.keys)
    }

    /// Verifies the token's signature. When no key does, the keys are fetched again, if the
    /// cool-down allows it: also for a bad signature or a wrong algorithm, since some providers
    /// change a key and keep its `kid`, and some use none. A `kid` that no key has even then may be
    /// that of a key without one.
    pub(super) async fn verify(
        self: &Arc<Self>,
        token: &Token<'_>,
    ) -> Result<KeyIdentity, AuthError> {
        let known = self.current();
        let by_known = known.as_ref().map(|known| known.verify(token));
        if let Some(Ok(key)) = by_known {
            return Ok(key);
        }
        let cool_down = if known.is_some() { COOL_DOWN } else { COOL_DOWN_WITHOUT_KEYS };
        self.refresh_after(cool_down).await;
        let fetched = self.current().ok_or(AuthError::KeysUnavailable)?;
        let verified = match (by_known, known) {
            (Some(by_known), Some(known)) if Arc::ptr_eq(&fetched, &known) => by_known,
            _ => fetched.verify(token),
        };
        Ok(match verified {
            // Some providers name the key in tokens, and not in the key set.
            Err(Refusal::UnknownKey) if token.kid.is_some() => fetched.verify_by_unnamed(token),
            verified => verified,
        }?)
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
                        error = %telemetry::error_chain(&error),
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
        self.warn_of_unusable(&keys);
        let fetched = Fetched { keys: Arc::new(keys), at: self.clock.now() };
        telemetry::keys_fetched(fetched.at);
        *self.fetched.write() = Some(fetched);
    }

    /// Once, until others are unusable.
    fn warn_of_unusable(&self, keys: &KeySet) {
        let unusable = keys.unusable();
        let mut warned = self.warned.lock();
        if *warned != unusable
            && let Some(unusable) = &unusable
        {
            tracing::warn!(%unusable, "keys of the identity provider cannot be used");
        }
        *warned = unusable;
    }

    fn fetched(&self) -> Option<Fetched> {
        let fetched = self.fetched.read().clone()?;
        (self.clock.now() - fetched.at < KEYS_LAST).then_some(fetched)
    }
}
