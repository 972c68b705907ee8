//! Parts of a message that are folded: `<details>`, and the reasoning that models put between
//! `<think>` and `</think>`.

use std::ops::Range;

use pulldown_cmark::{Event, Tag};

use super::parser;

/// A longer summary is shown as text with the rest.
const MAX_SUMMARY: usize = 500;

/// Of more tags without an end the rest is text, which bounds the search for one that matches.
const MAX_OPEN: usize = 64;

/// How blocks of HTML begin in which a tag is none (CommonMark 0.31, 4.6, kinds 1 to 5).
const OTHER_HTML: [&str; 6] = ["<!", "<?", "<pre", "<script", "<style", "<textarea"];

/// A part that is folded.
pub(super) struct Fold {
    /// With its tags.
    pub whole: Range<usize>,
    pub inner: Range<usize>,
    pub summary: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Details,
    Think,
}

struct TagAt {
    kind: Kind,
    opens: bool,
    range: Range<usize>,
}

/// The outermost folded parts. The first tag is at the start of a line, neither is in code, and one
/// without the other stays text.
pub(super) fn of(source: &str) -> Vec<Fold> {
    let mut folds: Vec<Fold> = Vec::new();
    if !source.contains("</details>") && !source.contains("</think>") {
        return folds;
    }
    let mut open: Vec<TagAt> = Vec::new();
    for tag in tags(source) {
        if tag.opens {
            if open.len() < MAX_OPEN {
                open.push(tag);
            }
            continue;
        }
        let Some(opener) = open.iter().rposition(|opener| opener.kind == tag.kind) else {
            continue;
        };
        // What is open within it has no end.
        open.truncate(opener + 1);
        let Some(opener) = open.pop() else { continue };
        while folds.last().is_some_and(|inner| inner.whole.start > opener.range.start) {
            folds.pop();
        }
        let rest = &source[opener.range.end..tag.range.start];
        let (summary, length) = match opener.kind {
            Kind::Think => ("Thinking", 0),
            Kind::Details => summary(rest).unwrap_or(("Details", 0)),
        };
        folds.push(Fold {
            whole: opener.range.start..tag.range.end,
            inner: opener.range.end + length..tag.range.start,
            summary: summary.to_owned(),
        });
    }
    folds
}

/// The summary that the text begins with, and where it ends.
fn summary(text: &str) -> Option<(&str, usize)> {
    let trimmed = text.trim_start().strip_prefix("<summary>")?;
    let start = text.len() - trimmed.len();
    let length = trimmed.find("</summary>").filter(|length| *length <= MAX_SUMMARY)?;
    let summary = trimmed[..length].trim();
    (!summary.is_empty()).then_some((summary, start + length + "</summary>".len()))
}

/// The tags where the parser sees HTML. A closing one may seem to be in a list that it ends: a list
/// goes on in the line below it.
fn tags(source: &str) -> Vec<TagAt> {
    let mut tags = Vec::new();
    for (event, range) in parser::events(source) {
        let is_ours = match event {
            Event::Start(Tag::HtmlBlock) => {
                let block = source[range.clone()].trim_start();
                !OTHER_HTML.iter().any(|start| block.starts_with(start))
            }
            Event::InlineHtml(_) => true,
            _ => false,
        };
        if !is_ours {
            continue;
        }
        for (at, _) in source[range.clone()].match_indices('<') {
            let start = range.start + at;
            if let Some((kind, opens, length)) = tag_at(&source[start..range.end])
                && (!opens || begins_line(source, start))
            {
                tags.push(TagAt { kind, opens, range: start..start + length });
            }
        }
    }
    tags
}

/// Whether only an indentation is before it, and one that makes no code.
fn begins_line(source: &str, at: usize) -> bool {
    let before = source[..at].trim_end_matches(' ');
    at - before.len() < 4 && (before.is_empty() || before.ends_with(['\n', '\r']))
}

/// The tag that the text begins with, whether it opens, and its length.
fn tag_at(text: &str) -> Option<(Kind, bool, usize)> {
    for (tag, kind, opens) in [
        ("<think>", Kind::Think, true),
        ("</think>", Kind::Think, false),
        ("</details>", Kind::Details, false),
    ] {
        if text.starts_with(tag) {
            return Some((kind, opens, tag.len()));
        }
    }
    // With attributes, which do not count.
    let attributes = text.strip_prefix("<details")?;
    let end = attributes.find(['>', '<'])?;
    let is_tag = attributes[end..].starts_with('>')
        && (end == 0 || attributes.starts_with(char::is_whitespace));
    is_tag.then_some((Kind::Details, true, "<details".len() + end + 1))
}
