//! A message's Markdown as safe HTML.
//!
//! No part of the message becomes markup: tags, classes and attributes are fixed, text is escaped,
//! and raw HTML is shown as its source, but for the few elements that [`writer`] and [`folds`] know
//! and write themselves. The only untrusted value that a browser acts on is the address of a link,
//! which `sanitize::link_target` checks. There are no ids, no anchors, and nothing that loads.
//! The markup of formulas comes from a converter: [`mathml`] writes only what it knows of it.

/// A list of words, written without marks between them.
macro_rules! words {
    ($($word:tt)*) => { &[$(stringify!($word)),*] };
}

#[cfg(any(test, fuzzing))]
pub(in crate::http) mod assertions;
mod cjk;
mod code;
mod depth;
mod elements;
mod folds;
mod formulas;
mod html;
mod languages;
mod links;
mod mathml;
mod output;
mod parser;
mod writer;

use std::borrow::Cow;

use self::{
    cjk::JOINT,
    depth::nests_too_deeply,
    formulas::FORMULA,
    output::Output,
    writer::{MAX_GROWTH, Writer},
};
use super::{budget::Budget, sanitize::escape_into};

/// Longer messages are shown as plain text. They are pasted logs or data, which read better so; and
/// it bounds the cost of the parser, which is not proven to be linear for untrusted input.
const MARKDOWN_LIMIT: usize = 200_000;

/// A tag nested deeper in folded parts is text.
const MAX_FOLDS: usize = 3;

/// Whether a message is given to the parser: it is neither too long nor nests too deeply.
pub(super) fn is_parsed(text: &str) -> bool {
    text.len() <= MARKDOWN_LIMIT && !nests_too_deeply(text)
}

/// Renders a message as HTML that is safe to include in a page, and takes the HTML from the page's
/// budget, also if it is given up: it has cost the time. So has reading the source.
///
/// `None` for a message that is shown as [`plain`] text: it is too long, nests too deeply, grows
/// too much, or is beyond the budget.
pub(in crate::http) fn render(text: &str, budget: &mut Budget) -> Option<String> {
    if text.len() > MARKDOWN_LIMIT {
        return None;
    }
    if text.len() > budget.left() {
        budget.take(text.len());
        return None;
    }
    let is_mark = |byte: u8| [FORMULA, JOINT].contains(&char::from(byte));
    let source = if text.bytes().any(is_mark) {
        Cow::Owned(text.replace([FORMULA, JOINT], "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    };
    let mut out = String::with_capacity(source.len() * 2);
    let limit = budget.left().min(4096 + source.len() * MAX_GROWTH);
    let written = write(&source, 0, limit, &mut out);
    let is_within = budget.take(out.len().max(text.len()));
    written.filter(|()| is_within).map(|()| out)
}

/// The message as a page shows it that holds nothing else.
#[cfg(any(test, fuzzing))]
pub(in crate::http) fn alone(text: &str) -> String {
    render(text, &mut Budget::of(usize::MAX)).unwrap_or_else(|| plain(text))
}

/// Writes the source and its folded parts, of which each is a document of its own, so that what is
/// left open in one ends with it. `None` if it nests too deeply, or the HTML grows beyond the
/// limit.
fn write(source: &str, folded: usize, limit: usize, out: &mut String) -> Option<()> {
    if nests_too_deeply(source) {
        return None;
    }
    let folds = if folded < MAX_FOLDS { folds::of(source) } else { Vec::new() };
    let mut written = 0;
    for fold in folds {
        write_document(&source[written..fold.whole.start], limit, out)?;
        out.push_str(r#"<details><summary dir="auto">"#);
        escape_into(out, &fold.summary);
        out.push_str("</summary>\n");
        write(&source[fold.inner], folded + 1, limit, out)?;
        out.push_str("</details>\n");
        written = fold.whole.end;
        // Without the tag before it a line may nest.
        if source[written..].lines().next().is_some_and(nests_too_deeply) {
            return None;
        }
    }
    write_document(&source[written..], limit, out)
}

fn write_document(source: &str, limit: usize, out: &mut String) -> Option<()> {
    let source = cjk::joined(source);
    let (source, formulas) = formulas::marked(&source);
    Writer::new(Output::new(&source, &formulas, limit, out)).write(&source)
}

/// The text as it is written, in an element of its own.
pub(in crate::http) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    out.push_str(r#"<div class="plain" dir="auto">"#);
    escape_into(&mut out, text);
    out.push_str("</div>");
    out
}

#[cfg(test)]
mod tests;
