//! What a rendered message must be like, whatever the message: for the tests and the fuzz target.

/// The start tags of a piece of HTML, with their attributes. Text cannot hold a `<`, so whatever
/// begins with one is a tag that the writer meant, or a hole.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split_once('>').map_or("", |(tag, _)| tag)).collect()
}

/// Nothing but the writer's own elements and attributes, and addresses that only lead away.
pub(in crate::http) fn assert_harmless(html: &str) {
    const ELEMENTS: &str = " a blockquote br code del div em figcaption figure h3 h4 h5 h6 hr input \
                            li ol p pre span strong sup table tbody td th thead tr ul ";
    const ATTRIBUTES: &str = " aria-label checked class dir disabled href rel start tabindex type ";
    for tag in tags(html) {
        let mut parts = tag.trim_start_matches('/').splitn(2, ' ');
        let name = parts.next().unwrap_or_default();
        assert!(ELEMENTS.contains(&format!(" {name} ")), "<{name}> in {html}");
        let mut rest = parts.next().unwrap_or("").trim_start();
        while !rest.is_empty() {
            let end = rest.find(['=', ' ']).unwrap_or(rest.len());
            let attribute = &rest[..end];
            assert!(ATTRIBUTES.contains(&format!(" {attribute} ")), "{attribute} in {html}");
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                let (value, after) =
                    value.split_once('"').unwrap_or((value, "a value that does not end"));
                if attribute == "href" {
                    let schemes = ["http://", "https://", "mailto:"];
                    assert!(schemes.iter().any(|scheme| value.starts_with(scheme)), "{value}");
                }
                rest = after;
            }
            rest = rest.trim_start();
        }
    }
}

/// How many elements the HTML has open at once, and that it closes them all, in order.
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
