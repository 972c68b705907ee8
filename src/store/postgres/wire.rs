//! The bytes between this service and the server: encrypted as `sslmode` says, and with the SQLSTATE
//! of each error in front of its message, since Diesel keeps the message alone, which is in the
//! server's language (docs/decisions/0031-sqlstate-from-below-diesel.md).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::{
    Config, Socket,
    config::{SslMode, SslNegotiation},
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::either::Either;

use super::url::Encryption;

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;
/// `SSLRequest` (PostgreSQL's manual, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// The kind and the length of a message.
const HEAD_BYTES: usize = 5;

/// What tokio-postgres takes for TLS, plain or encrypted: it hands over the socket of a TCP
/// connection before anything is sent.
#[derive(Clone)]
pub(super) struct Wire {
    tls: MakeRustlsConnect,
    encryption: Encryption,
}

impl Wire {
    pub(super) fn new(tls: MakeRustlsConnect, encryption: Encryption) -> Self {
        Self { tls, encryption }
    }

    /// Has TCP connections of this configuration handed over.
    pub(super) fn applies_to(config: &mut Config) {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    }
}

type Rustls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type Encrypted = <Rustls as TlsConnect<Socket>>::Stream;

impl MakeTlsConnect<Socket> for Wire {
    type Stream = Coded<Either<Socket, Encrypted>>;
    type TlsConnect = WireTo;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<WireTo> {
        let tls = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.tls, host);
        Ok(WireTo { tls: tls.map_err(io::Error::other)?, encryption: self.encryption })
    }
}

pub(super) struct WireTo {
    tls: Rustls,
    encryption: Encryption,
}

impl TlsConnect<Socket> for WireTo {
    type Stream = Coded<Either<Socket, Encrypted>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Stream>>;

    fn connect(self, mut socket: Socket) -> Self::Future {
        async move {
            if self.encryption == Encryption::Off {
                return Ok(Coded::new(Either::Left(socket)));
            }
            socket.write_all(&SSL_REQUEST).await?;
            let is_offered = socket.read_u8().await? == b'S';
            if is_offered {
                let encrypted = self.tls.connect(socket).await.map_err(io::Error::other)?;
                return Ok(Coded::new(Either::Right(encrypted)));
            }
            match self.encryption {
                Encryption::Checked => Err(io::Error::other("the server does not offer TLS")),
                Encryption::Off | Encryption::IfOffered => Ok(Coded::new(Either::Left(socket))),
            }
        }
        .boxed()
    }
}

/// A stream of the server's messages, with `[SQLSTATE] ` in front of the text of each error.
pub(super) struct Coded<S> {
    stream: S,
    read: Box<[u8]>,
    messages: Messages,
    /// What was read and not yet taken.
    ready: BytesMut,
}

impl<S> Coded<S> {
    pub(super) fn new(stream: S) -> Self {
        let read = vec![0; READ_BYTES].into();
        Self { stream, read, messages: Messages::default(), ready: BytesMut::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        taken: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() {
            let mut read = ReadBuf::new(&mut this.read);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                // The end; a message that was cut off is passed on as it is.
                this.ready.extend_from_slice(&std::mem::take(&mut this.messages.held));
                break;
            }
            this.messages.pass(read.filled(), &mut this.ready);
        }
        let count = this.ready.len().min(taken.remaining());
        taken.put_slice(&this.ready[..count]);
        this.ready.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TlsStream for Coded<Either<Socket, Encrypted>> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.stream {
            Either::Left(_) => ChannelBinding::none(),
            Either::Right(encrypted) => encrypted.channel_binding(),
        }
    }
}

/// Where in the server's messages its bytes are.
#[derive(Default)]
struct Messages {
    /// A head, or all of an error, as far as it was read.
    held: Vec<u8>,
    /// What is missing of the current message.
    left: usize,
    is_error: bool,
}

impl Messages {
    fn pass(&mut self, mut bytes: &[u8], out: &mut BytesMut) {
        while !bytes.is_empty() {
            let missing = if self.left > 0 { self.left } else { HEAD_BYTES - self.held.len() };
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            bytes = later;
            if self.left == 0 {
                self.held.extend_from_slice(now);
                if let &[kind, a, b, c, d] = &*self.held {
                    // The length counts itself.
                    self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                    self.is_error = kind == b'E' && self.left > 0;
                    if !self.is_error {
                        out.extend_from_slice(&std::mem::take(&mut self.held));
                    }
                }
                continue;
            }
            self.left -= now.len();
            if !self.is_error {
                out.extend_from_slice(now);
                continue;
            }
            self.held.extend_from_slice(now);
            if self.left == 0 {
                out.extend_from_slice(&coded(&std::mem::take(&mut self.held)));
                self.is_error = false;
            }
        }
    }
}

/// An `ErrorResponse` with its SQLSTATE in front of its message. Its body is fields that end with a
/// zero byte, each of a letter and a text, and one zero byte more.
fn coded(error: &[u8]) -> Vec<u8> {
    let fields = || error[HEAD_BYTES..].split(|byte| *byte == 0).take_while(|it| !it.is_empty());
    let Some(state) = fields().find_map(|field| field.strip_prefix(b"C")) else {
        return error.to_vec();
    };
    let mut body = Vec::with_capacity(error.len() + 8);
    for field in fields() {
        match field.strip_prefix(b"M") {
            Some(message) => body.extend([b"M[", state, b"] ", message].concat()),
            None => body.extend(field),
        }
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [b"E", &length.to_be_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// What comes out when so many bytes are read at a time.
    async fn passed(sent: &[u8], at_once: usize) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(at_once);
        let sent = sent.to_vec();
        tokio::spawn(async move { far.write_all(&sent).await.unwrap() });
        let mut came = Vec::new();
        Coded::new(near).read_to_end(&mut came).await.unwrap();
        came
    }

    #[tokio::test]
    async fn errors_say_their_sqlstate_in_any_language_and_all_else_is_as_it_was() {
        let before = [message(b'R', &[0; 4]), message(b'1', b""), message(b'D', b"E\0\0\0\x05E")];
        let (before, after) = (before.concat(), message(b'Z', b"E"));
        let body = |text: &str| {
            format!("SFEHLER\0VERROR\0C40P01\0M{text}\0Hfrag den Verwalter\0\0").into_bytes()
        };
        let error = message(b'E', &body("Verklemmung entdeckt"));
        let coded = message(b'E', &body("[40P01] Verklemmung entdeckt"));
        let sent = [&*before, &error, &after, &error].concat();
        let expected = [&*before, &coded, &after, &coded].concat();
        for at_once in [1, 2, 3, 7, 64, READ_BYTES] {
            assert_eq!(passed(&sent, at_once).await, expected, "{at_once}");
        }
    }

    #[tokio::test]
    async fn what_is_no_error_of_postgresql_is_passed_on_as_it_is() {
        let others: [Vec<u8>; 4] = [
            message(b'E', b""),
            message(b'E', b"Mno state\0\0"),
            message(b'E', b"C40P01\0Mcut off\0\0")[..12].to_vec(),
            b"EHTTP/1.1 400 Bad Request".to_vec(),
        ];
        for other in others {
            assert_eq!(passed(&other, 5).await, other);
        }
    }
}
