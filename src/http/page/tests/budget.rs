//! What a page costs at most, whatever its chat holds.

use super::super::{budget::Budget, markdown, within};
use super::*;

/// Of a page's HTML beside plain text, in bytes.
const BUDGET: usize = 100_000;
const NOTICE: &str = "This chat is too large to be shown with all its formatting";

fn text_message(text: &str) -> Message {
    message("user", &serde_json::to_string(text).unwrap(), "2026-11-05T07:00:00Z")
}

fn page_within(messages: &[Message], artifacts: Option<&[PageArtifact]>, budget: usize) -> String {
    let chat = chat();
    let page = SharedChatPage {
        chat: &chat,
        messages,
        artifacts,
        json_url: "/json",
        qr_code_url: "/qr",
        events_url: None,
        settings: &PageSettings::default(),
    };
    within(&page, budget).unwrap()
}

/// Forms of Markdown that are long as HTML, or dear to read, each of about this many bytes.
fn forms(bytes: usize) -> Vec<String> {
    let rows =
        |head: &str, row: &str| head.to_owned() + &row.repeat((bytes - head.len()) / row.len());
    let wide = |columns: usize| {
        rows(&format!("{}|\n{}|\n", "|a".repeat(columns), "|-".repeat(columns)), "a\n")
    };
    let deep = |sign: &str| rows(&format!("{}a\n", sign.repeat(30)), "1\n");
    let mut forms = vec![
        rows("|a|a|\n|-|-|\n", "a\n"),
        rows("|a|a|\n|-:|-:|\n", "||\n"),
        wide(20),
        wide(400),
        deep("> "),
        deep("- "),
        rows("", &format!("{}a\n\n", "> ".repeat(30))),
        rows("", &format!("{}a\n\n", "- ".repeat(30))),
        rows("", &format!("{}a\n\n", "1. ".repeat(10))),
        rows("", "<details>\n\n*a*\n</details>\n\n"),
    ];
    let repeated = [
        "- a\n",
        "-\n",
        "- [ ] a\n",
        "1. a\n",
        "> a\n\n",
        ">\n\n",
        "> [!NOTE]\n\n",
        "$a$ ",
        "\\(a\\) ",
        "$$a$$\n\n",
        "[](http://a)",
        "[a](http://a) ",
        "![](http://a)",
        "http://a ",
        "<a:b>",
        "<a@b.c>",
        "[a](http://a?&&&&&&&&&&&&&&&&&&) ",
        "[a](http://é) ",
        "*a*",
        "**a** ",
        "*a **b*** ",
        "~~a~~ ",
        "`a`",
        "```\n```\n",
        "    a\n\n",
        "&quot;",
        "&amp;",
        "&#1;",
        "&",
        "<",
        "\"",
        "'",
        "\u{7f}",
        "\\\n",
        "a  \n",
        "a\n",
        "a\n\n",
        "# a\n",
        "***\n",
        "<br>",
        "<sub>a</sub>",
        "<kbd>a</kbd> ",
        "[^a]",
        "[^a]\n\n[^a]: b\n\n",
        "<b>\n\n",
        "<think>\na\n</think>\n\n",
        "[a]: http://a\n",
        "。**「a」**",
    ];
    forms.extend(repeated.map(|part| rows("", part)));
    forms
}

#[test]
fn whatever_is_beyond_the_budget_is_plain_text() {
    const MESSAGES: usize = 12;
    let bare = page_within(&[text_message("a")], None, BUDGET).len();
    let mut exceeded = 0;
    for text in forms(20_000) {
        let messages = vec![text_message(&text); MESSAGES];
        let html = page_within(&messages, None, BUDGET);
        let start: String = text.chars().take(16).collect();
        let plain = markdown::plain(&text);
        let most = BUDGET + MESSAGES * (plain.len() + bare);
        assert!(html.len() < most, "{start:?}: {} bytes, not {most}", html.len());
        assert!(plain.len() < 6 * text.len() + 64, "{start:?}");
        // None is lost, and the notice says it.
        assert_eq!(html.matches("<article").count(), MESSAGES);
        if html.contains(NOTICE) {
            exceeded += 1;
            let (_, last) = html.rsplit_once("<div class=\"content\">").unwrap();
            assert!(last.starts_with(&plain), "{start:?}");
            assert!(html.contains("<a href=\"/json\" rel=\"nofollow\">"), "{start:?}");
        }
    }
    assert!(exceeded > 30, "{exceeded}");
}

#[test]
fn the_largest_tables_are_one_page_of_some_megabytes() {
    let text = "|a|a|\n|-|-|\n".to_owned() + &"a\n".repeat(99_000);
    let messages = vec![text_message(&text); 4];
    let chat = chat();
    let html = page(&chat, &messages, None);
    assert!(html.len() < MAX_PAGE_BYTES + 4 * (text.len() + 1000) + 20_000, "{}", html.len());
    assert!(html.contains(NOTICE));
    assert_eq!(html.matches("<article").count(), 4);
    assert!(!page(&chat, &[text_message("| a |\n|-|\n| b |")], None).contains(NOTICE));
}

#[test]
fn html_that_is_given_up_is_taken_from_the_budget() {
    let columns = 400;
    let head = format!("{}|\n{}|\n", "|a".repeat(columns), "|-".repeat(columns));
    let text = head + &"a\n".repeat(2000);
    let mut budget = Budget::of(usize::MAX);
    assert!(markdown::render(&text, &mut budget).is_none(), "it grows too much");
    assert!(usize::MAX - budget.left() > 20 * text.len());
    // What leaves no HTML is read all the same.
    let mut budget = Budget::of(1000);
    let unused = "[a]: http://a\n".repeat(60);
    assert_eq!(markdown::render(&unused, &mut budget).unwrap(), "");
    assert_eq!(budget.left(), 1000 - unused.len());
    assert!(markdown::render(&unused, &mut budget).is_none() && budget.is_exceeded());
    assert!(markdown::render("a", &mut budget).is_none());
}

#[test]
fn files_beyond_the_budget_are_names() {
    let name = format!("{}.csv", "&".repeat(200));
    let mut files: Vec<PageArtifact> =
        (0..100).map(|_| artifact(&name, Some(&"/%26".repeat(100)))).collect();
    files.push(artifact("last\u{202e}.csv", Some("/last")));
    let bare = page_within(&[], None, BUDGET).len();
    let html = page_within(&[text_message("*a*")], Some(&files), BUDGET);
    let names: usize = files.iter().map(|file| markdown::plain(&file.filename).len()).sum();
    assert!(html.len() < bare + BUDGET / 4 + names + 1000, "{}", html.len());
    let listed = html.matches("<a href=\"/%26").count();
    assert!((5..100).contains(&listed), "{listed}");
    assert_eq!(html.matches(".csv").count(), 101);
    assert!(html.contains("\nlast.csv</div>") && html.contains(NOTICE));
    assert!(html.contains("<em>a</em>"), "files leave room for messages");
    // What they leave is for messages.
    let text = text_message(&"*a* ".repeat(BUDGET / 12));
    let text = [text];
    assert!(!page_within(&text, Some(&[]), BUDGET).contains(NOTICE));
    assert!(
        page_within(&text, Some(&files), BUDGET).contains("<div class=\"plain\" dir=\"auto\">*a*")
    );
    let few = page_within(&[], Some(&files[..3]), BUDGET);
    assert!(!few.contains(NOTICE) && !few.contains("class=\"plain\""));
}
