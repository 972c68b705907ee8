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

/// For each event that starts an element, whether the first letter within the element is of a
/// right-to-left script; `None` without a letter. Code, addresses, formulas and HTML do not count.
/// Each event is looked at once, however deep it is.
pub(super) fn directions(events: &[(Event<'_>, Range<usize>)]) -> Vec<Option<bool>> {
    let mut directions = vec![None; events.len()];
    // The open elements by where they start, of which the first `known` have met a letter.
    let (mut open, mut known, mut in_code) = (Vec::new(), 0, false);
    for (index, (event, _)) in events.iter().enumerate() {
        match event {
            Event::Start(tag) => {
                in_code = matches!(tag, Tag::CodeBlock(_));
                open.push(index);
            }
            Event::End(_) => {
                in_code = false;
                open.pop();
                known = known.min(open.len());
            }
            Event::Text(text) if !in_code && known < open.len() => {
                let mut words = text.split_whitespace().filter(|word| !word.contains("://"));
                let letter = words.find_map(|word| word.chars().find(|c| c.is_alphabetic()));
                if let Some(letter) = letter {
                    let is_right_to_left = sanitize::is_right_to_left(letter);
                    open[known..].iter().for_each(|at| directions[*at] = Some(is_right_to_left));
                    known = open.len();
                }
            }
            _ => {}
        }
    }
    directions
}
