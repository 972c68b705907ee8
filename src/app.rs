//! The application, wired from its parts; `main` and every test start it.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    dev::{Server, ServerHandle},
    web,
};
use tokio::task::JoinHandle;
use url::Url;

mod log;
mod management;
mod reconciler;
mod recorder;
mod server;
mod stop;

pub use log::start_log;
pub use server::serve;
pub use stop::Stopper;

use management::Management;
use recorder::Recorder;

use crate::{
    artifacts::ArtifactStore,
    auth::Authenticator,
    chat_service::ChatService,
    clock::Clock,
    config::Config,
    http::{self, Lifecycle, State},
    openid,
    sharing::{Artifacts, Sharing, Urls},
    store::{Database, Store},
    telemetry::StartMetricsError,
};

/// How often expired and deleted content is swept; it is gone within an hour.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How long the end waits at most for the database to take the last views, and how long it
/// does when `SHUTDOWN_TIMEOUT` is over.
const LAST_WRITE: Duration = Duration::from_secs(3);
const LEAST_LAST_WRITE: Duration = Duration::from_millis(500);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("BIND_ADDRESS {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    #[error("MANAGEMENT_ADDRESS {0}: {1}")]
    BindManagement(SocketAddr, #[source] io::Error),
    #[error("metrics: {0}")]
    Metrics(#[from] StartMetricsError),
    #[error(transparent)]
    Database(#[from] crate::store::StoreError),
    #[error(transparent)]
    ChatService(#[from] crate::chat_service::InvalidSettings),
    #[error("ARTIFACT_STORE_URL: {0}")]
    ArtifactStore(#[from] crate::artifacts::ArtifactStoreError),
    #[error("the HTTP client for the identity provider: {0}")]
    Client(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The service, bound to its port and ready to run.
pub struct Application {
    server: Server,
    address: SocketAddr,
    management: Option<Management>,
    public_url: Url,
    stopper: Stopper,
    /// Background tasks.
    tasks: Vec<JoinHandle<()>>,
    recorder: Recorder,
    shutdown_timeout: Duration,
}

impl Application {
    /// Binds the port, brings the database up to date and wires the parts. It must be called within
    /// a multi-threaded tokio runtime, which database work runs on.
    ///
    /// # Errors
    /// [`StartError`], which names the setting that is at fault.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, StartError> {
        let bound = |error| StartError::Bind(config.bind_address, error);
        let listener = TcpListener::bind(config.bind_address).map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        // Before anything that is counted happens.
        let management = config.management_address.map(Management::bind).transpose()?;
        let database = Database::open(&config.database)?;
        for version in database.migrate().await? {
            tracing::info!(version, "migrated the database");
        }
        let chat_service = ChatService::with_clock(config.chat_service.clone(), clock.clone())?;
        let artifacts = Artifacts {
            store: ArtifactStore::open(&config.artifact_store)?,
            limits: config.artifact_limits.clone(),
        };
        if config.artifact_store_is_unshared {
            tracing::warn!(
                "ARTIFACT_STORE_URL is not set: files of links are kept in the folder `artifacts` \
                 of the working directory, which several instances would have to share"
            );
        }
        let store = Store::new(database);
        let (records, live) = (config.records, config.live);
        let sharing =
            Sharing::new(store, chat_service, artifacts, clock.clone(), live, records.kept);
        let listener_task = sharing.listen();
        let preparing = sharing.clone();
        tokio::spawn(async move { preparing.prepare().await });
        let provider = openid::client().map_err(|error| StartError::Client(error.to_string()))?;
        let authenticator = Authenticator::new(config.auth.clone(), provider, clock);
        // A provider that is slow to answer does not keep public links waiting.
        let keys = authenticator.clone();
        tokio::spawn(async move { keys.start().await });
        let public_url = match config.public_url.clone() {
            Some(url) => url,
            None => Url::parse(&format!("http://{address}")).map_err(io::Error::other)?,
        };
        if config.public_url.is_none() && address.ip().is_unspecified() {
            tracing::warn!(
                "PUBLIC_URL is not set: links to {public_url} open on this machine alone"
            );
        }
        let lifecycle = Lifecycle::default();
        let links = Urls::new(&public_url, config.share_path.clone());
        let retention = (config.expired_retention, records.audit_retention);
        let sweeper = tokio::spawn(sweep(sharing.clone(), retention.0, retention.1));
        let recorder = Recorder::start(sharing.clone(), records.activity_interval);
        let reconciler = reconciler::start(&sharing, config.reconciliation);
        let tasks = [Some(sweeper), listener_task, reconciler].into_iter().flatten().collect();
        let streams = sharing.clone();
        let (stopping, settings) = (lifecycle.clone(), config.http.clone());
        let state = State::new(sharing, authenticator, links, lifecycle.clone(), settings);
        let state = web::Data::new(state);
        let management = management.map(|bound| bound.serve(&state)).transpose()?;
        let server = serve(listener, &config, &lifecycle, move |app| {
            app.app_data(state.clone());
            http::routes(&state)(app);
        })?;
        let stopper = Stopper::new(server.handle(), streams, stopping, config.shutdown_delay);
        let shutdown_timeout = config.shutdown_timeout;
        Ok(Self {
            server,
            address,
            management,
            public_url,
            stopper,
            tasks,
            recorder,
            shutdown_timeout,
        })
    }

    /// The address that was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that metrics are served at, if they are.
    #[must_use]
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(Management::address)
    }

    /// What links start with.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// The server's handle, which stops it at once.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// What stops it gracefully.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn run(self) -> io::Result<()> {
        let management = self.management.map(Management::run);
        let ended = self.server.await;
        // Last, so that metrics tell how the rest ends.
        if let Some(management) = management {
            management.stop().await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        let left = self.shutdown_timeout.saturating_sub(self.stopper.stopping_for());
        self.recorder.finish(left.clamp(LEAST_LAST_WRITE, LAST_WRITE)).await;
        ended
    }
}

async fn sweep(
    sharing: Sharing,
    expired_retention: chrono::Duration,
    audit_retention: chrono::Duration,
) {
    loop {
        match sharing.sweep(expired_retention).await {
            Ok(swept) if swept == Default::default() => {}
            Ok(swept) => tracing::info!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes on"),
        }
        match sharing.sweep_audit_records(audit_retention).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "deleted old audit records"),
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes on"),
        }
        sweep_files(&sharing).await;
        match sharing.sweep_unknown().await {
            Ok(0) => {}
            Ok(files) => tracing::warn!(files, "deleted files that the database does not know"),
            Err(error) => tracing::warn!(%error, "the files could not be looked through"),
        }
        let next = tokio::time::Instant::now() + SWEEP_EVERY;
        while tokio::time::timeout_at(next, sharing.wait_for_orphans()).await.is_ok() {
            sweep_files(&sharing).await;
        }
    }
}

/// Deletes the bytes of files that belong to no link any more.
async fn sweep_files(sharing: &Sharing) {
    match sharing.sweep_orphans().await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "deleted files of no link"),
        Err(error) => tracing::warn!(%error, "files were not deleted; the next sweep goes on"),
    }
}
