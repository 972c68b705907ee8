mod bounds;
mod code;
mod elements;
mod formulas;

use super::{alone as render, assertions::assert_harmless};

#[test]
fn markdown_becomes_its_elements() {
    for (markdown, html) in [
        (
            "plain *em* **strong** ~~del~~",
            "<p dir=\"auto\">plain <em>em</em> <strong>strong</strong> <del>del</del></p>\n",
        ),
        ("# One", "<h3 dir=\"auto\">One</h3>\n"),
        ("###### Six", "<h6 dir=\"auto\">Six</h6>\n"),
        ("- a\n- b", "<ul dir=\"ltr\"><li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", "<ol dir=\"ltr\" start=\"3\"><li>a</li>\n</ol>\n"),
        ("> q", "<blockquote dir=\"ltr\"><p dir=\"auto\">q</p>\n</blockquote>\n"),
        ("---", "<hr>\n"),
        ("a\nb", "<p dir=\"auto\">a<br>\nb</p>\n"),
        ("`a <b>`", "<p dir=\"auto\"><code dir=\"ltr\">a &lt;b&gt;</code></p>\n"),
        (
            "```rust,ignore\na < b\n```",
            "<figure><figcaption>rust</figcaption><pre dir=\"ltr\" tabindex=\"0\"><code>a &lt; b\n</code></pre></figure>\n",
        ),
        (
            "    indented",
            "<figure><pre dir=\"ltr\" tabindex=\"0\"><code>indented</code></pre></figure>\n",
        ),
        (
            "a[^1]\n\n[^1]: note",
            "<p dir=\"auto\">a<sup>[1]</sup></p>\n<div class=\"footnote\"><sup>1</sup><p dir=\"auto\">note</p>\n</div>\n",
        ),
        (
            "[a](https://e.org/?x=1&y=2 \"title\")",
            "<p dir=\"auto\"><a href=\"https://e.org/?x=1&amp;y=2\" rel=\"noopener noreferrer nofollow ugc\">a</a></p>\n",
        ),
        (
            "<me@e.org>",
            "<p dir=\"auto\"><a href=\"mailto:me@e.org\" dir=\"ltr\" rel=\"noopener noreferrer nofollow ugc\">me@e.org</a></p>\n",
        ),
        (
            "$a_b*c$ and *d*",
            "<p dir=\"auto\"><span class=\"formula\" dir=\"ltr\"><math><msub><mi>a</mi><mi>b</mi></msub><mo lspace=\"0.2222em\" rspace=\"0.2222em\">∗</mo><mi>c</mi></math></span> and <em>d</em></p>\n",
        ),
    ] {
        assert_eq!(render(markdown), html, "{markdown}");
        assert_harmless(html);
    }
}

#[test]
fn tables_keep_their_alignment_and_scroll_on_their_own() {
    assert_eq!(
        render("|a|b|c|\n|-|:-:|-:|\n|1|2|3|\n|4|"),
        "<div class=\"scroll\" tabindex=\"0\"><table dir=\"ltr\"><thead><tr><th dir=\"auto\">a</th>\
         <th class=\"center\" dir=\"auto\">b</th><th class=\"right\" dir=\"auto\">c</th></tr></thead>\
         <tbody>\n<tr><td dir=\"auto\">1</td><td class=\"center\" dir=\"auto\">2</td>\
         <td class=\"right\" dir=\"auto\">3</td></tr>\n<tr><td dir=\"auto\">4</td>\
         <td class=\"center\"></td><td class=\"right\"></td></tr>\n</tbody></table></div>\n"
    );
}

#[test]
fn task_lists_are_disabled_checkboxes() {
    let html = render("- [x] done\n- [ ] to do");
    assert!(html.contains("<input type=\"checkbox\" disabled checked aria-label=\"done\">done"));
    assert!(html.contains("<input type=\"checkbox\" disabled aria-label=\"to do\">to do"));
}

#[test]
fn raw_html_is_shown_as_its_source() {
    for (markdown, shown) in [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=alert(1)> b", "&lt;img src=x onerror=alert(1)&gt;"),
        (
            "</style></head><body onload=\"x\">",
            "&lt;/style&gt;&lt;/head&gt;&lt;body onload=&quot;x&quot;&gt;",
        ),
        ("<!-- c --> <svg/onload='x'>", "&lt;svg/onload=&#39;x&#39;&gt;"),
        ("&lt;script&gt; &#60;b&#62;", "&lt;script&gt; &lt;b&gt;"),
    ] {
        let html = render(markdown);
        assert!(html.contains(shown), "{html}");
        assert_harmless(&html);
    }
}

#[test]
fn script_and_relative_links_are_text() {
    for target in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "javascript&colon;alert(1)",
        "&#x6A;&#x61;vascript:alert(1)",
        "<java&Tab;script:alert(1)>",
        "<java&NewLine;script:alert(1)>",
        "<\u{1}javascript:alert(1)>",
        "< javascript:alert(1)>",
        "data:text/html,x",
        "DATA:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://e.org/x",
        "//e.org/x",
        "/admin",
        "#top",
        "view-source:x",
        "\u{a0}javascript:alert(1)",
        "javascript\\:alert(1)",
        "about:blank",
        "",
    ] {
        for html in
            [render(&format!("[text]({target})")), render(&format!("[text]\n\n[text]: {target}"))]
        {
            assert!(html.contains("text") && !html.contains("href"), "{target}: {html}");
            assert_harmless(&html);
        }
        let image = render(&format!("![text]({target})"));
        assert!(!image.contains("href") && !image.contains("<img"), "{image}");
    }
    assert!(!render("<javascript:alert(1)>").contains("href"));
}

#[test]
fn a_name_and_a_password_in_an_address_are_left_out() {
    for markdown in [
        "[a](https://bank.example@evil.example/x)",
        "[a](https://bank.example%2f@evil.example/x)",
        "[a](https://me:secret@evil.example/x)",
        "[a](https://:secret@evil.example/x)",
        "[a](https:me:secret@evil.example/x)",
        "![a](https://me@evil.example/x)",
        "<https://me:secret@evil.example/x>",
        "https://me:secret@evil.example/x",
        "[a][1]\n\n[1]: https://me@evil.example/x",
    ] {
        let html = render(markdown);
        assert!(html.contains("href=\"https://evil.example/x\""), "{markdown}: {html}");
    }
    assert!(render("<me@e.org>").contains("href=\"mailto:me@e.org\""));
    assert!(render("[a](https://e.org/@me?b=c@d)").contains("href=\"https://e.org/@me?b=c@d\""));
}

#[test]
fn an_address_is_written_as_parsed() {
    // What browsers skip when they read an address is gone from it.
    assert!(
        render("[a](<ht&Tab;tps://e.org/\"onclick=x>)")
            .contains("href=\"https://e.org/%22onclick=x\"")
    );
    assert!(render("[a](https://e.org/'x)").contains("href=\"https://e.org/&#39;x\""));
    assert!(render("[a](HTTPS://E.org)").contains("href=\"https://e.org/\""));
    assert!(render("<a\"b@e.org>").contains("&lt;a&quot;b@e.org&gt;"));
}

#[test]
fn images_are_links_and_are_not_loaded() {
    let link = "<a href=\"https://e.org/x.png\" rel=\"noopener noreferrer nofollow ugc\">";
    let html = render("![a *cat* ![in](https://e.org/2) `c`](https://e.org/x.png)");
    assert_eq!(
        html,
        format!("<p dir=\"auto\">{link}Image: a cat in <code dir=\"ltr\">c</code></a></p>\n")
    );
    // In a link already: links do not nest.
    let html = render("[![alt](https://e.org/y.png) b](https://e.org/x.png)");
    assert_eq!(html, format!("<p dir=\"auto\">{link}Image: alt b</a></p>\n"));
    // What follows is a paragraph as before.
    assert_eq!(render("![a](/x) *b*"), "<p dir=\"auto\">Image: a <em>b</em></p>\n");
}

#[test]
fn attributes_cannot_be_broken_out_of() {
    for markdown in [
        "```\"><script>x\ncode\n```",
        "```a' onload='x\ncode\n```",
        "[^\"><b>]\n\n[^\"><b>]: x",
        "# h {#id .class onclick=x}",
        "[a](https://e.org '\" onclick=\"x')",
        "| \"><b> |\n|-|\n| ' onclick=x |",
        "<https://e.org/\"onclick=\"x>",
        "1\". x",
        "![\"><script>](https://e.org)",
    ] {
        let html = render(markdown);
        assert_harmless(&html);
        assert!(!html.contains(" id=") && !html.contains("<b>"), "{html}");
    }
}

#[test]
fn containers_have_the_direction_of_their_text() {
    let html = render("- שלום\n- two\n\n> سلام\n\n| שם |\n|-|\n| a |\n\n1. a\n   - ב\n");
    assert!(html.contains("<ul dir=\"rtl\"><li>שלום</li>\n<li>two</li>"));
    assert!(html.contains("<blockquote dir=\"rtl\"><p dir=\"auto\">سلام"));
    assert!(html.contains("<table dir=\"rtl\">"));
    assert!(html.contains("<ol dir=\"ltr\" start=\"1\"><li>a<ul dir=\"rtl\">"));
}

#[test]
fn control_characters_are_replaced() {
    let html = render("a\u{0}b\u{1b}[31m &#0; &#x1b; \u{85} `\u{8}`\tc");
    assert!(!html.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{html:?}");
    assert!(html.contains("a\u{fffd}b\u{fffd}[31m"));
}
