//! How often anybody may call (`RATE_LIMIT_…`): callers who proved who they are by that, everybody
//! else by their address. Each instance counts for itself, in memory that is bounded.
//!
//! The algorithm is GCRA, a leaky bucket: the whole count may come at once, and then one more call
//! each time the window's share of one call has passed.

use std::{
    cell::OnceCell,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
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
    model::{Identity, UserId},
};

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// So many calls in a window, which is a whole number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    calls: NonZeroU32,
    window: Duration,
}

impl Rate {
    /// `None` unless it is one call or more in one second or more, and a million at most.
    #[must_use]
    pub fn new(calls: u32, window: Duration) -> Option<Self> {
        let is_whole = window.as_secs() > 0 && window.subsec_nanos() == 0;
        let calls = NonZeroU32::new(calls).filter(|calls| calls.get() <= 1_000_000 && is_whole)?;
        Some(Self { calls, window })
    }

    /// The time after which one more call is allowed.
    fn share(self) -> Duration {
        self.window / self.calls.get()
    }
}

/// What is limited; `None` is not.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateSettings {
    /// For each address, or network of IPv6.
    pub anonymous: Option<Rate>,
    /// For each user.
    pub caller: Option<Rate>,
    /// For the chat service, which calls for all users.
    pub chat_service: Option<Rate>,
    /// How many addresses, and how many callers, are remembered at the most. Whoever called longest
    /// ago is forgotten first, which is as if they had never called.
    pub max_clients: u64,
}

/// Who called how often.
pub struct RateLimits {
    anonymous: Option<Limit<IpAddr>>,
    /// Tokens that were never seen before, by the address they come from: see [`Meter::unproven`].
    unproven: Option<Limit<IpAddr>>,
    caller: Option<Limit<UserId>>,
    chat_service: Option<Limit<UserId>>,
}

impl RateLimits {
    /// `None` when nothing is limited.
    #[must_use]
    pub fn new(settings: RateSettings) -> Option<Self> {
        let RateSettings { anonymous, caller, chat_service, max_clients } = settings;
        anonymous.or(caller).or(chat_service)?;
        Some(Self {
            anonymous: anonymous.map(|rate| Limit::new("anonymous", rate, max_clients)),
            unproven: anonymous.map(|rate| Limit::new("anonymous", rate, max_clients)),
            caller: caller.map(|rate| Limit::new("caller", rate, max_clients)),
            chat_service: chat_service.map(|rate| Limit::new("chat-service", rate, max_clients)),
        })
    }
}

/// By which somebody is known.
trait Client: Hash + Eq + Clone + Send + Sync + 'static {}
impl<T: Hash + Eq + Clone + Send + Sync + 'static> Client for T {}

/// One rate for each of many.
struct Limit<K: Client> {
    name: &'static str,
    rate: Rate,
    limiter: RateLimiter<K, States<K>, DefaultClock, StateInformationMiddleware>,
}

/// What is known of each, bounded in number. A bucket that nobody touched for a window is full again,
/// so forgetting it changes nothing.
struct States<K: Client>(Cache<K, Arc<InMemoryState>>);

impl<K: Client> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.get_with_by_ref(key, Arc::default).measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl<K: Client> Limit<K> {
    fn new(name: &'static str, rate: Rate, max_clients: u64) -> Self {
        let states = Cache::builder()
            .max_capacity(max_clients)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(rate.window)
            .build();
        // A share of zero is none of [`Rate`]'s.
        let quota = Quota::with_period(rate.share()).unwrap_or(Quota::per_second(rate.calls));
        let quota = quota.allow_burst(rate.calls);
        let limiter = RateLimiter::new(quota, States(states), DefaultClock::default());
        Self { name, rate, limiter }
    }

    /// Counts a call.
    fn count(&self, key: &K) -> Count {
        let counted = self.limiter.check_key(key);
        let (remaining, wait) = match &counted {
            Ok(state) => (state.remaining_burst_capacity(), self.rate.share()),
            Err(until) => (0, until.wait_time_from(self.limiter.clock().now())),
        };
        // Whole seconds, rounded up: whoever comes earlier is refused again.
        let reset = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Count { name: self.name, rate: self.rate, remaining, reset, exceeded: counted.is_err() }
    }
}

/// How a call was counted.
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
    /// The fields by which a client can tell (draft-ietf-httpapi-ratelimit-headers-10).
    #[must_use]
    pub fn fields(&self) -> [(HeaderName, String); 2] {
        let Self { name, rate, remaining, reset, .. } = self;
        let policy = format!("\"{name}\";q={};w={}", rate.calls, rate.window.as_secs());
        [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, format!("\"{name}\";r={remaining};t={reset}"))]
    }

    fn allowed(&self) -> Result<(), ApiError> {
        if self.exceeded { Err(ApiError::rate_limited(self.reset)) } else { Ok(()) }
    }
}

/// Counts one request, once: on whoever turns out first to have made it. What is asked after that,
/// by an event stream for one, costs nothing more.
pub struct Meter {
    limits: Arc<RateLimits>,
    /// An IPv4 address, or the /64 that one line gets at the least with IPv6 (RFC 6177).
    network: IpAddr,
    /// `None` within: it is counted, but nothing is limited there.
    counted: OnceCell<Option<Count>>,
}

impl Meter {
    #[must_use]
    pub fn new(limits: Arc<RateLimits>, address: IpAddr) -> Self {
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        };
        Self { limits, network, counted: OnceCell::new() }
    }

    /// It was made by nobody in particular, or with a credential that is no good or does not matter.
    ///
    /// # Errors
    /// 429, as for the other two.
    pub fn anyone(&self) -> Result<(), ApiError> {
        self.settle(self.limits.anonymous.as_ref(), &self.network)
    }

    /// The same, unless a handler is to tell whose request it is.
    ///
    /// # Errors
    /// As [`Meter::anyone`].
    pub fn anyone_unless(&self, has_credential: bool) -> Result<(), ApiError> {
        if has_credential { Ok(()) } else { self.anyone() }
    }

    /// It was made by somebody who proved who they are.
    ///
    /// # Errors
    /// 429.
    pub fn caller(&self, identity: &Identity) -> Result<(), ApiError> {
        let limit = match identity.is_chat_service {
            true => &self.limits.chat_service,
            false => &self.limits.caller,
        };
        self.settle(limit.as_ref(), &identity.user_id)
    }

    /// A token is to be verified that was not before. From each address that happens as often as it
    /// may call anonymously: verifying costs more than a view, and guesses should not be free. It is
    /// counted apart, so that people behind one address do not shut each other out, and the request is
    /// still to be counted on whoever made it.
    ///
    /// # Errors
    /// 429.
    pub fn unproven(&self) -> Result<(), ApiError> {
        let limit = self.limits.unproven.as_ref().filter(|_| self.counted.get().is_none());
        let Some(count) = limit.map(|limit| limit.count(&self.network)) else { return Ok(()) };
        if count.exceeded {
            let _ = self.counted.set(Some(count));
        }
        count.allowed()
    }

    /// How it was counted, if it was and anything is limited there.
    #[must_use]
    pub fn count(&self) -> Option<Count> {
        self.counted.get().copied().flatten()
    }

    fn settle<K: Client>(&self, limit: Option<&Limit<K>>, key: &K) -> Result<(), ApiError> {
        if self.counted.get().is_some() {
            return Ok(());
        }
        let count = self.counted.get_or_init(|| limit.map(|limit| limit.count(key)));
        count.as_ref().map_or(Ok(()), Count::allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(calls: u32, window: u64, max_clients: u64) -> Limit<u32> {
        let rate = Rate::new(calls, Duration::from_secs(window)).unwrap();
        Limit::new("test", rate, max_clients)
    }

    #[test]
    fn the_whole_count_may_come_at_once_and_each_client_has_its_own() {
        let limit = limit(5, 3600, 100);
        for client in [1, 2] {
            let left: Vec<u32> = (0..5).map(|_| limit.count(&client).remaining).collect();
            assert_eq!(left, [4, 3, 2, 1, 0]);
            let sixth = limit.count(&client);
            assert!(sixth.exceeded && (700..=720).contains(&sixth.reset), "{sixth:?}");
        }
    }

    #[test]
    fn however_many_call_no_more_are_remembered_than_may_be() {
        let limit = limit(1, 3600, 100);
        for client in 0..10_000 {
            assert!(!limit.count(&client).exceeded);
        }
        let States(states) = limit.limiter.into_state_store();
        states.run_pending_tasks();
        assert_eq!(states.entry_count(), 100);
    }

    #[test]
    fn a_rate_is_of_whole_seconds() {
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
