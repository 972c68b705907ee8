//! Which modules of `src` (`room` in this test, to tell them from the modules in them) may name
//! which: a request goes down this order, and nothing refers back up. Within a module no files name
//! each other in a circle.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules that each module may name, from the lowest up.
const MAY_NAME: &[(&str, &str)] = &[
    ("clock", ""),
    ("limit", ""),
    ("model", ""),
    ("qr", ""),
    ("telemetry", ""),
    ("artifacts", "model telemetry"),
    ("openid", "telemetry"),
    ("auth", "clock model openid telemetry"),
    ("chat_service", "clock limit model openid telemetry"),
    ("store", "limit model telemetry"),
    ("live", "chat_service clock model store telemetry"),
    ("sharing", "artifacts chat_service clock live model store telemetry"),
    ("http", "auth chat_service limit live model qr sharing telemetry"),
    ("config", "artifacts auth chat_service http openid sharing store"),
    ("app", "artifacts auth chat_service clock config http model openid sharing store telemetry"),
    ("demo", "app auth chat_service clock config http model qr"),
    ("cli", "app artifacts auth chat_service clock config demo http model sharing store telemetry"),
];

/// A source file, without its comments and its own tests.
struct Source {
    /// Below `src`, with slashes.
    path: String,
    lines: usize,
    code: String,
}

/// The words of a path, from the crate's root.
type Words = Vec<String>;

impl Source {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Tests, and what fuzz targets call, may name everything.
    fn is_for_tests(&self) -> bool {
        self.is_test() || self.path.contains("fuzzing")
    }

    fn module(&self) -> Words {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    /// Every path within this crate that the code names, in `use` lists and elsewhere.
    fn paths_named(&self) -> Vec<Words> {
        let mut found = Vec::new();
        for root in ["crate::", "super::", "self::"] {
            for (at, _) in self.code.match_indices(root) {
                // `some_crate::`, and the second word of `super::super::`, begin no path.
                let before = self.code[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || "_:".contains(before) {
                    continue;
                }
                for path in paths(&self.code[at..]) {
                    let mut words = if root == "crate::" { Vec::new() } else { self.module() };
                    for word in path {
                        match &*word {
                            "crate" | "self" => {}
                            "super" => drop(words.pop()),
                            _ => words.push(word),
                        }
                    }
                    found.push(words);
                }
            }
        }
        found
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

/// The paths that begin here: one, or with lists in braces several.
fn paths(code: &str) -> Vec<Words> {
    let code = code.trim_start();
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (word, rest) = code.split_at(end);
    let below = match rest.strip_prefix("::") {
        None => return vec![vec![word.to_owned()]],
        Some(rest) => match rest.strip_prefix('{') {
            Some(list) => items(list).into_iter().flat_map(paths).collect(),
            None => paths(rest),
        },
    };
    below.into_iter().map(|path| [vec![word.to_owned()], path].concat()).collect()
}

/// The items of a list, up to its closing brace.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        if depth == 0 && (c == ',' || c == '}') {
            items.push(&list[start..at]);
            start = at + 1;
            if c == '}' {
                break;
            }
        }
        depth += i32::from(c == '{') - i32::from(c == '}');
    }
    items.retain(|item| !item.trim().is_empty());
    items
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
fn a_room_names_only_rooms_below_it() {
    let rooms: Vec<&str> = MAY_NAME.iter().map(|(room, _)| *room).collect();
    for (at, (room, below)) in MAY_NAME.iter().enumerate() {
        let is_below = |name: &str| rooms[..at].contains(&name);
        assert!(below.split(' ').all(|name| name.is_empty() || is_below(name)), "{room}");
    }
    let mut seen = BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_for_tests()) {
        let Some((room, below)) = MAY_NAME.iter().find(|(room, _)| *room == source.room()) else {
            assert!(["lib", "main"].contains(&source.room()), "{} is in no row", source.path);
            continue;
        };
        seen.insert(*room);
        for path in source.paths_named() {
            let named = path.first().map_or("", String::as_str);
            let may = named == *room || below.split(' ').any(|name| name == named);
            assert!(may || !rooms.contains(&named), "{} names {named}", source.path);
        }
    }
    assert_eq!(seen.len(), rooms.len(), "a row for a room that is not there");
}

#[test]
fn the_rules_of_sharing_know_neither_the_web_nor_a_database() {
    let outside = ["actix_web", "diesel", "diesel_async", "reqwest", "jsonwebtoken"];
    let found = offenders(|s| s.room() == "sharing" && outside.iter().any(|name| s.names(name)));
    assert_eq!(found, NONE);
}

/// What a file names of its parents, their re-exports among it, is left out: that is how a module
/// shows itself to its own files.
#[test]
fn no_files_name_each_other_in_a_circle() {
    let sources = sources();
    let modules: BTreeSet<Words> = sources.iter().map(Source::module).collect();
    let mut names: BTreeMap<Words, BTreeSet<Words>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_for_tests()) {
        let here = source.module();
        let named = source.paths_named();
        let mut named: BTreeSet<_> = named.iter().map(|path| module_of(path, &modules)).collect();
        named.retain(|there| !here.starts_with(there) && !there.starts_with(&here));
        names.entry(here).or_default().extend(named);
    }
    // A file that names nothing that is left is part of no circle.
    loop {
        let left: BTreeSet<Words> = names.keys().cloned().collect();
        names.retain(|_, named| named.iter().any(|there| left.contains(there)));
        if names.len() == left.len() {
            break;
        }
    }
    let circle: Vec<String> = names.keys().map(|module| module.join("/")).collect();
    assert_eq!(circle, NONE, "these are in a circle, or name one that is");
}

/// The module that a path leads to; the rest of it names an item.
fn module_of(path: &[String], modules: &BTreeSet<Words>) -> Words {
    let heads = (0..=path.len()).rev().map(|length| path[..length].to_vec());
    heads.into_iter().find(|head| modules.contains(head)).unwrap_or_default()
}

#[test]
fn each_engine_lives_in_its_own_rooms() {
    for (external, rooms) in [
        ("diesel", &["store"][..]),
        ("diesel_async", &["store"]),
        ("diesel_migrations", &["store"]),
        ("tokio_postgres", &["store"]),
        ("jsonwebtoken", &["auth"]),
        ("reqwest", &["auth", "chat_service", "openid", "cli", "demo", "telemetry"]),
        ("metrics_exporter_prometheus", &["telemetry"]),
        ("metrics_process", &["telemetry"]),
        ("opentelemetry", &["telemetry"]),
        ("opentelemetry_sdk", &["telemetry"]),
        ("tracing_opentelemetry", &["telemetry"]),
        ("actix_web", &["http", "app", "demo"]),
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
fn no_folder_has_more_than_sixteen_files() {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        *files.entry(folder.to_owned()).or_default() += 1;
    }
    files.retain(|_, count| *count > 16);
    assert_eq!(files, BTreeMap::new());
}

#[test]
fn this_test_reads_paths_as_the_compiler_does() {
    let source = |code: &str| Source { path: "http/x.rs".into(), lines: 1, code: code_of(code) };
    let named = |code: &str| {
        let named = source(code).paths_named().into_iter().map(|path| path.join("/"));
        named.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named("use crate::store::Store;"), "store/Store");
    assert_eq!(named("use crate::{\n    a::{B, c::D},\n    store,\n};"), "a/B a/c/D store");
    assert_eq!(named("fn f(s: &crate::store::Store) {}"), "store/Store");
    assert_eq!(named("use super::super::{a, y::Z};"), "a y/Z");
    assert_eq!(named("let z = self::y::z();"), "http/x/y/z");
    assert_eq!(named("// crate::store\n/// [`crate::store`]"), "");
    assert_eq!(named("use other_crate::store;"), "");
    assert!(source("use diesel::prelude::*;").names("diesel"));
    assert!(source("use diesel;").names("diesel"));
    assert!(!source("let diesel = 1;").names("diesel"));
    assert!(!source("use my_diesel::x;").names("diesel"));
}
