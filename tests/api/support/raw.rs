//! Requests that no HTTP client would send.

use std::{net::SocketAddr, time::Duration};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Answer, rules};

/// Sends the head, then the piece so many times, and reads one answer meanwhile.
pub async fn exchange(address: SocketAddr, head: &[u8], piece: &[u8], times: usize) -> Answer {
    let (method, target, received) = receive(address, head, piece, times).await;
    let answer = parse(&method, &target, &received);
    rules::check(&answer);
    answer
}

/// The same, and the answer as it came.
pub async fn receive(
    address: SocketAddr,
    head: &[u8],
    piece: &[u8],
    times: usize,
) -> (String, String, Vec<u8>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut stream, mut sending) = stream.into_split();
    let line = String::from_utf8_lossy(head).into_owned();
    let (head, piece) = (head.to_vec(), piece.to_vec());
    let sender = tokio::spawn(async move {
        // The server may answer and close before it has read all of it.
        let _ = sending.write_all(&head).await;
        for _ in 0..times {
            if sending.write_all(&piece).await.is_err() {
                break;
            }
        }
        sending
    });
    let mut received = Vec::new();
    let reading = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            received.extend_from_slice(&chunk[..read]);
            if is_whole(&received) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap();
    sender.abort();
    let mut words = line.split(' ').map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap_or_default(), received)
}

/// Sends the bytes and then, every tenth of a second, the drip, until the server closes; everything
/// that came back.
pub async fn until_closed(address: SocketAddr, bytes: &[u8], drip: &[u8]) -> String {
    let (mut stream, mut sending) = TcpStream::connect(address).await.unwrap().into_split();
    let (bytes, drip) = (bytes.to_vec(), drip.to_vec());
    let sender = tokio::spawn(async move {
        let mut next = bytes;
        while sending.write_all(&next).await.is_ok() {
            next.clone_from(&drip);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut received = Vec::new();
    // A reset is an end as well.
    let reading = async { while let Ok(1..) = stream.read_buf(&mut received).await {} };
    let closed = tokio::time::timeout(Duration::from_secs(10), reading).await;
    sender.abort();
    let received = String::from_utf8_lossy(&received).into_owned();
    assert!(closed.is_ok(), "the connection is still open after {received:?}");
    received
}

/// Sends these pieces with a pause before each further one; everything that came back until the
/// server closed.
pub async fn in_pieces(address: SocketAddr, pieces: &[&str], pause: Duration) -> String {
    let (mut stream, mut sending) = TcpStream::connect(address).await.unwrap().into_split();
    let mut received = Vec::new();
    let writing = async {
        for piece in pieces {
            if sending.write_all(piece.as_bytes()).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
    };
    let reading = async { while let Ok(1..) = stream.read_buf(&mut received).await {} };
    let both = async { tokio::join!(writing, reading) };
    let closed = tokio::time::timeout(Duration::from_secs(20), both).await.is_ok();
    let received = String::from_utf8_lossy(&received).into_owned();
    assert!(closed, "the connection is still open after {received:?}");
    received
}

/// Sends this and takes a little of what comes now and then, for two seconds, and then the rest.
pub async fn taken_slowly(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut little = vec![0; 64 * 1024];
        let read = stream.read(&mut little).await.unwrap();
        received.extend_from_slice(&little[..read]);
    }
    let rest = stream.read_to_end(&mut received);
    tokio::time::timeout(Duration::from_secs(20), rest).await.unwrap().unwrap();
    String::from_utf8(received).unwrap()
}

fn head_length(received: &[u8]) -> Option<usize> {
    received.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn is_whole(received: &[u8]) -> bool {
    let Some(head) = head_length(received) else { return false };
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    // These have no body (RFC 9112, 6.3).
    if text.starts_with("http/1.1 204 ") || text.starts_with("http/1.1 304 ") {
        return true;
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| received.len() >= head + length.trim().parse::<usize>().unwrap())
}

fn parse(method: &str, target: &str, received: &[u8]) -> Answer {
    let head = head_length(received).unwrap();
    let text = String::from_utf8(received[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    Answer {
        method: method.to_owned(),
        path: target.split('?').next().unwrap().to_owned(),
        status,
        headers,
        body: received[head..].to_vec().into(),
    }
}
