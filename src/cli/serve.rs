//! `serve`.

use std::{io, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    app::Application,
    cli::{Failure, print},
    clock::Clock,
    config::{Config, Env},
};

/// Serves. Ends `before` the end of `SHUTDOWN_TIMEOUT`.
pub(super) async fn serve(env: &Env, before: Duration) -> Result<(), Failure> {
    let mut config = Config::from_env(env)?;
    config.shutdown_timeout = config.shutdown_timeout.saturating_sub(before);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let application = Application::build(config, Clock::system()).await?;
    // Before the address is printed: a process that reads it may send SIGTERM at once.
    let stopped = stopped();
    print(&format!("listening on http://{}", application.address()))?;
    if let Some(address) = application.management_address() {
        print(&format!("metrics on http://{address}/metrics"))?;
    }
    let stopper = application.stopper();
    tokio::spawn(async move {
        stopped.await;
        tracing::info!("stopping: finishing what is under way");
        stopper.stop().await;
    });
    Ok(application.run().await?)
}

/// Completes at SIGTERM or SIGINT. The handlers are installed by this call, not when the future is
/// first polled.
pub(super) fn stopped() -> impl Future<Output = ()> + Send + 'static {
    let asked = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        let [terminate, interrupt] = asked.map(heard);
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

async fn heard(asked: io::Result<Signal>) {
    match asked {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal terminates the process.
        Err(_) => std::future::pending().await,
    }
}
