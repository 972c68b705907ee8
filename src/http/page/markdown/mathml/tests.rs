use super::*;

fn known(mathml: &str) -> Option<String> {
    let mut out = String::new();
    write_known(&mut out, mathml).map(|()| out)
}

#[test]
fn what_is_not_known_is_not_written() {
    for mathml in [
        "<math><a href=\"https://e.org\"><mi>x</mi></a></math>",
        "<math><mi href=\"https://e.org\">x</mi></math>",
        "<math><mi onclick=\"x\">x</mi></math>",
        "<math><maction><mi>x</mi></maction></math>",
        "<math><annotation-xml encoding=\"text/html\"></annotation-xml></math>",
        "<math><mphantom><mi>x</mi></mphantom></math>",
        "<math><mi>x</mi>",
        "<math></math><math></math>",
        "x<math></math>",
        "<math><mi>ש</mi></math>",
        "<math><mtext>a > b</mtext></math>",
        "<math><mtext>a & b</mtext></math>",
        "<math><mtext><script></mtext></math>",
        "<math><mspace width=\"6em\"/></math>",
        "<math><mo minsize=\"100em\">(</mo></math>",
        "<math><mi mathvariant=\"bold\">x</mi></math>",
    ] {
        assert_eq!(known(mathml), None, "{mathml}");
    }
    let deep = |depth| {
        let rows = "<mrow>".repeat(depth) + &"</mrow>".repeat(depth);
        known(&format!("<math>{rows}</math>"))
    };
    assert!(deep(MAX_FORMULA_DEPTH - 1).is_some() && deep(MAX_FORMULA_DEPTH).is_none());
    let spaces =
        |count| known(&format!("<math>{}</math>", "<mspace width=\"4em\"/>".repeat(count)));
    assert!(spaces(10).is_some() && spaces(11).is_none());
}

#[test]
fn elements_are_sorted() {
    assert!(ELEMENTS.is_sorted());
}

#[test]
fn styles_become_classes_and_fonts_are_left_out() {
    for (mathml, written) in [
        (
            "<mtd style=\"text-align: right;justify-items: end;padding-right: 0;\"></mtd>",
            "<mtd class=\"right pr\"></mtd>",
        ),
        ("<mrow style=\"color:#ff0000;\"></mrow>", "<mrow></mrow>"),
        ("<mspace style=\"margin-left:-20em;\"/>", "<mspace></mspace>"),
        ("<mtext><b>x</b> &lt;</mtext>", "<mtext>x &lt;</mtext>"),
    ] {
        let expected = format!("<math>{written}</math>");
        assert_eq!(known(&format!("<math>{mathml}</math>")), Some(expected));
    }
}
