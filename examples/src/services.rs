//! Small services (echo, discard, count, source) for any byte stream and any datagram socket.
//!
//! They are generic so that one and the same code runs over `net_tokio`, over `tokio::net` and
//! over the streams of other stacks. A connection that waits for bytes holds none: bytes pass
//! through one buffer per thread, and only what the peer does not take yet is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What a TCP port does with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Sends everything back (RFC 862).
    Echo,
    /// Reads and forgets (RFC 863).
    Discard,
    /// Reads and forgets; when what it reads ends with [`ASK`], answers with the number of bytes so
    /// far as a big-endian `u64`. (Not at the end of the stream: some stacks cannot half-close.)
    Count,
    /// Sends without end (RFC 864 with one pattern).
    Source,
}

impl Service {
    /// Serves one connection until it ends; returns how many bytes it has read or sent.
    ///
    /// # Errors
    /// What the stream says; a connection that the peer resets ends with `ConnectionReset`.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) -> io::Result<u64> {
        match self {
            Self::Echo => echo(stream).await,
            Self::Discard => discard(&mut stream).await,
            Self::Count => count(&mut stream).await,
            Self::Source => source(stream).await,
        }
    }
}

/// A listener of some stack.
pub trait Listener: Send + 'static {
    /// Its connections.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A datagram socket of some stack.
pub trait Datagrams: Send + 'static {
    /// Waits for a datagram.
    fn recv_from(
        &self,
        buf: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send;

    /// Sends a datagram.
    fn send_to(&self, buf: &[u8], to: SocketAddr)
    -> impl Future<Output = io::Result<usize>> + Send;
}

macro_rules! serve_with_tokio_methods {
    ($listener:ty, $stream:ty, $udp:ty) => {
        impl Listener for $listener {
            type Stream = $stream;

            async fn accept(&mut self) -> io::Result<$stream> {
                Ok(<$listener>::accept(self).await?.0)
            }
        }

        impl Datagrams for $udp {
            async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
                <$udp>::recv_from(self, buf).await
            }

            async fn send_to(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize> {
                <$udp>::send_to(self, buf, to).await
            }
        }
    };
}

serve_with_tokio_methods!(
    tokio::net::TcpListener,
    tokio::net::TcpStream,
    tokio::net::UdpSocket
);
serve_with_tokio_methods!(
    net_tokio::TcpListener,
    net_tokio::TcpStream,
    net_tokio::UdpSocket
);

/// Accepts for ever; each connection is a task.
pub async fn accept_loop<L: Listener>(mut listener: L, service: Service) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                tokio::spawn(service.serve(stream));
            }
            // Out of descriptors or sockets: connections in progress end and free some.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Sends every datagram back to where it came from, for ever.
pub async fn udp_echo<U: Datagrams>(socket: U) {
    let mut buf = vec![0; MAX_DATAGRAM];
    loop {
        // An ICMP error about an earlier answer surfaces here; the next datagram is unaffected.
        let Ok((len, from)) = socket.recv_from(&mut buf).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if let Some(datagram) = buf.get(..len) {
            let _lost_like_any_datagram = socket.send_to(datagram, from).await;
        }
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<u64> {
    let mut echo = Echo {
        stream,
        kept: Vec::new(),
        kept_from: 0,
        total: 0,
        ended: false,
    };
    poll_fn(|cx| echo.poll(cx)).await
}

struct Echo<S> {
    stream: S,
    /// Bytes read that the peer has no room for yet; no allocation while it keeps up.
    kept: Vec<u8>,
    kept_from: usize,
    total: u64,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Echo<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        for _ in 0..READS_PER_POLL {
            ready!(self.poll_kept(cx))?;
            if self.ended {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                return Poll::Ready(Ok(self.total));
            }
            let count = ready!(SCRATCH.with_borrow_mut(|scratch| self.poll_pass(cx, scratch)))?;
            self.ended = count == 0;
            self.total += count as u64;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once and writes the same bytes; what is not taken goes to `kept`.
    fn poll_pass(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        let bytes = buf.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let taken = match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        if let Some(rest) = bytes.get(taken..) {
            self.kept.extend_from_slice(rest);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.kept.get(self.kept_from..).filter(|r| !r.is_empty()) {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept_from += taken;
        }
        self.kept = Vec::new();
        self.kept_from = 0;
        Poll::Ready(Ok(()))
    }
}

async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<u64> {
    let mut total = 0;
    while forget(stream, &mut total).await? != Paused::End {}
    Ok(total)
}

async fn count<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<u64> {
    let mut total = 0;
    while forget(stream, &mut total).await? != Paused::End {
        stream.write_all(&total.to_be_bytes()).await?;
    }
    Ok(total)
}

/// Reads and adds to `total` until a read ends with [`ASK`] or the stream ends.
async fn forget<S: AsyncRead + Unpin>(stream: &mut S, total: &mut u64) -> io::Result<Paused> {
    poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            for _ in 0..READS_PER_POLL {
                let mut buf = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
                *total += buf.filled().len() as u64;
                match buf.filled().last() {
                    None => return Poll::Ready(Ok(Paused::End)),
                    Some(&ASK) => return Poll::Ready(Ok(Paused::Asked)),
                    Some(_) => {}
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    })
    .await
}

#[derive(PartialEq, Eq)]
enum Paused {
    Asked,
    End,
}

async fn source<S: AsyncWrite + Unpin>(mut stream: S) -> io::Result<u64> {
    let mut total = 0;
    loop {
        match stream.write(&PATTERN).await? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}

/// As the last byte of what it reads, asks [`Service::Count`] for its count.
pub const ASK: u8 = b'?';

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// As large as fits a core's cache beside the packets.
const SCRATCH_BYTES: usize = 128 * 1024;
/// Reads before other tasks of the thread get their turn.
const READS_PER_POLL: usize = 32;
/// What the source sends over and over.
static PATTERN: [u8; 128 * 1024] = [b'.'; 128 * 1024];
const MAX_DATAGRAM: usize = 65_535;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
