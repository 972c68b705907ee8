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
use url::Url;

mod background;
mod log;
mod management;
mod server;
mod stop;

pub use log::start_log;
pub use server::serve;
pub use stop::Stopper;

use background::Background;
use management::Management;

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
    telemetry::{StartMetricsError, error_chain},
};

/// How long shutting down waits for the last view counts to be written: what is left of
/// `SHUTDOWN_TIMEOUT`, within these bounds.
const MIN_LAST_WRITE: Duration = Duration::from_millis(500);
const MAX_LAST_WRITE: Duration = Duration::from_secs(3);

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
    background: Background,
    shutdown_timeout: Duration,
}

impl Application {
    /// Binds the port, migrates the database and wires the parts. Must be called within a
    /// multi-threaded tokio runtime, on which database work runs.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, StartError> {
        let failed = |error| StartError::Bind(config.bind_address, error);
        let listener = TcpListener::bind(config.bind_address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // First, since it starts the recording of metrics.
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
        let store = Store::new(database);
        let sharing = Sharing::new(store, chat_service, artifacts, clock.clone(), config.sharing());
        let provider = openid::client().map_err(|error| StartError::Client(error_chain(&error)))?;
        let authenticator = Authenticator::new(config.auth.clone(), provider, clock);
        // In a task, so that a slow provider does not delay public links.
        let fetching = (sharing.clone(), authenticator.clone());
        tokio::spawn(async move { tokio::join!(fetching.0.prepare(), fetching.1.start()) });
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
        let urls = Urls::new(&public_url, config.share_path.clone());
        let background = Background::start(&sharing, &config);
        let state = web::Data::new(State::new(
            sharing.clone(),
            authenticator,
            urls,
            lifecycle.clone(),
            config.http.clone(),
        ));
        let management = management.map(|bound| bound.serve(&state)).transpose()?;
        let server = serve(listener, &config, &lifecycle, move |app| {
            app.app_data(state.clone());
            http::routes(&state)(app);
        })?;
        Ok(Self {
            stopper: Stopper::new(server.handle(), sharing, lifecycle, config.shutdown_delay),
            server,
            address,
            management,
            public_url,
            background,
            shutdown_timeout: config.shutdown_timeout,
        })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bound address of the management server, if there is one.
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(Management::address)
    }

    /// The base URL of links.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Stops the server at once.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Stops the application gracefully.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped.
    pub async fn run(self) -> io::Result<()> {
        let management = self.management.map(Management::run);
        let ended = self.server.await;
        // After the main server, so that metrics are available until it has stopped.
        if let Some(management) = management {
            management.stop().await;
        }
        let left = self.shutdown_timeout.saturating_sub(self.stopper.stopping_for());
        self.background.finish(left.clamp(MIN_LAST_WRITE, MAX_LAST_WRITE)).await;
        ended
    }
}
