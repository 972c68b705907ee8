//! What the writer needs to know of an element before it writes it.

use std::ops::Range;

use pulldown_cmark::{BlockQuoteKind, Event, HeadingLevel, Tag};

use crate::http::page::sanitize;

/// The page's `h1` is the chat's name, and each speaker is an `h2`.
pub(super) fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h3",
        HeadingLevel::H2 => "h4",
        HeadingLevel::H3 => "h5",
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => "h6",
    }
}

/// The class and the label of an alert.
pub(super) fn alert(kind: BlockQuoteKind) -> (&'static str, &'static str) {
    match kind {
        BlockQuoteKind::Note => ("note", "Note"),
        BlockQuoteKind::Tip => ("tip", "Tip"),
        BlockQuoteKind::Important => ("important", "Important"),
        BlockQuoteKind::Warning => ("warning", "Warning"),
        BlockQuoteKind::Caution => ("caution", "Caution"),
    }
}

/// Whether the first letter within the element is of a right-to-left script; the events are those
/// that follow its start. Code, addresses, formulas and HTML do not count.
pub(super) fn is_right_to_left(inner: &[(Event<'_>, Range<usize>)]) -> Option<bool> {
    let (mut depth, mut in_code) = (0, false);
    for (event, _) in inner {
        match event {
            Event::Start(tag) => {
                in_code = matches!(tag, Tag::CodeBlock(_));
                depth += 1;
            }
            Event::End(_) if depth == 0 => return None,
            Event::End(_) => {
                in_code = false;
                depth -= 1;
            }
            Event::Text(text) if !in_code => {
                let mut words = text.split_whitespace().filter(|word| !word.contains("://"));
                if let Some(letter) =
                    words.find_map(|word| word.chars().find(|c| c.is_alphabetic()))
                {
                    return Some(sanitize::is_right_to_left(letter));
                }
            }
            _ => {}
        }
    }
    None
}
