//! Echo requests for hosts that an application stands in for.
//!
//! A socket of [`Stack::echo_open`](crate::Stack::echo_open) receives them as [`Datagram`]s, which
//! [`EchoRequest::of`] takes apart; what it sends is one of the answers that a request makes.

use crate::buf::HeadBuf;
use crate::icmp::{Quoted, longest_quotation};
use crate::iface::IfaceId;
use crate::time::Instant;
use crate::udp::{Datagram, SendMeta};
use crate::wire::{IcmpMessage, icmp, icmpv4, icmpv6, ip};
use bytes::{BufMut, Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};

/// An echo request (RFC 792, RFC 4443 §4.1) for an address that no interface of the stack has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EchoRequest {
    /// Who asks; the port is 0.
    pub source: SocketAddr,
    /// Whom it was meant for.
    pub dest: IpAddr,
    /// What tells the asker's programs apart.
    pub ident: u16,
    /// The number that its asker gave it.
    pub seq: u16,
    /// What is to come back.
    pub data: Bytes,
    /// Time to live or hop limit that was left when it came.
    pub ttl: u8,
    /// Type of service or traffic class of the packet.
    pub tos: u8,
    /// The interface that it came over.
    pub iface: IfaceId,
    /// When it came.
    pub at: Instant,
    /// All of it, IP header included.
    packet: Bytes,
}

/// Why a request is not answered, as its asker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreachable {
    /// There is no way to the network (code 0 of ICMP and of ICMPv6).
    Network,
    /// The host does not answer (code 1 of ICMP, 3 of ICMPv6).
    Host,
    /// It is forbidden (code 13 of ICMP, 1 of ICMPv6).
    Prohibited,
}

impl EchoRequest {
    /// The request that has been received; `None` for what is none.
    #[must_use]
    pub fn of(datagram: &Datagram) -> Option<Self> {
        let packet = datagram.payload.clone();
        let header = Quoted::read(&packet)?.ip;
        let message = packet.get(header.header_len..)?;
        let parsed = match header.protocol {
            ip::ICMP => icmpv4::parse(message),
            ip::ICMPV6 => icmpv6::parse(message),
            _ => return None,
        };
        let Ok(IcmpMessage::EchoRequest { ident, seq }) = parsed else {
            return None;
        };
        Some(Self {
            source: datagram.source,
            dest: header.dest,
            ident,
            seq,
            data: packet.slice(header.header_len + icmp::HEADER_LEN..),
            ttl: datagram.ttl,
            tos: datagram.tos,
            iface: datagram.iface,
            at: datagram.at,
            packet,
        })
    }

    /// The reply that the host would give: the same data, from its address. The message, and how it is to
    /// leave.
    #[must_use]
    pub fn reply(&self) -> (Bytes, SendMeta) {
        let reply = IcmpMessage::EchoReply {
            ident: self.ident,
            seq: self.seq,
        };
        let meta = SendMeta {
            source: Some(self.dest),
            // Marks of congestion are the request's own (RFC 3168 §5).
            tos: Some(self.tos & !3),
            ..SendMeta::to(self.source)
        };
        (self.message(&reply, &self.data), meta)
    }

    /// The error that a router on the way would give, from an address of the stack's own (RFC 1812
    /// §4.3.2.4); it quotes the request. The message, and how it is to leave.
    #[must_use]
    pub fn unreachable(&self, why: Unreachable) -> (Bytes, SendMeta) {
        let code = match (why, self.dest) {
            (Unreachable::Network, IpAddr::V4(_)) => icmpv4::NET_UNREACHABLE,
            (Unreachable::Host, IpAddr::V4(_)) => icmpv4::HOST_UNREACHABLE,
            (Unreachable::Prohibited, IpAddr::V4(_)) => icmpv4::PROHIBITED,
            (Unreachable::Network, IpAddr::V6(_)) => icmpv6::NO_ROUTE,
            (Unreachable::Host, IpAddr::V6(_)) => icmpv6::ADDRESS_UNREACHABLE,
            (Unreachable::Prohibited, IpAddr::V6(_)) => icmpv6::PROHIBITED,
        };
        let room = longest_quotation(self.dest);
        let quotation = self.packet.get(..room).unwrap_or(&self.packet);
        let message = self.message(&IcmpMessage::Unreachable { code }, quotation);
        (message, SendMeta::to(self.source))
    }

    /// A message of the request's family, whose checksum is filled in when it leaves.
    fn message(&self, message: &IcmpMessage, rest: &[u8]) -> Bytes {
        let mut head = HeadBuf::new();
        match self.dest {
            IpAddr::V4(_) => icmpv4::emit(message, &mut head),
            IpAddr::V6(_) => icmpv6::emit(message, &mut head),
        }
        let mut whole = BytesMut::with_capacity(head.len() + rest.len());
        whole.put_slice(&head);
        whole.put_slice(rest);
        whole.freeze()
    }
}
