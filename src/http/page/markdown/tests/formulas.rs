//! What is a formula, what are prices, and what a formula may be typeset as.

use super::super::{
    alone as render,
    assertions::{assert_harmless, greatest_depth},
    formulas::marked,
    mathml::{MAX_FORMULA, MAX_LEVELS},
};
use crate::http::page::sanitize::escape_into;

/// The HTML of one paragraph, without the tags around it, and with the source of formulas in ⟨⟩.
fn line(markdown: &str) -> String {
    let rendered = render(markdown);
    assert_harmless(&rendered);
    let (_, formulas) = marked(markdown);
    let (mut html, mut rest) = (String::new(), rendered.as_str());
    for formula in &formulas {
        let (before, after) = rest.split_once("<span class=").unwrap();
        html.push_str(before);
        html.push('⟨');
        escape_into(&mut html, formula);
        html.push('⟩');
        rest = after.split_once("</span>").unwrap().1;
    }
    html.push_str(rest);
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
fn formulas_are_found_as_written() {
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
        render("> $$\n> {a\n> $$").contains("<span class=\"math\" dir=\"ltr\">$$\n{a\n$$</span>")
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
    let html = render("|f|p|\n|-|-|\n|$\\|{a\\|_1*b_1$|$5|\n|$6|*a*$|");
    assert!(
        html.contains("<td dir=\"auto\"><span class=\"math\" dir=\"ltr\">$|{a|_1*b_1$</span></td>")
    );
    assert!(html.contains("<td dir=\"auto\">$5</td>"), "{html}");
    assert!(html.contains("<td dir=\"auto\">$6</td><td dir=\"auto\"><em>a</em>$</td>"), "{html}");
}

/// The MathML of a formula alone in its line.
fn mathml(formula: &str) -> Option<String> {
    let html = render(formula);
    assert_harmless(&html);
    greatest_depth(&html);
    let (_, rest) = html.split_once("<math")?;
    Some(rest.split_once('>')?.1.split_once("</math>")?.0.to_owned())
}

#[test]
fn formulas_are_typeset() {
    for (formula, parts) in [
        (r"$\frac{a}{b}$", &["<mfrac><mi>a</mi><mi>b</mi></mfrac>"][..]),
        (r"\(x^2 \le 1\)", &["<msup><mi>x</mi><mn>2</mn></msup>", "≤"]),
        (r"$$\sum_{i=1}^n \sqrt{i}$$", &["<munderover>", "<msqrt>"]),
        (r"\[f = \begin{cases} 1 & a < b \\ 0 \end{cases}\]", &["class=\"left pr\"", "&lt;"]),
        (
            r"$$\begin{split} a &= b \\ &= c \end{split}$$",
            &["class=\"right pr\"", "class=\"left pl\""],
        ),
        (
            r"$\begin{array}{c|c} a & b \\ \hline c & d \end{array}$",
            &["class=\"br\"", "class=\"bt"],
        ),
        (r"$\boxed{x}$", &["<mtable class=\"bl bt\"", "<mi>x</mi>"]),
        (r"$\textcolor{red}{x}\text{ a \textbf{b}}$", &["<mi>x</mi>", "<mtext>b</mtext>"]),
        (r"$$x \tag{3}$$", &["<mi>x</mi>", "<mn>3</mn>"]),
        (r"$a\!b$", &["<mi>a</mi><mspace></mspace><mi>b</mi>"]),
        (r"$x = \text{שלום}$", &["<mtext>שלום</mtext>"]),
    ] {
        let mathml = mathml(formula).unwrap_or_else(|| panic!("{formula}: {}", render(formula)));
        for part in parts {
            assert!(mathml.contains(part), "{part} is missing in {mathml}");
        }
    }
    assert!(render(r"\[x\]").contains(
        "<span class=\"formula block\" dir=\"ltr\" tabindex=\"0\"><math display=\"block\">"
    ));
    let long = format!("$x{}$", "+x".repeat(30));
    assert!(
        render(&long).contains("<span class=\"formula long\" dir=\"ltr\" tabindex=\"0\"><math>")
    );
}

#[test]
fn links_styles_sizes_and_definitions_have_no_effect() {
    for formula in [
        r"$\href{https://e.org}{x}$",
        r"$\url{https://e.org}$",
        r"$\style{color:red}{x}$",
        r"$\class{badge}{x}$",
        r"$\htmlId{x}{y}$",
        r"$\unicode{x3c}$",
        r"$\Huge x$",
        r"$\rule{9999em}{9999em}$",
        r"$\hspace{9999em}$",
        r"$\kern 99cm x$",
        r"$\genfrac(){99em}{0}{1}{2}$",
        r"$\phantom{x}$",
        r"$\cancel{x}$",
        r"$\def\a{\a\a}\a$",
        r"$\newcommand{\a}{x}\a$",
        r"$\require{html}x$",
        r"$\unknown{x}$",
        r"$}{$",
        "$x = שלום$",
        "$x % }\nx$",
        r"$\frac{a}$",
        r"$\begin{matrix} a$",
    ] {
        let shown = render(formula);
        assert!(mathml(formula).is_none(), "{shown}");
        assert!(shown.contains("<span class=\"math\" dir=\"ltr\">$") && !shown.contains("style="));
    }
    let html = render(r"$\color{red} x \text{\textsf{y}\Huge z}$");
    assert!(html.contains("<mi>x</mi>") && !html.contains("red") && !html.contains("style"));
}

#[test]
fn what_is_over_a_bound_is_shown_as_source() {
    let quads = |count| format!("$x{}$", r"\quad".repeat(count));
    let rows = |count| format!("${}$", r"\alpha x".repeat(count));
    let depth = |count| format!("${}x{}$", r"\sqrt{".repeat(count), "}".repeat(count));
    let long = |length| format!("${}$", "x".repeat(length));
    for (fits, does_not) in [
        (quads(40), quads(41)),
        (rows(MAX_LEVELS), rows(MAX_LEVELS + 1)),
        (depth(12), depth(50)),
        (long(MAX_FORMULA), long(MAX_FORMULA + 1)),
    ] {
        assert!(mathml(&fits).is_some(), "{fits}");
        assert!(mathml(&does_not).is_none(), "{does_not}");
    }
}

#[test]
fn random_mixtures_of_commands_are_harmless() {
    const PARTS: &str = r"\frac \sqrt [ ] { } { } ^ _ ' & & \\ \left( \right) \left. \right| \middle|
        \begin{matrix} \end{matrix} \begin{align} \end{align} \begin{cases} \end{cases} \hline
        \begin{array}{c|c} \end{array} \begin{subarray}{c} \end{subarray} \text{ \textbf{ \mathrm{
        \operatorname{ \overbrace \underline \hat \vec \not = \sum \int \limits \lim x 12 . | , -
        \color{red} \boxed{ \substack{ \tag{ \label{a} \eqref{a} \hspace{1em} \kern 1em \, \! \big(
        \genfrac(){1pt}{0}{1}{2} \binom \over \choose \displaystyle \mathbb \bm \phantom \cancel \# \$
        é שלום < > ~ \  \dots \mathop \stackrel \xrightarrow \pmod \bmod \prime \mathllap \rlap \sc";
    let parts: Vec<&str> = PARTS.split_whitespace().collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap() % below
    };
    let mut typeset = 0;
    for _ in 0..6000 {
        let length = next(14) + 1;
        let formula: Vec<&str> = (0..length).map(|_| parts[next(parts.len())]).collect();
        let html = render(&format!("\\[{}\\]", formula.join(" ")));
        assert_harmless(&html);
        greatest_depth(&html);
        typeset += usize::from(html.contains("<math"));
    }
    assert!(typeset > 300, "{typeset}");
}
