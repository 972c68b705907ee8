//! Code blocks. What a lexer recognises is in spans of a few classes, which `page.css` colours.

use hl_lite::{Kind, Lang, Span, highlight};

use super::languages;
use crate::http::page::sanitize::escape_into;

/// Longer code is shown without colours: it is data or a whole file, whose spans would take much of
/// the page's budget.
pub(super) const MAX_CODE: usize = 20_000;

/// So is code whose HTML would be this many times longer than its source. Ordinary code stays under
/// 6; below the bound of a message, so that code does not make the message plain text.
pub(super) const MAX_CODE_GROWTH: usize = 12;

/// Writes the text of a code block; the language is the first word of its fence.
pub(super) fn write(out: &mut String, language: &str, code: &str) {
    let start = out.len();
    if code.len() <= MAX_CODE
        && let Some(spans) = spans(language, code)
    {
        let limit = start + 512 + code.len() * MAX_CODE_GROWTH;
        if write_spans(out, &spans, limit).is_some() {
            return;
        }
        out.truncate(start);
    }
    escape_into(out, code);
}

fn spans<'a>(language: &str, code: &'a str) -> Option<Vec<Span<'a>>> {
    match Lang::from_slug(language) {
        // hl-lite 0.11 looks for the end of a regular expression behind the line, and so may read
        // all of the rest once for each line.
        Some(Lang::JavaScript | Lang::TypeScript) if code.contains("\\\n") => None,
        Some(language) => Some(highlight(language, code)),
        None => languages::spans(language, code),
    }
}

/// `None` if the HTML gets longer than the limit.
fn write_spans(out: &mut String, spans: &[Span<'_>], limit: usize) -> Option<()> {
    for span in spans {
        match class(span.kind) {
            Some(class) => {
                out.push_str(r#"<span class=""#);
                out.push_str(class);
                out.push_str(r#"">"#);
                escape_into(out, span.text);
                out.push_str("</span>");
            }
            None => escape_into(out, span.text),
        }
        if out.len() > limit {
            return None;
        }
    }
    Some(())
}

/// One letter, as code has many of them.
fn class(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Keyword => Some("k"),
        Kind::String => Some("s"),
        Kind::Comment => Some("c"),
        Kind::Number | Kind::Constant => Some("n"),
        Kind::Type | Kind::Tag => Some("t"),
        Kind::Function => Some("f"),
        Kind::Attribute | Kind::Property => Some("a"),
        Kind::Variable => Some("v"),
        Kind::Plain | Kind::Operator | Kind::Punctuation => None,
    }
}
