//! Code blocks and their colours.

use super::super::{
    alone as render,
    assertions::assert_harmless,
    code::{MAX_CODE, MAX_CODE_GROWTH},
};

/// The HTML within the block, and what a reader who copies it gets.
fn block(language: &str, code: &str) -> (String, String) {
    let html = render(&format!("```{language}\n{code}\n```"));
    assert_harmless(&html);
    let (_, rest) = html.split_once("<code>").unwrap();
    let inner = rest.strip_suffix("</code></pre></figure>\n").unwrap().to_owned();
    let parts = inner.split('<').enumerate();
    let text: String = parts
        .map(|(n, part)| if n == 0 { part } else { part.split_once('>').unwrap().1 })
        .collect();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    (inner, text.replace("&#39;", "'").replace("&amp;", "&").trim_end().to_owned())
}

#[test]
fn code_of_a_known_language_has_colours_and_its_text() {
    for (language, code, parts) in [
        ("rust", "let x = 'a'; // b", &["k\">let<", "s\">&#39;a&#39;<", "c\">// b<"][..]),
        ("PY", "def f(): return 1", &["k\">def<", "f\">f<", "n\">1<"]),
        ("ts", "const a: string = `<b>`", &["k\">const<", "s\">`&lt;b&gt;`<"]),
        ("json", "{\"a\": [true]}", &["a\">&quot;a&quot;<", "n\">true<"]),
        ("sh", "echo \"$HOME\" # x", &["c\"># x<"]),
        ("html", "<a href=\"x\">&amp;</a>", &["t\">a<", "a\">href<"]),
        (
            "sql",
            "SELECT count(*) from t -- x",
            &["k\">SELECT<", "f\">count<", "k\">from<", "c\">-- x<"],
        ),
        ("sql", "WHERE a = 'it''s\n-- b'", &["s\">&#39;s\n-- b&#39;<"]),
        (
            "c++",
            "#include <a>\nint f(Foo a); /* \n */",
            &["a\">#include<", "k\">int<", "t\">Foo<", "c\">/* \n */<"],
        ),
        ("java", "@Override\nvoid f() {", &["a\">@Override<", "k\">void<"]),
        (
            "kotlin",
            "val a = \"\"\"b \"c\"\n\"\"\"",
            &["s\">&quot;&quot;&quot;b &quot;c&quot;\n&quot;&quot;&quot;<"],
        ),
        ("go", "a := `b\nc` + \"d\\\"\"", &["s\">`b\nc`<", "s\">&quot;d\\&quot;&quot;<"]),
        ("php", "$a = 1.5; # b", &["v\">$a<", "n\">1.5<", "c\"># b<"]),
        ("ruby", "def a; @b = nil; end", &["v\">@b<", "n\">nil<", "k\">end<"]),
        (
            "c",
            "char *s = \"no end\nint é日本 = 0x1f;",
            &["s\">&quot;no end<", "k\">int<", "n\">0x1f<"],
        ),
        ("c", "/* no end \"", &["c\">/* no end &quot;\n<"]),
        ("c#", "var a = \"\"\"", &["k\">var<"]),
    ] {
        let (html, text) = block(language, code);
        assert_eq!(text, code);
        for part in parts {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
    }
}

#[test]
fn code_of_an_unknown_language_has_none() {
    for language in ["", "brainfuck", "text", "rust\u{301}", "<b>"] {
        assert_eq!(block(language, "let x = 1;").0, "let x = 1;\n", "{language}");
    }
    assert!(render("    let x = 1;").contains("<code>let x = 1;</code>"));
}

#[test]
fn long_or_dense_code_has_none() {
    let line = "let x = 1;\n";
    let fits = line.repeat(MAX_CODE / line.len() - 1);
    assert!(block("rust", &fits).0.contains("<span"));
    assert!(!block("rust", &line.repeat(MAX_CODE / line.len() + 1)).0.contains("<span"));
    let (html, text) = block("json", &"1,".repeat(5000));
    assert_eq!((html.len(), text.len()), (10_001, 10_000));
    let (html, _) = block("json", &"1, ".repeat(5000));
    assert!(html.len() < 15_000 * MAX_CODE_GROWTH);
}

#[test]
fn marks_are_not_in_code() {
    // Emphasis beside CJK text gets an invisible letter in the source, also in code.
    let code = "s = \"**「A」**の\" # **「B」**の";
    assert_eq!(block("py", code).1, code);
    assert_eq!(block("py", "\u{1}\u{2}").1, "\u{fffd}\u{fffd}");
}

#[test]
fn script_with_a_backslash_before_a_line_break_is_plain() {
    for language in ["js", "ts", "JSX"] {
        assert!(block(language, "let a = 1;").0.contains("<span"));
        let code = "let a = 1;\n/[\\\n/[\\";
        assert_eq!(block(language, &format!("{code}\n")).0, format!("{code}\n\n"));
    }
}
