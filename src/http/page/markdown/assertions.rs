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
