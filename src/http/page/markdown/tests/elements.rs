//! Emphasis, addresses, and the few elements of HTML that are shown as such.

use super::super::{alone as render, assertions::assert_harmless};

fn has(markdown: &str, parts: &[&str]) {
    let html = render(markdown);
    assert_harmless(&html);
    for part in parts {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}

#[test]
fn emphasis_is_where_its_author_meant_it_in_cjk_text() {
    for (markdown, html) in [
        ("**「A」**の**（B）**で", "<strong>「A」</strong>の<strong>（B）</strong>で"),
        ("**중요:**이것은", "<strong>중요:</strong>이것은"),
        ("**注意：**请看*（这）*里", "<strong>注意：</strong>请看<em>（这）</em>里"),
        ("使用**`code`**来", "使用<strong><code dir=\"ltr\">code</code></strong>来"),
        ("マークダウン**(Markdown)**は", "マークダウン<strong>(Markdown)</strong>は"),
        ("~~「A」~~の", "<del>「A」</del>の"),
        ("***「A」***の", "<em><strong>「A」</strong></em>の"),
        // As before.
        ("\\**「A」\\**の `**「A」**の`", "**「A」**の <code dir=\"ltr\">**「A」**の</code>"),
        ("a**\"b\"**c 2 * （3） * 4", "a**&quot;b&quot;**c 2 * （3） * 4"),
    ] {
        assert_eq!(render(markdown), format!("<p dir=\"auto\">{html}</p>\n"), "{markdown}");
    }
    // Nothing is added to what is shown.
    let code = render("```\n**「A」**の\n```\n\n<div>\n**「A」**の");
    assert_eq!(code.matches("**「A」**の").count(), 2, "{code}");
}

#[test]
fn bare_addresses_are_links() {
    let link = |href: &str, text: &str| {
        format!(
            "<a href=\"{href}\" dir=\"ltr\" rel=\"noopener noreferrer nofollow ugc\">{text}</a>"
        )
    };
    for (markdown, html) in [
        (
            "See https://e.org/a_b_c.",
            format!("See {}.", link("https://e.org/a_b_c", "https://e.org/a_b_c")),
        ),
        ("(http://e.org/x(y))", format!("({})", link("http://e.org/x(y)", "http://e.org/x(y)"))),
        (
            "**https://e.org/**",
            format!("<strong>{}</strong>", link("https://e.org/", "https://e.org/")),
        ),
        (
            "https://e.org?a=1&b='",
            link("https://e.org/?a=1&amp;b=", "https://e.org?a=1&amp;b=") + "&#39;",
        ),
        ("请看https://e.org/页。和https://e.org然后", {
            let page = link("https://e.org/%E9%A1%B5", "https://e.org/页");
            format!("请看{page}。和{}然后", link("https://e.org/", "https://e.org"))
        }),
        ("<https://e.org/>", link("https://e.org/", "https://e.org/")),
    ] {
        assert_eq!(render(markdown), format!("<p dir=\"auto\">{html}</p>\n"), "{markdown}");
    }
    for markdown in [
        "javascript://e.org/%0aalert(1)",
        "xhttps://e.org ftp://e.org data://x file:///x blob:https",
        "`https://e.org`",
        "    https://e.org",
        "![https://e.org](/x)",
        "https:// https://_ https://\u{202e}",
    ] {
        let html = render(markdown);
        assert!(!html.contains("href"), "{markdown}: {html}");
    }
    // Links do not nest.
    assert_eq!(render("[a https://e.org](https://f.org)").matches("<a ").count(), 1);
}

#[test]
fn br_sub_sup_and_kbd_are_elements() {
    has("|a|\n|-|\n|x<br>y<BR/>z|", &["x<br>\ny<br>\nz"]);
    has("a<br />b\n\n<br>\n\nc", &["a<br>\nb</p>", "<br>"]);
    has("H<sub>2</sub>O x<sup>*2*</sup>", &["H<sub>2</sub>O", "x<sup><em>2</em></sup>"]);
    has("<kbd>Ctrl</kbd>+<KBD>C</KBD>", &["<kbd>Ctrl</kbd>+<kbd>C</kbd>"]);
    // Without its other tag, across another element, or with attributes it is text.
    for (markdown, html) in [
        ("<sub>a", "&lt;sub&gt;a"),
        ("a</sub>", "a&lt;/sub&gt;"),
        ("<sub>a *b</sub> c*", "&lt;sub&gt;a <em>b&lt;/sub&gt; c</em>"),
        ("<sub>a <kbd>b</sub>", "&lt;sub&gt;a &lt;kbd&gt;b&lt;/sub&gt;"),
        ("<sup onclick=\"x\">a</sup>", "&lt;sup onclick=&quot;x&quot;&gt;a&lt;/sup&gt;"),
        ("<br onload=x>", "&lt;br onload=x&gt;"),
    ] {
        has(markdown, &[html]);
    }
    // An image's description is text.
    has("![a<br>b <sub>c</sub>](/x)", &["Image: a b c"]);
}

#[test]
fn alerts_have_their_kind_and_label() {
    for (name, class) in [
        ("Note", "note"),
        ("Tip", "tip"),
        ("Important", "important"),
        ("Warning", "warning"),
        ("Caution", "caution"),
    ] {
        let html = render(&format!("> [!{}]\n> a *b*", name.to_uppercase()));
        assert_harmless(&html);
        assert_eq!(
            html,
            format!(
                "<blockquote dir=\"ltr\" class=\"alert {class}\"><p class=\"label\">{name}</p>\
                 <p dir=\"auto\">a <em>b</em></p>\n</blockquote>\n"
            )
        );
    }
    has("> [!OTHER]\n> a", &["<blockquote dir=\"ltr\"><p dir=\"auto\">[!OTHER]"]);
}

#[test]
fn details_and_reasoning_are_folded() {
    assert_eq!(
        render("<think>\nLet **me** see:\n\n- $x_1$\n</think>\nThe *answer*"),
        "<details><summary dir=\"auto\">Thinking</summary>\n<p dir=\"auto\">Let <strong>me</strong> \
         see:</p>\n<ul dir=\"ltr\"><li><span class=\"formula\" dir=\"ltr\"><math>\
         <msub><mi>x</mi><mn>1</mn></msub></math></span></li>\n</ul>\n\
         </details>\n<p dir=\"auto\">The <em>answer</em></p>\n"
            .replace("<ul dir=\"ltr\">", "<ul>")
    );
    assert_eq!(
        render(
            "a\n<details open class=\"x\">\n<summary>More & *b*</summary>\n\n- c\n\n</details>\nd"
        ),
        "<p dir=\"auto\">a</p>\n<details><summary dir=\"auto\">More &amp; *b*</summary>\n\
         <ul dir=\"ltr\"><li>c</li>\n</ul>\n</details>\n<p dir=\"auto\">d</p>\n"
    );
    has(
        "<think>a</think>b",
        &["</summary>\n<p dir=\"auto\">a</p>\n</details>\n<p dir=\"auto\">b</p>"],
    );
    has("<details>a</details>", &["<details><summary dir=\"auto\">Details</summary>\n<p"]);
    // One in another.
    has(
        "<details>\n<summary>1</summary>\n<details>\n<summary>2</summary>\na\n</details>\n</details>b",
        &[
            "1</summary>\n<details><summary dir=\"auto\">2</summary>\n<p dir=\"auto\">a</p>\n</details>\n</details>\n<p dir=\"auto\">b</p>",
        ],
    );
    // Around what is in a list, in a list, and as the end of one.
    has(
        "<details>\n- a\n  - b\n</details>\nc",
        &["b</li>\n</ul>\n</li>\n</ul>\n</details>\n<p dir=\"auto\">c"],
    );
    has(
        "1. a\n   <details>\n   *b*\n   </details>\n2. c",
        &["<p dir=\"auto\"><em>b</em></p>\n</details>\n<ol dir=\"ltr\" start=\"2\">"],
    );
    // What is left open within ends with it.
    has("<details>\n\n```\ncode</details>\n\n*a*", &["&lt;details&gt;"]);
    has(
        "<details>\n```\ncode\n</details>\n\n*a*",
        &["</code></pre></figure>\n</details>\n", "<em>a</em>"],
    );
}

#[test]
fn a_fold_without_its_other_tag_is_text() {
    for markdown in [
        "<details>\n\n*a*",
        "<think>\n*a*",
        "*a*\n</think>",
        "*a*\n\n</details>",
        "</details>\n\n<details>",
        "<details>\n\n</think>",
        "`<think>` and `</think>`",
        "Write <think> and then </think>",
        "```\n<think>\n</think>\n```",
        "<!-- <details></details> -->",
        "<pre>\n<details>\n</details>\n</pre>",
        "<detailsx>\n</details>",
        "> <details>\n> a\n> </details>",
        "- a\n\n      <details>\n      </details>",
    ] {
        let html = render(markdown);
        assert_harmless(&html);
        assert!(!html.contains("<details") && html.contains("&lt;"), "{markdown}: {html}");
    }
    // An outer one without its end does not hide an inner one that has it.
    has("<think>\na\n\n<details>\nb\n</details>\nc", &["&lt;think&gt;", "<details>", "c"]);
    // What is folded deeper is text.
    let deep = render(&format!("{}a\n{}", "<details>\n\n".repeat(9), "\n\n</details>".repeat(9)));
    assert_eq!(deep.matches("<details>").count(), 3, "{deep}");
    assert_eq!(deep.matches("&lt;details&gt;").count(), 6, "{deep}");
}

#[test]
fn line_breaks_are_kept() {
    has("one\ntwo  \nthree\\\nfour", &["one<br>\ntwo<br>\nthree<br>\nfour"]);
    has("- one\n  two\n\n> three\n> four", &["one<br>\ntwo", "three<br>\nfour"]);
}

#[test]
fn the_direction_is_that_of_the_text_without_code_and_markers() {
    for (markdown, container) in [
        ("- `code` שלום", "<ul dir=\"rtl\"><li>"),
        ("- [x] שלום", "<ul dir=\"rtl\"><li><input"),
        ("1. [ ] `a` سلام", "<ol dir=\"rtl\" start=\"1\">"),
        ("1. `a`\n2. שלום", "<ol dir=\"rtl\" start=\"1\">"),
        ("> `a` https://e.org/a שלום", "<blockquote dir=\"rtl\">"),
        ("> ```\n> a\n> ```\n> שלום", "<blockquote dir=\"rtl\">"),
        ("> [!NOTE]\n> שלום", "<blockquote dir=\"rtl\" class=\"alert note\">"),
        ("| `a` | שם |\n|-|-|\n| a | b |", "<table dir=\"rtl\">"),
        ("- $x$ שלום", "<ul dir=\"rtl\">"),
        ("- a שלום", "<ul dir=\"ltr\">"),
        // That of what is around it.
        ("- שלום\n  - `a`", "<ul>"),
        ("- `a`\n\nשלום", "<ul>"),
    ] {
        has(markdown, &[container]);
    }
    // Nor does an address turn the paragraph around it.
    has("https://e.org/ שלום", &["<p dir=\"auto\"><a href=\"https://e.org/\" dir=\"ltr\""]);
}
