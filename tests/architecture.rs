//! The rules of the house: a request walks straight down, and nothing points back up.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file, without its comments and its own tests.
struct Source {
    /// Below `src`, with slashes.
    path: String,
    lines: usize,
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The rooms of the crate that the code names, in `use` lists and in paths.
    fn rooms_named(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for (at, _) in self.code.match_indices("crate::") {
            // `$crate` in a macro, and `some_crate::`, are other words.
            let before = self.code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            named.extend(heads(&self.code[at + "crate::".len()..]));
        }
        named
    }

    /// Whether the code names this crate from outside.
    fn names(&self, external: &str) -> bool {
        self.code.match_indices(external).any(|(at, _)| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let before = self.code[..at].chars().next_back().unwrap_or(' ');
            let after = &self.code[at + external.len()..];
            !word(before) && before != '.' && (after.starts_with("::") || after.starts_with("_"))
                || (!word(before) && after.starts_with(';') && self.code[..at].ends_with("use "))
        })
    }
}

/// The first words of a path, or of each item of a list in braces.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut item, mut heads) = (0, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => heads.push(word(&std::mem::take(&mut item))),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                item.push(c);
            }
        }
    }
    heads.push(word(&item));
    heads.retain(|head| !head.is_empty());
    heads
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path, lines: text.lines().count(), code: code_of(&text) });
            }
        }
    }
    assert!(sources.len() > 50, "only {} files", sources.len());
    sources
}

fn code_of(text: &str) -> String {
    let own_tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..own_tests].lines().map(str::trim_start);
    let code = lines.filter(|line| !line.starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// Every file for which the rule does not hold.
fn offenders(breaks_it: impl Fn(&Source) -> bool) -> Vec<String> {
    sources().into_iter().filter(|source| breaks_it(source)).map(|source| source.path).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn http_does_not_know_where_links_are_kept() {
    let found = offenders(|s| s.room() == "http" && s.rooms_named().contains("store"));
    assert_eq!(found, NONE);
}

#[test]
fn the_rules_of_sharing_know_neither_the_web_nor_a_database() {
    let found = offenders(|s| {
        ["sharing", "live"].contains(&s.room())
            && (["actix_web", "diesel", "diesel_async", "reqwest", "jsonwebtoken"]
                .iter()
                .any(|name| s.names(name))
                || s.rooms_named().iter().any(|room| ["http", "app", "config"].contains(&&**room)))
    });
    assert_eq!(found, NONE);
}

#[test]
fn the_model_and_what_waits_name_no_other_room() {
    let found = offenders(|s| {
        let allowed = |room: &String| s.room() == "model" && room == "model";
        let rooms = ["model", "clock", "queue", "relay"];
        rooms.contains(&s.room()) && !s.rooms_named().iter().all(allowed)
    });
    assert_eq!(found, NONE);
}

#[test]
fn live_names_only_what_it_reads() {
    let allowed = ["live", "model", "clock", "chat_service", "store"];
    let found = offenders(|s| {
        s.room() == "live" && !s.rooms_named().iter().all(|room| allowed.contains(&&**room))
    });
    assert_eq!(found, NONE);
}

#[test]
fn nothing_points_back_up() {
    let up: [(&str, &[&str]); 8] = [
        (
            "telemetry",
            &[
                "model",
                "clock",
                "qr",
                "openid",
                "auth",
                "chat_service",
                "artifacts",
                "live",
                "store",
                "sharing",
                "http",
                "app",
                "config",
                "demo",
            ],
        ),
        (
            "model",
            &["auth", "chat_service", "store", "live", "qr", "sharing", "http", "app", "config"],
        ),
        ("qr", &["auth", "chat_service", "store", "live", "sharing", "http", "app", "config"]),
        (
            "openid",
            &["auth", "chat_service", "store", "live", "sharing", "http", "app", "config", "model"],
        ),
        ("auth", &["chat_service", "store", "live", "sharing", "http", "app", "config"]),
        ("chat_service", &["auth", "store", "live", "sharing", "http", "app", "config"]),
        ("store", &["auth", "chat_service", "live", "sharing", "http", "app", "config"]),
        ("http", &["store", "app", "config", "demo"]),
    ];
    let found = offenders(|s| {
        up.iter().any(|(room, above)| {
            s.room() == *room && s.rooms_named().iter().any(|named| above.contains(&&**named))
        })
    });
    assert_eq!(found, NONE);
}

#[test]
fn each_engine_lives_in_its_own_rooms() {
    for (external, rooms) in [
        ("diesel", &["store"][..]),
        ("diesel_async", &["store"]),
        ("diesel_migrations", &["store"]),
        ("tokio_postgres", &["store"]),
        ("jsonwebtoken", &["auth"]),
        ("reqwest", &["auth", "chat_service", "openid", "probe", "demo", "telemetry"]),
        ("metrics_exporter_prometheus", &["telemetry"]),
        ("metrics_process", &["telemetry"]),
        ("opentelemetry", &["telemetry"]),
        ("opentelemetry_sdk", &["telemetry"]),
        ("tracing_opentelemetry", &["telemetry"]),
        ("actix_web", &["http", "app"]),
        ("askama", &["http"]),
        ("qrcode", &["qr"]),
    ] {
        let found = offenders(|s| s.names(external) && !rooms.contains(&s.room()));
        assert_eq!(found, NONE, "{external}");
        let used = sources().iter().any(|s| s.names(external));
        assert!(used, "no file names {external}: does this test still see anything?");
    }
}

#[test]
fn files_are_short_and_named_after_what_they_hold() {
    assert_eq!(offenders(|s| !s.is_test() && s.lines > 350), NONE);
    let vague = ["util", "utils", "helper", "helpers", "common", "manager", "types", "misc"];
    let found =
        offenders(|s| s.path.split('/').any(|part| vague.contains(&part.trim_end_matches(".rs"))));
    assert_eq!(found, NONE);
}

#[test]
fn this_test_reads_paths_as_the_compiler_does() {
    let source = |code: &str| Source { path: "http/x.rs".into(), lines: 1, code: code_of(code) };
    let rooms = |code: &str| source(code).rooms_named().into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(rooms("use crate::store::Store;"), "store");
    assert_eq!(rooms("use crate::{\n    auth::{A, B},\n    store,\n};"), "auth store");
    assert_eq!(rooms("fn f(s: &crate::store::Store) {}"), "store");
    assert_eq!(rooms("pub use crate::store as kept;"), "store");
    assert_eq!(rooms("pub(in crate::http) fn f() {}"), "http");
    assert_eq!(rooms("// crate::store\n/// [`crate::store`]"), "");
    assert_eq!(rooms("use other_crate::store;"), "");
    assert!(source("use diesel::prelude::*;").names("diesel"));
    assert!(source("use diesel;").names("diesel"));
    assert!(!source("let diesel = 1;").names("diesel"));
    assert!(!source("use my_diesel::x;").names("diesel"));
}
