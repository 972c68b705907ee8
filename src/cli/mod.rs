//! The command line: `serve` (the default), `demo`, `migrate`, `health`, `token`, `legacy import`,
//! `reconcile`, `openapi`.

mod health;
mod legacy;
mod reconcile;
mod serve;
mod token;

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    app::start_log,
    config::{self, Env, Percent},
    demo, http,
    store::{Database, Store},
    telemetry::Traces,
};

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
    /// Serve sample chats and a chat product to try it in a browser, with a throw-away key and
    /// database; share one, and print how to go on.
    Demo,
    /// Bring the database of DATABASE_URL up to date, and end.
    Migrate,
    /// Ask the instance that listens on BIND_ADDRESS of this machine whether it can serve; for
    /// containers.
    #[command(after_help = health::HELP)]
    Health {
        /// Ask only whether it is alive, not for its database and keys.
        #[arg(long)]
        live: bool,
    },
    /// Print a token for trying things out, signed with AUTH_HS256_SECRET.
    Token(token::TokenArgs),
    /// Links from the old system.
    #[command(subcommand)]
    Legacy(Legacy),
    /// Ask the chat service about every chat that has links, and remove the links of those that are
    /// gone.
    #[command(after_help = reconcile::HELP)]
    Reconcile {
        /// If more of the chats are gone than this, nothing is removed [default:
        /// RECONCILE_MAX_GONE].
        #[arg(long, value_name = "SHARE")]
        max_gone: Option<Percent>,
    },
    /// Print the API's description, openapi.yaml.
    Openapi,
}

#[derive(Subcommand)]
enum Legacy {
    /// Import links from JSON Lines, one link a line, into the database of DATABASE_URL.
    #[command(after_help = legacy::HELP)]
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
}

/// How long sending the last traces may take.
const LAST_TRACES: Duration = Duration::from_secs(2);

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
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
            print(&token::token(&env, &args)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Health { live } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(health::probe(config::bind_address(&env)?, live))?;
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
    // For the database; actix has its own threads, with a runtime each.
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
            Command::Legacy(Legacy::Import { file }) => return legacy::import(&env, &file).await,
            Command::Reconcile { max_gone } => return reconcile::reconcile(&env, max_gone).await,
            Command::Migrate => migrate(&env).await,
            Command::Demo => demo::run(&env, serve::stopped()).await,
            _ => serve::serve(&env, traces.as_ref().map_or(Duration::ZERO, |_| LAST_TRACES)).await,
        }
        .map(|()| ExitCode::SUCCESS)
    });
    if let Some(traces) = traces {
        traces.finish(LAST_TRACES);
    }
    ended
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

/// The store, after migration of the database.
async fn migrated_store(env: &Env) -> Result<Store, Failure> {
    let database = Database::open(&config::database(env)?)?;
    database.migrate().await?;
    Ok(Store::new(database))
}

fn print(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
