//! The stream: the twin of tokio's.

use super::TcpSocket;
use super::conn::Conn;
use super::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::lookup::{ToSocketAddrs, no_address, to_socket_addrs};
use crate::net::Net;
use crate::options::{ip_options, whole_seconds};
use bytes::{BufMut, Bytes};
use net_core::socket::{Summary, TcpOption, TcpSettings};
use net_core::tcp::TcpInfo;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

/// A TCP connection, as `tokio::net::TcpStream`.
///
/// Reading and writing go through [`AsyncRead`] and [`AsyncWrite`]. Dropping the stream closes it:
/// what was written is still delivered, unless received bytes were left unread, which resets the
/// connection (RFC 1122 §4.2.2.13).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (mut server, _) = listener.accept().await?;
/// client.write_all(b"hello").await?;
/// client.shutdown().await?;
/// let mut words = Vec::new();
/// server.read_to_end(&mut words).await?;
/// assert_eq!(words, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    pub(crate) conn: Conn,
}

impl TcpStream {
    /// Connects to `addr` on the [current](Net::current) stack; each address that it stands for is
    /// tried until one answers.
    ///
    /// # Errors
    /// The last address's: `ConnectionRefused`, `TimedOut`, `NetworkUnreachable` and so on, as the
    /// kernel gives them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; the peer may have seen it.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        Self::connect_on(&Net::current()?, addr).await
    }

    /// As [`connect`](Self::connect), on the stack `net`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](Self::connect).
    pub async fn connect_on<A: ToSocketAddrs>(net: &Net, addr: A) -> io::Result<Self> {
        let mut last = None;
        for addr in to_socket_addrs(net, addr).await? {
            match Conn::connect(net, addr).await {
                Ok(conn) => return Ok(Self { conn }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        self.conn.net()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.conn.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// `NotConnected` once the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.conn.peer_addr()
    }

    /// Where the connection was to go when it began, before a rule sent it here by `dnat` or `redirect`
    /// (`SO_ORIGINAL_DST`).
    ///
    /// # Errors
    /// The kernel's ENOENT (`NotFound`) where flows are not followed, or this one has been forgotten.
    pub fn original_dst(&self) -> io::Result<SocketAddr> {
        let id = self.conn.slot.id();
        let engine = self.conn.net().engine();
        engine.control(|core, _| core.stack().original_dst(id))
    }

    /// Takes the pending error, as `SO_ERROR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.conn.take_error()
    }

    /// Copies received bytes into `buf` without taking them; how many. Zero at the end of the stream.
    ///
    /// Only the last task that polled for reading is woken.
    ///
    /// # Errors
    /// The connection's, such as `ConnectionReset`.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.conn.poll_peek(cx, buf)
    }

    /// Waits until the stream is ready for something in `interest`, and says for what.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness is a level, nothing is used up.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.conn.ready(interest).await
    }

    /// Waits until there is something to read, the end of the stream included.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// As [`readable`](Self::readable), to be polled. Only the last task that polled for reading is
    /// woken.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.poll_read_ready(cx)
    }

    /// Reads what is there into `buf`; zero at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or the connection's error.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.conn.try_read(buf)
    }

    /// As [`try_read`](Self::try_read), into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.conn.try_read_vectored(bufs)
    }

    /// As [`try_read`](Self::try_read), into the free room of `buf`.
    ///
    /// # Errors
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.conn.try_read_buf(buf)
    }

    /// Waits until there is room to write, or writing would fail at once.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`writable`](Self::writable), to be polled. Only the last task that polled for writing is
    /// woken.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.poll_write_ready(cx)
    }

    /// Writes as much of `buf` as there is room for; how many bytes.
    ///
    /// # Errors
    /// `WouldBlock` without room, `BrokenPipe` after shutdown, or the connection's error.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.conn.try_write(buf)
    }

    /// As [`try_write`](Self::try_write), from several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.conn.try_write_vectored(bufs)
    }

    /// Writes all of `chunk` without copying it, waiting for room as needed. What is still in
    /// `chunk` afterwards was not written.
    ///
    /// Pieces under 512 bytes are copied: sharing them would cost more.
    ///
    /// # Errors
    /// `BrokenPipe` after shutdown, or the connection's error.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, `chunk` holds what was not written.
    pub async fn write_chunk(&self, chunk: &mut Bytes) -> io::Result<()> {
        self.conn.write_chunk(chunk).await
    }

    /// Runs `f`, which is to try something on this stream, if the stream is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` where it is not ready, or what `f` returned.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.conn.try_io(interest, f)
    }

    /// Runs `f`, which is to try something on this stream, each time that the stream becomes ready
    /// for `interest`, until it returns anything but `WouldBlock`.
    ///
    /// # Errors
    /// What `f` returned last.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f`: between its calls nothing is held.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(interest).await?;
            match f() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::task::yield_now().await;
                }
                done => return done,
            }
        }
    }

    /// Copies received bytes into `buf` without taking them; how many. Zero at the end of the stream.
    ///
    /// # Errors
    /// The connection's, such as `ConnectionReset`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.conn.peek(buf).await
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.conn.settings(|settings| settings.nodelay)
    }

    /// Sends small segments at once (`TCP_NODELAY`), or holds them back while others are unconfirmed
    /// (RFC 896).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.conn.set_option(TcpOption::NoDelay(nodelay))
    }

    /// Whether acknowledgements are sent at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn quickack(&self) -> io::Result<bool> {
        self.conn.settings(|settings| settings.quick_ack)
    }

    /// Sends acknowledgements at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.conn.set_option(TcpOption::QuickAck(quickack))
    }

    /// The value of `SO_LINGER`: zero resets the connection when it is dropped, any other makes no
    /// difference, as dropping never waits.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.conn.settings(|settings| settings.linger)
    }

    /// Sets `SO_LINGER`, in whole seconds. Zero makes close reset the connection; dropping a stream
    /// never blocks, whatever is set.
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "a time other than zero does not make drop wait; use set_zero_linger for a reset"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.conn.set_option(TcpOption::Linger(whole_seconds(dur)))
    }

    /// Makes dropping the stream reset the connection, throwing away what was not delivered
    /// (`SO_LINGER` of zero).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.conn
            .set_option(TcpOption::Linger(Some(Duration::ZERO)))
    }

    /// The time to live of IPv4 packets sent (`IP_TTL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn ttl(&self) -> io::Result<u32> {
        self.conn.ip().ttl()
    }

    /// Sets the time to live of IPv4 packets sent, 1–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.conn.ip().set_ttl(ttl)
    }

    /// Every option as it is set now.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn settings(&self) -> io::Result<TcpSettings> {
        self.conn.settings(TcpSettings::clone)
    }

    /// Sets an option that tokio's stream has no method for.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range, `Unsupported` for a mechanism that this stack does
    /// not have yet.
    pub fn set_option(&self, option: TcpOption) -> io::Result<()> {
        self.conn.set_option(option)
    }

    /// The state of the connection, as `TCP_INFO`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn info(&self) -> io::Result<TcpInfo> {
        self.conn.info()
    }

    /// A line about the socket, as from `ss`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn summary(&self) -> io::Result<Summary> {
        self.conn.summary()
    }

    /// Resets the connection, and gives back its socket, with its options and the address that it was
    /// bound to, for another one (`connect` to `AF_UNSPEC`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn disconnect(self) -> io::Result<TcpSocket> {
        let (net, id) = self.conn.disconnect()?;
        Ok(TcpSocket::of(&net, id))
    }

    /// Splits the stream into halves that borrow it.
    pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
        super::split::split(self)
    }

    /// Splits the stream into halves that may live in different tasks. Dropping the write half shuts
    /// down writing.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        super::split::split_owned(self)
    }
}

ip_options!(TcpStream, |stream| stream.conn.ip());

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.conn.poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.conn.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.conn.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.conn.shutdown_write())
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.conn.describe("TcpStream", f)
    }
}
