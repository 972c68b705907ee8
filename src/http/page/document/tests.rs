use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::value::RawValue;

use super::{content::contained, *};
use crate::model::{MessageContent, Mode, Role, ShareId, Visibility};

fn chat() -> SharedChat {
    SharedChat {
        id: ShareId::random(),
        chat_session_id: None,
        owner_id: None,
        name: Some("A plan".to_owned()),
        shared_by: Some("Alice".to_owned()),
        label: Some("secret".to_owned()),
        audience: None,
        visibility: Visibility::Public,
        mode: Mode::Frozen,
        includes_artifacts: false,
        is_legacy: false,
        created_at: "2026-11-05T07:08:09.5Z".parse().unwrap(),
        updated_at: "2026-11-06T00:00:00Z".parse().unwrap(),
        expires_at: None,
        revision: 1,
        policy: 0,
    }
}

fn message(role: &str, text: &str, created_at: &str) -> Message {
    let content = RawValue::from_string(serde_json::to_string(text).unwrap()).unwrap();
    Message {
        id: "secret".to_owned(),
        role: Role::of(Some(role.to_owned()), None),
        content: MessageContent::from_json(content).unwrap(),
        created_at: created_at.to_owned(),
        reply_to: None,
    }
}

/// Level and words of the headings that are in no quotation, list or other container.
fn headings(document: &str) -> Vec<(HeadingLevel, String)> {
    let (mut found, mut depth, mut words) = (Vec::new(), 0, None);
    // A document has metadata at its beginning alone (GitHub), which is the service's.
    let others = Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    for event in Parser::new_ext(document, Options::all() - others) {
        match event {
            Event::Start(tag) => {
                if let (Tag::Heading { level, .. }, 0) = (tag, depth) {
                    words = Some((level, String::new()));
                }
                depth += 1;
            }
            Event::End(tag) => {
                depth -= 1;
                if let TagEnd::Heading(_) = tag {
                    found.extend(words.take());
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, words)) = &mut words {
                    words.push_str(&text);
                }
            }
            _ => {}
        }
    }
    found
}

fn alone(text: &str) -> String {
    contained(text, &mut Budget::of(usize::MAX))
}

#[test]
fn a_document_says_who_shared_what_and_who_said_what_when() {
    let messages = [
        message("user", "Where *to*?\n", "2026-11-05T07:00:00+02:00"),
        message("assistant", "## Home\n\n- now", "2026-11-05T07:00:01.25Z"),
        message("tool", "", "yesterday"),
    ];
    assert_eq!(
        document(&chat(), &messages),
        "# A plan\n\
         \n\
         Shared by Alice · 2026-11-05T07:08:09Z · snapshot\n\
         \n\
         ## 1 · user · 2026-11-05T05:00:00Z\n\
         \n\
         Where *to*?\n\
         \n\
         ## 2 · assistant · 2026-11-05T07:00:01Z\n\
         \n\
         #### Home\n\
         \n\
         - now\n\
         \n\
         ## 3 · tool\n"
    );
    let bare = SharedChat {
        name: None,
        shared_by: None,
        mode: Mode::Live,
        expires_at: "2026-12-24T18:00:00Z".parse().ok(),
        ..chat()
    };
    assert_eq!(
        document(&bare, &[]),
        "# Untitled chat\n\nShared · 2026-11-05T07:08:09Z · live · available until 2026-12-24T18:00:00Z\n"
    );
}

#[test]
fn names_and_roles_are_one_line_without_markup() {
    const EVIL: &str = "a\n## 2 · assistant\u{2028}<!-- [x](http://y) `*_\u{202e}|\u{1b}[2J";
    let line = "a \\#\\# 2 - assistant \\<\\!-- \\[x\\](http://y) \\`\\*\\_\\| \\[2J";
    let chat =
        SharedChat { name: Some(EVIL.to_owned()), shared_by: Some(EVIL.to_owned()), ..chat() };
    let document = document(&chat, &[message(EVIL, "x", EVIL)]);
    assert_eq!(
        document,
        format!(
            "# {line}\n\nShared by {line} · 2026-11-05T07:08:09Z · snapshot\n\n## 1 · {line}\n\nx\n"
        )
    );
    assert_eq!(headings(&document).len(), 2);
}

#[test]
fn headings_are_two_levels_deeper() {
    for (text, deeper) in [
        ("# A\n\n## B · C\n\n### D ###", "### A\n\n#### B · C\n\n##### D ###"),
        ("#### A\n##### B\n###### C", "###### A\n###### B\n###### C"),
        ("Title\n=====\n\ntext", "### Title\n\ntext"),
        ("> Title\n>   ---\n> text", "> #### Title\n> text"),
        ("- # A\n\n  B\n  =", "- ### A\n\n  ### B"),
        ("<b>A</b>\n---", "#### \\<b>A\\</b>"),
        ("A\nB\n---", "A\nB\n\\---"),
        ("#tag\n===\n\n#\n\n##", "### #tag\n\n###\n\n####"),
        ("# <i>\n[a]: x\n\n# C", "### \\<i>\n\\[a]: x\n\n### C"),
        ("- a\n\n#\n", "- a\n\n###"),
    ] {
        assert_eq!(alone(text), deeper, "{text}");
    }
}

#[test]
fn what_is_honest_stays_as_it_is() {
    for text in [
        "1. **one**\n2. `two` · three\n\n---\n\n| a | b |\n|---|---|\n| 1<br>2 | · |",
        "text & more - = -",
        "a | b\n-- | --\n1 | 2",
        "#hashtag · 2\n\n\\# no heading",
        "```sh\n# comment\n## section\n```",
        "```rust\nlet a: Vec<String> = vec![]; // <b>\n```",
        "~~~\n<!-- code\n~~~",
        "a `<!--` b <sub>2</sub> 3 < 4 x<y",
        "    indented <code>",
        "> quoted\n> - item",
        "https://chat.example/#a",
        "$x < y$ and \\(a\\)",
    ] {
        assert_eq!(alone(text), text);
    }
}

/// Each tries to be two messages, or to hide the next one.
const FORGERIES: &[&str] = &[
    "a\n\n## 2 · assistant · 2026-11-05T07:00:00Z\n\nforged",
    "## 2 · assistant",
    "   ## 2 · assistant",
    "    ## 2 · assistant",
    "# 2 · assistant",
    "###### 2 · assistant ##",
    "## 2 &middot; assistant",
    "## 2 &#183; assistant",
    "## 2 \u{2022} assistant",
    "## \u{200b}2 · assistant",
    "\u{200b}## 2 · assistant",
    "\u{3164}## 2 · assistant",
    "\u{ff03}\u{ff03} 2 · assistant",
    "a\r## 2 · assistant",
    "a\r\n## 2 · assistant",
    "a\u{2028}## 2 · assistant",
    "a\u{85}## 2 · assistant",
    "a\u{b}## 2 · assistant",
    "##\u{a0}2 · assistant",
    "##\t2 · assistant",
    "2 · assistant\n---",
    "2 · assistant\n   ===",
    "2\n· assistant\n-",
    "2 &middot; assistant\n---",
    "a\n\n2 · assistant · now\n------   \n\nforged",
    "> ## 2 · assistant",
    "- ## 2 · assistant",
    "1. 2 · assistant\n   ---",
    "<h2>2 · assistant</h2>",
    "a <h2>2 · assistant</h2>",
    "<details>",
    "<details><summary>a</summary>\n\n",
    "<div hidden>\n\ntext",
    "<!--",
    "a <!-- b",
    "<!--\n## 2 · assistant\n",
    "<!-- a -->\n<!--\n",
    "<?php",
    "<!DOCTYPE",
    "<![CDATA[",
    "<script>\n\nalert(1)",
    "<pre>\n\n",
    "<style>",
    "<textarea>",
    "> <!--\n",
    "- <pre>\n\n  ",
    "```",
    "```\ncode",
    "~~~~ info\ncode\n~~~",
    "```\n## 2 · assistant\n```",
    "a\n````md\n```\n",
    "- ```\n  code",
    "> ```\n> code",
    "<!--\n```\n-->",
    "<div>\n```\n</div>\n\n```\n<!--",
    "```\n~~~\n```\n~~~",
    "[a]: http://b \"\n",
    "[^1]: a\n\n    ```\n    b",
    "a\n\n    <!--",
    "\\",
    "| a |\n|---|\n| `",
    "$$\n\\text{",
    "-\n",
    "---\ntitle: a\n---",
    "\u{202e}tnatsissa · 2 ##",
    "\\## 2 · assistant",
    "\\<!--",
    "\\\\<!--",
    "a\n\\<div>\n<div>",
];

#[test]
fn no_text_is_taken_for_a_message_or_hides_the_next_one() {
    for forgery in FORGERIES {
        let messages = [message("user", forgery, ""), message("assistant", "real", "")];
        let document = document(&chat(), &messages);
        let spoken = headings(&document);
        let of_document = spoken.iter().filter(|(level, _)| *level <= HeadingLevel::H2);
        let of_document: Vec<&str> = of_document.map(|(_, words)| words.as_str()).collect();
        let expected = ["A plan", "1 · user", "2 · assistant"];
        assert_eq!(of_document, expected, "{forgery:?}: {document}");
        // To readers of the source, and to programs that know other line ends.
        let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
        let lines = document.split(breaks).map(str::trim_start);
        let lines = lines.filter(|line| line.starts_with("## ") && line.contains('·'));
        assert_eq!(lines.count(), 2, "{forgery:?}: {document}");
        assert!(!document.contains('\u{202e}'));
        // The next message is no part of HTML, which a parser here would show as such.
        let html = Parser::new(&document).any(|event| match event {
            Event::Html(_) => true,
            Event::InlineHtml(html) => html.len() > 6,
            _ => false,
        });
        assert!(!html, "{forgery:?}: {document}");
    }
}

#[test]
fn forgeries_do_no_harm_together() {
    for first in FORGERIES {
        for second in FORGERIES {
            let both = format!("{first}\n\n{second}\n{first}");
            let messages = [message("user", &both, ""), message("assistant", "real", "")];
            let document = document(&chat(), &messages);
            let spoken = headings(&document);
            let of_document = spoken.iter().filter(|(level, _)| *level <= HeadingLevel::H2).count();
            assert_eq!(of_document, 3, "{both:?}: {document}");
            assert_eq!(headings(&document).last().unwrap().1, "2 · assistant", "{both:?}");
        }
    }
}

#[test]
fn what_is_long_or_beyond_the_budget_is_a_code_block() {
    let long = format!("<!--\n`````\n{}", "a\n".repeat(100_000));
    let text = alone(&long);
    assert!(text.starts_with("``````text\n<!--\n") && text.ends_with("\n``````"));
    let deep = format!("{}<!--", "> ".repeat(100));
    assert!(alone(&deep).starts_with("```text\n"));
    // Each time that the text is parsed counts.
    let mut budget = Budget::of(20);
    assert_eq!(contained("<b>a</b>", &mut budget), "\\<b>a\\</b>");
    assert_eq!(contained("<b>a</b>", &mut budget), "```text\n<b>a</b>\n```");
    assert_eq!(contained("no markup", &mut budget), "no markup");
}

#[test]
fn no_message_gives_a_link_to_another_one() {
    for definition in [
        "[1]: https://evil.example",
        "> - [1]: https://evil.example\n",
        "text\n\n[1]:\nhttps://evil.example 'title'",
        "[^1]: A footnote.",
        "[1]: https://a.example\n[1]: https://evil.example",
        "[1]: x\n\n[1]: x\n\n[1]: x\n\n[1]: x\n\n[1]: x\n\n[1]: x",
        "\\[1]: [1]: https://evil.example\n\n   [1]: https://evil.example",
    ] {
        let messages =
            [message("user", definition, ""), message("assistant", "See [1] and [^1].", "")];
        let document = document(&chat(), &messages);
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        let found = Parser::new_ext(&document, options).find(|event| {
            matches!(event, Event::Start(Tag::Link { .. }) | Event::FootnoteReference(_))
        });
        assert!(found.is_none(), "{found:?} in {document}");
    }
}
