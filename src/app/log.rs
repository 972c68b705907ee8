//! The log of the process.

use std::{error::Error, fs::File, io::IsTerminal, os::fd::AsFd, sync::Arc};

use tracing_subscriber::EnvFilter;

use crate::{config::LogFormat, store::QUIET_LOGS};

/// Sends the log of this process to standard error, filtered by `RUST_LOG` or else by `default_filter`.
///
/// # Errors
/// When `RUST_LOG` is no filter; the message names it.
pub fn start_log(format: LogFormat, default_filter: &str) -> Result<(), Box<dyn Error>> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.is_empty() => text.parse().map_err(|e| format!("RUST_LOG {e}"))?,
        _ => EnvFilter::new(default_filter),
    };
    let filter = QUIET_LOGS.into_iter().try_fold(filter, |filter, quiet| {
        Ok::<_, Box<dyn Error>>(filter.add_directive(quiet.parse()?))
    })?;
    let stderr = std::io::stderr();
    // A line is one write, so no thread has to wait for another's: `Stderr` would lock.
    let unlocked = File::from(stderr.as_fd().try_clone_to_owned()?);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr.is_terminal())
        .with_writer(Arc::new(unlocked));
    match format {
        LogFormat::Human => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
