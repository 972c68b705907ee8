//! A message's Markdown as HTML that can do nothing but be read.
//!
//! Nothing of the message becomes markup: the tags, classes and attributes written here are fixed,
//! every text is escaped, raw HTML is shown as its source, and the only thing of the author's that a
//! browser acts on is the address of a link, once `sanitize::link_target` has let it through. There
//! are no ids, no anchors, and nothing that loads.

#[cfg(any(test, fuzzing))]
pub(in crate::http) mod assertions;
mod depth;
mod writer;

use self::{depth::nests_too_deeply, writer::Writer};
use super::sanitize::escape_into;

/// From here on a message is shown as plain text. Nobody writes that much Markdown by hand: it is a
/// pasted log or data, which reads better as it is; and it bounds what a parser may cost whose time,
/// unlike that of escaping, is not proven to be linear in what a stranger sends.
const MARKDOWN_LIMIT: usize = 200_000;

/// Renders a message as HTML, which is safe to put into a page as it is.
pub(in crate::http) fn render(text: &str) -> String {
    if text.len() > MARKDOWN_LIMIT || nests_too_deeply(text) {
        return plain(text);
    }
    Writer::new(text).write().unwrap_or_else(|| plain(text))
}

/// The text as it is, line breaks included.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    out.push_str(r#"<div class="plain" dir="auto">"#);
    escape_into(&mut out, text);
    out.push_str("</div>");
    out
}

#[cfg(test)]
mod tests;
