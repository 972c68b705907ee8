//! Emphasis next to Chinese, Japanese and Korean text.

use std::borrow::Cow;

/// In the source: a letter that is not shown.
pub(super) const JOINT: char = '\u{2}';

/// Whether the character is of a Chinese, Japanese or Korean script, or of their punctuation: the
/// blocks of the ranges of <https://github.com/tats-u/markdown-cjk-friendly>, without single symbols.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{fe10}'..='\u{fe1f}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ffef}' | '\u{16fe0}'..='\u{18dff}'
        | '\u{1aff0}'..='\u{1b2ff}' | '\u{20000}'..='\u{3fffd}')
}

/// Puts a [`JOINT`] between a run of `*` or `~` and the punctuation beside it where either neighbour is
/// CJK. CommonMark takes such a run for one that only opens or only closes, as it expects a space
/// beyond the punctuation, which these scripts do not write. The parser takes a joint for a letter.
///
/// It has no option for it in 0.13. One is merged; when it is released, it replaces this.
pub(super) fn joined(source: &str) -> Cow<'_, str> {
    if source.is_ascii() {
        return Cow::Borrowed(source);
    }
    let mut out = String::new();
    let mut copied = 0;
    let mut rest = 0;
    while let Some(found) = source[rest..].find(['*', '~']) {
        let start = rest + found;
        let sign = source.as_bytes()[start];
        let length = source[start..].bytes().take_while(|byte| *byte == sign).count();
        let end = start + length;
        rest = end;
        // A fence's words are no text.
        if sign == b'~' && length > 2 {
            continue;
        }
        let before = source[..start].chars().next_back();
        let after = source[end..].chars().next();
        // After a backslash the run is no markup.
        if before == Some('\\') || ![before, after].into_iter().flatten().any(is_cjk) {
            continue;
        }
        let is_mark = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        for (joins, at) in [(before.is_some_and(is_mark), start), (after.is_some_and(is_mark), end)]
        {
            if joins {
                out.push_str(&source[copied..at]);
                out.push(JOINT);
                copied = at;
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    out.push_str(&source[copied..]);
    Cow::Owned(out)
}
