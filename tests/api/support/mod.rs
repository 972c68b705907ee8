//! What every test starts from: a database of its own, a chat service, a clock that can be moved,
//! and the application between them.

mod answer;
mod audit_log;
mod chat_service;
mod client;
mod database;
mod events;
mod issuer;
mod raw;
mod rules;
mod stored;
mod tcp_proxy;
mod tokens;
mod waiting;
mod write_lock;

use std::{
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::dev::ServerHandle;
use chrono::{DateTime, SecondsFormat, Utc};
use shared_chats::{
    app::{Application, StartError, Stopper},
    clock::Clock,
    config::{Config, Env},
};

use serde_json::Value;
use tokio::task::JoinHandle;

pub use answer::Answer;
use audit_log::Answered;
pub use chat_service::{Chat, ChatService, OwnerAnswers, Trouble, message, random_name, reply};
pub use client::{Client, Link, Request};
pub use database::Engine;
pub use events::EventStream;
pub use issuer::Issuer;
pub use macro_rules_attribute::apply;
pub use stored::{audit_records, behind_its_back, import, rows, store};
pub use tcp_proxy::TcpProxy;
pub use tokens::{claims, hs256, part};
pub use waiting::{a_moment, eventually};
pub use write_lock::WriteLock;

/// `#[apply(on_both_databases)]`: the function is a test that runs once on each database. The tests
/// are named `sqlite` and `postgres`, in a module of the function's name.
macro_rules! on_both_databases {
    ($(#[$attribute:meta])* async fn $test:ident $($rest:tt)*) => {
        $crate::support::tests_of! { [Sqlite sqlite, Postgres postgres] $test }
        $(#[$attribute])* async fn $test $($rest)*
    };
}

/// `#[apply(on_sqlite)]`: a test that is about SQLite alone.
macro_rules! on_sqlite {
    ($(#[$attribute:meta])* async fn $test:ident $($rest:tt)*) => {
        $crate::support::tests_of! { [Sqlite sqlite] $test }
        $(#[$attribute])* async fn $test $($rest)*
    };
}

/// `#[apply(on_postgres)]`: a test that is about PostgreSQL alone.
macro_rules! on_postgres {
    ($(#[$attribute:meta])* async fn $test:ident $($rest:tt)*) => {
        $crate::support::tests_of! { [Postgres postgres] $test }
        $(#[$attribute])* async fn $test $($rest)*
    };
}

macro_rules! tests_of {
    ([$($engine:ident $name:ident),+] $test:ident) => {
        mod $test {
            $(
                #[test]
                fn $name() {
                    $crate::support::run($crate::support::Engine::$engine, super::$test);
                }
            )+
        }
    };
}
pub(crate) use {on_both_databases, on_postgres, on_sqlite, tests_of};

/// What a test can ask for as its argument.
pub trait Start {
    async fn start(setup: Setup) -> Self;
}

impl Start for Setup {
    async fn start(setup: Setup) -> Self {
        setup
    }
}

impl Start for App {
    async fn start(setup: Setup) -> Self {
        setup.start().await
    }
}

/// Runs a test with a database of its own, which goes whether it passes or panics.
pub fn run<T: Start>(engine: Engine, test: impl AsyncFnOnce(T)) {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let tested = runtime();
    let Some(database) = tested.block_on(database::TestDatabase::create(engine)) else { return };
    let servers = Servers::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        tested.block_on(async {
            let setup = Setup::new(database.url().to_owned(), servers.clone()).await;
            test(T::start(setup).await).await;
        });
    }));
    tested.block_on(servers.stop());
    tested.shutdown_timeout(Duration::from_secs(5));
    runtime().block_on(database.remove());
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Every server that the test started, to be stopped when it ends.
#[derive(Clone, Default)]
struct Servers(Arc<Mutex<Vec<ServerHandle>>>);

impl Servers {
    fn add(&self, handle: ServerHandle) {
        self.0.lock().unwrap().push(handle);
    }

    async fn stop(&self) {
        let handles = std::mem::take(&mut *self.0.lock().unwrap());
        for handle in handles {
            handle.stop(false).await;
        }
    }
}

/// The credential that the application has of its own for the chat service.
pub const SERVICE_TOKEN: &str = "the-credential-of-the-share-link-service";

type ConfigChange = Arc<dyn Fn(&mut Config) + Send + Sync>;

/// What an application is started from; clones share the database, the chat service and the clock.
#[derive(Clone)]
pub struct Setup {
    pub database_url: String,
    pub chats: ChatService,
    pub clock: Clock,
    settings: Vec<(&'static str, String)>,
    changes: Vec<ConfigChange>,
    /// The artifact store.
    files: Arc<tempfile::TempDir>,
    servers: Servers,
}

impl Setup {
    async fn new(database_url: String, servers: Servers) -> Self {
        let chats = ChatService::start(&servers).await;
        let files = Arc::new(tempfile::TempDir::new().unwrap());
        let settings = vec![
            ("ARTIFACT_STORE_URL", format!("file:{}", files.path().display())),
            ("BIND_ADDRESS", "127.0.0.1:0".to_owned()),
            ("WORKERS", "1".to_owned()),
            ("DATABASE_URL", database_url.clone()),
            ("DATABASE_POOL_SIZE", "4".to_owned()),
            ("AUTH_HS256_SECRET", tokens::SECRET.to_owned()),
            ("CHAT_SERVICE_URL", chats.url.clone()),
            ("CHAT_SERVICE_TOKEN", SERVICE_TOKEN.to_owned()),
        ];
        let (clock, changes) = (Clock::movable(), Vec::new());
        let setup = Self { database_url, chats, clock, settings, changes, files, servers };
        // A test that changes a chat sees that at once; those of this age set it.
        setup.live_max_age(Duration::ZERO)
    }

    /// With another value for this setting.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.retain(|(other, _)| *other != name);
        self.settings.push((name, value.into()));
        self
    }

    /// With a change of what no setting changes.
    pub fn config(mut self, change: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        self.changes.push(Arc::new(change));
        self
    }

    /// For how long an answer of the chat service is used again.
    pub fn live_max_age(self, age: Duration) -> Self {
        self.config(move |config| config.live.max_age = age)
    }

    /// How long requests wait for their turn at the database, the chat service or a body's making.
    pub fn queue_timeout(self, timeout: Duration) -> Self {
        self.config(move |config| {
            config.database.queue_timeout = timeout;
            config.chat_service.queue_timeout = timeout;
            config.http.queue_timeout = timeout;
        })
    }

    /// How often counted views are written.
    pub fn activity_interval(self, interval: Duration) -> Self {
        self.config(move |config| config.records.activity_interval = interval)
    }

    /// Without this setting.
    pub fn without(self, name: &'static str) -> Self {
        self.with(name, "")
    }

    /// An identity provider instead of the shared secret.
    pub async fn with_issuer(self) -> (Self, Issuer) {
        let issuer = Issuer::start(&self.servers).await;
        let setup = self
            .without("AUTH_HS256_SECRET")
            .with("AUTH_ISSUER", issuer.url.clone())
            .with("AUTH_AUDIENCE", issuer::AUDIENCE);
        (setup, issuer)
    }

    /// How many objects the artifact store holds, unfinished ones too.
    pub fn objects(&self) -> usize {
        std::fs::read_dir(self.files.path()).unwrap().count()
    }

    /// The folder of the artifact store.
    pub fn store_folder(&self) -> &std::path::Path {
        self.files.path()
    }

    /// Starts the application as `main` does.
    pub async fn start(self) -> App {
        self.try_start().await.unwrap()
    }

    /// The same, where it may not start.
    pub async fn try_start(self) -> Result<App, StartError> {
        let settings = self.settings.clone();
        let env = Env::from_fn(move |name| {
            settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        });
        let mut config = Config::from_env(&env).unwrap();
        self.changes.iter().for_each(|change| change(&mut config));
        let application = Application::build(config, self.clock.clone()).await?;
        let address = application.address();
        let management = application.management_address();
        let public_url = application.public_url().as_str().trim_end_matches('/').to_owned();
        self.servers.add(application.handle());
        let stopper = application.stopper();
        let running = Running(stopper, tokio::spawn(application.run()));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Ok(App {
            chats: self.chats.clone(),
            clock: self.clock.clone(),
            address,
            management,
            public_url,
            http,
            running: Arc::new(Mutex::new(Some(running))),
            answered: Answered::begin(),
            setup: self,
        })
    }
}

/// A running application, and the world around it.
#[derive(Clone)]
pub struct App {
    pub chats: ChatService,
    pub clock: Clock,
    pub address: SocketAddr,
    /// Where its metrics are, with `MANAGEMENT_ADDRESS`.
    pub management: Option<SocketAddr>,
    /// What links start with.
    pub public_url: String,
    pub setup: Setup,
    http: reqwest::Client,
    answered: Answered,
    running: Arc<Mutex<Option<Running>>>,
}

struct Running(Stopper, JoinHandle<io::Result<()>>);

impl App {
    /// Stops it, as SIGTERM does.
    pub async fn stop(&self) {
        let Running(stopper, run) = self.running.lock().unwrap().take().unwrap();
        stopper.stop().await;
        run.await.unwrap().unwrap();
    }

    /// A client without a credential.
    pub fn anonymous(&self) -> Client {
        Client::new(self, None)
    }

    /// A user with a token that is in order; the claim `name` is the id with a capital.
    pub fn as_user(&self, id: &str) -> Client {
        self.with_token(&hs256(&claims(&self.clock, id)))
    }

    /// The chat service itself.
    pub fn as_chat_service(&self) -> Client {
        let mut claims = claims(&self.clock, "chat-service");
        claims["scope"] = "openid shared_chats:service".into();
        self.with_token(&hs256(&claims))
    }

    /// An administrator.
    pub fn as_admin(&self) -> Client {
        let mut claims = claims(&self.clock, "admin");
        claims["scope"] = "openid shared_chats:admin".into();
        self.with_token(&hs256(&claims))
    }

    /// A client with this token.
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(self, Some(format!("Bearer {token}")))
    }

    /// A client that sends this as `Authorization`.
    pub fn with_authorization(&self, value: &str) -> Client {
        Client::new(self, Some(value.to_owned()))
    }

    /// A second instance on the same database, as behind a load balancer.
    pub async fn another_instance(&self) -> App {
        self.setup.clone().start().await
    }

    /// The status and the text of what the management address has at this path.
    pub async fn manage(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.management.unwrap());
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// What the audit log says of requests that clients of this application sent, in its order.
    pub fn audit_log(&self) -> Vec<Value> {
        self.answered.audit()
    }

    /// What the access log says of them.
    pub fn access_log(&self) -> Vec<Value> {
        self.answered.access()
    }

    /// Why the last credential was refused, by the access log.
    pub fn refused(&self) -> String {
        let lines = self.access_log();
        let refused = lines.iter().rev().find_map(|line| line["refused"].as_str());
        refused.unwrap_or_default().to_owned()
    }

    /// The service's own time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A moment this long from now, by RFC 3339.
    pub fn after(&self, time: chrono::Duration) -> String {
        (self.now() + time).to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// Sends these bytes as they are, and reads one answer.
    pub async fn send_raw(&self, bytes: &[u8]) -> Answer {
        raw::exchange(self.address, bytes, &[], 0).await
    }

    /// Sends a head and then a piece over and over, and reads one answer.
    pub async fn send_much(&self, head: &str, piece: &[u8], times: usize) -> Answer {
        raw::exchange(self.address, head.as_bytes(), piece, times).await
    }

    /// Sends these bytes, and then the drip again and again, until the server closes the
    /// connection; everything that came back.
    pub async fn send_until_closed(&self, bytes: &[u8], drip: &[u8]) -> String {
        raw::until_closed(self.address, bytes, drip).await
    }

    /// The same at the management address.
    pub async fn send_to_management(&self, bytes: &[u8], drip: &[u8]) -> String {
        raw::until_closed(self.management.unwrap(), bytes, drip).await
    }

    /// Sends these pieces one after the other; everything that came back until the server closed.
    pub async fn send_in_pieces(&self, pieces: &[&str], pause: Duration) -> String {
        raw::in_pieces(self.address, pieces, pause).await
    }

    /// Sends a request and is slow to take the answer, after which the server closes.
    pub async fn take_slowly(&self, bytes: &[u8]) -> String {
        raw::taken_slowly(self.address, bytes).await
    }

    /// Sends input that is not HTTP, and reads whatever comes back.
    pub async fn send_nonsense(&self, bytes: &[u8]) -> String {
        String::from_utf8(raw::receive(self.address, bytes, &[], 0).await.2).unwrap()
    }
}
