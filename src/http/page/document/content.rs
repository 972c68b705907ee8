//! A message's text as a part of a document.
//!
//! It is changed where it would reach beyond itself, or be taken for what the document says. Its
//! headings are two levels deeper, as the first two are the document's own. A backslash stands
//! before a line of code that begins as a message's heading does, before raw HTML, which the page
//! shows as its source too, and before definitions of links and footnotes, which hold for a whole
//! document. A code block that is left open is closed. The parser is asked whether that is enough.
//! If it is not, or the text is not parsed, it is a code block as a whole.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};

use super::{
    super::{budget::Budget, markdown, sanitize},
    DOT,
};

/// How often the text is changed until the parser finds nothing: the first changes can reveal what
/// others hid.
const ROUNDS: usize = 16;

const OPTIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_FOOTNOTES);

/// Inline HTML that stays: it opens nothing that could hold more than words.
const HARMLESS: [&str; 9] =
    ["<br>", "<br/>", "<br />", "<sub>", "</sub>", "<sup>", "</sup>", "<kbd>", "</kbd>"];

/// The text, so that it ends where it ends and has no heading like that of a message.
pub(super) fn contained(text: &str, budget: &mut Budget) -> String {
    let text = cleaned(text);
    let text = text.trim_matches('\n');
    if !needs_parser(text) {
        return text.to_owned();
    }
    let parsed = if markdown::is_parsed(text) { escaped(text, budget) } else { None };
    without_heading_lines(&parsed.unwrap_or_else(|| as_code(text)))
}

/// Without control characters, changes of direction, and line breaks of other kinds, which some
/// programs see and others do not.
fn cleaned(text: &str) -> String {
    let text = sanitize::without_direction_changes(text).replace("\r\n", "\n");
    let clean = |c: char| match c {
        '\r' | '\u{2028}' | '\u{2029}' => '\n',
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(clean).collect()
}

/// Puts a backslash before lines of code that begin as the heading of a message: for readers and
/// programs that take the source line by line.
fn without_heading_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        if content.starts_with("## ") && content.contains(DOT) {
            out.extend([&line[..line.len() - content.len()], "\\", content]);
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Whether the text could hold a heading, HTML, a definition or a code block.
fn needs_parser(text: &str) -> bool {
    let is_underline = |line: &str| line.trim_end().ends_with(['=', '-']);
    text.contains(['<', '&', '#'])
        || ["]:", "```", "~~~"].iter().any(|mark| text.contains(mark))
        || text.lines().skip(1).any(is_underline)
}

/// The text with its changes; `None` if the parser still finds something after some rounds.
fn escaped(text: &str, budget: &mut Budget) -> Option<String> {
    let mut text = text.to_owned();
    for round in 0..ROUNDS {
        if !budget.take(text.len()) {
            return None;
        }
        let found = look(&text, round == 0);
        if !found.changes.is_empty() {
            text = with_changes(&text, &found.changes);
        } else if let Some(fence) = found.open_fence {
            text.push('\n');
            text.push_str(&fence);
        } else {
            return found.ends.then_some(text);
        }
    }
    None
}

/// A part of the text, and what stands there instead.
type Change = (Range<usize>, &'static str);

struct Found {
    /// In ascending order.
    changes: Vec<Change>,
    /// Whether a heading behind the text is one.
    ends: bool,
    /// The line that closes the code block which the text leaves open.
    open_fence: Option<String>,
}

/// `is_original`: the text's own headings are not deeper yet.
fn look(text: &str, is_original: bool) -> Found {
    let probe = format!("{text}\n\n## heading\n");
    let (mut changes, mut ends, mut depth) = (Vec::new(), false, 0_usize);
    let mut last_fence = None;
    let parser = Parser::new_ext(&probe, OPTIONS);
    let backslash = |at: usize| (at..at, "\\");
    changes
        .extend(parser.reference_definitions().iter().map(|(_, link)| backslash(link.span.start)));
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(tag) => {
                match tag {
                    Tag::Heading { .. } if range.start >= text.len() => ends = depth == 0,
                    Tag::Heading { level, .. } if is_original || level <= HeadingLevel::H2 => {
                        changes.extend(deeper(&probe, range, level));
                    }
                    Tag::FootnoteDefinition(_) => changes.push(backslash(range.start)),
                    Tag::CodeBlock(CodeBlockKind::Fenced(_)) => last_fence = Some(range.start),
                    _ => {}
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Html(_) => {
                let html = &probe[range.clone()];
                let opens = |(at, _): &(usize, &str)| opens_html(&html[*at..]);
                let tags = html.match_indices('<').filter(opens);
                changes.extend(tags.map(|(at, _)| backslash(range.start + at)));
            }
            Event::InlineHtml(html) if HARMLESS.contains(&&*html) => {}
            Event::InlineHtml(_) => changes.push(backslash(range.start)),
            _ => {}
        }
    }
    changes.retain(|(range, _)| range.start < text.len());
    // Stable: the HTML that a heading begins with comes after the heading's own change.
    changes.sort_by_key(|(range, _)| range.start);
    changes.dedup();
    let open_fence = if ends { None } else { last_fence.map(|at| fence_at(&probe, at)) };
    Found { changes, ends, open_fence }
}

fn opens_html(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c))
}

/// What makes a heading two levels deeper. One that is underlined gets the other form; if it has
/// several lines, it is a heading no more.
fn deeper(source: &str, range: Range<usize>, level: HeadingLevel) -> Vec<Change> {
    let heading = source[range.clone()].trim_end();
    let start = range.start..range.start;
    let mut lines = heading.lines();
    let words = lines.next().unwrap_or_default();
    match lines.count() {
        // Levels end at 6.
        0 => vec![(start, &"##"[..2.min(6 - level as usize)])],
        1 => {
            let more = if level == HeadingLevel::H1 { "### " } else { "#### " };
            let end = range.start + heading.len();
            vec![(start, more), (range.start + words.len()..end, "")]
        }
        _ => {
            let underline = range.start + heading.trim_end_matches(['=', '-']).len();
            vec![(underline..underline, "\\")]
        }
    }
}

/// The line that closes the code block which begins here.
fn fence_at(source: &str, at: usize) -> String {
    let fence = source[at..].trim_start();
    let sign = if fence.starts_with('~') { '~' } else { '`' };
    fence.chars().take_while(|c| *c == sign).collect()
}

fn with_changes(text: &str, changes: &[Change]) -> String {
    let mut out = String::with_capacity(text.len() + changes.len());
    let mut written = 0;
    for (range, instead) in changes {
        out.push_str(text.get(written..range.start).unwrap_or_default());
        out.push_str(instead);
        written = range.end;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    out
}

/// The text as a code block whose fence is longer than any in it.
fn as_code(text: &str) -> String {
    let (mut longest, mut run) = (2, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}text\n{text}\n{fence}")
}
