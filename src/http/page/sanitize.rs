//! Escapes and checks untrusted text for a page.

use pulldown_cmark::LinkType;
use url::Url;

/// For text and double-quoted attributes.
pub(super) fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML allows no other control characters, not even as references.
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Whether [`escape_into`] and the templates write the character as up to six.
pub(super) fn is_escaped(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'')
}

/// How long the text is at most once it is escaped, in bytes.
pub(super) fn escaped_len(text: &str) -> usize {
    text.len() + 5 * text.matches(is_escaped).count()
}

/// The address of a link, if it is an absolute `http`, `https` or `mailto` one. It is written as
/// parsed, so that the browser reads what was checked, without tabs, line breaks or leading spaces
/// that browsers skip. A relative address would lead into this site, which no author means. What
/// stands before an `@` is left out: it looks like a host, as in
/// `https://bank.example@evil.example`, or is a password.
pub(super) fn link_target(kind: LinkType, destination: &str) -> Option<String> {
    let url = match kind {
        LinkType::Email => Url::parse(&format!("mailto:{destination}")),
        _ => Url::parse(destination),
    };
    let mut url = url.ok()?;
    match url.scheme() {
        "http" | "https" => {
            url.set_password(None).ok()?;
            url.set_username("").ok()?;
        }
        "mailto" => {}
        _ => return None,
    }
    Some(url.into())
}

/// Whether the letter is of a right-to-left script. The ranges are from Hebrew to the end of the
/// Arabic extensions, the presentation forms, and the right-to-left blocks of the supplementary
/// plane (Unicode, `DerivedBidiClass.txt`).
pub(super) fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Removes bidirectional overrides and isolates: they make `gpj.exe` look like `exe.jpg`, and in a
/// title there is no `<bdi>` to contain them. Marks (U+200E, U+200F, U+061C) stay: bidirectional
/// names need them.
pub(super) fn without_direction_changes(text: &str) -> String {
    text.replace(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'), "")
}
