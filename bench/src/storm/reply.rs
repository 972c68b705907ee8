//! One HTTP/1.1 answer (RFC 9112) as it comes in: what is wanted of its head, and where it ends. Its
//! body is passed over.

/// A longer line is taken for nonsense.
const MOST_LINE: usize = 8 * 1024;

/// What has come of it so far.
pub struct Reply {
    pub status: u16,
    pub has_retry_after: bool,
    /// The connection is not to be used again.
    pub closes: bool,
    /// To a HEAD request.
    is_bodiless: bool,
    is_chunked: bool,
    length: Option<u64>,
    next: Next,
    /// The beginning of a line.
    line: Vec<u8>,
}

/// What comes next.
enum Next {
    StatusLine,
    Header,
    Bytes(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClosed,
    Nothing,
}

/// It is no answer that HTTP knows.
#[derive(Debug, PartialEq)]
pub struct Malformed;

impl Reply {
    /// The answer to a request with this method.
    pub fn to(method: &str) -> Self {
        Self {
            status: 0,
            has_retry_after: false,
            closes: false,
            is_bodiless: method == "HEAD",
            is_chunked: false,
            length: None,
            next: Next::StatusLine,
            line: Vec::new(),
        }
    }

    /// Nothing of it has come.
    pub fn has_not_begun(&self) -> bool {
        matches!(self.next, Next::StatusLine) && self.line.is_empty()
    }

    /// Takes what came; `true` when that was the end of it.
    ///
    /// # Errors
    /// [`Malformed`], also when more came than belongs to it: nobody asked for that.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<bool, Malformed> {
        while !bytes.is_empty() {
            match &mut self.next {
                Next::Nothing => return Err(Malformed),
                Next::UntilClosed => return Ok(false),
                Next::Bytes(left) | Next::Chunk(left) => {
                    let part = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    bytes = &bytes[part..];
                    *left -= part as u64;
                    if *left == 0 {
                        let is_chunk = matches!(self.next, Next::Chunk(_));
                        self.next = if is_chunk { Next::ChunkEnd } else { Next::Nothing };
                    }
                }
                _ => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let part = end.map_or(bytes.len(), |end| end + 1);
                    self.line.extend_from_slice(&bytes[..part]);
                    bytes = &bytes[part..];
                    if self.line.len() > MOST_LINE {
                        return Err(Malformed);
                    }
                    if end.is_some() {
                        let line = std::mem::take(&mut self.line);
                        let line = std::str::from_utf8(&line).map_err(|_| Malformed)?;
                        self.take_line(line.trim_end_matches(['\r', '\n']))?;
                    }
                }
            }
        }
        Ok(matches!(self.next, Next::Nothing))
    }

    /// The connection was closed; `true` when that is the end of it.
    pub fn ends_here(&self) -> bool {
        matches!(self.next, Next::UntilClosed)
    }

    fn take_line(&mut self, line: &str) -> Result<(), Malformed> {
        self.next = match self.next {
            Next::StatusLine => {
                let rest = line.strip_prefix("HTTP/1.1 ").ok_or(Malformed)?;
                self.status = rest.get(..3).and_then(|text| text.parse().ok()).ok_or(Malformed)?;
                Next::Header
            }
            Next::Header if line.is_empty() => self.after_head(),
            Next::Header => {
                let (name, value) = line.split_once(':').ok_or(Malformed)?;
                self.take_header(name, value.trim())?;
                Next::Header
            }
            Next::ChunkSize => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).map_err(|_| Malformed)? {
                    0 => Next::Trailer,
                    size => Next::Chunk(size),
                }
            }
            Next::ChunkEnd if line.is_empty() => Next::ChunkSize,
            Next::Trailer if line.is_empty() => Next::Nothing,
            Next::Trailer => Next::Trailer,
            _ => return Err(Malformed),
        };
        Ok(())
    }

    fn take_header(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = Some(value.parse().map_err(|_| Malformed)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.is_chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            self.closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            self.has_retry_after = true;
        }
        Ok(())
    }

    fn after_head(&mut self) -> Next {
        match self.status {
            // Another head follows.
            100..200 => Next::StatusLine,
            204 | 304 => Next::Nothing,
            _ if self.is_bodiless => Next::Nothing,
            _ if self.is_chunked => Next::ChunkSize,
            _ => match self.length {
                Some(0) => Next::Nothing,
                Some(length) => Next::Bytes(length),
                None => {
                    self.closes = true;
                    Next::UntilClosed
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is cut, it ends at its last byte and not before.
    fn ends(method: &str, text: &str) -> Reply {
        for part in 1..=text.len() {
            let mut reply = Reply::to(method);
            assert!(reply.has_not_begun());
            let mut came = 0;
            for bytes in text.as_bytes().chunks(part) {
                came += bytes.len();
                assert_eq!(reply.take(bytes), Ok(came == text.len()), "{part} {came} {text}");
            }
            assert_eq!(reply.take(b"more"), Err(Malformed));
        }
        let mut reply = Reply::to(method);
        assert_eq!(reply.take(text.as_bytes()), Ok(true));
        reply
    }

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        let whole = ends("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        assert!(whole.status == 200 && !whole.closes && !whole.has_retry_after);
        ends("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        ends("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        ends("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
        let chunks = "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
        ends("GET", &format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
        ends("POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    }

    #[test]
    fn what_is_wanted_of_its_head_is_seen() {
        let head = "HTTP/1.1 503 Service Unavailable\r\nRETRY-AFTER: 5\r\nconnection: close\r\n";
        let reply = ends("GET", &format!("{head}content-length: 2\r\n\r\n{{}}"));
        assert!(reply.status == 503 && reply.has_retry_after && reply.closes);
    }

    #[test]
    fn without_a_length_it_ends_with_the_connection() {
        let mut reply = Reply::to("GET");
        assert_eq!(reply.take(b"HTTP/1.1 200 OK\r\n\r\nsomething"), Ok(false));
        assert!(reply.ends_here() && reply.closes);
        let mut cut = Reply::to("GET");
        assert_eq!(cut.take(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), Ok(false));
        assert!(!cut.ends_here());
    }

    #[test]
    fn nonsense_is_no_answer() {
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 abc\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert_eq!(Reply::to("GET").take(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(Reply::to("GET").take(&[b'x'; MOST_LINE + 1]), Err(Malformed));
    }
}
