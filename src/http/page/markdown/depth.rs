//! Bounds the nesting of quotations and lists before the parser sees them.

/// A message with a line that opens more quotations and lists is shown as plain text: the parser
/// checks every lazy continuation line against each of them, so parsing costs depth times lines.
pub(super) const MAX_NESTING: usize = 64;

/// Whether any line of the text opens more than [`MAX_NESTING`].
pub(super) fn nests_too_deeply(text: &str) -> bool {
    text.split(['\n', '\r']).any(is_too_deep)
}

/// Whether a line could open more than [`MAX_NESTING`] quotations and lists, including those that
/// its indentation continues: a quotation takes a `>`, a list at least two columns.
fn is_too_deep(line: &str) -> bool {
    let is_item = |rest: &[u8]| matches!(rest.first(), None | Some(b' ' | b'\t'));
    let (mut quotations, mut columns) = (0, 0);
    let mut rest = line.as_bytes();
    loop {
        let before = rest;
        rest = match rest {
            [b' ' | b'\t', rest @ ..] => rest,
            [b'>', b' ', rest @ ..] | [b'>', rest @ ..] => rest,
            [b'-' | b'*' | b'+', rest @ ..] if is_item(rest) => rest,
            _ => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                match &rest[digits..] {
                    [b'.' | b')', rest @ ..] if digits > 0 && is_item(rest) => rest,
                    _ => return false,
                }
            }
        };
        match before[0] {
            b'>' => quotations += 1,
            b'\t' => columns += 4,
            _ => columns += before.len() - rest.len(),
        }
        // Whitespace alone opens nothing.
        let opens = !matches!(before[0], b' ' | b'\t');
        if opens && quotations + columns / 2 > MAX_NESTING {
            return true;
        }
    }
}
