//! What is a formula, and what are prices.

use super::super::{alone as render, assertions::assert_harmless};

/// The HTML of one paragraph, without the tags around it, and with formulas in ⟨⟩.
fn line(markdown: &str) -> String {
    let html = render(markdown);
    assert_harmless(&html);
    let html = html.replace("<span class=\"math\" dir=\"ltr\">", "⟨").replace("</span>", "⟩");
    let line = html.strip_prefix("<p dir=\"auto\">").and_then(|rest| rest.strip_suffix("</p>\n"));
    line.unwrap_or(&html).replace("<br>\n", " / ")
}

#[test]
fn prices_are_no_formulas() {
    const LINK: &str = "<a href=\"https://a.example/\" rel=\"noopener noreferrer nofollow ugc\">";
    for (markdown, html) in [
        ("**$1** or **$2**", "<strong>$1</strong> or <strong>$2</strong>"),
        ("**$B** and **$C**", "<strong>$B</strong> and <strong>$C</strong>"),
        ("*$B*, and *5$*", "<em>$B</em>, and <em>5$</em>"),
        ("~~$B~~/~~A$~~", "<del>$B</del>/<del>A$</del>"),
        ("$5, see [x ($6)](https://a.example)", &format!("$5, see {LINK}x ($6)</a>")),
        ("$A, see [x ($B)](https://a.example)", &format!("$A, see {LINK}x ($B)</a>")),
        ("[$x](https://a.example) y$", &format!("{LINK}$x</a> y$")),
        ("$5 and **US$** then", "$5 and <strong>US$</strong> then"),
        ("It costs $5\nor $6", "It costs $5 / or $6"),
        ("from US$\nto CA$", "from US$ / to CA$"),
        ("$20,000 and USD$30,000", "$20,000 and USD$30,000"),
        ("A ($$), B ($$), (US$) or (CA$)", "A ($$), B ($$), (US$) or (CA$)"),
        ("\\$5 and 6\\$, 5$ and 6$", "$5 and 6$, 5$ and 6$"),
        ("&#36;x&#36; $$$x$$$ $ x$ $x $ $$ $$", "$x$ $$$x$$$ $ x$ $x $ $$ $$"),
    ] {
        assert_eq!(line(markdown), html, "{markdown}");
    }
}

#[test]
fn formulas_are_shown_as_written() {
    for (markdown, html) in [
        ("$a_b*c$ and *d*", "⟨$a_b*c$⟩ and <em>d</em>"),
        ("$x^*$, $y_{*}$ and *see $z^*$*", "⟨$x^*$⟩, ⟨$y_{*}$⟩ and <em>see ⟨$z^*$⟩</em>"),
        ("$a*b$ and $c*d$", "⟨$a*b$⟩ and ⟨$c*d$⟩"),
        ("**$B** and x=$x^2$", "<strong>$B</strong> and x=⟨$x^2$⟩"),
        ("**$x$** is $\\$5$ [$y$](/x)", "<strong>⟨$x$⟩</strong> is ⟨$\\$5$⟩ ⟨$y$⟩"),
        ("$$E[X](t) <b>$$ and $a\n+b$", "⟨$$E[X](t) &lt;b&gt;$$⟩ and ⟨$a\n+b$⟩"),
        ("\\( a_1 * b_1 * c \\)", "⟨\\( a_1 * b_1 * c \\)⟩"),
        ("\\[\n\\frac{a}{b} \\\\\n\\{c\\}\n\\]", "⟨\\[\n\\frac{a}{b} \\\\\n\\{c\\}\n\\]⟩"),
        ("\\(a \\(b\\) \\\\(c\\\\)", "(a ⟨\\(b\\)⟩ \\(c\\)"),
        // What looks like the mark of a formula is none.
        ("&#1; $x$ \u{1} &#2; \u{2}", "\u{fffd} ⟨$x$⟩ \u{fffd} \u{fffd} \u{fffd}"),
    ] {
        assert_eq!(line(markdown), html, "{markdown}");
    }
    assert!(
        render("> $$\n> a\n> $$").contains("<span class=\"math\" dir=\"ltr\">$$\na\n$$</span>")
    );
}

#[test]
fn dollars_in_code_and_addresses_are_no_formulas() {
    for (markdown, html) in [
        ("`$a` and `b$`", "<code dir=\"ltr\">$a</code> and <code dir=\"ltr\">b$</code>"),
        ("$a `b$ c`", "$a <code dir=\"ltr\">b$ c</code>"),
    ] {
        assert_eq!(line(markdown), html, "{markdown}");
    }
    for markdown in [
        "https://e.org/?$filter=a&$top=5$",
        "<https://e.org/$a$>",
        "[a](https://e.org/$a$)",
        "![a](https://e.org/$a$)",
        "    $a$",
        "```\n$a$\n```",
        "<div>$a$</div>",
        "[a $b$]\n\n[a $b$]: https://e.org/",
    ] {
        let html = render(markdown);
        assert!(!html.contains("math") && html.contains('$'), "{markdown}: {html}");
    }
    assert!(render("[a $b$]\n\n[a $b$]: https://e.org/").contains(">a $b$</a>"));
}

#[test]
fn a_formula_stays_in_its_cell() {
    let html = render("|f|p|\n|-|-|\n|$\\|a\\|_1*b_1$|$5|\n|$6|*a*$|");
    assert!(
        html.contains("<td dir=\"auto\"><span class=\"math\" dir=\"ltr\">$|a|_1*b_1$</span></td>")
    );
    assert!(html.contains("<td dir=\"auto\">$5</td>"), "{html}");
    assert!(html.contains("<td dir=\"auto\">$6</td><td dir=\"auto\"><em>a</em>$</td>"), "{html}");
}
