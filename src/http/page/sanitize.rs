//! What strangers wrote, made fit to stand in a page.

use pulldown_cmark::LinkType;
use url::Url;

/// For text and for double-quoted attributes alike.
pub(super) fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML allows no other control characters, neither as they are nor as references.
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Where a link may lead: an absolute `http`, `https` or `mailto` address, in the parser's own
/// spelling, so that what was checked is what the browser reads, without tabs, line breaks or
/// leading blanks that browsers skip. Relative addresses lead nowhere that the author could mean.
pub(super) fn link_target(kind: LinkType, destination: &str) -> Option<String> {
    let url = match kind {
        LinkType::Email => Url::parse(&format!("mailto:{destination}")),
        _ => Url::parse(destination),
    };
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto")).map(Url::into)
}

/// Whether the first letter that has a direction is written from right to left.
///
/// `dir="auto"` does the same in the browser, but skips what has a `dir` of its own: a list would
/// never see its items, nor a quotation its paragraphs. Blocks by ranges: everything from Hebrew to
/// the end of the Arabic extensions, the presentation forms, and the two planes' parts set aside for
/// such scripts (Unicode, `DerivedBidiClass.txt`).
pub(super) fn is_right_to_left(text: &str) -> bool {
    let right_to_left = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    text.chars().find(|c| c.is_alphabetic()).is_some_and(right_to_left)
}

/// Leaves out the characters that turn the reading direction of what follows: they make a file named
/// `exe.jpg` out of `gpj.exe`, and in a window's title there is no `<bdi>` to contain them. The mere
/// marks (U+200E, U+200F, U+061C) stay: they are how bidirectional names are written.
pub(super) fn without_direction_changes(text: &str) -> String {
    text.replace(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'), "")
}
