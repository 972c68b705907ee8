//! Many event streams on one chat, and when a message reached each of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
};

use crate::Failure;

/// How many connect at the same time.
const CONNECTING: usize = 64;
/// How long a message may take to reach everybody before the round is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens `count` streams at the path, then prints `open COUNT`, and for each message that has
/// reached all of them `FIRST MEDIAN LAST`, microseconds since 1970.
pub async fn watch(address: &str, path: &str, count: usize) -> Result<(), Failure> {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let turns = Arc::new(Semaphore::new(CONNECTING));
    let open = Arc::new(AtomicUsize::new(0));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    for _ in 0..count {
        let (address, request) = (address.to_owned(), request.clone());
        let (turns, open, arrived) = (turns.clone(), open.clone(), arrived.clone());
        tokio::spawn(async move {
            if let Err(error) = stream(&address, &request, &turns, &open, &arrived).await {
                eprintln!("a stream ended: {error}");
            }
        });
    }
    let patient_until = tokio::time::Instant::now() + Duration::from_secs(60);
    while open.load(Ordering::Relaxed) < count {
        if tokio::time::Instant::now() > patient_until {
            return Err(
                format!("{} of {count} streams are open", open.load(Ordering::Relaxed)).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("open {count}");
    loop {
        let mut times = Vec::with_capacity(count);
        while times.len() < count {
            match tokio::time::timeout(PATIENCE, arrivals.recv()).await {
                Ok(Some(time)) => times.push(time),
                Err(_) if times.is_empty() => {}
                _ => return Err(format!("a message reached {} of {count}", times.len()).into()),
            }
        }
        times.sort_unstable();
        println!("{} {} {}", times[0], times[count / 2], times[count - 1]);
    }
}

/// One stream: says when it is open, and when each message came.
async fn stream(
    address: &str,
    request: &str,
    turns: &Semaphore,
    open: &AtomicUsize,
    arrived: &mpsc::UnboundedSender<u128>,
) -> Result<(), Failure> {
    let turn = turns.acquire().await?;
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut buffer = [0; 2048];
    let read = connection.read(&mut buffer).await?;
    if !buffer[..read].starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(&buffer[..read.min(200)]).into());
    }
    drop(turn);
    open.fetch_add(1, Ordering::Relaxed);
    let mut tail = Vec::new();
    loop {
        let read = connection.read(&mut buffer).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        if read == 0 {
            return Err("by the service".into());
        }
        // The words may be spread over two reads.
        tail.extend_from_slice(&buffer[..read]);
        for _ in 0..occurrences(&tail, MESSAGE) {
            arrived.send(now)?;
        }
        let kept = match last_occurrence(&tail, MESSAGE) {
            Some(at) => at + MESSAGE.len(),
            None => tail.len().saturating_sub(MESSAGE.len() - 1),
        };
        tail.drain(..kept);
    }
}

/// How every message begins.
const MESSAGE: &[u8] = b"event: message";

fn occurrences(text: &[u8], words: &[u8]) -> usize {
    text.windows(words.len()).filter(|part| *part == words).count()
}

fn last_occurrence(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).rposition(|part| part == words)
}
