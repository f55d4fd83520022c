//! Answering pings for other hosts.

use crate::net::Net;
use crate::udp::UdpSocket;
use net_core::echo::{EchoRequest, Unreachable};
use net_core::socket::Family;
use net_core::udp::Datagram;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};

/// A socket that receives ICMP echo requests for hosts that the program stands in for, and answers them:
/// what pings are to a transparent proxy.
///
/// It takes the requests of its family for addresses that no interface of the stack has: those of local
/// routes ([`Routes::add_local`](crate::Routes::add_local), by rules also only for what comes over one
/// interface), and those for other hosts where the stack does not forward. What is for the stack's own
/// addresses, the stack answers itself. There is one such socket for each family of a stack.
///
/// A request that is dropped unanswered looks to its asker as if the host were silent. Requests that find
/// the receive buffer full are dropped and count as `RecvBufferFull`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{EchoListener, Net, PingSocket};
///
/// let net = Net::builder().build()?;
/// net.routes().ip_route("add local 192.0.2.0/24 dev lo")?;
/// let listener = EchoListener::new_v4_on(&net)?;
///
/// let socket = PingSocket::new_v4_on(&net)?;
/// socket.request([192, 0, 2, 7].into(), 1, b"are you there?").await?;
/// let request = listener.recv().await?;
/// assert_eq!((request.dest, request.seq), ([192, 0, 2, 7].into(), 1));
/// listener.reply(&request).await?;
/// assert_eq!(&socket.reply().await?.data[..], b"are you there?");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EchoListener {
    socket: UdpSocket,
}

impl EchoListener {
    /// A socket for IPv4 on the [current](Net::current) stack.
    ///
    /// # Errors
    /// `AddrInUse` where the stack has one of the family, the kernel's ENFILE where it has as many sockets
    /// as it may, or what the policy says.
    pub fn new_v4() -> io::Result<Self> {
        Self::new_v4_on(&Net::current()?)
    }

    /// As [`new_v4`](Self::new_v4), for IPv6.
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

    /// As [`new_v4`](Self::new_v4), for IPv6 on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6_on(net: &Net) -> io::Result<Self> {
        Self::open(net, Family::V6)
    }

    fn open(net: &Net, family: Family) -> io::Result<Self> {
        let socket = UdpSocket::open_as(net, |stack| stack.echo_open(family))?;
        Ok(Self { socket })
    }

    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        self.socket.net()
    }

    /// Takes only what is for `address` from now on; the stack answers for the others as it would without
    /// this socket.
    ///
    /// # Errors
    /// `AddrNotAvailable` for what is no single host's, `InvalidInput` where the socket has an address
    /// already.
    pub fn bind_to(&self, address: IpAddr) -> io::Result<()> {
        self.socket.bind_to(SocketAddr::new(address, 0))
    }

    /// Takes only what comes over one interface, or over any; answers leave over it too.
    ///
    /// # Errors
    /// The kernel's ENODEV where the stack has no interface of that name.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }

    /// Limits the memory that requests may hold until they are received, in bytes (`SO_RCVBUF`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size)
    }

    /// Receives the next request.
    ///
    /// # Errors
    /// When the stack has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv(&self) -> io::Result<EchoRequest> {
        loop {
            if let Some(request) = request_in(self.socket.recv_datagram().await) {
                return request;
            }
        }
    }

    /// As [`recv`](Self::recv), to be polled. Only the last task that polled is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<EchoRequest>> {
        loop {
            let received = ready!(self.socket.poll_recv_datagram(cx));
            if let Some(request) = request_in(received) {
                return Poll::Ready(request);
            }
        }
    }

    /// As [`recv`](Self::recv), at once.
    ///
    /// # Errors
    /// `WouldBlock` where there is none, or as for [`recv`](Self::recv).
    pub fn try_recv(&self) -> io::Result<EchoRequest> {
        loop {
            if let Some(request) = request_in(self.socket.try_recv_datagram()) {
                return request;
            }
        }
    }

    /// Answers as the host would that the request is for: its data goes back, from its address.
    ///
    /// # Errors
    /// `NetworkUnreachable` and the like, where there is no way back.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn reply(&self, request: &EchoRequest) -> io::Result<()> {
        let (message, meta) = request.reply();
        self.socket.send_with(&message, meta).await.map(drop)
    }

    /// As [`reply`](Self::reply), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`reply`](Self::reply).
    pub fn try_reply(&self, request: &EchoRequest) -> io::Result<()> {
        let (message, meta) = request.reply();
        self.socket.try_send_with(&message, meta).map(drop)
    }

    /// Tells the asker, from an address of the stack, that the host cannot be reached. That is limited as
    /// all errors of the stack are (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f)): one too many is dropped and counts
    /// as `RateLimited`.
    ///
    /// # Errors
    /// As for [`reply`](Self::reply).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn refuse(&self, request: &EchoRequest, why: Unreachable) -> io::Result<()> {
        let (message, meta) = request.unreachable(why);
        self.socket.send_with(&message, meta).await.map(drop)
    }
}

/// The request that a datagram is; `None` for one that is none, which the socket does not receive.
fn request_in(received: io::Result<Datagram>) -> Option<io::Result<EchoRequest>> {
    match received {
        Ok(datagram) => EchoRequest::of(&datagram).map(Ok),
        Err(error) => Some(Err(error)),
    }
}
