//! Properties of every rendered message, for the tests and the fuzz target.

/// All tags, with their attributes. Escaped text holds no `<`, so each one is a tag of the writer
/// or an injection.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split_once('>').map_or("", |(tag, _)| tag)).collect()
}

/// There are only the writer's own elements and attributes, and absolute addresses.
pub(in crate::http) fn assert_harmless(html: &str) {
    const ELEMENTS: &str = " a blockquote br code del details div em figcaption figure h3 h4 h5 \
                            h6 hr input kbd li ol p pre span strong sub summary sup table tbody td \
                            th thead tr ul ";
    const ATTRIBUTES: &str = " aria-label checked class dir disabled href rel start tabindex type ";
    // Of formulas; those of HTML are not in them, but for `class`.
    const MATH_ELEMENTS: &str = " math mfrac mi mmultiscripts mn mo mover mpadded mprescripts \
                                 mroot mrow mspace msqrt msub msubsup msup mtable mtd mtext mtr \
                                 munder munderover ";
    const MATH_ATTRIBUTES: &str = " accent accentunder class display displaystyle form height \
                                   linethickness lspace mathvariant maxsize minsize movablelimits \
                                   rspace scriptlevel stretchy symmetric width ";
    const CLASSES: &str = " a alert bl block br bt c caution center f footnote formula important k label \
                           left long math n note pl plain pr right s scroll t tip v warning ";
    let mut in_math = false;
    for tag in tags(html) {
        let mut parts = tag.trim_start_matches('/').splitn(2, ' ');
        let name = parts.next().unwrap_or_default();
        let (elements, attributes) = match in_math || name == "math" {
            true => (MATH_ELEMENTS, MATH_ATTRIBUTES),
            false => (ELEMENTS, ATTRIBUTES),
        };
        assert!(elements.contains(&format!(" {name} ")), "<{name}> in {html}");
        if name == "math" {
            in_math = !in_math;
            assert_ne!(in_math, tag.starts_with('/'), "{html}");
        }
        let mut rest = parts.next().unwrap_or("").trim_start();
        while !rest.is_empty() {
            let end = rest.find(['=', ' ']).unwrap_or(rest.len());
            let attribute = &rest[..end];
            assert!(attributes.contains(&format!(" {attribute} ")), "{attribute} in {html}");
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                let (value, after) =
                    value.split_once('"').unwrap_or((value, "a value that does not end"));
                if attribute == "href" {
                    let schemes = ["http://", "https://", "mailto:"];
                    assert!(schemes.iter().any(|scheme| value.starts_with(scheme)), "{value}");
                }
                let is_known = |class| CLASSES.contains(&format!(" {class} "));
                assert!(attribute != "class" || value.split(' ').all(is_known), "{value}");
                if elements == MATH_ELEMENTS && attribute != "class" {
                    assert_is_small(value);
                }
                rest = after;
            }
            rest = rest.trim_start();
        }
    }
    assert!(!in_math, "{html}");
}

/// The value of an attribute of a formula: a word, or a number of at most 5.
fn assert_is_small(value: &str) {
    let is_word = value.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = value.strip_suffix("em").unwrap_or(value);
    let number = number.parse::<f32>().ok().filter(|number| (0.0..=5.0).contains(number));
    assert!(is_word || number.is_some(), "{value}");
}

/// The greatest number of open elements; panics unless all are closed in order.
pub(in crate::http) fn greatest_depth(html: &str) -> usize {
    let (mut open, mut greatest) = (Vec::new(), 0);
    for tag in tags(html) {
        let name = tag.split(' ').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{html}"),
            None if ["br", "hr", "input"].contains(&name) => {}
            None => open.push(name),
        }
        greatest = greatest.max(open.len());
    }
    assert!(open.is_empty(), "{open:?} left open");
    greatest
}
