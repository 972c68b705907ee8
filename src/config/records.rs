//! The settings of audit records and view counts.

use std::time::Duration;

use super::{ConfigError, Env, fixed, parse::Days};
use crate::sharing::RecordSettings;

#[derive(Debug, Clone, Copy)]
pub struct Records {
    pub audit_retention: chrono::Duration,
    /// How often counted views are written to the database.
    pub activity_interval: Duration,
    pub kept: RecordSettings,
}

impl Records {
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            audit_retention: env.get_or::<Days>("AUDIT_RETENTION", "90d")?.0,
            activity_interval: fixed::ACTIVITY_INTERVAL,
            kept: RecordSettings { links: fixed::ACTIVITY_LINKS },
        })
    }
}
