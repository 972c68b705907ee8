//! A message's text as a part of a document.
//!
//! It is changed where it would reach beyond itself, or be taken for what the document says:
//! a backslash stands before what looks like the heading of a message, before raw HTML, which the
//! page shows as its source too, and before definitions of links and footnotes, which hold for a
//! whole document; a code block that is left open is closed. The parser is asked
//! whether that is enough. If it is not, or the text is not parsed, it is a code block as a whole.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::super::{budget::Budget, markdown, sanitize};

/// How often the text is changed until the parser finds nothing: the first changes can reveal what
/// others hid.
const ROUNDS: usize = 4;

const OPTIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_FOOTNOTES);

/// Inline HTML that stays: it opens nothing that could hold more than words.
const HARMLESS: [&str; 9] =
    ["<br>", "<br/>", "<br />", "<sub>", "</sub>", "<sup>", "</sup>", "<kbd>", "</kbd>"];

/// The text, so that it ends where it ends and has no heading like that of a message.
pub(super) fn contained(text: &str, budget: &mut Budget) -> String {
    let text = without_forged_lines(&cleaned(text));
    let text = text.trim_matches('\n');
    if !needs_parser(text) {
        return text.to_owned();
    }
    let is_parsed = markdown::is_parsed(text) && budget.take(text.len());
    let parsed = if is_parsed { escaped(text) } else { None };
    parsed.unwrap_or_else(|| as_code(text))
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

/// What separates the parts of a heading, and what looks like it.
pub(super) fn is_dot(c: char) -> bool {
    matches!(
        c,
        '·' | '\u{387}'
            | '\u{16eb}'
            | '\u{1427}'
            | '•'
            | '‧'
            | '∙'
            | '⋅'
            | '◦'
            | '●'
            | '⦁'
            | '⸱'
            | '⸳'
            | '・'
            | '･'
            | 'ꞏ'
            | '\u{10101}'
    )
}

fn is_hash(c: char) -> bool {
    matches!(c, '#' | '＃' | '﹟' | '♯')
}

/// Letters that are not seen.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Puts a backslash into each line that looks like the heading of a message to a reader of the
/// source, wherever it stands.
fn without_forged_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let first = |c: char| is_hash(c) || (c.is_alphanumeric() && !is_blank(c));
        let at = line.find(first).filter(|at| line[*at..].starts_with(is_hash));
        match at.filter(|at| line[*at..].contains(is_dot)) {
            Some(at) => out.extend([&line[..at], "\\", &line[at..]]),
            None => out.push_str(line),
        }
    }
    out
}

/// Whether the text could hold a heading, HTML, a definition or a code block.
fn needs_parser(text: &str) -> bool {
    let has_mark = text.contains(['<', '&']) || text.contains(is_dot) || text.contains("]:");
    has_mark || text.contains("```") || text.contains("~~~")
}

/// The text with its changes; `None` if the parser still finds something after some rounds.
fn escaped(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let found = look(&text);
        if !found.marks.is_empty() {
            text = with_backslashes(&text, &found.marks);
        } else if let Some(fence) = found.open_fence {
            text.push('\n');
            text.push_str(&fence);
        } else {
            return found.ends.then_some(text);
        }
    }
    None
}

struct Found {
    /// Where backslashes are needed, in ascending order.
    marks: Vec<usize>,
    /// Whether a heading behind the text is one.
    ends: bool,
    /// The line that closes the code block which the text leaves open.
    open_fence: Option<String>,
}

fn look(text: &str) -> Found {
    let probe = format!("{text}\n\n## heading\n");
    let (mut marks, mut ends, mut depth) = (Vec::new(), false, 0_usize);
    let mut heading: Option<(Range<usize>, String)> = None;
    let mut last_fence = None;
    let parser = Parser::new_ext(&probe, OPTIONS);
    marks.extend(parser.reference_definitions().iter().map(|(_, link)| link.span.start));
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(tag) => {
                match tag {
                    Tag::Heading { .. } if range.start >= text.len() => ends = depth == 0,
                    Tag::Heading { .. } => heading = Some((range, String::new())),
                    Tag::FootnoteDefinition(_) => marks.push(range.start),
                    Tag::CodeBlock(CodeBlockKind::Fenced(_)) => last_fence = Some(range.start),
                    _ => {}
                }
                depth += 1;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if matches!(tag, TagEnd::Heading(_))
                    && let Some((range, words)) = heading.take()
                    && words.contains(is_dot)
                {
                    marks.push(mark_of_heading(&probe, range));
                }
            }
            Event::Html(_) => {
                let html = &probe[range.clone()];
                let opens = |(at, _): &(usize, &str)| opens_html(&html[*at..]);
                marks.extend(html.match_indices('<').filter(opens).map(|(at, _)| range.start + at));
            }
            Event::InlineHtml(html) if HARMLESS.contains(&&*html) => {}
            Event::InlineHtml(_) => marks.push(range.start),
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, heading)) = &mut heading {
                    heading.push_str(&words);
                }
            }
            _ => {}
        }
    }
    marks.retain(|at| *at < text.len());
    // A heading's own comes after those of the HTML in it.
    marks.sort_unstable();
    marks.dedup();
    let open_fence = if ends { None } else { last_fence.map(|at| fence_at(&probe, at)) };
    Found { marks, ends, open_fence }
}

fn opens_html(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c))
}

/// Where a heading is ended by a backslash: before its `#`, or before the line under it.
fn mark_of_heading(source: &str, range: Range<usize>) -> usize {
    let heading = source[range.clone()].trim_end();
    if heading.starts_with('#') {
        return range.start;
    }
    range.start + heading.trim_end_matches(['=', '-']).len()
}

/// The line that closes the code block which begins here.
fn fence_at(source: &str, at: usize) -> String {
    let fence = source[at..].trim_start();
    let sign = if fence.starts_with('~') { '~' } else { '`' };
    fence.chars().take_while(|c| *c == sign).collect()
}

fn with_backslashes(text: &str, marks: &[usize]) -> String {
    let mut out = String::with_capacity(text.len() + marks.len());
    let mut written = 0;
    for at in marks {
        out.push_str(&text[written..*at]);
        out.push('\\');
        written = *at;
    }
    out.push_str(&text[written..]);
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
