//! docs/SETTINGS.md is what the tables say.

use std::fmt::Write;

use crate::config::{
    fixed::RETIRED,
    table::{GROUPS, Group, TRACES, UNSET},
};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SETTINGS.md");

#[test]
fn the_page_of_settings_is_what_the_tables_say() {
    let page = page();
    if std::env::var("RENEW_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(PATH, page).unwrap();
        return;
    }
    assert_eq!(
        std::fs::read_to_string(PATH).unwrap(),
        page,
        "docs/SETTINGS.md is not what the tables say: RENEW_DOCS=1 cargo test --lib config"
    );
}

fn page() -> String {
    let mut page = "# Settings\n\n\
        From the environment; an empty variable is one that is not set. A setting that is wrong or \
        contradicts another one stops the start with a message that names it. Times are written \
        `500ms`, `30s`, `5m`, `12h`, `30d`, sizes `65536`, `64KiB`, `16MiB`, `1GiB`. Settings that \
        are marked with \\* can come from a file instead, which the same name and `_FILE` names, as \
        in `CHAT_SERVICE_TOKEN_FILE`; the line break at its end is not part of the value. \
        [`.env.sample`](../.env.sample) and `shared-chats --help` have all of them, too.\n\n\
        This page is made from `src/config/table.rs` and `src/config/fixed.rs`: \
        `RENEW_DOCS=1 cargo test --lib config`.\n"
        .to_owned();
    for group in GROUPS {
        describe(&mut page, group);
    }
    writeln!(page, "\n## Traces\n\n{TRACES}").unwrap();
    page += "\n## No longer settings\n\n\
        Earlier versions had these; one that is set is ignored, with a warning at the start.\n\n\
        | was a setting | what holds |\n| --- | --- |\n";
    for (name, instead) in RETIRED {
        writeln!(page, "| `{name}` | {instead} |").unwrap();
    }
    page
}

fn describe(page: &mut String, group: &Group) {
    writeln!(page, "\n## {}\n", group.title).unwrap();
    if !group.about.is_empty() {
        writeln!(page, "{}\n", group.about).unwrap();
    }
    *page += "| setting | default | meaning |\n| --- | --- | --- |\n";
    for setting in group.settings {
        let mark = if setting.is_secret { "\\*" } else { "" };
        let default = if setting.default == UNSET || setting.default.contains(' ') {
            setting.default.to_owned()
        } else {
            format!("`{}`", setting.default)
        };
        writeln!(page, "| `{}`{mark} | {default} | {} |", setting.name, setting.meaning).unwrap();
    }
}
