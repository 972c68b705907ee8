//! The binary as a server, and small servers beside it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::{Place, SECRET};

/// `shared-chats serve`, until it ends or is dropped.
pub struct Served {
    child: Child,
    pub main: SocketAddr,
    pub management: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Its log goes to the file `log`.
    pub fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("AUTH_HS256_SECRET", SECRET),
            ("BIND_ADDRESS", "127.0.0.1:0"),
            ("MANAGEMENT_ADDRESS", "127.0.0.1:0"),
        ];
        all.extend(settings);
        let log = std::fs::File::create(place.path("log")).unwrap();
        let mut command = place.command(&[], &all);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |before: &str, after: &str| -> SocketAddr {
            let line = said.next().unwrap().unwrap();
            let address = line.strip_prefix(before).and_then(|line| line.strip_suffix(after));
            address.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
        };
        let main = address("listening on http://", "");
        let management = address("metrics on http://", "/metrics");
        Self { child, main, management }
    }

    pub fn told_to_stop(&self) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
    }

    /// How it ended, within this time.
    pub fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it goes on");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a request on a connection of its own, and gives the status, the head and the body.
pub fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, String, String) {
    exchange(&mut TcpStream::connect(address).unwrap(), head, body)
}

/// The same, on this one.
pub fn exchange(stream: &mut TcpStream, head: &str, body: &str) -> (u16, String, String) {
    let length = body.len();
    let request = format!("{head}\r\nhost: here\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let (head, body) = message(stream);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, String::from_utf8(body).unwrap())
}

/// One message with a length.
fn message(stream: &mut TcpStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).unwrap() > 2 {
        head += &std::mem::take(&mut line).to_lowercase();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

/// A request's head, in lower case, and its body.
type Asked = (String, Vec<u8>);

/// Another service, and what it was asked.
#[derive(Clone)]
pub struct Other {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Other {
    /// Answers each path, its query included, with this JSON.
    pub fn start(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let other = Self { address, asked: asked.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, asked, answer) = (stream.unwrap(), asked.clone(), answer.clone());
                thread::spawn(move || {
                    let (head, body) = message(&mut stream);
                    let text = answer(head.split(' ').nth(1).unwrap());
                    asked.lock().unwrap().push((head, body));
                    let length = text.len();
                    let head =
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
                    let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{text}");
                });
            }
        });
        other
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}
