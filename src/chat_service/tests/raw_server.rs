//! A server by hand: it counts connections and requests, and sends what no HTTP server would.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub struct RawServer {
    pub url: String,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What is written after a request's head, of which the answer sees the request line.
pub type Answer = fn(&str, &mut TcpStream) -> std::io::Result<()>;

impl RawServer {
    /// Ends with the test's process; each of its threads ends when its connection does.
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::default(), Arc::default());
        let server = Self { url, connections, requests, heads: Arc::default() };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        let heads = server.heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, heads) = (requests.clone(), heads.clone());
                thread::spawn(move || serve(&stream.unwrap(), &requests, &heads, answer));
            }
        });
        server
    }

    /// What was asked so far: each request's line and headers, as they came.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    stream: &TcpStream,
    requests: &AtomicUsize,
    heads: &Mutex<Vec<String>>,
    answer: Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream.try_clone()?;
    loop {
        let mut request_line = String::new();
        if reader.read_line(&mut request_line)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        let mut head = request_line.clone();
        while reader.read_line(&mut header)? > 2 {
            head.push_str(&header);
            header.clear();
        }
        heads.lock().unwrap().push(head);
        requests.fetch_add(1, Ordering::SeqCst);
        answer(&request_line, &mut writer)?;
    }
}

/// An ordinary answer, after which the connection stays open.
pub fn ok(body: &[u8], stream: &mut TcpStream) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

/// The head of an answer whose length is not told, and which goes on for as long as it likes.
pub fn chunked_head(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
}

pub fn chunk(bytes: &[u8], stream: &mut TcpStream) -> std::io::Result<()> {
    let size = format!("{:x}\r\n", bytes.len());
    stream.write_all(&[size.as_bytes(), bytes, b"\r\n"].concat())
}

pub fn wait(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// The number that a query parameter of the request line has.
pub fn parameter(request_line: &str, name: &str) -> usize {
    let (_, rest) = request_line.split_once(&format!("{name}=")).unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}
