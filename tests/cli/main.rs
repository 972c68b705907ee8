//! The command line: what is printed where, and with which status it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

mod files;
mod health;
mod legacy;
mod logs;
mod reconcile;
mod served;
mod stopping;
mod traces;

use std::{
    io::Read,
    path::Path,
    process::{Command, Output, Stdio},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A folder to run in, with a database of its own.
struct Place(TempDir);

/// What a run said.
struct Said {
    status: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The binary with no setting but these.
    fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shared-chats"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.envs(settings.iter().copied()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
        self.command(arguments, settings).output().unwrap().into()
    }

    fn import(&self, file: &str) -> Said {
        self.run(&["legacy", "import", file], &[])
    }
}

fn now() -> DateTime<Utc> {
    shared_chats::clock::Clock::system().now()
}

fn line(token: &str, chat: &str) -> Value {
    let end = (now() + chrono::Duration::days(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "token": token, "chat_session_id": chat, "created_at": "2025-01-01T00:00:00Z",
        "expires_at": end, "messages": [{"content": "Hello"}],
    })
}

/// `imported`, `already there`, `expired`, `chat deleted`, `bad`.
fn counts(numbers: [u64; 5]) -> String {
    let [imported, there, expired, deleted, bad] = numbers;
    format!(
        "imported: {imported}\nalready there: {there}\nexpired: {expired}\nchat deleted: {deleted}\n\
         bad: {bad}\n"
    )
}

#[test]
fn migrating_brings_the_database_up_to_date() {
    let place = Place::new();
    let url = [("DATABASE_URL", "sqlite:mine.db")];
    let said = place.run(&["migrate"], &url);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.starts_with("migrated to "), "{}", said.out);
    assert!(Path::exists(&place.path("mine.db")));
    assert_eq!(place.run(&["migrate"], &url).out, "the database is up to date\n");
    let said = place.run(&["migrate"], &[("DATABASE_URL", "mysql://x")]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("DATABASE_URL"), "{}", said.err);
}

#[test]
fn a_token_is_printed_alone() {
    let place = Place::new();
    let secret = [("AUTH_HS256_SECRET", SECRET)];
    let said = place.run(&["token", "alice", "--name", "Alice"], &secret);
    assert_eq!((said.status, said.out.trim().split('.').count()), (0, 3));
    let said = place.run(&["token", "alice"], &[]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("AUTH_HS256_SECRET"), "{}", said.err);
}

#[test]
fn the_description_is_the_checked_in_one() {
    let said = Place::new().run(&["openapi"], &[]);
    assert_eq!(said.status, 0);
    assert_eq!(said.out, include_str!("../../openapi.yaml"));
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    let place = Place::new();
    place.write("chats.json", "[]");
    let good = [("AUTH_HS256_SECRET", SECRET), ("CHAT_SERVICE_URL", "file:chats.json")];
    for (name, value) in [
        ("BIND_ADDRESS", "somewhere"),
        ("AUDIT_RETENTION", "never"),
        ("RECONCILE_INTERVAL", "often"),
        ("RECONCILE_MAX_GONE", "all"),
        ("MANAGEMENT_ADDRESS", "somewhere"),
        ("SHUTDOWN_DELAY", "30s"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "somewhere"),
        ("LOG_FORMAT", "pretty"),
    ] {
        let mut settings = good.to_vec();
        settings.push((name, value));
        let said = place.run(&["serve"], &settings);
        assert_eq!(said.status, 1);
        assert!(said.err.contains(name), "{name}: {}", said.err);
    }
    let said = place.run(&[], &[good[0]]);
    assert!(said.err.contains("CHAT_SERVICE_URL"), "{}", said.err);
    let said = place.run(&["reconcile", "now"], &good);
    assert_eq!(said.status, 2, "clap's own status for a wrong command line");
}

#[test]
fn a_retired_setting_is_a_warning_that_says_what_holds_instead() {
    let place = Place::new();
    let said = place.run(&["migrate"], &[("MAX_BODY_BYTES", "2MiB"), ("KEEP_ALIVE", "")]);
    assert_eq!((said.status, said.out.starts_with("migrated to ")), (0, true), "{}", said.err);
    let log = said.out + &said.err;
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    let said = "MAX_BODY_BYTES is no longer a setting and is ignored; what holds instead: 1 MiB";
    assert!(warning.contains(said), "{warning}");
}

#[test]
fn serving_prints_its_address_and_ends_well_at_sigterm() {
    let place = Place::new();
    place.write("chats.json", "[]");
    let settings = [
        ("AUTH_HS256_SECRET", SECRET),
        ("CHAT_SERVICE_URL", "file:chats.json"),
        ("BIND_ADDRESS", "127.0.0.1:0"),
    ];
    let mut command = place.command(&[], &settings);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut said = [0; 27];
    out.read_exact(&mut said).unwrap();
    assert!(said.starts_with(b"listening on http://127.0.0"), "{said:?}");
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert!(child.wait().unwrap().success());
}
