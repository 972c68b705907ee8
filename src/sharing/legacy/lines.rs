//! Lines of a file that may be of any length, read with bounded memory.

use std::io::{self, BufRead, Read};

/// A line, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Bytes(&'a [u8]),
    /// It was longer than the limit, and was read past.
    TooLong,
}

/// Reads line by line. A line without an end takes no more memory than the limit.
pub(super) struct Lines<R> {
    input: R,
    /// In bytes, without the line break.
    limit: usize,
    number: u64,
    line: Vec<u8>,
}

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, number: 0, line: Vec::new() }
    }

    /// The next line that is not blank, with its number, from 1 on.
    ///
    /// # Errors
    /// When the input cannot be read.
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

    /// Fills `self.line`. `Some(false)`: the line is longer than the limit, and what it held is
    /// gone. `None`: there is none.
    fn read(&mut self) -> io::Result<Option<bool>> {
        // With its line break.
        let most = self.limit as u64 + 1;
        self.line.clear();
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
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
    fn lines_are_numbered_as_an_editor_does() {
        let text = b"\xef\xbb\xbfone\n\n  \t\r\nfour\nfive";
        let read = lines(text, 100);
        let expected = [(1, "one"), (4, "four"), (5, "five")];
        assert_eq!(read, expected.map(|(n, text)| (n, Some(text.to_owned()))));
        assert_eq!(lines(b"", 10), []);
        assert_eq!(lines(b"\xef\xbb\xbf\n", 10), []);
    }

    #[test]
    fn a_line_over_the_limit_is_read_past() {
        let read = lines(b"12345\n123456\n12345", 5);
        let short = || Some("12345".to_owned());
        assert_eq!(read, [(1, short()), (2, None), (3, short())]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut lines = Lines::new(BufReader::new(io::repeat(b'x').take(1 << 24)), 1000);
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLong)));
        assert!(lines.line.capacity() <= 1 << 16, "{}", lines.line.capacity());
        assert_eq!(lines.next().unwrap(), None);
    }
}
