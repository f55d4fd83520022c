//! Ping sockets.

use super::methods::datagram_methods;
use crate::net::Net;
use crate::udp::UdpSocket;
use bytes::{Bytes, BytesMut};
use net_core::buf::HeadBuf;
use net_core::socket::Family;
use net_core::wire::{IcmpMessage, icmp, icmpv4, icmpv6};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// A socket that sends ICMP echo requests and receives the replies to its own.
///
/// The stack sees to the identifier that tells the replies of different sockets apart, and to the
/// checksum.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::PingSocket;
///
/// let socket = PingSocket::new_v4()?;
/// socket.request([127, 0, 0, 1].into(), 7, b"are you there?").await?;
/// let reply = socket.reply().await?;
/// assert_eq!((reply.seq, &reply.data[..]), (7, &b"are you there?"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PingSocket {
    pub(crate) socket: UdpSocket,
}

/// The answer to an echo request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Who answered.
    pub from: IpAddr,
    /// The number of the request.
    pub seq: u16,
    /// The data of the request.
    pub data: Bytes,
    /// Time to live or hop limit that was left.
    pub ttl: u8,
}

impl PingSocket {
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
        let socket = UdpSocket::open_as(net, |stack| stack.ping_open(family))?;
        Ok(Self { socket })
    }

    /// Chooses the identifier of the requests, which the stack does at the first request otherwise.
    ///
    /// # Errors
    /// `AddrInUse` where another ping socket has it, `InvalidInput` where this one has one.
    pub fn set_identifier(&self, identifier: u16) -> io::Result<()> {
        let any = match self.socket.local_addr()? {
            SocketAddr::V4(_) => Family::V4.unspecified(),
            SocketAddr::V6(_) => Family::V6.unspecified(),
        };
        self.socket.bind_to(SocketAddr::new(any, identifier))
    }

    /// The identifier; 0 while there is none.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn identifier(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Asks `to` to send `data` back.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn request(&self, to: IpAddr, seq: u16, data: &[u8]) -> io::Result<()> {
        let request = IcmpMessage::EchoRequest { ident: 0, seq };
        let mut head = HeadBuf::new();
        match to {
            IpAddr::V4(_) => icmpv4::emit(&request, &mut head),
            IpAddr::V6(_) => icmpv6::emit(&request, &mut head),
        }
        let mut message = BytesMut::with_capacity(head.len() + data.len());
        message.extend_from_slice(&head);
        message.extend_from_slice(data);
        self.send_to(&message, to).await.map(drop)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// What the network said to a request.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn reply(&self) -> io::Result<Reply> {
        loop {
            let datagram = self.recv_datagram().await?;
            let from = datagram.source.ip();
            let message = match from {
                IpAddr::V4(_) => icmpv4::parse(&datagram.payload),
                IpAddr::V6(_) => icmpv6::parse(&datagram.payload),
            };
            if let Ok(IcmpMessage::EchoReply { seq, .. }) = message {
                return Ok(Reply {
                    from,
                    seq,
                    data: datagram.payload.slice(icmp::HEADER_LEN..),
                    ttl: datagram.ttl,
                });
            }
        }
    }
}

datagram_methods!(PingSocket);
