//! The few tags of HTML that are written within a line: `<br>`, `<sub>`, `<sup>` and `<kbd>`.

use std::ops::Range;

use pulldown_cmark::Event;

#[derive(Clone, Copy)]
pub(super) enum Inline {
    Break,
    Start(&'static str),
    End(&'static str),
}

const ELEMENTS: [&str; 3] = ["sub", "sup", "kbd"];

/// For each event the tag that it is written as. An opening tag without its closing one in the same
/// element is none, nor is the other way round; and no tag has attributes.
pub(super) fn paired(events: &[(Event<'_>, Range<usize>)]) -> Vec<Option<Inline>> {
    let mut tags = vec![None; events.len()];
    // The open tags; `None` for an element of Markdown.
    let mut open = Vec::new();
    for (index, (event, _)) in events.iter().enumerate() {
        match event {
            Event::Start(_) => open.push(None),
            Event::End(_) => while let Some(Some(_)) = open.pop() {},
            Event::InlineHtml(html) if is_break(html) => tags[index] = Some(Inline::Break),
            Event::InlineHtml(html) => {
                let Some(tag) = html.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'))
                else {
                    continue;
                };
                let named = |name: &str| {
                    ELEMENTS.into_iter().find(|element| element.eq_ignore_ascii_case(name))
                };
                if let Some(name) = named(tag) {
                    open.push(Some((name, index)));
                } else if let Some(name) = tag.strip_prefix('/').and_then(named)
                    && let Some(Some((opened, start))) = open.last().copied()
                    && opened == name
                {
                    open.pop();
                    tags[start] = Some(Inline::Start(name));
                    tags[index] = Some(Inline::End(name));
                }
            }
            _ => {}
        }
    }
    tags
}

pub(super) fn is_break(html: &str) -> bool {
    ["<br>", "<br/>", "<br />"].iter().any(|tag| html.eq_ignore_ascii_case(tag))
}
