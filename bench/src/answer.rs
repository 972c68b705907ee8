//! An answer that was recorded from the service, to be given again.

use std::{fs, io::ErrorKind, path::Path};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::Bytes,
};

use crate::Failure;

/// A status, its headers and its body.
#[derive(Clone)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// Reads `STATUS.head`, a header a line, and `STATUS.body` of the folder.
    pub fn read(folder: &Path, status: u16) -> Result<Self, Failure> {
        let head = fs::read_to_string(folder.join(format!("{status}.head")))?;
        let mut headers = Vec::new();
        for line in head.lines() {
            let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
            headers.push((name.parse()?, value.parse()?));
        }
        let body = match fs::read(folder.join(format!("{status}.body"))) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        Ok(Self { status: StatusCode::from_u16(status)?, headers, body: body.into() })
    }

    /// The answer, once more.
    pub fn give(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        if self.body.is_empty() { response.finish() } else { response.body(self.body.clone()) }
    }
}
