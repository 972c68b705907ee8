//! The command line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use shared_chats::{
    app::{Application, start_log},
    artifacts::ArtifactStore,
    auth::sign_hs256,
    chat_service::ChatService,
    clock::Clock,
    config::{self, Config, Env, Percent, Reconciliation},
    demo, http,
    model::Actor,
    probe::probe,
    sharing::{Artifacts, LegacyImport, LiveSettings, NotImported, RecordSettings, Sharing},
    store::{Database, Store},
    telemetry::Traces,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Share a chat as a link: a JSON REST service on SQLite or PostgreSQL.
#[derive(Parser)]
#[command(version, after_help = config::help())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default).
    #[command(after_help = config::help())]
    Serve,
    /// Serve sample chats with a throw-away key and database, share one, and print how to go on.
    Demo,
    /// Bring the database of DATABASE_URL up to date, and end.
    Migrate,
    /// Ask the instance that listens on BIND_ADDRESS of this machine whether it can serve; for containers.
    #[command(after_help = HEALTH_HELP)]
    Health {
        /// Ask only whether it is alive, not for its database and keys.
        #[arg(long)]
        live: bool,
    },
    /// Print a token for trying things out, signed with AUTH_HS256_SECRET.
    Token(TokenArgs),
    /// Links from the old system.
    #[command(subcommand)]
    Legacy(Legacy),
    /// Ask the chat service about every chat that has links, and remove the links of those that are
    /// gone.
    #[command(after_help = RECONCILE_HELP)]
    Reconcile {
        /// If more of the chats are gone than this, nothing is removed [default: RECONCILE_MAX_GONE].
        #[arg(long, value_name = "SHARE")]
        max_gone: Option<Percent>,
    },
    /// Print the API's description, openapi.yaml.
    Openapi,
}

#[derive(Subcommand)]
enum Legacy {
    /// Import links from JSON Lines, one link a line, into the database of DATABASE_URL.
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
}

const IMPORT_HELP: &str = "\
A line: {\"token\", \"name\"?, \"chat_session_id\"?, \"shared_by\"?, \"is_private\"=false, \"created_at\", \"expires_at\",
         \"messages\": [{\"id\"?, \"role\"?, \"reply_to\"?, \"content\", \"created_at\"?}]}

It can be repeated: a token that is there already is left as it is. A line that is no link is reported on
standard error, with its number and why, and stops none of the others.

Exit status: 0, or 1 if a line was bad or the import ended early.";

const HEALTH_HELP: &str = "\
Settings: BIND_ADDRESS.

Exit status: 0 if it answers 200 within 4 seconds, else 1.";

const RECONCILE_HELP: &str = "\
Settings: DATABASE_URL, CHAT_SERVICE_URL, CHAT_SERVICE_TOKEN (or CHAT_SERVICE_CLIENT_ID and
what goes with it), RECONCILE_MAX_GONE. --max-gone goes before the last of them.

Exit status: 0 if every chat got a clear answer, else 1.";

#[derive(clap::Args)]
struct TokenArgs {
    /// Who it is for: the claim `sub`.
    sub: String,
    /// What others see as the name: the claim `name`.
    #[arg(long)]
    name: Option<String>,
    /// For the chat service: the scope `shared_chats:service`.
    #[arg(long)]
    service: bool,
    /// For how many seconds it is valid.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(i64).range(1..=31_536_000))]
    ttl: i64,
}

/// How long the last traces may take at the end.
const LAST_TRACES: Duration = Duration::from_secs(2);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command.unwrap_or(Command::Serve)) {
        Ok(status) => status,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the log may not be set up yet")]
            {
                eprintln!("shared-chats: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let env = Env::of_process();
    match command {
        Command::Openapi => {
            print(http::openapi_yaml().trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Token(args) => {
            print(&token(&env, &args)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Health { live } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(probe(config::bind_address(&env)?, live))?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Serve
        | Command::Migrate
        | Command::Demo
        | Command::Legacy(_)
        | Command::Reconcile { .. } => {}
    }
    let default_filter = match command {
        Command::Demo | Command::Legacy(_) | Command::Reconcile { .. } => "warn",
        _ => "info",
    };
    // Serving has its own threads, one runtime each; this one does the database's waiting.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let sends_traces = matches!(command, Command::Serve) && config::sends_traces(&env)?;
    let traces = sends_traces.then(|| Traces::start(runtime.handle())).transpose()?;
    start_log(config::log_format(&env)?, default_filter, traces.as_ref())?;
    for (name, instead) in config::retired(&env) {
        tracing::warn!(
            "{name} is no longer a setting and is ignored; what holds instead: {instead}"
        );
    }
    let ended = runtime.block_on(async {
        match command {
            Command::Legacy(Legacy::Import { file }) => return import_legacy(&env, &file).await,
            Command::Reconcile { max_gone } => return reconcile(&env, max_gone).await,
            Command::Migrate => migrate(&env).await,
            Command::Demo => demo::run(&env, stopped()).await,
            _ => serve(&env, traces.as_ref().map_or(Duration::ZERO, |_| LAST_TRACES)).await,
        }
        .map(|()| ExitCode::SUCCESS)
    });
    if let Some(traces) = traces {
        traces.finish(LAST_TRACES);
    }
    ended
}

/// Serves, and ends so much before `SHUTDOWN_TIMEOUT`.
async fn serve(env: &Env, before: Duration) -> Result<(), Failure> {
    let mut config = Config::from_env(env)?;
    config.shutdown_timeout = config.shutdown_timeout.saturating_sub(before);
    let application = Application::build(config, Clock::system()).await?;
    // A parent process that reads the address may stop it at once.
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

async fn migrate(env: &Env) -> Result<(), Failure> {
    let applied = Database::open(&config::database(env)?)?.migrate().await?;
    for version in &applied {
        print(&format!("migrated to {version}"))?;
    }
    if applied.is_empty() {
        print("the database is up to date")?;
    }
    Ok(())
}

async fn import_legacy(env: &Env, file: &Path) -> Result<ExitCode, Failure> {
    let input: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let store = migrated_store(env).await?;
    let max_snapshot_bytes = config::max_snapshot_bytes(env)?;
    let import = LegacyImport { store, clock: Clock::system(), max_snapshot_bytes };
    let counts = import
        .run(input, |report| {
            let why = match report.why {
                NotImported::Bad(why) => why,
                NotImported::ChatDeleted => "not imported, its chat was deleted".to_owned(),
            };
            // The import goes on where standard error is closed.
            let _ = writeln!(io::stderr(), "line {}: {why}", report.line);
        })
        .await?;
    print(&format!(
        "imported: {}\nalready there: {}\nexpired: {}\nchat deleted: {}\nbad: {}",
        counts.imported, counts.already_there, counts.expired, counts.chat_deleted, counts.bad
    ))?;
    Ok(if counts.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn reconcile(env: &Env, max_gone: Option<Percent>) -> Result<ExitCode, Failure> {
    let chat_service = config::chat_service(env)?;
    if chat_service.lacks_service_credential() {
        let problem =
            "CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID is needed to ask the chat service";
        return Err(problem.into());
    }
    let configured = Reconciliation::from_env(env)?.max_gone_percent;
    let max_gone_percent = max_gone.map_or(configured, |percent| percent.0);
    let artifacts = Artifacts {
        store: ArtifactStore::open(&config::artifact_store(env, &config::database(env)?.url)?)?,
        limits: config::artifact_limits(env, chat_service.timeout)?,
    };
    let chat_service = ChatService::new(chat_service)?;
    let store = migrated_store(env).await?;
    let (live, records) = (LiveSettings::default(), RecordSettings::default());
    let clock = Clock::system();
    let sharing = Sharing::new(store, chat_service, artifacts, clock, live, records);
    let found = sharing.reconcile(max_gone_percent, &Actor::CommandLine).await?;
    print(&format!(
        "asked: {}\nthere: {}\ngone: {}\nlinks removed: {}\nunclear: {}",
        found.asked, found.there, found.gone, found.links_removed, found.unclear
    ))?;
    if let Some(error) = &found.last_error {
        let _ = writeln!(io::stderr(), "without a clear answer, at last: {error}");
    }
    match found.refused {
        Some(refusal) => Err(refusal.into()),
        None if found.unclear > 0 => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The links, in a database that is up to date.
async fn migrated_store(env: &Env) -> Result<Store, Failure> {
    let database = Database::open(&config::database(env)?)?;
    database.migrate().await?;
    Ok(Store::new(database))
}

fn token(env: &Env, args: &TokenArgs) -> Result<String, Failure> {
    let secret = config::hs256_secret(env)?.ok_or("AUTH_HS256_SECRET is needed to sign a token")?;
    let now = Clock::system().now().timestamp();
    let mut claims = serde_json::json!({"sub": args.sub, "iat": now, "exp": now + args.ttl});
    let optional = [
        ("name", args.name.clone()),
        ("scope", args.service.then(|| "shared_chats:service".to_owned())),
        ("iss", env.get("AUTH_ISSUER")?),
        ("aud", env.get("AUTH_AUDIENCE")?),
    ];
    for (claim, value) in optional {
        if let Some(value) = value {
            claims[claim] = value.into();
        }
    }
    Ok(sign_hs256(&secret, &claims)?)
}

/// Completes at SIGTERM or SIGINT. They are listened for from this call on, not from the first wait,
/// so that one that comes in between does not end the process by itself.
fn stopped() -> impl Future<Output = ()> + Send + 'static {
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
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    }
}

fn print(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
