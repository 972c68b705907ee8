//! A shared chat as a Markdown document (docs/API.md 3, "View").
//!
//! Messages stand in it as they were written, but nothing in them may be taken for the heading of
//! another message, nor reach beyond its own: see [`content`]. Names and roles are one line of text,
//! whose bare addresses alone can be markup.

mod content;

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    budget::{Budget, MAX_PAGE_BYTES},
    format, sanitize,
};
use crate::model::{Message, SharedChat};

/// Between the parts of a heading.
const DOT: char = '·';

/// The document of a link that its viewer may see. CPU work, as for a page.
pub fn document(chat: &SharedChat, messages: &[Message]) -> String {
    // Writing to a string does not fail.
    let mut out =
        format!("# {}\n\n{}\n", one_line(&super::name_of(chat.name.as_deref())), about(chat));
    // What is beyond it is not parsed, which makes a code block of it.
    let mut budget = Budget::of(MAX_PAGE_BYTES);
    for (place, message) in messages.iter().enumerate() {
        let _ = write!(out, "\n## {} {DOT} {}", place + 1, one_line(message.role.as_str()));
        if let Some(time) = format::time(&message.created_at) {
            let _ = write!(out, " {DOT} {}", instant(&time));
        }
        out.push('\n');
        let text = content::contained(&message.content.text(), &mut budget);
        if !text.is_empty() {
            let _ = writeln!(out, "\n{text}");
        }
    }
    out
}

/// Who shared it, when, and what it shows.
fn about(chat: &SharedChat) -> String {
    let mut about = "Shared".to_owned();
    if let Some(sharer) = &chat.shared_by {
        let _ = write!(about, " by {}", one_line(sharer));
    }
    let mode = if chat.is_frozen() { "snapshot" } else { "live" };
    let _ = write!(about, " {DOT} {} {DOT} {mode}", instant(&chat.created_at));
    if let Some(end) = &chat.expires_at {
        let _ = write!(about, " {DOT} available until {}", instant(end));
    }
    about
}

fn instant(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Text that is not the chat's own as a part of a line: without markup, line breaks, and what
/// looks like a further part of the heading.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in sanitize::without_direction_changes(text).chars() {
        match c {
            DOT => line.push('-'),
            c if c.is_control() || c.is_whitespace() => line.push(' '),
            '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '&' | '#' | '~' | '|' | '$' | '!' => {
                line.extend(['\\', c]);
            }
            c => line.push(c),
        }
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests;
