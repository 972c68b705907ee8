//! The command line.

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use shared_chats::{
    app::Application,
    auth::sign_hs256,
    clock::Clock,
    config::{self, Config, Env, LogFormat},
    demo, http,
    store::Database,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    /// Print a token for trying things out, signed with AUTH_HS256_SECRET.
    Token(TokenArgs),
    /// Print the API's description, openapi.yaml.
    Openapi,
}

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

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the log may not be set up yet")]
            {
                eprintln!("shared-chats: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let env = Env::of_process();
    match command {
        Command::Openapi => {
            print(http::openapi_yaml().trim_end());
            return Ok(());
        }
        Command::Token(args) => {
            print(&token(&env, &args)?);
            return Ok(());
        }
        Command::Serve | Command::Migrate | Command::Demo => {}
    }
    let default_filter = match command {
        Command::Demo => "warn",
        _ => "info",
    };
    start_log(config::log_format(&env)?, default_filter);
    // Serving has its own threads, one runtime each; this one does the database's waiting.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Migrate => migrate(&env).await,
            Command::Demo => demo::run(&env, stopped()).await,
            _ => serve(&env).await,
        }
    })
}

async fn serve(env: &Env) -> Result<(), Failure> {
    let application = Application::build(Config::from_env(env)?, Clock::system()).await?;
    print(&format!("listening on http://{}", application.address()));
    let stopper = application.stopper();
    tokio::spawn(async move {
        stopped().await;
        tracing::info!("stopping: finishing what is under way");
        stopper.stop().await;
    });
    Ok(application.run().await?)
}

async fn migrate(env: &Env) -> Result<(), Failure> {
    let applied = Database::open(&config::database(env)?)?.migrate().await?;
    for version in &applied {
        print(&format!("migrated to {version}"));
    }
    if applied.is_empty() {
        print("the database is up to date");
    }
    Ok(())
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

/// Completes at SIGTERM or SIGINT.
async fn stopped() {
    let asked = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = asked(SignalKind::terminate()) => {}
        () = asked(SignalKind::interrupt()) => {}
    }
}

fn start_log(format: LogFormat, default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default_filter.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Human => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

fn print(line: &str) {
    #[expect(clippy::print_stdout, reason = "this is what the command was asked for")]
    {
        println!("{line}");
    }
}
