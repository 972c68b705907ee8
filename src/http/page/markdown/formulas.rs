//! Formulas: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`, which [`super::mathml`] typesets.
//!
//! They are found in the text that the parser leaves, so that `$` in code, in an address and in
//! other markup is none; and the parser then sees a [`FORMULA`] in place of each, so that `_` and
//! `*` in a formula are no emphasis. The parser's own option takes prices for formulas.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use super::{links, parser};

/// In the source: stands for a formula.
pub(super) const FORMULA: char = '\u{1}';

/// The source with a [`FORMULA`] for each formula, and the formulas in their order.
pub(super) fn marked(source: &str) -> (Cow<'_, str>, Vec<String>) {
    if !["$", "\\(", "\\["].iter().any(|delimiter| source.contains(delimiter)) {
        return (Cow::Borrowed(source), Vec::new());
    }
    let mut finder = Finder { source, ..Finder::default() };
    for (event, range) in parser::events(source) {
        finder.see(&event, range);
    }
    finder.end_of_block();
    let (mut out, mut copied) = (String::with_capacity(source.len()), 0);
    let mut formulas = Vec::new();
    for (range, in_table) in finder.found {
        out.push_str(&source[copied..range.start]);
        out.push(FORMULA);
        copied = range.end;
        formulas.push(text(&source[range], in_table));
    }
    out.push_str(&source[copied..]);
    (Cow::Owned(out), formulas)
}

/// A formula's source without what belongs to the blocks around it: the signs of quotations at the
/// start of its lines, and in a table the backslash before `|`.
fn text(source: &str, in_table: bool) -> String {
    let lines = source.lines().enumerate();
    let inner = |(number, line): (usize, &'_ str)| -> String {
        if number == 0 { line } else { line.trim_start_matches([' ', '\t', '>']) }.to_owned()
    };
    let text = lines.map(inner).collect::<Vec<_>>().join("\n");
    if in_table { text.replace("\\|", "|") } else { text }
}

#[derive(Clone, Copy, PartialEq)]
enum Delimiter {
    Dollar,
    Dollars,
    /// `\(` and `\[`.
    Open(u8),
    /// `\)` and `\]`, as the byte that opens.
    Close(u8),
}

enum Item {
    Delimiter(Delimiter),
    Start(Edge),
    End(Edge),
}

/// The beginning or the end of an inline element.
struct Edge {
    /// Where its other edge is.
    other: usize,
    is_emphasis: bool,
    /// Whether it stands as in `x^*` and `x_{*}`, which in a formula is a sign and no markup.
    is_script: bool,
}

#[derive(Default)]
struct Finder<'a> {
    source: &'a str,
    /// The delimiters and elements of the open block, and where each begins.
    items: Vec<(usize, Item)>,
    /// Text that is written as in the source and not read yet.
    run: Range<usize>,
    /// Until where text has no formula: in code, and in a link that its text identifies.
    opaque: usize,
    in_table: bool,
    /// With whether it is in a table.
    found: Vec<(Range<usize>, bool)>,
}

impl Finder<'_> {
    fn see(&mut self, event: &Event<'_>, range: Range<usize>) {
        if let Event::Text(text) = event {
            if range.start < self.opaque || self.source[range.clone()] != **text {
                return; // or it is a character reference
            }
            if self.run.end != range.start {
                self.read_run();
                self.run.start = range.start;
            }
            self.run.end = range.end;
            return;
        }
        self.read_run();
        match event {
            Event::Start(Tag::Link { link_type, .. } | Tag::Image { link_type, .. })
                if *link_type != LinkType::Inline =>
            {
                self.opaque = self.opaque.max(range.end);
            }
            Event::Start(Tag::CodeBlock(_)) => self.opaque = range.end,
            Event::Start(Tag::Table(_)) => self.in_table = true,
            _ => {}
        }
        match (event, markers(event)) {
            (Event::Start(_), Some(length)) => {
                let edge = self.edge(range.start, range.end - 1, length);
                self.items.push((range.start, Item::Start(edge)));
            }
            (_, Some(length)) => {
                let at = range.end - length.max(1);
                let edge = self.edge(at, range.start, length);
                self.items.push((at, Item::End(edge)));
            }
            (Event::Start(_) | Event::End(_), None) => self.end_of_block(),
            (_, None) => {}
        }
        if matches!(event, Event::End(TagEnd::Table)) {
            self.in_table = false;
        }
    }

    fn edge(&self, at: usize, other: usize, markers: usize) -> Edge {
        let before = at.checked_sub(1).map(|at| self.source.as_bytes()[at]);
        let is_emphasis = markers > 0;
        let is_script = is_emphasis && matches!(before, Some(b'^' | b'_' | b'{'));
        Edge { other, is_emphasis, is_script }
    }

    /// Takes the delimiters of the run, except for those in an address.
    fn read_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        let bytes = self.source.as_bytes();
        let mut addresses = links::bare(&self.source[run.clone()]).into_iter().peekable();
        let mut at = run.start;
        while at < run.end {
            let length = match bytes[at] {
                b'$' => bytes[at..run.end].iter().take_while(|byte| **byte == b'$').count(),
                _ => 1,
            };
            let (delimiter, has_backslash) = match (bytes[at], length) {
                (b'$', 1) => (Some(Delimiter::Dollar), false),
                (b'$', 2) => (Some(Delimiter::Dollars), false),
                (open @ (b'(' | b'['), _) => (Some(Delimiter::Open(open)), true),
                (b')', _) => (Some(Delimiter::Close(b'(')), true),
                (b']', _) => (Some(Delimiter::Close(b'[')), true),
                _ => (None, false),
            };
            let delimiter = delimiter.filter(|_| self.is_escaped(at) == has_backslash);
            while addresses.next_if(|address| run.start + address.end <= at).is_some() {}
            let in_address =
                addresses.peek().is_some_and(|address| run.start + address.start <= at);
            if let Some(delimiter) = delimiter.filter(|_| !in_address) {
                let start = at - usize::from(has_backslash);
                self.items.push((start, Item::Delimiter(delimiter)));
            }
            at += length;
        }
    }

    fn is_escaped(&self, at: usize) -> bool {
        let before = self.source.as_bytes()[..at].iter().rev();
        before.take_while(|byte| **byte == b'\\').count() % 2 == 1
    }

    fn end_of_block(&mut self) {
        let items = std::mem::take(&mut self.items);
        let closers = closers(&items);
        let mut candidates: Vec<Range<usize>> = Vec::new();
        for (index, closer) in closers.iter().enumerate() {
            let next = candidates.last().map_or(0, |last| last.end);
            if let Some(range) = self.candidate(&items, index, *closer)
                && range.start >= next
            {
                candidates.push(range);
            }
        }
        let mut next = 0;
        for (index, closer) in closers.iter().enumerate() {
            if let Some(range) = self.candidate(&items, index, *closer)
                && range.start >= next
                && let Some(closer) = closer
                && !crosses(&items[index + 1..*closer], &candidates)
            {
                next = range.end;
                self.found.push((range, self.in_table));
            }
        }
    }

    /// The formula from this delimiter to that one, as far as their neighbours tell: no blank
    /// after the opening `$`, none before the closing one, and no digit after that.
    fn candidate(
        &self,
        items: &[(usize, Item)],
        opener: usize,
        closer: Option<usize>,
    ) -> Option<Range<usize>> {
        let (start, Item::Delimiter(delimiter)) = items[opener] else {
            return None;
        };
        let (close, _) = items[closer?];
        let length = if delimiter == Delimiter::Dollar { 1 } else { 2 };
        let inner = &self.source[start + length..close];
        let after = self.source[close + length..].chars().next();
        let is_one = match delimiter {
            Delimiter::Dollar => {
                !inner.starts_with(char::is_whitespace)
                    && !inner.ends_with(char::is_whitespace)
                    && !after.is_some_and(|c| c.is_ascii_digit())
                    && is_enclosed(inner)
            }
            Delimiter::Dollars => is_enclosed(inner),
            Delimiter::Open(_) | Delimiter::Close(_) => true,
        };
        (is_one && !inner.trim().is_empty()).then(|| start..close + length)
    }
}

/// Not so in "(US$) and (CA$)".
fn is_enclosed(inner: &str) -> bool {
    !inner.starts_with(')') && !inner.ends_with('(')
}

/// For each item that opens a formula, the one that would close it. A `$` is closed by the next
/// one or not at all, so that no text is looked at twice.
fn closers(items: &[(usize, Item)]) -> Vec<Option<usize>> {
    let (mut dollar, mut dollars, mut round, mut square) = (None, None, None, None);
    let mut closers = vec![None; items.len()];
    for (index, (_, item)) in items.iter().enumerate().rev() {
        let Item::Delimiter(delimiter) = item else {
            continue;
        };
        let is_close = |at: &usize| matches!(items[*at].1, Item::Delimiter(Delimiter::Close(_)));
        closers[index] = match delimiter {
            Delimiter::Dollar => dollar
                .replace(index)
                .filter(|at: &usize| matches!(items[*at].1, Item::Delimiter(Delimiter::Dollar))),
            Delimiter::Dollars => {
                dollar = Some(index);
                dollars.replace(index)
            }
            Delimiter::Open(b'(') => round.replace(index).filter(is_close),
            Delimiter::Open(_) => square.replace(index).filter(is_close),
            Delimiter::Close(opener) => {
                *(if *opener == b'(' { &mut round } else { &mut square }) = Some(index);
                None
            }
        };
    }
    closers
}

/// Whether an element begins or ends among the items, and its other edge is elsewhere. Then its
/// `*` are markup and the `$` are prices; unless both edges are in formulas, as in `$a*b$, $c*d$`.
fn crosses(items: &[(usize, Item)], candidates: &[Range<usize>]) -> bool {
    let mut open = Vec::new();
    let mut crossing = Vec::new();
    for (_, item) in items {
        match item {
            Item::Delimiter(_) => {}
            Item::Start(edge) => open.push(edge),
            Item::End(edge) => {
                if open.pop().is_none() {
                    crossing.push(edge);
                }
            }
        }
    }
    let in_formula = |at: usize| {
        let next = candidates.partition_point(|candidate| candidate.end <= at);
        candidates.get(next).is_some_and(|candidate| candidate.contains(&at))
    };
    crossing
        .into_iter()
        .chain(open)
        .any(|edge| !(edge.is_emphasis && (edge.is_script || in_formula(edge.other))))
}

/// How many characters are at each end of an inline element of emphasis, 0 of another inline one.
fn markers(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Start(Tag::Emphasis) | Event::End(TagEnd::Emphasis) => Some(1),
        Event::Start(Tag::Strong | Tag::Strikethrough)
        | Event::End(TagEnd::Strong | TagEnd::Strikethrough) => Some(2),
        Event::Start(Tag::Link { .. } | Tag::Image { .. })
        | Event::End(TagEnd::Link | TagEnd::Image) => Some(0),
        _ => None,
    }
}
