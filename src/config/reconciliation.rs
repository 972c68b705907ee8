//! The settings of reconciliation with the chat service.

use std::{str::FromStr, time::Duration};

use super::{ConfigError, Env, chat_service, parse::Period};

/// How links of deleted chats are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciliation {
    /// `RECONCILE_INTERVAL`; `None` is off.
    pub interval: Option<Duration>,
    /// `RECONCILE_MAX_GONE`, 1 to 100: if more of the chats are gone, it is taken for a fault of
    /// the chat service.
    pub max_gone_percent: u8,
}

impl Reconciliation {
    /// # Errors
    /// Also when it is on and there is no credential for the chat service.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const INTERVAL: &str = "RECONCILE_INTERVAL";
        let interval = env.get_or::<Interval>(INTERVAL, "off")?.0;
        if interval.is_some() && chat_service(env)?.lacks_service_credential() {
            return Err(ConfigError::new(
                "CHAT_SERVICE_TOKEN",
                format!("or CHAT_SERVICE_CLIENT_ID is needed for {INTERVAL}"),
            ));
        }
        let max_gone_percent = env.get_or::<Percent>("RECONCILE_MAX_GONE", "50%")?.0;
        Ok(Self { interval, max_gone_percent })
    }
}

/// A time, or `off`.
struct Interval(Option<Duration>);

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let period: Period = text.parse().map_err(|_| "must be off, or a time such as 1h or 1d")?;
        Ok(Self(Some(period.0)))
    }
}

/// A share such as `50%`; 1 to 100.
#[derive(Debug, Clone, Copy)]
pub struct Percent(pub u8);

impl FromStr for Percent {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix('%').unwrap_or(text).trim_end().parse() {
            Ok(percent @ 1..=100) => Ok(Self(percent)),
            _ => Err("must be a share from 1% to 100%"),
        }
    }
}
