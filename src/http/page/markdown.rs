//! A message's Markdown as safe HTML.
//!
//! No part of the message becomes markup: tags, classes and attributes are fixed, text is escaped,
//! and raw HTML is shown as its source. The only untrusted value that a browser acts on is the
//! address of a link, which `sanitize::link_target` checks. There are no ids, no anchors, and
//! nothing that loads.

#[cfg(any(test, fuzzing))]
pub(in crate::http) mod assertions;
mod depth;
mod writer;

use self::{depth::nests_too_deeply, writer::Writer};
use super::sanitize::escape_into;

/// Longer messages are shown as plain text. They are pasted logs or data, which read better so; and
/// it bounds the cost of the parser, which is not proven to be linear for untrusted input.
const MARKDOWN_LIMIT: usize = 200_000;

/// Renders a message as HTML that is safe to include in a page.
pub(in crate::http) fn render(text: &str) -> String {
    if text.len() > MARKDOWN_LIMIT || nests_too_deeply(text) {
        return plain(text);
    }
    Writer::new(text).write().unwrap_or_else(|| plain(text))
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    out.push_str(r#"<div class="plain" dir="auto">"#);
    escape_into(&mut out, text);
    out.push_str("</div>");
    out
}

#[cfg(test)]
mod tests;
