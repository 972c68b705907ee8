//! The pages of this repository: links and anchors resolve, what the code cites exists, and the
//! first pages stay short.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

const NONE: [&str; 0] = [];

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every file below the folder with one of these extensions, relative to the repository, sorted.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let skipped = ["target", "node_modules", ".venv", ".git"];
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let has = |extension: &&str| path.extension().is_some_and(|e| e == *extension);
            if path.is_dir() && !skipped.contains(&name) {
                folders.push(path);
            } else if extensions.iter().any(has) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A page's anchors, and the targets of its links and images.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    targets: Vec<String>,
}

fn parse(text: &str) -> Page {
    let mut page = Page::default();
    let mut heading: Option<String> = None;
    let options = pulldown_cmark::Options::ENABLE_TABLES;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let number = (1..).find(|n| !page.anchors.contains(&numbered(&slug, *n)));
                page.anchors.insert(numbered(&slug, number.unwrap()));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.targets.push(dest_url.to_string());
            }
            _ => {}
        }
    }
    page
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// The anchor of the n-th heading with the same text.
fn numbered(slug: &str, n: usize) -> String {
    if n == 1 { slug.to_owned() } else { format!("{slug}-{}", n - 1) }
}

/// `a/b/../c` as `a/c`. `None` when it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => parts.pop().then_some(())?,
            Component::CurDir => {}
            part => parts.push(part),
        }
    }
    Some(parts)
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let pages: BTreeMap<PathBuf, Page> = files("", &["md"])
        .into_iter()
        .map(|path| {
            let page = parse(&read(&path));
            (path, page)
        })
        .collect();
    assert!(pages.len() > 20, "{:?}", pages.keys());
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for target in &page.targets {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = path.parent().unwrap();
            let file =
                if file.is_empty() { Some(path.clone()) } else { normal(&folder.join(file)) };
            let exists = file.as_ref().is_some_and(|file| root().join(file).exists());
            let leads = anchor.is_empty()
                || file
                    .and_then(|file| pages.get(&file))
                    .is_some_and(|page| page.anchors.contains(anchor));
            if !exists || !leads {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, NONE);
}

/// Source text as one line, so that a citation that is wrapped between two comment lines is whole.
fn unwrapped(text: &str) -> String {
    let comment = |line: &str| {
        let line = line.trim();
        let line = ["//!", "///", "//", "#"].iter().find_map(|mark| line.strip_prefix(mark));
        line.map(|line| line.trim().to_owned())
    };
    let lines = text.lines().map(|line| comment(line).unwrap_or_else(|| line.trim().to_owned()));
    lines.collect::<Vec<_>>().join(" ")
}

/// The pages that a text cites, with the sections by number after each: `docs/API.md 3`, or
/// `docs/API.md 3 and 6`.
fn citations(text: &str) -> Vec<(String, Vec<String>)> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".md") {
        let (before, after) = text.split_at(at + ".md".len());
        let start = before.rfind(|c| !in_path(c)).map_or(0, |at| at + 1);
        let Some(page) = before.get(start..).filter(|page| page.starts_with("docs/")) else {
            continue;
        };
        let mut numbers = Vec::new();
        let mut rest = after.strip_prefix('`').unwrap_or(after);
        while let Some(next) =
            [" and ", ", ", " "].iter().find_map(|separator| rest.strip_prefix(separator))
        {
            let digits = next.find(|c: char| !c.is_ascii_digit()).unwrap_or(next.len());
            if digits == 0 {
                break;
            }
            numbers.push(next[..digits].to_owned());
            rest = &next[digits..];
        }
        found.push((page.to_owned(), numbers));
    }
    found
}

#[test]
fn pages_and_sections_that_the_code_cites_exist() {
    let code =
        ["src", "tests", "bench", "clients", "deploy", "fuzz", "migrations", ".ci", ".cargo"];
    let mut broken = Vec::new();
    for path in code.iter().flat_map(|folder| {
        files(folder, &["rs", "py", "sql", "toml", "sh", "cfg", "yaml", "html", "mjs", "js", "ts"])
    }) {
        for (page, numbers) in citations(&unwrapped(&read(&path))) {
            let text = fs::read_to_string(root().join(&page)).unwrap_or_default();
            let has = |number: &String| {
                let heading = format!("## {number}. ");
                text.lines().any(|line| line.starts_with(&heading))
            };
            if text.is_empty() || !numbers.iter().all(has) {
                broken.push(format!("{}: {page} {numbers:?}", path.display()));
            }
        }
    }
    assert_eq!(broken, NONE);
}

/// The source files and folders, below `src`, that a page names as code: paths that begin with
/// `src/` or a module's name.
fn sources_named(text: &str, modules: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for event in Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES) {
        let Event::Code(code) = event else { continue };
        let is_plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "_./".contains(c));
        if !is_plain || !(code.ends_with(".rs") || code.ends_with('/')) {
            continue;
        }
        if let Some(path) = code.strip_prefix("src/") {
            found.push(path.to_owned());
        } else if let Some((module, _)) = code.split_once('/')
            && modules.iter().any(|name| name == module)
        {
            found.push(code.to_string());
        }
    }
    found
}

#[test]
fn source_files_that_the_pages_for_contributors_name_exist() {
    let entries = fs::read_dir(root().join("src")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let modules: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let mut pages = files("docs/decisions", &["md"]);
    pages.extend(["docs/ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from));
    let (mut seen, mut missing) = (0, Vec::new());
    for page in pages {
        for path in sources_named(&read(&page), &modules) {
            seen += 1;
            if !root().join("src").join(&path).exists() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert_eq!(missing, NONE);
    assert!(seen > 30, "only {seen} paths: does this test still see anything?");
}

#[test]
fn the_first_pages_are_short() {
    for (page, most) in [("README.md", 10 * 1024), ("docs/ARCHITECTURE.md", 12 * 1024)] {
        let bytes = read(Path::new(page)).len();
        assert!(bytes <= most, "{page} has {bytes} bytes, {most} are allowed");
    }
}

#[test]
fn this_test_reads_pages_and_citations() {
    let page =
        parse("# A `b` c!\n\n## A b c\n\n[x](y.md#z) ![i](i.png)\n\n```\n[no](no.md)\n```\n");
    assert_eq!(page.anchors.into_iter().collect::<Vec<_>>(), ["a-b-c", "a-b-c-1"]);
    assert_eq!(page.targets, ["y.md#z", "i.png"]);
    assert_eq!(slug("1. Callers"), "1-callers");
    assert_eq!(
        slug("Delete: `DELETE /{id}`, `POST /batch_delete`"),
        "delete-delete-id-post-batch_delete"
    );
    assert_eq!(normal(Path::new("docs/../a/./b")), Some("a/b".into()));
    assert_eq!(normal(Path::new("../a")), None);
    let cited = |text: &str| citations(&unwrapped(text));
    let page = |numbers: &[&str]| {
        vec![(
            "docs/API.md".to_owned(),
            numbers.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(),
        )]
    };
    assert_eq!(cited("//! Errors (docs/API.md\n//! 3 and 6): x"), page(&["3", "6"]));
    assert_eq!(cited("# `docs/API.md` 7."), page(&["7"]));
    assert_eq!(cited("see docs/API.md, \"events\""), page(&[]));
    assert_eq!(cited("see x/docs/API.md 3"), vec![]);
    let text = "`http/a.rs` http/b.rs `src/c/`, `tests/d.rs` `/http/`\n\n```\n`http/`\n```\n";
    assert_eq!(sources_named(text, &["http".to_owned()]), ["http/a.rs", "c/"]);
}
