//! Long, deep and pathological input.

use super::super::{
    MARKDOWN_LIMIT, MAX_FOLDS, alone as render,
    assertions::{assert_harmless, greatest_depth},
    depth::MAX_NESTING,
    mathml::MAX_FORMULA_DEPTH,
    write,
    writer::{MAX_DEPTH, MAX_GROWTH},
};

#[test]
fn a_long_message_is_plain_text() {
    let text = format!("{}\n</div><script>", "*a* ".repeat(MARKDOWN_LIMIT / 4));
    let html = render(&text);
    assert!(html.starts_with("<div class=\"plain\" dir=\"auto\">*a* "));
    assert!(html.ends_with("\n&lt;/div&gt;&lt;script&gt;</div>"));
    assert!(render(&"*a* ".repeat(MARKDOWN_LIMIT / 4)).starts_with("<p dir=\"auto\"><em>a</em>"));
    assert!(render(&"x".repeat(5_000_000)).len() < 5_000_100);
}

#[test]
fn formulas_beyond_the_limit_are_not_made() {
    let mut html = String::new();
    assert!(write(&"$x$ ".repeat(50_000), 0, 10_000, &mut html).is_none());
    assert!(html.len() < 12_000, "{}", html.len());
}

#[test]
fn pathological_input_stays_in_proportion() {
    const N: usize = 100_000;
    let lazy = "a\n".to_owned() + &"b\n".repeat(N / 2);
    let mut inputs: Vec<String> = [
        ">",
        "[",
        "*",
        "- ",
        "1. ",
        "![",
        "[](",
        "*a ",
        "**a_",
        "`",
        "~a ",
        "$a ",
        "${",
        "<a ",
        "<!--",
        "a<?",
        "[^a]: ",
        "[^",
        "&",
        "# \n",
        "-\n",
        "a\n",
        "```\n",
        "|",
        "<div>\n",
        "\\",
        "[a](<",
        "[a\n",
        "- [ ] x\n",
        "> - ",
        "\t",
        "$",
        "$$",
        "$a$",
        "\\(",
        "\\[",
        "\\(\\)",
        "\\(*a*\\) ",
        "\\\\$",
        "$*a$*",
        "*$a* $b ",
        "https://",
        "https://a.b/(",
        "https://a.b/'",
        "https://a.b然",
        "a://b:",
        "<br>",
        "<sub>",
        "<sub><kbd>",
        "<sub></sub>",
        "<think>",
        "<think>\n",
        "<think>\n</details>\n",
        "<think></think>",
        "<details>\n",
        "<details>\n\n</details>\n\n",
        "<details><summary>",
        "<details>a</details>|a|\n|-|\n",
        "> [!NOTE]\n",
        "**「",
        "」**の",
        "*「」*",
        "$=$ ",
        "$x^{=}$ ",
        "$'$ ",
        "$\\bm x$ ",
        "$&\\\\&$ ",
        "```json\n1,1\n```\n",
        "```js\n/x/`${\n```\n",
    ]
    .map(|part| part.repeat(N / part.len()))
    .into();
    inputs.extend([
        "- ".repeat(5000) + &lazy,
        ">".repeat(5000) + &lazy,
        "> 1. ".repeat(5000) + &lazy,
        (1..400).map(|depth| "> ".repeat(depth) + "a\n").collect(),
        (0..400).map(|depth| "  ".repeat(depth) + "- a\n").collect(),
        "|".repeat(9000) + "\n" + &"|-".repeat(9000) + "\n" + &"a\n".repeat(N / 2),
        format!("[a]: https://e.org/{}\n\n", "x".repeat(N / 2)) + &"[a]".repeat(N / 6),
        "<details>".to_owned() + &">".repeat(5000) + &lazy + "</details>",
        format!("{}{}", "<think>\n".repeat(N / 20), "</details>\n".repeat(N / 20)),
        format!("$a$ {}", "\u{1}&#1;".repeat(N / 6)),
    ]);
    const OF_FORMULAS: &str =
        r"\bm \frac1 \sum^ x^ \sqrt[ {\frac{ \left( \text{ & \\ \begin{matrix} \displaystyle1";
    for part in OF_FORMULAS.split(' ') {
        inputs.push(format!("${}$ ", part.repeat(1990 / part.len())).repeat(5));
    }
    const OF_CODE: &str = "`${ <a ' \" /* r#\" <<A\n / - #[ {{ \"\"\" $( [a]( -- &a f( <!-- ${";
    const LANGUAGES: &str = "rust js py sh html css yaml toml md dockerfile json sql c php";
    for language in LANGUAGES.split(' ') {
        let block =
            |part: &str| format!("```{language}\n{}\n```\n", part.repeat(2000 / part.len()));
        inputs.push(OF_CODE.split(' ').map(block).collect());
    }
    for input in inputs {
        let html = render(&input);
        let start: String = input.chars().take(12).collect();
        assert!(html.len() <= 8192 + input.len() * MAX_GROWTH, "{start:?}: {} bytes", html.len());
        assert_harmless(&html);
        // A table is five elements deep by itself, and a formula is in one more.
        let depth = MAX_DEPTH + MAX_FOLDS + 2 + 1 + MAX_FORMULA_DEPTH;
        assert!(greatest_depth(&html) <= depth, "{start:?}");
    }
}

#[test]
fn deep_nesting_keeps_its_text_and_ordinary_nesting_its_elements() {
    let html = render(&format!("{}deep", "> ".repeat(50)));
    assert_eq!(greatest_depth(&html), MAX_DEPTH);
    assert!(html.contains("deep"));
    for marker in ["> ", ">", "- ", "* "] {
        let plain = |depth| render(&format!("{}x", marker.repeat(depth))).contains("\"plain\"");
        assert!(plain(MAX_NESTING + 2) && !plain(MAX_NESTING - 1), "{marker}");
    }
    let deep = ">".repeat(MAX_NESTING + 2);
    for text in [format!("<think>{deep}\n</think>"), format!("<think>\n</think>{deep}")] {
        assert!(render(&text).starts_with("<div class=\"plain\""), "{text}");
    }
    // Rules, indented code and numbers do not nest.
    for line in ["-".repeat(500), " ".repeat(500) + "code", "1.2.".repeat(100), "* ".repeat(20)] {
        assert!(!render(&line).contains("class=\"plain\""), "{line}");
    }
}

#[test]
fn random_mixtures_of_markup_are_harmless() {
    const PARTS: [&str; 56] = [
        "[",
        "](",
        ")",
        "javascript:",
        "https://e.org/",
        "<",
        ">",
        "\"",
        "'",
        "`",
        "```\n",
        "\n",
        "\n\n",
        "    ",
        "|",
        "-",
        "|-|\n",
        "*",
        "**",
        "_",
        "~~",
        "$",
        "$$",
        "!",
        "[^a]",
        "]: ",
        "# ",
        "- ",
        "> ",
        "1. ",
        "&quot;",
        "&#60;",
        "\\",
        "<b onclick=x>",
        "</p>",
        "<!--",
        "שלום",
        "a",
        "[x] ",
        "\u{0}",
        "$x$",
        "\\(",
        "\\)",
        "「",
        "の",
        "<br>",
        "<sub>",
        "</sub>",
        "<think>",
        "</think>",
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
        "> [!NOTE]\n",
        "\u{1}\u{2}",
    ];
    // A fixed sequence (xorshift), so that a failure repeats.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..4000 {
        let length = next() % 24 + 1;
        let text: String = (0..length).map(|_| PARTS[(next() % 56) as usize]).collect();
        let html = render(&text);
        assert_harmless(&html);
        greatest_depth(&html);
    }
}
