//! The parser and what is on in it.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser};

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    // Alerts.
    .union(Options::ENABLE_GFM);

/// What the source is made of, and where.
pub(super) fn events(source: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    Parser::new_ext(source, OPTIONS).into_offset_iter()
}
