//! A socket that does not speak to anyone yet: the twin of tokio's.

use super::conn::Conn;
use super::{TcpListener, TcpStream};
use crate::driver::Core;
use crate::error::to_io;
use crate::net::Net;
use crate::options::{self, IpLayer, doubled, ip_options, whole_seconds};
use bytes::Bytes;
use net_core::socket::{Family, TcpOption, TcpSettings};
use net_core::{SocketError, SocketId};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP socket to be configured, and then turned into a [`TcpStream`] or a [`TcpListener`], as
/// `tokio::net::TcpSocket`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{TcpSocket, TcpStream};
///
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(16)?;
/// TcpStream::connect(listener.local_addr()?).await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket {
    net: Net,
    id: SocketId,
    /// Until a stream or a listener has it.
    owned: bool,
}

impl TcpSocket {
    /// A socket for IPv4 on the [current](Net::current) stack.
    ///
    /// # Errors
    /// The kernel's ENFILE where the stack has as many sockets as it may.
    pub fn new_v4() -> io::Result<Self> {
        Self::new_v4_on(&Net::current()?)
    }

    /// A socket for IPv6 on the [current](Net::current) stack.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6() -> io::Result<Self> {
        Self::new_v6_on(&Net::current()?)
    }

    /// As [`new_v4`](Self::new_v4), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v4_on(net: &Net) -> io::Result<Self> {
        Self::open(net, Family::V4)
    }

    /// As [`new_v6`](Self::new_v6), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6_on(net: &Net) -> io::Result<Self> {
        Self::open(net, Family::V6)
    }

    fn open(net: &Net, family: Family) -> io::Result<Self> {
        let id = net
            .engine()
            .control(|core, _| core.stack_mut().tcp_open(family))?;
        Ok(Self::of(net, id))
    }

    /// Takes over the fresh socket `id`.
    pub(crate) fn of(net: &Net, id: SocketId) -> Self {
        Self {
            net: net.clone(),
            id,
            owned: true,
        }
    }

    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Probes idle connections (`SO_KEEPALIVE`, RFC 1122 §4.2.3.6).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.set_option(TcpOption::KeepAlive(keepalive))
    }

    /// Whether idle connections are probed (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.setting(|settings| settings.keepalive)
    }

    /// Lets [`bind`](Self::bind) take a port that connections in TIME_WAIT have (`SO_REUSEADDR`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.set_option(TcpOption::ReuseAddress(reuseaddr))
    }

    /// The value of `SO_REUSEADDR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.setting(|settings| settings.reuse_address)
    }

    /// Shares the port with other sockets that ask for it too (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.set_option(TcpOption::ReusePort(reuseport))
    }

    /// The value of `SO_REUSEPORT`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.setting(|settings| settings.reuse_port)
    }

    /// Limits what may be written and not yet confirmed, in bytes (`SO_SNDBUF`). The number is taken
    /// as it is, and reads back doubled, as in Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.set_option(TcpOption::SendBuffer(options::size(size)))
    }

    /// The value of `SO_SNDBUF` in bytes.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.setting(|settings| doubled(settings.send_buffer))
    }

    /// Limits what may be received and not yet read, in bytes (`SO_RCVBUF`). The number is taken as
    /// it is, and reads back doubled, as in Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.set_option(TcpOption::RecvBuffer(options::size(size)))
    }

    /// The value of `SO_RCVBUF` in bytes.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.setting(|settings| doubled(settings.recv_buffer))
    }

    /// Sets `SO_LINGER`, in whole seconds. Zero makes close reset the connection; dropping a stream never blocks,
    /// whatever is set.
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "a time other than zero does not make drop wait; use set_zero_linger for a reset"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.set_option(TcpOption::Linger(whole_seconds(dur)))
    }

    /// Makes dropping the stream reset the connection (`SO_LINGER` of zero).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_option(TcpOption::Linger(Some(Duration::ZERO)))
    }

    /// The value of `SO_LINGER`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.setting(|settings| settings.linger)
    }

    /// Sends small segments at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set_option(TcpOption::NoDelay(nodelay))
    }

    /// Whether small segments are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.setting(|settings| settings.nodelay)
    }

    /// The traffic class of IPv6 packets sent (`IPV6_TCLASS`).
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.ip().traffic_class()
    }

    /// Sets the traffic class of IPv6 packets sent, 0–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number, the kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.ip().set_traffic_class(tclass)
    }

    /// The type of service of IPv4 packets sent (`IP_TOS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.ip().tos()
    }

    /// As [`tos_v4`](Self::tos_v4).
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "renamed to tos_v4"]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// Sets the type of service of IPv4 packets sent: the low eight bits count, as in Linux, but for
    /// those of ECN, which are TCP's.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.ip().set_tos(tos)
    }

    /// As [`set_tos_v4`](Self::set_tos_v4).
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "renamed to set_tos_v4"]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The name of the interface that the socket is bound to (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.ip().device()
    }

    /// Binds the socket to an interface of the stack by its name, or to none (`SO_BINDTODEVICE`): it
    /// sends by the routes over that interface, and takes only what comes over it.
    ///
    /// # Errors
    /// The kernel's ENODEV where the stack has no interface of that name.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.ip().bind_device(interface)
    }

    /// The time to live of IPv4 packets sent (`IP_TTL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn ttl(&self) -> io::Result<u32> {
        self.ip().ttl()
    }

    /// Sets the time to live of IPv4 packets sent, 1–255 (`IP_TTL`).
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.ip().set_ttl(ttl)
    }

    /// Every option as it is set now.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn settings(&self) -> io::Result<TcpSettings> {
        self.setting(TcpSettings::clone)
    }

    /// Sets an option that tokio's socket has no method for.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range, `Unsupported` for a mechanism that this stack does
    /// not have yet.
    pub fn set_option(&self, option: TcpOption) -> io::Result<()> {
        self.control(|core, id| {
            let now = core.now();
            core.stack_mut().set_tcp_option(id, option, now)
        })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.control(|core, id| core.stack().local_addr(id))
    }

    /// Takes the pending error, as `SO_ERROR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.control(|core, id| Ok(core.stack_mut().take_error(id)))?;
        Ok(error.map(to_io))
    }

    /// Gives the socket the address `addr`; port 0 is a port of the stack's choice.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, or `InvalidInput` where it has an address already.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.net.warn_unreachable(addr);
        self.control(|core, id| core.stack_mut().bind(id, addr))
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `NetworkUnreachable` and so on, as the kernel gives them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; the peer may have seen it.
    pub async fn connect(mut self, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = self.begin_to_connect(addr)?;
        stream.conn.established().await?;
        Ok(stream)
    }

    /// Begins to connect. Where that fails, the socket stays what it is; otherwise it is the stream's.
    pub(crate) fn begin_to_connect(&mut self, addr: SocketAddr) -> io::Result<TcpStream> {
        self.begin_with(addr, &mut Bytes::new())
    }

    /// The same; `first` is what the stream sends first.
    pub(super) fn begin_with(
        &mut self,
        addr: SocketAddr,
        first: &mut Bytes,
    ) -> io::Result<TcpStream> {
        let conn = Conn::begin(&self.net, self.id, addr, first)?;
        self.owned = false;
        Ok(TcpStream { conn })
    }

    /// Listens for connections, of which up to `backlog` may wait to be accepted.
    ///
    /// # Errors
    /// `AddrInUse` where another socket listens there.
    pub fn listen(mut self, backlog: u32) -> io::Result<TcpListener> {
        self.begin_to_listen(backlog)
    }

    /// Listens. Where that fails, the socket stays what it is; otherwise it is the listener's.
    pub(crate) fn begin_to_listen(&mut self, backlog: u32) -> io::Result<TcpListener> {
        let listener = TcpListener::listen_from(&self.net, self.id, backlog)?;
        self.owned = false;
        Ok(listener)
    }

    fn ip(&self) -> IpLayer<'_> {
        IpLayer::new(&self.net, self.id)
    }

    pub(super) fn setting<R>(&self, f: impl FnOnce(&TcpSettings) -> R) -> io::Result<R> {
        self.control(|core, id| core.stack().tcp_settings(id).map(f))
    }

    fn control<R>(
        &self,
        f: impl FnOnce(&mut Core, SocketId) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        self.net.engine().control(|core, _| f(core, self.id))
    }
}

ip_options!(TcpSocket, |socket| socket.ip());

impl Drop for TcpSocket {
    fn drop(&mut self) {
        if self.owned {
            self.net.engine().release(self.id);
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("socket", &self.id)
            .finish()
    }
}
