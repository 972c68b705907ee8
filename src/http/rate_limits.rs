//! Rate limits (`RATE_LIMIT_…`): by user for authenticated callers, by address for anonymous
//! clients. Each instance counts for itself, in bounded memory.
//!
//! The algorithm is GCRA, a leaky bucket: the whole count may come in one burst, and then one call
//! per interval, which is the window divided by the count.

use std::{
    cell::OnceCell,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Once},
    time::Duration,
};

use actix_web::http::header::HeaderName;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};
use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{
    http::error::ApiError,
    model::{Client, Identity},
};

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A number of calls in a window of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    calls: NonZeroU32,
    window: Duration,
}

impl Rate {
    /// `None` unless there are 1 to 1,000,000 calls in whole seconds.
    pub fn new(calls: u32, window: Duration) -> Option<Self> {
        let is_whole = window.as_secs() > 0 && window.subsec_nanos() == 0;
        let calls = NonZeroU32::new(calls).filter(|calls| calls.get() <= 1_000_000 && is_whole)?;
        Some(Self { calls, window })
    }

    fn interval(self) -> Duration {
        self.window / self.calls.get()
    }
}

/// The rate limits; `None` is unlimited.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateSettings {
    /// For each address of anonymous clients, or IPv6 network.
    pub anonymous: Option<Rate>,
    /// For each user.
    pub caller: Option<Rate>,
    /// For the chat service, which calls for all users.
    pub chat_service: Option<Rate>,
    /// Whether `anonymous` leaves out requests that come through a proxy that is not trusted, whose
    /// clients would all be one.
    pub only_known_addresses: bool,
    /// How many clients each limit remembers. Beyond that it forgets the least recent one, whose
    /// count then begins anew.
    pub max_clients: u64,
}

/// The limiters.
pub struct RateLimits {
    anonymous: Option<Limit>,
    /// For verifying new tokens: see [`Meter::unverified_token`].
    unverified: Option<Limit>,
    caller: Option<Limit>,
    chat_service: Option<Limit>,
    only_known_addresses: bool,
}

impl RateLimits {
    /// `None` when nothing is limited.
    pub fn new(settings: RateSettings) -> Option<Self> {
        let RateSettings { anonymous, caller, chat_service, max_clients, only_known_addresses } =
            settings;
        anonymous.or(caller).or(chat_service)?;
        let limit = |name, rate: Option<Rate>| rate.map(|rate| Limit::new(name, rate, max_clients));
        Some(Self {
            anonymous: limit("anonymous", anonymous),
            unverified: limit("anonymous", anonymous),
            caller: limit("caller", caller),
            chat_service: limit("chat-service", chat_service),
            only_known_addresses,
        })
    }
}

/// One rate for each of many clients.
struct Limit {
    name: &'static str,
    rate: Rate,
    limiter: RateLimiter<Client, States, DefaultClock, StateInformationMiddleware>,
}

/// The buckets, bounded in number. A bucket that was idle for a window is full again, so it can be
/// forgotten.
struct States(Cache<Client, Arc<InMemoryState>>);

impl StateStore for States {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, key: &Client, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.get_with_by_ref(key, Arc::default).measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl Limit {
    fn new(name: &'static str, rate: Rate, max_clients: u64) -> Self {
        let states = Cache::builder()
            .max_capacity(max_clients)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(rate.window)
            .build();
        // A [`Rate`] never has an interval of zero.
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_second(rate.calls));
        let quota = quota.allow_burst(rate.calls);
        let limiter = RateLimiter::new(quota, States(states), DefaultClock::default());
        Self { name, rate, limiter }
    }

    fn count(&self, client: &Client) -> Count {
        let counted = self.limiter.check_key(client);
        let (remaining, wait) = match &counted {
            Ok(state) => (state.remaining_burst_capacity(), self.rate.interval()),
            Err(until) => (0, until.wait_time_from(self.limiter.clock().now())),
        };
        // Rounded up: a client that called a fraction of a second too early would be refused again.
        let reset = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Count { name: self.name, rate: self.rate, remaining, reset, exceeded: counted.is_err() }
    }
}

/// What a client has left after a call.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    name: &'static str,
    rate: Rate,
    remaining: u32,
    /// Seconds until there is more.
    reset: u64,
    exceeded: bool,
}

impl Count {
    /// The response headers (draft-ietf-httpapi-ratelimit-headers-10).
    pub fn fields(&self) -> [(HeaderName, String); 2] {
        let Self { name, rate, remaining, reset, .. } = self;
        let policy = format!("\"{name}\";q={};w={}", rate.calls, rate.window.as_secs());
        [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, format!("\"{name}\";r={remaining};t={reset}"))]
    }

    fn allowed(&self) -> Result<(), ApiError> {
        if self.exceeded { Err(ApiError::rate_limited(self.reset)) } else { Ok(()) }
    }
}

fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "RATE_LIMIT_ANONYMOUS leaves out requests with X-Forwarded-For: TRUSTED_PROXIES is \
             not set, so that the clients behind a proxy cannot be told apart"
        );
    });
}

/// Counts one request once, for the first client that it is attributed to. Verifying the caller of
/// an event stream again later is not counted.
///
/// All methods that count give 429 over the limit.
pub struct Meter {
    limits: Arc<RateLimits>,
    /// `None` where addresses are not counted.
    network: Option<Client>,
    /// `Some(None)` if the request is counted where there is no limit.
    counted: OnceCell<Option<Count>>,
}

impl Meter {
    /// `is_known` is false if the address may be that of a proxy.
    pub fn new(limits: Arc<RateLimits>, address: IpAddr, is_known: bool) -> Self {
        let is_counted = is_known || !limits.only_known_addresses;
        if !is_counted && limits.anonymous.is_some() {
            warn_once();
        }
        let network = is_counted.then(|| Client::at(address));
        Self { limits, network, counted: OnceCell::new() }
    }

    /// Counts the request for its address: it has no valid credential, or needs none.
    pub fn anonymous(&self) -> Result<(), ApiError> {
        let limit = self.limits.anonymous.as_ref().zip(self.network.clone());
        self.count_once(limit)
    }

    /// Counts the request for its authenticated caller.
    pub fn caller(&self, identity: &Identity) -> Result<(), ApiError> {
        let RateLimits { caller, chat_service, .. } = &*self.limits;
        let limit = if identity.is_chat_service { chat_service } else { caller };
        self.count_once(limit.as_ref().map(|it| (it, Client::User(identity.user_id.clone()))))
    }

    /// Counts the verification of a token that is not cached, at the rate of anonymous calls:
    /// verifying costs more than a view, and guessing tokens should not be free. It has buckets of
    /// its own, so that users behind one address do not use up the anonymous ones, and the request
    /// itself is still to be counted.
    pub fn unverified_token(&self) -> Result<(), ApiError> {
        let limit = self.limits.unverified.as_ref().filter(|_| self.counted.get().is_none());
        let Some((limit, network)) = limit.zip(self.network.as_ref()) else { return Ok(()) };
        let count = limit.count(network);
        if count.exceeded {
            let _ = self.counted.set(Some(count));
        }
        count.allowed()
    }

    /// How the request was counted, if there is a limit.
    pub fn count(&self) -> Option<Count> {
        self.counted.get().copied().flatten()
    }

    fn count_once(&self, counted: Option<(&Limit, Client)>) -> Result<(), ApiError> {
        if self.counted.get().is_some() {
            return Ok(());
        }
        let count =
            self.counted.get_or_init(|| counted.map(|(limit, client)| limit.count(&client)));
        count.as_ref().map_or(Ok(()), Count::allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(calls: u32, window: u64, max_clients: u64) -> Limit {
        let rate = Rate::new(calls, Duration::from_secs(window)).unwrap();
        Limit::new("test", rate, max_clients)
    }

    fn client(number: u32) -> Client {
        Client::Network(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn a_burst_may_use_the_whole_count_and_each_client_has_its_own() {
        let limit = limit(5, 3600, 100);
        for client in [client(1), client(2)] {
            let left: Vec<u32> = (0..5).map(|_| limit.count(&client).remaining).collect();
            assert_eq!(left, [4, 3, 2, 1, 0]);
            let sixth = limit.count(&client);
            assert!(sixth.exceeded && (700..=720).contains(&sixth.reset), "{sixth:?}");
        }
    }

    #[test]
    fn no_more_than_max_clients_are_remembered() {
        let limit = limit(1, 3600, 100);
        for number in 0..10_000 {
            assert!(!limit.count(&client(number)).exceeded);
        }
        let States(states) = limit.limiter.into_state_store();
        states.run_pending_tasks();
        assert_eq!(states.entry_count(), 100);
    }

    #[test]
    fn a_rate_has_whole_seconds_and_a_bounded_count() {
        for (calls, window, is_rate) in [
            (1, Duration::from_secs(1), true),
            (1_000_000, Duration::from_secs(86_400), true),
            (0, Duration::from_secs(1), false),
            (1_000_001, Duration::from_secs(1), false),
            (1, Duration::ZERO, false),
            (1, Duration::from_millis(1500), false),
        ] {
            assert_eq!(Rate::new(calls, window).is_some(), is_rate, "{calls} in {window:?}");
        }
    }
}
