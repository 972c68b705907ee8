//! Reads lines of any length with bounded memory.

use std::io::{self, BufRead, Read};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without its line break.
    Bytes(&'a [u8]),
    /// Longer than the limit, and skipped.
    TooLong,
}

pub(super) struct Lines<R> {
    input: R,
    /// In bytes, without the line break.
    limit: usize,
    number: u64,
    line: Vec<u8>,
}

/// Some programs write it before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, number: 0, line: Vec::new() }
    }

    /// The next line that is not blank, with its number, from 1 on.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            let Some(whole) = self.read()? else { return Ok(None) };
            self.number += 1;
            let blank = whole && self.content().iter().all(u8::is_ascii_whitespace);
            if !blank {
                let line = if whole { Line::Bytes(self.content()) } else { Line::TooLong };
                return Ok(Some((self.number, line)));
            }
        }
    }

    fn content(&self) -> &[u8] {
        let line = self.line.as_slice();
        if self.number <= 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line }
    }

    /// Fills `self.line`. `Some(false)` for a line longer than the limit, `None` at the end.
    fn read(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let limit_with_line_break = self.limit as u64 + 1;
        let mut input = self.input.by_ref().take(limit_with_line_break);
        let read = input.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.pop_if(|last| *last == b'\n').is_some() || read <= self.limit {
            return Ok(Some(true));
        }
        self.line = Vec::new();
        self.input.skip_until(b'\n')?;
        Ok(Some(false))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(input: &[u8], limit: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(BufReader::with_capacity(3, input), limit);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push(match line {
                Line::Bytes(bytes) => (number, Some(String::from_utf8_lossy(bytes).into_owned())),
                Line::TooLong => (number, None),
            });
        }
        all
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        let text = b"\xef\xbb\xbfone\n\n  \t\r\nfour\nfive";
        let read = lines(text, 100);
        let expected = [(1, "one"), (4, "four"), (5, "five")];
        assert_eq!(read, expected.map(|(n, text)| (n, Some(text.to_owned()))));
        assert_eq!(lines(b"", 10), []);
        assert_eq!(lines(b"\xef\xbb\xbf\n", 10), []);
    }

    #[test]
    fn line_over_the_limit_is_skipped() {
        let read = lines(b"12345\n123456\n12345", 5);
        let short = || Some("12345".to_owned());
        assert_eq!(read, [(1, short()), (2, None), (3, short())]);
    }

    #[test]
    fn endless_line_takes_bounded_memory() {
        let mut lines = Lines::new(BufReader::new(io::repeat(b'x').take(1 << 24)), 1000);
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLong)));
        assert!(lines.line.capacity() <= 1 << 16, "{}", lines.line.capacity());
        assert_eq!(lines.next().unwrap(), None);
    }
}
