//! The settings of audit records and of what is counted.

use std::time::Duration;

use super::{
    ConfigError, Env,
    parse::{Days, Period},
};
use crate::sharing::RecordSettings;

/// What is kept of who did and saw what, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Records {
    /// `AUDIT_RETENTION`
    pub audit_retention: chrono::Duration,
    /// `ACTIVITY_INTERVAL`: how often views are written to the database.
    pub activity_interval: Duration,
    pub kept: RecordSettings,
}

impl Records {
    /// # Errors
    /// [`ConfigError`] when one of the settings is wrong.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            audit_retention: env.or::<Days>("AUDIT_RETENTION", "90d")?.0,
            activity_interval: env.or::<Period>("ACTIVITY_INTERVAL", "10s")?.0,
            kept: RecordSettings {
                links: env.count("ACTIVITY_LINKS", 1_000_000)?.unwrap_or(10_000),
            },
        })
    }
}
