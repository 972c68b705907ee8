//! An answer, with the questions that tests ask about it.

use std::io::Read;

use reqwest::header::HeaderMap;
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Answer {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// As it came over the wire.
    pub body: bytes::Bytes,
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {}: {}", self.method, self.path, self.excerpt());
        self
    }

    /// Asserts that this is an error of this kind, and returns its message.
    #[track_caller]
    pub fn fails(self, status: u16, error_type: &str) -> String {
        let answer = self.is(status);
        let body = answer.json();
        assert_eq!(body["error_type"], error_type, "{body}");
        body["message"].as_str().unwrap().to_owned()
    }

    /// A header's value, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.decoded()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.decoded())
            .unwrap_or_else(|error| panic!("{error}: {}", self.excerpt()))
    }

    /// The ids of a list's rows.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.each("id")
    }

    /// One field of each of a list's rows, which must be text.
    #[track_caller]
    pub fn each(&self, field: &str) -> Vec<String> {
        let rows = self.json();
        rows.as_array().unwrap().iter().map(|r| r[field].as_str().unwrap().to_owned()).collect()
    }

    /// The body without its content coding.
    pub fn decoded(&self) -> Vec<u8> {
        let mut decoded = Vec::new();
        match self.header("content-encoding") {
            "" => decoded.extend_from_slice(&self.body),
            "gzip" => {
                flate2::read::MultiGzDecoder::new(self.body.as_ref())
                    .read_to_end(&mut decoded)
                    .unwrap();
            }
            "br" => brotli::BrotliDecompress(&mut self.body.as_ref(), &mut decoded).unwrap(),
            "zstd" => decoded = zstd::stream::decode_all(self.body.as_ref()).unwrap(),
            other => panic!("content coding {other}"),
        }
        decoded
    }

    fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.decoded()).chars().take(500).collect()
    }
}
