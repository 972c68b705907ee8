//! `shared-chats legacy import FILE`.

use std::{io::Write, path::Path, process::Stdio, time::Duration};

use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_types::BigInt};
use serde_json::Value;

use crate::{Place, Said, counts, line};

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

/// 0 as long as there is no table.
fn stored_links(database: &Path) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let Ok(mut conn) = SqliteConnection::establish(database.to_str().unwrap()) else { return 0 };
    let count = diesel::sql_query("SELECT count(*) AS count FROM shared_chats");
    count.get_result::<Count>(&mut conn).map_or(0, |found| found.count)
}

#[test]
fn an_import_that_was_killed_is_completed_by_another() {
    let place = Place::new();
    let file: String = (0..1000)
        .map(|number| format!("{}\n", line(&format!("old-token-{number}"), "a")))
        .collect();
    let mut command = place.command(&["legacy", "import", "-"], &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Most of it, and the end of a chunk is stored before the rest would come.
    let most = file.match_indices('\n').nth(699).unwrap().0;
    let mut input = child.stdin.take().unwrap();
    input.write_all(&file.as_bytes()[..most]).unwrap();
    input.flush().unwrap();
    for _ in 0..500 {
        if stored_links(&place.path("shared-chats.db")) >= 200 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
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
fn an_import_is_in_the_log_as_an_audit_record() {
    let place = Place::new();
    place.write("links.jsonl", format!("{}\n", line("secret-token-one", "a")));
    let settings = [("RUST_LOG", "shared_chats::audit=info"), ("LOG_FORMAT", "json")];
    let said = place.run(&["legacy", "import", "links.jsonl"], &settings);
    let logged: Value = serde_json::from_str(&said.err).unwrap();
    let field = |name: &str| logged[name].as_str().unwrap().to_owned();
    assert_eq!(field("target"), "shared_chats::audit");
    assert_eq!((field("action"), field("result")), ("legacy_import".into(), "ok".into()));
    assert_eq!(field("actor_kind"), "command_line");
    assert!(field("detail").contains("\"imported\":1"), "{}", said.err);
    assert!(!said.err.contains("secret-token"), "{}", said.err);
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
