//! Sockets below UDP: [`PingSocket`] for echo requests, [`EchoListener`] to answer those for other hosts,
//! [`RawSocket`] for any protocol over IP, and
//! [`PacketSocket`] for whole frames.
//!
//! The first two are shaped as `tokio::net::UdpSocket` is, with addresses that have no port.

mod echo;
mod methods;
mod packet;
mod ping;

pub use echo::EchoListener;
pub use packet::PacketSocket;
pub use ping::{PingSocket, Reply};

use crate::net::Net;
use crate::udp::UdpSocket;
use methods::datagram_methods;
use net_core::socket::Family;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// A socket for packets of one IP protocol.
///
/// It receives a copy of every packet of that protocol: of IPv4 with its IP header, of IPv6 what is
/// behind the headers. It sends what is to follow the IP header, or with
/// [`set_header_included`](Self::set_header_included) the header too. A checksum is filled in for ICMPv6
/// only.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::RawSocket;
///
/// // 253 is for experiments (RFC 3692).
/// let receiver = RawSocket::new_v4(253)?;
/// let sender = RawSocket::new_v4(253)?;
/// sender.send_to(b"hello", [127, 0, 0, 1].into()).await?;
/// let mut buf = [0; 100];
/// let (len, from) = receiver.recv_from(&mut buf).await?;
/// assert_eq!(&buf[20..len], b"hello");
/// assert!(from.is_loopback());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RawSocket {
    pub(crate) socket: UdpSocket,
}

impl RawSocket {
    /// A socket for an IPv4 protocol on the [current](Net::current) stack.
    ///
    /// # Errors
    /// The kernel's ENFILE where the stack has as many sockets as it may.
    pub fn new_v4(protocol: u8) -> io::Result<Self> {
        Self::new_v4_on(&Net::current()?, protocol)
    }

    /// As [`new_v4`](Self::new_v4), for IPv6.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6(protocol: u8) -> io::Result<Self> {
        Self::new_v6_on(&Net::current()?, protocol)
    }

    /// As [`new_v4`](Self::new_v4), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v4_on(net: &Net, protocol: u8) -> io::Result<Self> {
        Self::open(net, Family::V4, protocol)
    }

    /// As [`new_v6`](Self::new_v6), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6_on(net: &Net, protocol: u8) -> io::Result<Self> {
        Self::open(net, Family::V6, protocol)
    }

    fn open(net: &Net, family: Family, protocol: u8) -> io::Result<Self> {
        let socket = UdpSocket::open_as(net, |stack| stack.raw_open(family, protocol))?;
        Ok(Self { socket })
    }

    /// Whether what is sent begins with the IP header (`IP_HDRINCL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn header_included(&self) -> io::Result<bool> {
        self.socket.setting(|settings| settings.header_included)
    }

    /// Lets what is sent begin with the IP header. The stack fills in the length and the checksum of an
    /// IPv4 header, and its identification and source where they are 0; nothing of an IPv6 header.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_header_included(&self, on: bool) -> io::Result<()> {
        self.socket.change(|settings| settings.header_included = on)
    }
}

datagram_methods!(RawSocket);
