//! The HTML as it grows: its text, formulas and links.

use std::{mem, ops::Range, slice};

use pulldown_cmark::LinkType;

use super::{cjk::JOINT, code, formulas::FORMULA, links, mathml};
use crate::http::page::sanitize::{escape_into, link_target};

pub(super) struct Output<'a> {
    source: &'a str,
    /// What each [`FORMULA`] stands for.
    formulas: slice::Iter<'a, String>,
    html: &'a mut String,
    /// Bytes of HTML. What is beyond it is thrown away, so it need not be made.
    limit: usize,
    /// Text that is not written yet: the parser cuts it at every `_` and `*`.
    waiting: String,
    /// Whether an `<a>` is open; they do not nest.
    in_link: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        source: &'a str,
        formulas: &'a [String],
        limit: usize,
        html: &'a mut String,
    ) -> Self {
        let formulas = formulas.iter();
        Self { source, formulas, html, limit, waiting: String::new(), in_link: false }
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.html.len() > self.limit
    }

    pub(super) fn in_link(&self) -> bool {
        self.in_link
    }

    pub(super) fn markup(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// Separates words, unless they are already.
    pub(super) fn space(&mut self) {
        if !self.html.ends_with(' ') {
            self.html.push(' ');
        }
    }

    /// Takes the text of an event, until [`Self::write_waiting`].
    pub(super) fn wait(&mut self, text: &str, range: &Range<usize>) {
        if self.source.get(range.clone()) == Some(text) {
            self.waiting.push_str(text);
        } else {
            // A character reference: it may look like a mark, and is none.
            self.waiting.push_str(&text.replace([FORMULA, JOINT], "\u{fffd}"));
        }
    }

    /// Writes the text that waits. Addresses in it become links if they may, outside of links.
    pub(super) fn write_waiting(&mut self, may_link: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let text = mem::take(&mut self.waiting);
        for (part, is_address) in links::cut(&text) {
            let href = if is_address && may_link && !self.in_link {
                link_target(LinkType::Autolink, part)
            } else {
                None
            };
            match href {
                Some(href) => {
                    self.open_link(&href, true);
                    self.text(part);
                    self.close_link();
                }
                None => self.text(part),
            }
        }
        self.waiting = text;
        self.waiting.clear();
    }

    /// Writes text of the source, which may have marks.
    pub(super) fn text(&mut self, text: &str) {
        for (index, part) in text.split(FORMULA).enumerate() {
            if self.is_too_long() {
                return;
            }
            if index > 0
                && let Some(formula) = self.formulas.next()
            {
                self.formula(&formula.replace(JOINT, ""));
            }
            self.without_joints(part);
        }
    }

    fn formula(&mut self, formula: &str) {
        match mathml::typeset(formula) {
            Some(markup) => self.html.push_str(&markup),
            None => {
                self.html.push_str(r#"<span class="math" dir="ltr">"#);
                escape_into(self.html, formula);
                self.html.push_str("</span>");
            }
        }
    }

    /// Writes the text of a code block.
    pub(super) fn code(&mut self, language: &str, code: &str) {
        code::write(self.html, language, &code.replace(JOINT, ""));
    }

    fn without_joints(&mut self, text: &str) {
        for part in text.split(JOINT) {
            escape_into(self.html, part);
        }
    }

    /// `open` and `close` are markup.
    pub(super) fn wrapped(&mut self, open: &str, text: &str, close: &str) {
        self.html.push_str(open);
        self.text(text);
        self.html.push_str(close);
    }

    /// The direction of text around a shown address does not depend on it.
    pub(super) fn open_link(&mut self, href: &str, shows_address: bool) {
        self.html.push_str(r#"<a href=""#);
        escape_into(self.html, href);
        self.html.push_str(if shows_address { r#"" dir="ltr""# } else { r#"""# });
        self.html.push_str(r#" rel="noopener noreferrer nofollow ugc">"#);
        self.in_link = true;
    }

    pub(super) fn close_link(&mut self) {
        if mem::take(&mut self.in_link) {
            self.html.push_str("</a>");
        }
    }
}
