//! The settings of rate limits.

use std::str::FromStr;

use super::{ConfigError, Env, fixed, parse::Period};
use crate::http::{Rate, RateSettings};

pub fn rates(env: &Env) -> Result<RateSettings, ConfigError> {
    let rate = |name| Ok::<_, ConfigError>(env.get_or::<MaybeRate>(name, "off")?.0);
    Ok(RateSettings {
        anonymous: rate("RATE_LIMIT_ANONYMOUS")?,
        caller: rate("RATE_LIMIT_CALLER")?,
        chat_service: rate("RATE_LIMIT_CHAT_SERVICE")?,
        max_clients: fixed::RATE_LIMIT_MAX_CLIENTS,
    })
}

/// A rate such as `600/1m`, or `off`.
struct MaybeRate(Option<Rate>);

impl FromStr for MaybeRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let rate = text.split_once('/').and_then(|(calls, window)| {
            let window: Period = window.trim().parse().ok()?;
            Rate::new(calls.trim().parse().ok()?, window.0)
        });
        rate.map(|rate| Self(Some(rate))).ok_or(
            "must be off, or from 1 to 1000000 calls in a time of whole seconds, such as 600/1m",
        )
    }
}
