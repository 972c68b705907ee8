//! A kept connection: one request after another, as they are due.

use std::{future::poll_fn, io, pin::Pin, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{ANSWERED_WITHIN, Due, Storm, microseconds_since, reply::Reply};

/// Closed before the service does it, so that no request meets the end of a connection.
const IDLE: Duration = Duration::from_secs(20);

/// Why there is no answer.
enum NoAnswer {
    Late,
    Broken(String),
}

/// Opens a connection for the request, and goes on with others until it is closed.
pub async fn keep(storm: Rc<Storm>, first: Due) {
    let by = Instant::from_std(first.at + ANSWERED_WITHIN);
    match timeout_at(by, TcpStream::connect(storm.plan.address)).await {
        Ok(Ok(stream)) => {
            // Requests are small and complete.
            let _ = stream.set_nodelay(true);
            serve(&storm, stream, first).await;
        }
        failure => {
            let mut tally = storm.tally.borrow_mut();
            tally.unconnected += 1;
            tally.failed(match failure {
                Ok(Err(error)) => format!("connecting: {error}"),
                _ => "connecting: not in time".to_owned(),
            });
            storm.under_way.set(storm.under_way.get() - 1);
        }
    }
    storm.open.set(storm.open.get() - 1);
}

async fn serve(storm: &Storm, mut stream: TcpStream, first: Due) {
    let mut due = first;
    loop {
        let sent = std::time::Instant::now();
        let answer = exchange(storm, &mut stream, due).await;
        storm.under_way.set(storm.under_way.get() - 1);
        match answer {
            Ok(reply) => {
                let method = &storm.mix[due.what].method;
                let times = (microseconds_since(due.at), microseconds_since(sent));
                storm.tally.borrow_mut().answered(method, &reply, times.0, times.1);
                if reply.closes {
                    return;
                }
            }
            Err(NoAnswer::Late) => {
                storm.tally.borrow_mut().unanswered += 1;
                return;
            }
            Err(NoAnswer::Broken(why)) => {
                let mut tally = storm.tally.borrow_mut();
                tally.broken += 1;
                tally.failed(why);
                return;
            }
        }
        due = match storm.next_waiting() {
            Some(due) => {
                storm.under_way.set(storm.under_way.get() + 1);
                due
            }
            None => match idle(storm, &mut stream).await {
                Some(due) => due,
                None => return,
            },
        };
    }
}

/// Sends the request and takes its answer.
async fn exchange(storm: &Storm, stream: &mut TcpStream, due: Due) -> Result<Reply, NoAnswer> {
    let request = &storm.mix[due.what];
    let mut reply = Reply::to(&request.method);
    let by = Instant::from_std(due.at + ANSWERED_WITHIN);
    let whole = timeout_at(by, async {
        stream.write_all(&request.bytes).await?;
        loop {
            match read(storm, stream, &mut reply).await? {
                Read::Whole => return Ok::<_, io::Error>(()),
                Read::Part => {}
                Read::Closed if reply.ends_here() => return Ok(()),
                Read::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    });
    match whole.await {
        Ok(Ok(())) => Ok(reply),
        Ok(Err(error)) => {
            let where_in = if reply.has_not_begun() { "before" } else { "within" };
            Err(NoAnswer::Broken(format!("{where_in} an answer: {error}")))
        }
        Err(_) => Err(NoAnswer::Late),
    }
}

/// What a read gave.
enum Read {
    Whole,
    Part,
    Closed,
}

/// Reads once, into the place that all connections share.
async fn read(storm: &Storm, stream: &mut TcpStream, reply: &mut Reply) -> io::Result<Read> {
    poll_fn(|cx| {
        let mut place = storm.buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut place);
        std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        std::task::Poll::Ready(match buffer.filled() {
            [] => Ok(Read::Closed),
            bytes => match reply.take(bytes) {
                Ok(true) => Ok(Read::Whole),
                Ok(false) => Ok(Read::Part),
                Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is malformed")),
            },
        })
    })
    .await
}

/// Waits for a request; `None` when the connection is at its end.
async fn idle(storm: &Storm, stream: &mut TcpStream) -> Option<Due> {
    let (give, given) = oneshot::channel();
    storm.free.borrow_mut().push(give);
    // Nothing is to come, so whatever comes ends it.
    let mut unasked = Reply::to("GET");
    let waited = timeout(IDLE, async {
        tokio::select! {
            biased;
            due = given => due.ok(),
            read = read(storm, stream, &mut unasked) => {
                if !matches!(read, Ok(Read::Closed)) {
                    let mut tally = storm.tally.borrow_mut();
                    tally.broken += 1;
                    tally.failed("while idle: something came, or it was reset");
                }
                None
            }
        }
    });
    let due = waited.await.ok().flatten();
    if due.is_none() {
        storm.free.borrow_mut().retain(|free| !free.is_closed());
    }
    due
}
