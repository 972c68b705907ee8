//! What operators read, held against the metrics that there are.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

use std::{collections::BTreeSet, process::Command};

use shared_chats::telemetry::table::{Kind, METRICS};
use yaml_serde::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

fn read(file: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap()
}

/// Every name of a series, with what belongs to the process.
fn series() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ]
    .map(str::to_owned)
    .into();
    for metric in METRICS {
        match metric.kind {
            Kind::Histogram(_) => {
                names.extend(
                    ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)),
                );
            }
            Kind::Counter | Kind::Gauge => {
                names.insert(metric.name.to_owned());
            }
        }
    }
    names
}

/// The names in a text that look like one of ours.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    let ours = |word: &&str| word.starts_with("shared_chats_") || word.starts_with("process_");
    words.filter(ours).filter(|word| !word.ends_with('_')).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_in_the_handbook_with_its_labels() {
    let page = read("OPERATIONS.md");
    for metric in METRICS {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", metric.name)));
        let row = row.unwrap_or_else(|| panic!("{} is not in docs/OPERATIONS.md", metric.name));
        for label in metric.labels {
            assert!(row.contains(&format!("`{label}`")), "{}: {label}", metric.name);
        }
    }
    let known: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    let told = names_in(&page).into_iter().filter(|name| name.starts_with("shared_chats_"));
    let unknown: Vec<String> = told.filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is() {
    let known = series();
    for file in ["dashboard.json", "alerts.yaml", "alerts.test.yaml"] {
        let asked = names_in(&read(&format!("operations/{file}")));
        assert!(asked.len() > 4, "{file}: {asked:?}");
        let unknown: Vec<&String> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let shown = names_in(&read("operations/dashboard.json"));
    for metric in METRICS {
        assert!(shown.iter().any(|name| name.starts_with(metric.name)), "{}", metric.name);
    }
}

#[test]
fn the_handbook_says_what_to_do_about_every_alert() {
    let page = read("OPERATIONS.md");
    let rules: Value = yaml_serde::from_str(&read("operations/alerts.yaml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_sequence().unwrap().clone();
    assert!(rules.len() > 8);
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(page.contains(&format!("\n| `{name}` ({severity}) |")), "{name} ({severity})");
        assert!(rule["annotations"]["summary"].as_str().is_some(), "{name}");
    }
}

#[test]
fn the_alerts_come_when_they_should() {
    let run = |arguments: [&str; 3]| {
        let folder = format!("{FOLDER}/operations");
        Command::new("promtool").args(arguments).current_dir(folder).output()
    };
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        // It comes with Prometheus, which not everyone has who builds this.
        let Ok(output) = run(arguments) else { return };
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}
