//! Sockets by family, type and protocol, as `socket(2)` makes them.

mod data;
mod plugged;

use crate::error::to_io;
use crate::net::Net;
use crate::raw::{PacketSocket, PingSocket, RawSocket};
use crate::tcp::{TcpListener, TcpSocket, TcpStream};
use crate::udp::UdpSocket;
use net_core::SocketError;
use net_core::socket::{Domain, Protocol, Request, SocketType};
use net_core::stack::Kind;
use plugged::Plugged;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// A socket of a kind that is known only at run time.
///
/// Family, type and protocol are looked up in the stack's [table of families](Net::families). What came
/// of it can be used through this handle, or turned into a [`TcpSocket`], [`TcpListener`], [`TcpStream`],
/// [`UdpSocket`], [`PingSocket`], [`RawSocket`] or [`PacketSocket`] by `try_from`, which gives the handle
/// back if it is of another kind. Addresses of ping and raw sockets are given with a port that nobody looks at, but for
/// the identifier that a ping socket is bound to.
///
/// Where the kernel's calls would block, the methods here wait; those of a
/// [nonblocking](Self::set_nonblocking) socket say `WouldBlock` instead.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Socket, TcpListener};
/// use socket2::{Domain, Type};
///
/// let mut socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// socket.listen(16)?;
/// let listener = TcpListener::try_from(socket).expect("it listens");
///
/// let mut client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
/// client.connect(listener.local_addr()?).await?;
/// client.send(b"hello").await?;
/// # Ok(())
/// # }
/// ```
pub struct Socket {
    net: Net,
    state: State,
    nonblocking: bool,
}

/// What the socket is by now.
enum State {
    /// TCP, neither connected nor listening.
    Fresh(TcpSocket),
    Listener(TcpListener),
    /// Connected, or about to be.
    Stream(TcpStream),
    Datagram(UdpSocket),
    Ping(PingSocket),
    Raw(RawSocket),
    Packet(PacketSocket),
    Plugged(Plugged),
}

/// A socket of datagrams, whatever they carry.
macro_rules! datagrams {
    ($socket:pat) => {
        $crate::socket::State::Datagram($socket)
            | $crate::socket::State::Ping($crate::PingSocket { socket: $socket })
            | $crate::socket::State::Raw($crate::RawSocket { socket: $socket })
    };
}
use datagrams;

impl Socket {
    /// A socket on the [current](Net::current) stack. The type may carry the flags `SOCK_NONBLOCK` and
    /// `SOCK_CLOEXEC`, the latter of which means nothing here.
    ///
    /// # Errors
    /// The kernel's, in its order: EINVAL for unknown flags, EAFNOSUPPORT, EINVAL for an unknown type,
    /// what the stack's [policy](crate::NetBuilder::policy) says, ENFILE, ESOCKTNOSUPPORT,
    /// EPROTONOSUPPORT; `Unsupported` for kinds that this stack does not have yet.
    pub fn new(
        domain: socket2::Domain,
        socket_type: socket2::Type,
        protocol: Option<socket2::Protocol>,
    ) -> io::Result<Self> {
        Self::new_on(&Net::current()?, domain, socket_type, protocol)
    }

    /// As [`new`](Self::new), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn new_on(
        net: &Net,
        domain: socket2::Domain,
        socket_type: socket2::Type,
        protocol: Option<socket2::Protocol>,
    ) -> io::Result<Self> {
        let (socket_type, nonblocking) = without_flags(socket_type).map_err(to_io)?;
        let request = Request {
            domain: number_of(domain),
            socket_type,
            protocol: Protocol(protocol.map_or(0, i32::from)),
        };
        let state = net.engine().control(|core, now| {
            let id = core.stack_mut().socket(request)?;
            match core.stack().kind(id)? {
                Kind::Tcp => Ok(State::Fresh(TcpSocket::of(net, id))),
                Kind::Udp => {
                    let made = core.stack().request_of(id)?;
                    let socket = UdpSocket::of(net, core.add_udp(id));
                    Ok(match (made.socket_type, made.protocol) {
                        (SocketType::RAW, _) => State::Raw(RawSocket { socket }),
                        (_, Protocol::UDP) => State::Datagram(socket),
                        _ => State::Ping(PingSocket { socket }),
                    })
                }
                Kind::Plugged => Ok(State::Plugged(Plugged::new(net, id))),
                Kind::Packet => {
                    let socket = PacketSocket::of(net, core.add_packet(id));
                    Ok(State::Packet(socket))
                }
                _ => {
                    core.stack_mut().close(id, now);
                    Err(SocketError::Unsupported("sockets of that kind"))
                }
            }
        })?;
        Ok(Self {
            net: net.clone(),
            state,
            nonblocking,
        })
    }

    /// Whether calls that would have to wait say `WouldBlock`.
    #[must_use]
    pub fn nonblocking(&self) -> bool {
        self.nonblocking
    }

    /// Makes calls that would have to wait say `WouldBlock` (`O_NONBLOCK`), or wait.
    pub fn set_nonblocking(&mut self, nonblocking: bool) {
        self.nonblocking = nonblocking;
    }

    /// Gives the socket a local address; port 0 is a port of the stack's choice.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, or `InvalidInput` where it has an address already.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        match &self.state {
            State::Fresh(socket) => socket.bind(addr),
            datagrams!(socket) => socket.bind_to(addr),
            State::Packet(_) => Err(to_io(NO_ADDRESS)),
            State::Plugged(socket) => socket.bind(addr),
            State::Listener(_) | State::Stream(_) => Err(to_io(SocketError::InvalidInput(
                "the socket has an address already",
            ))),
        }
    }

    /// Takes connections from now on, of which up to `backlog` may wait; a negative number asks for as
    /// many as the stack allows. On a listener, only the backlog changes.
    ///
    /// # Errors
    /// `AddrInUse` where another socket listens there; `InvalidInput` for a connected socket,
    /// `Unsupported` for one of datagrams.
    pub fn listen(&mut self, backlog: i32) -> io::Result<()> {
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        match &mut self.state {
            State::Fresh(socket) => {
                let listener = socket.begin_to_listen(backlog)?;
                self.state = State::Listener(listener);
                Ok(())
            }
            State::Listener(listener) => listener.listen_again(backlog),
            State::Plugged(socket) => socket.listen(backlog),
            State::Stream(_) => Err(to_io(SocketError::InvalidInput(
                "a connected socket cannot listen",
            ))),
            datagrams!(_) | State::Packet(_) => Err(to_io(SocketError::Unsupported(
                "only streams take connections",
            ))),
        }
    }

    /// Takes the next connection; its socket waits in its calls, whatever this one does.
    ///
    /// # Errors
    /// `InvalidInput` where the socket does not listen, `Unsupported` for one of datagrams.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a connection that came meanwhile goes to whoever accepts next.
    pub async fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (state, peer) = match &self.state {
            State::Listener(listener) => {
                let (stream, peer) = match self.nonblocking {
                    true => listener.try_accept()?,
                    false => listener.accept().await?,
                };
                (State::Stream(stream), peer)
            }
            State::Plugged(socket) => {
                let (accepted, peer) = socket.accept(self.nonblocking).await?;
                (State::Plugged(accepted), peer)
            }
            State::Fresh(_) | State::Stream(_) => {
                return Err(to_io(SocketError::InvalidInput(
                    "only a listening socket accepts",
                )));
            }
            datagrams!(_) | State::Packet(_) => {
                return Err(to_io(SocketError::Unsupported(
                    "only streams take connections",
                )));
            }
        };
        let accepted = Self {
            net: self.net.clone(),
            state,
            nonblocking: false,
        };
        Ok((accepted, peer))
    }

    /// Connects to `addr`. A nonblocking stream only begins to, with the kernel's EINPROGRESS;
    /// [`writable`](Self::writable) tells when it has come to an end, [`take_error`](Self::take_error)
    /// to which.
    ///
    /// # Errors
    /// `ConnectionRefused` and so on; the kernel's EALREADY while a connection is under way, and EISCONN
    /// when it is there.
    ///
    /// # Cancel safety
    ///
    /// The attempt goes on when the future is dropped, as in the kernel when a signal comes.
    pub async fn connect(&mut self, addr: SocketAddr) -> io::Result<()> {
        match &mut self.state {
            State::Fresh(socket) => {
                let stream = socket.begin_to_connect(addr)?;
                self.state = State::Stream(stream);
            }
            State::Listener(_) => return Err(to_io(SocketError::AlreadyConnected)),
            State::Stream(stream) => return stream.conn.connect_again(addr),
            datagrams!(socket) => return socket.connect(addr).await,
            State::Packet(_) => return Err(to_io(NO_ADDRESS)),
            State::Plugged(socket) => return socket.connect(addr, self.nonblocking).await,
        }
        let State::Stream(stream) = &self.state else {
            return Ok(());
        };
        if self.nonblocking {
            return Err(to_io(SocketError::InProgress));
        }
        stream.conn.established().await
    }

    /// The local address.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.state {
            State::Fresh(socket) => socket.local_addr(),
            State::Listener(listener) => listener.local_addr(),
            State::Stream(stream) => stream.local_addr(),
            datagrams!(socket) => socket.local_addr(),
            State::Packet(_) => Err(to_io(NO_ADDRESS)),
            State::Plugged(socket) => socket.local_addr(),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected` where there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.state {
            State::Fresh(_) | State::Listener(_) => Err(to_io(SocketError::NotConnected)),
            State::Stream(stream) => stream.peer_addr(),
            datagrams!(socket) => socket.peer_addr(),
            State::Packet(_) => Err(to_io(NO_ADDRESS)),
            State::Plugged(socket) => socket.peer_addr(),
        }
    }

    /// Takes the pending error, as `SO_ERROR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.state {
            State::Fresh(socket) => socket.take_error(),
            State::Listener(_) | State::Packet(_) => Ok(None),
            State::Stream(stream) => stream.take_error(),
            datagrams!(socket) => socket.take_error(),
            State::Plugged(socket) => socket.take_error(),
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Fresh(socket) => socket.fmt(f),
            State::Listener(listener) => listener.fmt(f),
            State::Stream(stream) => stream.fmt(f),
            datagrams!(socket) => socket.fmt(f),
            State::Packet(socket) => socket.fmt(f),
            State::Plugged(socket) => socket.fmt(f),
        }
    }
}

/// From the general socket to one of a kind, and back.
macro_rules! convert {
    ($type:ident, $variant:ident) => {
        impl TryFrom<Socket> for $type {
            /// The socket, which is of another kind.
            type Error = Socket;

            fn try_from(socket: Socket) -> Result<Self, Socket> {
                match socket.state {
                    State::$variant(inner) => Ok(inner),
                    state => Err(Socket { state, ..socket }),
                }
            }
        }

        impl From<$type> for Socket {
            fn from(inner: $type) -> Self {
                Self {
                    net: inner.net().clone(),
                    state: State::$variant(inner),
                    nonblocking: false,
                }
            }
        }
    };
}

convert!(TcpSocket, Fresh);
convert!(TcpListener, Listener);
convert!(TcpStream, Stream);
convert!(UdpSocket, Datagram);
convert!(PingSocket, Ping);
convert!(RawSocket, Raw);
convert!(PacketSocket, Packet);

/// The type without its flags, and whether `SOCK_NONBLOCK` was among them.
fn without_flags(socket_type: socket2::Type) -> Result<(SocketType, bool), SocketError> {
    let number = i32::from(socket_type);
    let flags = number & !TYPE_MASK;
    if flags & !(NONBLOCK | CLOEXEC) != 0 {
        return Err(SocketError::InvalidInput("there is no such flag"));
    }
    Ok((SocketType(number & TYPE_MASK), flags & NONBLOCK != 0))
}

/// The number that the core has for a family of the host's.
fn number_of(domain: socket2::Domain) -> Domain {
    match domain {
        socket2::Domain::IPV4 => Domain::INET,
        socket2::Domain::IPV6 => Domain::INET6,
        socket2::Domain::UNIX => Domain::UNIX,
        other => Domain(other.into()),
    }
}

const NO_ADDRESS: SocketError =
    SocketError::Unsupported("packet sockets have interfaces in place of addresses");

/// The bits of a type that are not flags (`SOCK_TYPE_MASK`).
const TYPE_MASK: i32 = 0xf;

/// The flags, as the host has them; elsewhere types have none.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = rustix::net::SocketFlags::NONBLOCK.bits().cast_signed();
#[cfg(target_os = "linux")]
const CLOEXEC: i32 = rustix::net::SocketFlags::CLOEXEC.bits().cast_signed();
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 0;
#[cfg(not(target_os = "linux"))]
const CLOEXEC: i32 = 0;
