//! Writes the parser's events as fixed tags, classes and attributes.
//!
//! To add an element: its option in [`OPTIONS`], and its tags in [`Writer::start`] and
//! [`Writer::end`]; both matches are exhaustive.

use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::http::page::sanitize::{escape_into, is_right_to_left, link_target};

/// Of elements nested deeper only the text is shown: a browser would cut them off too, but at a
/// greater cost.
pub(super) const MAX_DEPTH: usize = 40;

/// If the HTML gets this many times longer than its source, the message is shown as plain text.
/// Ordinary Markdown stays under 10; a table with many columns and short rows has no bound.
pub(super) const MAX_GROWTH: usize = 24;

const MATH: &str = r#"<span class="math" dir="ltr">"#;

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    // So that `_` and `*` in a formula are not emphasis; it is shown as its source.
    .union(Options::ENABLE_MATH);

#[derive(Default)]
pub(super) struct Writer<'a> {
    source: &'a str,
    out: String,
    /// How many elements are open, including those left out.
    depth: usize,
    /// Whether an `<a>` is open; they do not nest.
    in_link: bool,
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
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, out: String::with_capacity(source.len() * 2), ..Self::default() }
    }

    /// `None` if the HTML grows beyond [`MAX_GROWTH`].
    pub(super) fn write(mut self) -> Option<String> {
        let limit = 4096 + self.source.len() * MAX_GROWTH;
        for (event, range) in Parser::new_ext(self.source, OPTIONS).into_offset_iter() {
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth <= MAX_DEPTH {
                        self.start(&tag, range);
                    }
                }
                Event::End(tag) => {
                    if self.depth <= MAX_DEPTH {
                        self.end(tag);
                    } else if !self.out.ends_with(' ') {
                        // Separates the text of left-out elements.
                        self.out.push(' ');
                    }
                    self.depth -= 1;
                }
                other => self.leaf(&other),
            }
            if self.out.len() > limit {
                return None;
            }
        }
        Some(self.out)
    }

    fn leaf(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(text),
            Event::Code(code) => self.wrapped(r#"<code dir="ltr">"#, &[code], "</code>"),
            Event::InlineMath(math) => self.wrapped(MATH, &["$", math, "$"], "</span>"),
            Event::DisplayMath(math) => self.wrapped(MATH, &["$$", math, "$$"], "</span>"),
            Event::FootnoteReference(label) => self.wrapped("<sup>[", &[label], "]</sup>"),
            // In a chat a typed line break is meant as one.
            Event::SoftBreak | Event::HardBreak if self.images == 0 => self.out.push_str("<br>\n"),
            Event::SoftBreak | Event::HardBreak => self.out.push(' '),
            Event::Rule => self.out.push_str("<hr>\n"),
            Event::TaskListMarker(done) => self.out.push_str(if *done {
                r#"<input type="checkbox" disabled checked aria-label="done">"#
            } else {
                r#"<input type="checkbox" disabled aria-label="to do">"#
            }),
            Event::Start(_) | Event::End(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        if self.images > 0 && !matches!(tag, Tag::Image { .. }) {
            return; // an image's description is text
        }
        match tag {
            Tag::Paragraph => self.out.push_str(r#"<p dir="auto">"#),
            Tag::Heading { level, .. } => {
                self.out.push_str(&format!(r#"<{} dir="auto">"#, heading(*level)));
            }
            Tag::BlockQuote(_) => self.container("blockquote", range),
            Tag::CodeBlock(kind) => self.start_code(kind),
            Tag::HtmlBlock => self.out.push_str(r#"<div class="plain" dir="auto">"#),
            Tag::List(None) => self.container("ul", range),
            Tag::List(Some(first)) => {
                self.container("ol", range);
                self.out.pop(); // the `>`
                self.out.push_str(&format!(r#" start="{first}">"#));
            }
            Tag::Item => self.container("li", range),
            Tag::FootnoteDefinition(label) => {
                self.wrapped(r#"<div class="footnote"><sup>"#, &[label], "</sup>");
            }
            Tag::Table(alignments) => {
                self.alignments.clone_from(alignments);
                // Focusable, so that it can be scrolled by keyboard.
                self.out.push_str(r#"<div class="scroll" tabindex="0">"#);
                self.container("table", range);
            }
            Tag::TableHead => {
                (self.column, self.in_table_head) = (0, true);
                self.out.push_str("<thead><tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.out.push_str("<tr>");
            }
            Tag::TableCell => self.start_cell(&range),
            Tag::Emphasis => self.out.push_str("<em>"),
            Tag::Strong => self.out.push_str("<strong>"),
            Tag::Strikethrough => self.out.push_str("<del>"),
            Tag::Link { link_type, dest_url, .. } => {
                if let Some(href) = link_target(*link_type, dest_url) {
                    self.open_link(&href);
                }
            }
            Tag::Image { link_type, dest_url, .. } => {
                self.images += 1;
                if self.images > 1 {
                    return;
                }
                if !self.in_link
                    && let Some(href) = link_target(*link_type, dest_url)
                {
                    self.open_link(&href);
                    self.image_is_link = true;
                }
                self.out.push_str("Image: ");
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
            TagEnd::Paragraph => self.out.push_str("</p>\n"),
            TagEnd::Heading(level) => self.out.push_str(&format!("</{}>\n", heading(level))),
            TagEnd::BlockQuote(_) => self.out.push_str("</blockquote>\n"),
            TagEnd::CodeBlock => self.out.push_str("</code></pre></figure>\n"),
            TagEnd::HtmlBlock | TagEnd::FootnoteDefinition => self.out.push_str("</div>\n"),
            TagEnd::List(false) => self.out.push_str("</ul>\n"),
            TagEnd::List(true) => self.out.push_str("</ol>\n"),
            TagEnd::Item => self.out.push_str("</li>\n"),
            TagEnd::Table => self.out.push_str("</tbody></table></div>\n"),
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.out.push_str("</tr></thead><tbody>\n");
            }
            TagEnd::TableRow => self.out.push_str("</tr>\n"),
            TagEnd::TableCell if self.in_table_head => self.out.push_str("</th>"),
            TagEnd::TableCell => self.out.push_str("</td>"),
            TagEnd::Emphasis => self.out.push_str("</em>"),
            TagEnd::Strong => self.out.push_str("</strong>"),
            TagEnd::Strikethrough => self.out.push_str("</del>"),
            TagEnd::Link => self.close_link(),
            TagEnd::Image => {
                self.images = self.images.saturating_sub(1);
                if self.images == 0 && std::mem::take(&mut self.image_is_link) {
                    self.close_link();
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

    fn text(&mut self, text: &str) {
        escape_into(&mut self.out, text);
    }

    /// `open` and `close` are markup, `texts` are escaped.
    fn wrapped(&mut self, open: &str, texts: &[&str], close: &str) {
        self.out.push_str(open);
        for text in texts {
            self.text(text);
        }
        self.out.push_str(close);
    }

    /// Opens a container of blocks, whose direction `dir="auto"` would not detect.
    fn container(&mut self, name: &str, range: Range<usize>) {
        let right_to_left = self.source.get(range).is_some_and(is_right_to_left);
        let dir = if right_to_left { "rtl" } else { "auto" };
        self.out.push_str(&format!(r#"<{name} dir="{dir}">"#));
    }

    fn start_code(&mut self, kind: &CodeBlockKind<'_>) {
        self.out.push_str("<figure>");
        if let CodeBlockKind::Fenced(info) = kind
            && let Some(language) = info.split([' ', ',', '{', '\t']).next()
            && !language.is_empty()
        {
            self.wrapped("<figcaption>", &[language], "</figcaption>");
        }
        // Focusable, so that it can be scrolled by keyboard.
        self.out.push_str(r#"<pre dir="ltr" tabindex="0"><code>"#);
    }

    fn start_cell(&mut self, range: &Range<usize>) {
        let alignment = self.alignments.get(self.column).unwrap_or(&Alignment::None);
        self.column += 1;
        self.out.push_str(if self.in_table_head { "<th" } else { "<td" });
        self.out.push_str(match alignment {
            Alignment::None => "",
            Alignment::Left => r#" class="left""#,
            Alignment::Center => r#" class="center""#,
            Alignment::Right => r#" class="right""#,
        });
        // The parser pads short rows with empty cells, which stay minimal.
        self.out.push_str(if range.is_empty() { ">" } else { r#" dir="auto">"# });
    }

    fn open_link(&mut self, href: &str) {
        self.wrapped(r#"<a href=""#, &[href], r#"" rel="noopener noreferrer nofollow ugc">"#);
        self.in_link = true;
    }

    fn close_link(&mut self) {
        if std::mem::take(&mut self.in_link) {
            self.out.push_str("</a>");
        }
    }
}

/// The page's `h1` is the chat's name, and each speaker is an `h2`.
fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h3",
        HeadingLevel::H2 => "h4",
        HeadingLevel::H3 => "h5",
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => "h6",
    }
}
