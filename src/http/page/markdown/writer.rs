//! Writes the parser's events as fixed tags, classes and attributes.
//!
//! To add an element: its option in [`parser`], and its tags in [`Writer::start`] and
//! [`Writer::end`]; both matches are exhaustive.

use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, LinkType, Tag, TagEnd};

use super::{
    elements::{alert, directions, heading},
    html::{self, Inline},
    output::Output,
    parser,
};
use crate::http::page::sanitize::link_target;

/// Of elements nested deeper only the text is shown: a browser would cut them off too, but at a
/// greater cost.
pub(super) const MAX_DEPTH: usize = 40;

/// If the HTML gets this many times longer than its source, the message is shown as plain text.
/// Ordinary Markdown stays under 10; a table with many columns and short rows has no bound.
pub(super) const MAX_GROWTH: usize = 24;

pub(super) struct Writer<'a> {
    out: Output<'a>,
    /// How many elements are open, including those left out.
    depth: usize,
    /// The open code block: the language and what was read of it.
    code: Option<(String, String)>,
    /// How many images are open: an image's description can hold images.
    images: usize,
    /// Whether the outermost open image opened the link.
    image_is_link: bool,
    /// Of the open table.
    alignments: Vec<Alignment>,
    /// The column of the next cell.
    column: usize,
    in_table_head: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: Output<'a>) -> Self {
        Self {
            out,
            depth: 0,
            code: None,
            images: 0,
            image_is_link: false,
            alignments: Vec::new(),
            column: 0,
            in_table_head: false,
        }
    }

    /// `None` if the HTML gets longer than the limit of the output.
    pub(super) fn write(mut self, source: &str) -> Option<()> {
        let events: Vec<_> = parser::events(source).collect();
        let (tags, directions) = (html::paired(&events), directions(&events));
        for (index, (event, range)) in events.iter().enumerate() {
            if let Event::Text(text) = event {
                match &mut self.code {
                    Some((_, code)) => code.push_str(text),
                    None => self.out.wait(text, range),
                }
                continue;
            }
            self.write_waiting();
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth <= MAX_DEPTH {
                        self.start(tag, range, directions[index]);
                    }
                }
                Event::End(tag) => {
                    if self.depth <= MAX_DEPTH {
                        self.end(*tag);
                    } else {
                        // Separates the text of left-out elements.
                        self.out.space();
                    }
                    self.depth -= 1;
                }
                Event::InlineHtml(html) => match tags[index] {
                    Some(tag) => self.inline_html(tag),
                    None => self.out.text(html),
                },
                other => self.leaf(other),
            }
            if self.out.is_too_long() {
                return None;
            }
        }
        self.write_waiting();
        (!self.out.is_too_long()).then_some(())
    }

    fn write_waiting(&mut self) {
        let may_link = self.images == 0 && self.depth < MAX_DEPTH;
        self.out.write_waiting(may_link);
    }

    fn inline_html(&mut self, tag: Inline) {
        match tag {
            Inline::Break if self.images == 0 => self.out.markup("<br>\n"),
            Inline::Break => self.out.markup(" "),
            Inline::Start(name) => {
                self.depth += 1;
                if self.depth <= MAX_DEPTH && self.images == 0 {
                    self.out.markup(&format!("<{name}>"));
                }
            }
            Inline::End(name) => {
                if self.depth <= MAX_DEPTH && self.images == 0 {
                    self.out.markup(&format!("</{name}>"));
                }
                self.depth -= 1;
            }
        }
    }

    fn leaf(&mut self, event: &Event<'_>) {
        match event {
            Event::Html(text) if html::is_break(text.trim()) => self.out.markup("<br>\n"),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.out.text(text),
            Event::Code(code) => self.out.wrapped(r#"<code dir="ltr">"#, code, "</code>"),
            Event::FootnoteReference(label) => self.out.wrapped("<sup>[", label, "]</sup>"),
            // In a chat a typed line break is meant as one.
            Event::SoftBreak | Event::HardBreak if self.images == 0 => self.out.markup("<br>\n"),
            Event::SoftBreak | Event::HardBreak => self.out.markup(" "),
            Event::Rule => self.out.markup("<hr>\n"),
            Event::TaskListMarker(done) => self.out.markup(if *done {
                r#"<input type="checkbox" disabled checked aria-label="done">"#
            } else {
                r#"<input type="checkbox" disabled aria-label="to do">"#
            }),
            // The option of the formulas is off.
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::Start(_) | Event::End(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: &Range<usize>, is_right_to_left: Option<bool>) {
        if self.images > 0 && !matches!(tag, Tag::Image { .. }) {
            return; // an image's description is text
        }
        match tag {
            Tag::Paragraph => self.out.markup(r#"<p dir="auto">"#),
            Tag::Heading { level, .. } => {
                self.out.markup(&format!(r#"<{} dir="auto">"#, heading(*level)));
            }
            Tag::BlockQuote(None) => self.container("blockquote", "", is_right_to_left),
            Tag::BlockQuote(Some(kind)) => {
                let (class, label) = alert(*kind);
                let attributes = format!(r#" class="alert {class}""#);
                self.container("blockquote", &attributes, is_right_to_left);
                self.out.markup(&format!(r#"<p class="label">{label}</p>"#));
            }
            Tag::CodeBlock(kind) => self.start_code(kind),
            Tag::HtmlBlock => self.out.markup(r#"<div class="plain" dir="auto">"#),
            Tag::List(None) => self.container("ul", "", is_right_to_left),
            Tag::List(Some(first)) => {
                self.container("ol", &format!(r#" start="{first}""#), is_right_to_left);
            }
            Tag::Item => self.out.markup("<li>"),
            Tag::FootnoteDefinition(label) => {
                self.out.wrapped(r#"<div class="footnote"><sup>"#, label, "</sup>");
            }
            Tag::Table(alignments) => {
                self.alignments.clone_from(alignments);
                // Focusable, so that it can be scrolled by keyboard.
                self.out.markup(r#"<div class="scroll" tabindex="0">"#);
                self.container("table", "", is_right_to_left);
            }
            Tag::TableHead => {
                (self.column, self.in_table_head) = (0, true);
                self.out.markup("<thead><tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.out.markup("<tr>");
            }
            Tag::TableCell => self.start_cell(range),
            Tag::Emphasis => self.out.markup("<em>"),
            Tag::Strong => self.out.markup("<strong>"),
            Tag::Strikethrough => self.out.markup("<del>"),
            Tag::Link { link_type, dest_url, .. } => {
                if let Some(href) = link_target(*link_type, dest_url) {
                    let shows_address = matches!(link_type, LinkType::Autolink | LinkType::Email);
                    self.out.open_link(&href, shows_address);
                }
            }
            Tag::Image { link_type, dest_url, .. } => {
                self.images += 1;
                if self.images > 1 {
                    return;
                }
                if !self.out.in_link()
                    && let Some(href) = link_target(*link_type, dest_url)
                {
                    self.out.open_link(&href, false);
                    self.image_is_link = true;
                }
                self.out.markup("Image: ");
            }
            // Their options are off.
            Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        if self.images > 0 && tag != TagEnd::Image {
            return;
        }
        match tag {
            TagEnd::Paragraph => self.out.markup("</p>\n"),
            TagEnd::Heading(level) => self.out.markup(&format!("</{}>\n", heading(level))),
            TagEnd::BlockQuote(_) => self.out.markup("</blockquote>\n"),
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::HtmlBlock | TagEnd::FootnoteDefinition => self.out.markup("</div>\n"),
            TagEnd::List(false) => self.out.markup("</ul>\n"),
            TagEnd::List(true) => self.out.markup("</ol>\n"),
            TagEnd::Item => self.out.markup("</li>\n"),
            TagEnd::Table => self.out.markup("</tbody></table></div>\n"),
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.out.markup("</tr></thead><tbody>\n");
            }
            TagEnd::TableRow => self.out.markup("</tr>\n"),
            TagEnd::TableCell if self.in_table_head => self.out.markup("</th>"),
            TagEnd::TableCell => self.out.markup("</td>"),
            TagEnd::Emphasis => self.out.markup("</em>"),
            TagEnd::Strong => self.out.markup("</strong>"),
            TagEnd::Strikethrough => self.out.markup("</del>"),
            TagEnd::Link => self.out.close_link(),
            TagEnd::Image => {
                self.images = self.images.saturating_sub(1);
                if self.images == 0 && std::mem::take(&mut self.image_is_link) {
                    self.out.close_link();
                }
            }
            TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    /// Opens a container of blocks. Its direction is that of its text, which `dir="auto"` would not
    /// detect; without text it is that around it. `attributes` is markup.
    fn container(&mut self, name: &str, attributes: &str, is_right_to_left: Option<bool>) {
        let dir = match is_right_to_left {
            Some(true) => r#" dir="rtl""#,
            Some(false) => r#" dir="ltr""#,
            None => "",
        };
        self.out.markup(&format!("<{name}{dir}{attributes}>"));
    }

    fn start_code(&mut self, kind: &CodeBlockKind<'_>) {
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split([' ', ',', '{', '\t']).next().unwrap_or(""),
            CodeBlockKind::Indented => "",
        };
        self.out.markup("<figure>");
        if !language.is_empty() {
            self.out.wrapped("<figcaption>", language, "</figcaption>");
        }
        // Focusable, so that it can be scrolled by keyboard.
        self.out.markup(r#"<pre dir="ltr" tabindex="0"><code>"#);
        self.code = Some((language.to_owned(), String::new()));
    }

    fn end_code(&mut self) {
        if let Some((language, code)) = self.code.take() {
            self.out.code(&language, &code);
        }
        self.out.markup("</code></pre></figure>\n");
    }

    fn start_cell(&mut self, range: &Range<usize>) {
        let alignment = self.alignments.get(self.column).unwrap_or(&Alignment::None);
        self.column += 1;
        self.out.markup(if self.in_table_head { "<th" } else { "<td" });
        self.out.markup(match alignment {
            Alignment::None => "",
            Alignment::Left => r#" class="left""#,
            Alignment::Center => r#" class="center""#,
            Alignment::Right => r#" class="right""#,
        });
        // The parser pads short rows with empty cells, which stay minimal.
        self.out.markup(if range.is_empty() { ">" } else { r#" dir="auto">"# });
    }
}
