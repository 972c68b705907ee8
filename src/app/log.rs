//! The log of the process.

use std::{error::Error, fs::File, io::IsTerminal, os::fd::AsFd, sync::Arc};

use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt,
};

use crate::{
    config::LogFormat,
    store::QUIET_LOGS,
    telemetry::{LOG_DIRECTIVE, Traces},
};

/// Sends the log of this process to standard error, filtered by `RUST_LOG` or else by `default_filter`,
/// and spans to `traces`.
///
/// # Errors
/// When `RUST_LOG` is no filter; the message names it.
pub fn start_log(
    format: LogFormat,
    default_filter: &str,
    traces: Option<&Traces>,
) -> Result<(), Box<dyn Error>> {
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
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(stderr.is_terminal())
        .with_writer(Arc::new(unlocked));
    let log: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Human => Box::new(log),
        LogFormat::Json => Box::new(log.json().flatten_event(true)),
    };
    match traces {
        None => tracing_subscriber::registry().with(log).with(filter).init(),
        Some(traces) => {
            let filter = filter.add_directive(LOG_DIRECTIVE.parse()?);
            let log = log.with_filter(filter);
            tracing_subscriber::registry().with(log).with(traces.layer()).init();
        }
    }
    Ok(())
}
