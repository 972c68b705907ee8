//! The command line: what is printed where, and with which status it ends.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
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
fn an_import_reports_and_can_be_repeated() {
    let place = Place::new();
    place.write("links.jsonl", format!("{}\n{}\n", line("token-one", "a"), line("token-two", "b")));
    let said = place.import("links.jsonl");
    assert_eq!((said.status, said.out, said.err.as_str()), (0, counts([2, 0, 0, 0, 0]), ""));
    let said = place.import("links.jsonl");
    assert_eq!((said.status, said.out, said.err.as_str()), (0, counts([0, 2, 0, 0, 0]), ""));
}

#[test]
fn a_bad_line_is_reported_by_its_number_and_ends_with_status_1() {
    let place = Place::new();
    let mut typo = line("secret-token-typo", "a");
    typo["is_privat"] = true.into();
    let mut expired = line("secret-token-old", "a");
    expired["expires_at"] = "2025-06-01T00:00:00Z".into();
    let good = line("secret-token-good", "a");
    place.write("links.jsonl", format!("{typo}\n\n{good}\n{expired}\nsecret-token\n"));
    let said = place.import("links.jsonl");
    assert_eq!((said.status, &said.out), (1, &counts([1, 0, 1, 0, 2])));
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.err);
    assert!(lines[0].starts_with("line 1: a field that is not known"), "{}", said.err);
    assert!(lines[1].starts_with("line 5: is not JSON"), "{}", said.err);
    assert!(!said.err.contains("secret-token") && !said.out.contains("secret-token"));
}

#[test]
fn an_import_reads_standard_input() {
    let place = Place::new();
    let mut command = place.command(&["legacy", "import", "-"], &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = line("token-one", "a").to_string();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!((said.status, said.out), (0, counts([1, 0, 0, 0, 0])));
}

#[test]
fn an_import_that_was_killed_is_completed_by_another() {
    let place = Place::new();
    let file: String =
        (0..1000).map(|number| format!("{}\n", line(&format!("token-{number}"), "a"))).collect();
    let mut command = place.command(&["legacy", "import", "-"], &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Most of it, and the end of a chunk is stored before the rest would come.
    let most = file.match_indices('\n').nth(699).unwrap().0;
    let mut input = child.stdin.take().unwrap();
    input.write_all(&file.as_bytes()[..most]).unwrap();
    input.flush().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    child.kill().unwrap();
    child.wait().unwrap();
    place.write("links.jsonl", &file);
    let said = place.import("links.jsonl");
    assert_eq!(said.status, 0, "{}", said.err);
    let number = |name: &str| -> u64 {
        let line = said.out.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("already there") >= 200, "{}", said.out);
    assert_eq!(number("already there") + number("imported"), 1000);
    assert_eq!(place.import("links.jsonl").out, counts([0, 1000, 0, 0, 0]));
}

#[test]
fn an_import_that_cannot_read_its_file_says_so() {
    let place = Place::new();
    let said = place.import("nowhere.jsonl");
    assert_eq!(said.status, 1);
    assert!(said.err.contains("nowhere.jsonl"), "{}", said.err);
    let said = place.run(&["legacy", "import", "."], &[]);
    assert_eq!(said.status, 1, "{}", said.out);
    place.write("links.jsonl", "");
    let wrong = [("MAX_SNAPSHOT_BYTES", "much")];
    let said = place.run(&["legacy", "import", "links.jsonl"], &wrong);
    assert!(said.err.contains("MAX_SNAPSHOT_BYTES"), "{}", said.err);
}

#[test]
fn reconciling_removes_the_links_of_gone_chats_and_says_how_many() {
    let place = Place::new();
    let links = [("token-one", "a"), ("token-two", "b"), ("token-three", "b")];
    let file: String =
        links.iter().map(|(token, chat)| format!("{}\n", line(token, chat))).collect();
    place.write("links.jsonl", &file);
    assert_eq!(place.import("links.jsonl").out, counts([3, 0, 0, 0, 0]));
    let settings = [("CHAT_SERVICE_URL", "file:chats.json")];
    let chat = |id: &str| json!({"id": id, "owner": "alice", "messages": []});

    // None of them is known: refused.
    place.write("chats.json", json!([chat("c")]).to_string());
    let said = place.run(&["reconcile"], &settings);
    let none = "asked: 2\nthere: 0\ngone: 2\nlinks removed: 0\nunclear: 0\n";
    assert_eq!((said.status, said.out.as_str()), (1, none));
    assert!(said.err.contains("knows none of the chats"), "{}", said.err);

    place.write("chats.json", json!([chat("a")]).to_string());
    let strict = [settings[0], ("RECONCILE_MAX_GONE", "10%")];
    let said = place.run(&["reconcile"], &strict);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("RECONCILE_MAX_GONE"), "{}", said.err);

    let said = place.run(&["reconcile"], &settings);
    let one = "asked: 2\nthere: 1\ngone: 1\nlinks removed: 2\nunclear: 0\n";
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, one, ""));
    // Its tombstone stands.
    let said = place.import("links.jsonl");
    assert_eq!((said.status, said.out), (0, counts([0, 1, 0, 2, 0])));
    let reported = "line 2: not imported, its chat was deleted\n\
                    line 3: not imported, its chat was deleted\n";
    assert_eq!(said.err, reported);
}

#[test]
fn reconciling_without_an_answer_ends_with_status_1() {
    let place = Place::new();
    place.write("links.jsonl", line("token-one", "a").to_string());
    place.import("links.jsonl");
    let url = [("CHAT_SERVICE_URL", "http://127.0.0.1:1")];
    let said = place.run(&["reconcile"], &url);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.err.contains("CHAT_SERVICE_TOKEN"), "{}", said.err);
    let said = place.run(&["reconcile"], &[url[0], ("CHAT_SERVICE_TOKEN", "abc")]);
    let unclear = "asked: 1\nthere: 0\ngone: 0\nlinks removed: 0\nunclear: 1\n";
    assert_eq!((said.status, said.out.as_str()), (1, unclear));
    let said = place.run(&["reconcile"], &[]);
    assert!(said.err.contains("CHAT_SERVICE_URL"), "{}", said.err);
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
    assert_eq!(said.out, include_str!("../openapi.yaml"));
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    let place = Place::new();
    place.write("chats.json", "[]");
    let good = [("AUTH_HS256_SECRET", SECRET), ("CHAT_SERVICE_URL", "file:chats.json")];
    for (name, value) in [
        ("BIND_ADDRESS", "somewhere"),
        ("EXPIRED_RETENTION", "never"),
        ("RECONCILE_INTERVAL", "often"),
        ("RECONCILE_MAX_GONE", "all"),
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
