//! What is asked: one request a line, as JSON, by turns from the first to the last and over again. A
//! line that stands there twice is asked twice as often.

use std::{fs, path::Path};

use serde_json::Value;

use crate::Failure;

/// A request, ready to be sent.
pub struct Request {
    pub method: String,
    pub bytes: Vec<u8>,
}

/// Reads the file: `{"method": "GET", "path": "/", "headers": {…}, "body": "…"}`, of which headers
/// and body may be left out.
pub fn read(file: &Path, host: &str) -> Result<Vec<Request>, Failure> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let requests = lines
        .map(|line| request(line, host).map_err(|error| format!("{error}: {line}").into()))
        .collect::<Result<Vec<_>, Failure>>()?;
    if requests.is_empty() { Err("the mix is empty".into()) } else { Ok(requests) }
}

fn request(line: &str, host: &str) -> Result<Request, Failure> {
    let line: Value = serde_json::from_str(line)?;
    let text = |name: &str| line[name].as_str().ok_or(format!("no {name}"));
    let (method, path) = (text("method")?, text("path")?);
    let body = line["body"].as_str().unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in line["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().ok_or("a header that is no text")?;
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    Ok(Request { method: method.to_owned(), bytes: format!("{head}\r\n{body}").into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_request() {
        let line = r#"{"method":"PATCH","path":"/x?a=b","headers":{"A":"b"},"body":"é"}"#;
        let text = "PATCH /x?a=b HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 2\r\n\r\né";
        assert_eq!(String::from_utf8(request(line, "h").unwrap().bytes).unwrap(), text);
        let get = request(r#"{"method":"GET","path":"/"}"#, "h").unwrap();
        assert_eq!(get.bytes, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(request(r#"{"path":"/"}"#, "h").is_err());
    }
}
