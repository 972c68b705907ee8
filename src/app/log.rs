//! The log of the process.

use std::{error::Error, fs::File, io::IsTerminal, os::fd::AsFd, sync::Arc};

use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    registry::Registry,
    util::SubscriberInitExt,
};

use crate::{
    config::LogFormat,
    store::QUIET_CRATES,
    telemetry::{LOG_DIRECTIVE, Traces},
};

/// Logs the paths of refused requests at its lower levels, and with them the ids of links.
const QUIET_FRAMEWORK: &str = "actix_web";

type Log = Box<dyn Layer<Registry> + Send + Sync>;

/// Writes the log of this process to standard error, filtered by `RUST_LOG` or else by
/// `default_filter`, and sends spans to `traces`.
pub fn start_log(
    format: LogFormat,
    default_filter: &str,
    traces: Option<&Traces>,
) -> Result<(), Box<dyn Error>> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.is_empty() => text.parse().map_err(|e| format!("RUST_LOG {e}"))?,
        _ => EnvFilter::new(default_filter),
    };
    let stderr = std::io::stderr();
    // A line is one write, so the lock of `Stderr` is not needed.
    let unlocked = File::from(stderr.as_fd().try_clone_to_owned()?);
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(stderr.is_terminal())
        .with_writer(Arc::new(unlocked));
    let log: Log = match format {
        LogFormat::Human => Box::new(log),
        LogFormat::Json => Box::new(log.json().flatten_event(true)),
    };
    match traces {
        None => filtered(log, filter).init(),
        Some(traces) => {
            let filter = filter.add_directive(LOG_DIRECTIVE.parse()?);
            let log = log.with_filter(filter.and(filter_fn(may_be_logged)));
            tracing_subscriber::registry().with(log).with(traces.layer()).init();
        }
    }
    Ok(())
}

fn filtered(log: Log, filter: EnvFilter) -> Dispatch {
    let logged = tracing_subscriber::registry().with(log).with(filter);
    Dispatch::new(logged.with(filter_fn(may_be_logged)))
}

/// Whether something may be logged at all (docs/API.md 7: no id, no token, no text). Not a
/// directive of the filter, where a more specific one of `RUST_LOG`, such as one that names a span,
/// would override it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let is_of = |name: &str| metadata.target().starts_with(name);
    *metadata.level() <= Level::WARN
        || !(QUIET_CRATES.into_iter().any(is_of) || is_of(QUIET_FRAMEWORK))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// The lines of these crates that pass the filter.
    fn logged(filter: &str) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = tracing_subscriber::fmt::layer().with_ansi(false).with_writer({
            let written = written.clone();
            move || Written(written.clone())
        });
        let dispatch = filtered(Box::new(log), filter.parse().unwrap());
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info_span!("request").in_scope(|| {
                tracing::debug!(target: "tokio_postgres::query", "parameters: secret");
                tracing::info!(target: "tokio_postgres::connection", "NOTICE: secret");
                tracing::trace!(target: "postgres_protocol", "secret");
                tracing::debug!(target: "diesel::connection", "secret");
                tracing::debug!(target: "diesel_async::run", "secret");
                tracing::debug!(target: "actix_web::types::path", "Request path: secret");
                tracing::warn!(target: "tokio_postgres::query", "a warning");
                tracing::debug!(target: "shared_chats::auth", "of our own");
            });
        });
        let written = written.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_logs_the_parameters_of_a_query() {
        for filter in [
            "trace",
            "tokio_postgres=trace,postgres_protocol=trace,diesel=trace,diesel_async=trace,actix_web=trace",
            "tokio_postgres::query=debug,tokio_postgres::connection=info,debug",
            "info,diesel::connection=trace,diesel_async::run=trace,actix_web::types::path=debug",
            "info,[request]=trace",
            "tokio_postgres::query[request]=trace,debug",
        ] {
            let logged = logged(filter);
            assert!(!logged.contains("secret"), "{filter}: {logged}");
        }
    }

    #[test]
    fn other_directives_of_a_filter_hold() {
        let (all, nothing) = (logged("debug"), logged("off"));
        assert!(all.contains("a warning") && all.contains("of our own"), "{all}");
        assert_eq!(nothing, "");
    }
}
