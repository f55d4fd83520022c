//! Making datagram sockets, and what the application does to ping and raw sockets where UDP does
//! otherwise.

use super::Stack;
use super::ip_output::Passage;
use super::udp_sockets::sender;
use crate::buf::TxPacket;
use crate::error::SocketError;
use crate::ip::{IpMeta, Origin, Path};
use crate::qdisc::Sender;
use crate::socket::{Family, IpSettings, Protocol, SocketId, SocketKind};
use crate::udp::{Bound, DatagramSocket, Outgoing, Peer, SendMeta, Speaks};
use crate::wire::{IcmpMessage, IpHeader, icmp, icmpv4, icmpv6, ip, ipv4};
use alloc::boxed::Box;
use bytes::{Buf, Bytes};
use core::net::{IpAddr, SocketAddr};

impl Stack {
    pub(super) fn udp_open_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.datagram_open(family, Speaks::Udp)
    }

    pub(super) fn ping_open_socket(&mut self, family: Family) -> Result<SocketId, SocketError> {
        self.datagram_open(family, Speaks::Echo)
    }

    pub(super) fn raw_open_socket(
        &mut self,
        family: Family,
        protocol: Protocol,
    ) -> Result<SocketId, SocketError> {
        let protocol = u8::try_from(protocol.0).map_err(|_| SocketError::ProtocolNotSupported)?;
        let id = self.datagram_open(family, Speaks::Ip(protocol))?;
        if protocol == ip::RAW {
            self.change_udp(id, |settings| settings.header_included = true)?;
        }
        self.raw.add(protocol, id);
        Ok(id)
    }

    pub(super) fn datagram_open(
        &mut self,
        family: Family,
        speaks: Speaks,
    ) -> Result<SocketId, SocketError> {
        let socket = DatagramSocket::new(family, speaks, &self.config.udp);
        self.sockets.insert(SocketKind::Datagram(Box::new(socket)))
    }

    /// Fixes the peer of a socket without ports: where it sends, and whom alone it hears.
    pub(super) fn raw_connect(
        &mut self,
        id: SocketId,
        remote: SocketAddr,
        path: Path,
    ) -> Result<(), SocketError> {
        let socket = self.sockets.udp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let port = socket.bound.map_or(0, |bound| bound.addr.port());
        socket.peer = Some(Peer {
            local: SocketAddr::new(path.source, port),
            remote: SocketAddr::new(remote.ip(), 0),
            path,
        });
        self.changed(id);
        Ok(())
    }

    /// Sends what a ping or raw socket says to `dest`; there is room for it.
    pub(super) fn raw_send(
        &mut self,
        id: SocketId,
        payload: Outgoing<'_>,
        bound: Bound,
        dest: IpAddr,
        path: &Path,
        send: &SendMeta,
    ) -> Result<(), SocketError> {
        let socket = self.udp_socket(id)?;
        let (speaks, family) = (socket.speaks, socket.family);
        let settings = socket.settings.ip;
        let multicast = socket.settings.multicast;
        let included = socket.settings.header_included && matches!(speaks, Speaks::Ip(_));
        let protocol = speaks.protocol(family);
        let payload = payload.into_bytes();
        if included {
            return self.send_with_header(sender(id, send), payload, dest, path, &settings);
        }
        let mut packet = self.new_packet();
        let filled = match speaks {
            Speaks::Echo => emit_echo(payload, bound.addr.port(), dest, &mut packet).map(|()| true),
            Speaks::EchoAnswers => self.emit_answer(payload, dest, &mut packet),
            Speaks::Ip(ip::ICMPV6) if family == Family::V6 => {
                emit_icmpv6(payload, &mut packet).map(|()| true)
            }
            Speaks::Udp | Speaks::Ip(_) => {
                packet.body.push(payload);
                Ok(true)
            }
        };
        if filled != Ok(true) {
            self.recycle(packet);
            return filled.map(drop);
        }
        let is_echo = matches!(speaks, Speaks::Echo | Speaks::EchoAnswers);
        let sums = is_echo || protocol == ip::ICMPV6 && family == Family::V6;
        let meta = IpMeta::new(&settings, path, dest, protocol, self.config.ttl);
        let mut meta = IpMeta {
            has_checksum: !sums,
            tos: send.tos.unwrap_or(meta.tos),
            ttl: send.ttl.unwrap_or(meta.ttl),
            // The stack's own answers may be cut by whom they meet, too.
            dont_fragment: meta.dont_fragment
                && speaks != Speaks::EchoAnswers
                && !self.is_locked(path, &settings, dest),
            ..meta
        };
        let options = self.options_to_send(id, &meta);
        if dest.is_multicast() {
            match self.send_to_group(path, &multicast, &mut meta, &options, packet) {
                Some(left) => packet = left,
                None => return Ok(()),
            }
        }
        self.datagram_output(path, meta, &options, packet, sender(id, send))
    }

    /// Sends a packet with the header that the application made. As in Linux, IPv4's length and
    /// checksum are filled in, and identification and source where they are 0.
    fn send_with_header(
        &mut self,
        sender: Sender,
        mut payload: Bytes,
        dest: IpAddr,
        path: &Path,
        settings: &IpSettings,
    ) -> Result<(), SocketError> {
        const MALFORMED: SocketError =
            SocketError::InvalidInput("a packet with header begins with the header of its version");
        let header = IpHeader::parse_quoted(&payload).map_err(|_| MALFORMED)?;
        if header.dest.is_ipv4() != dest.is_ipv4() {
            return Err(MALFORMED);
        }
        let total_len = payload.len();
        let mut packet = self.new_packet();
        let head = packet.head.prepend(header.header_len);
        payload.copy_to_slice(head);
        if let IpAddr::V4(source) = path.source {
            let own = header.source.is_unspecified().then_some(source);
            let number = self
                .identifications
                .next(path.source, dest, header.protocol, 1);
            let number = (header.id == 0).then_some(number);
            ipv4::complete(&mut packet.head, total_len, own, number);
        }
        packet.body.push(payload);
        packet.meta.departure = self.clock;
        packet.meta.priority = settings.priority;
        packet.meta.mark = settings.mark;
        match self.pass_out(path.iface, Origin::of(settings), &mut packet, Some(sender)) {
            Passage::Leaves => {}
            other => return self.not_sent(packet, other).told(),
        }
        let owner = sender.owner(&packet);
        self.link_output(path, packet, Some(owner), self.clock);
        Ok(())
    }
}

/// Makes the packet an echo request with the socket's own identifier.
fn emit_echo(
    message: Bytes,
    ident: u16,
    dest: IpAddr,
    packet: &mut TxPacket,
) -> Result<(), SocketError> {
    const NO_REQUEST: SocketError = SocketError::InvalidInput(
        "a ping socket sends echo requests only, of eight bytes at least",
    );
    let parsed = match dest {
        IpAddr::V4(_) => icmpv4::parse(&message),
        IpAddr::V6(_) => icmpv6::parse(&message),
    };
    let Ok(IcmpMessage::EchoRequest { seq, .. }) = parsed else {
        return Err(NO_REQUEST);
    };
    let request = IcmpMessage::EchoRequest { ident, seq };
    emit_message(&request, message, dest, packet);
    Ok(())
}

/// Makes the packet a message, with what is behind the first eight bytes of `whole`, which has so many.
pub(super) fn emit_message(
    message: &IcmpMessage,
    mut whole: Bytes,
    dest: IpAddr,
    packet: &mut TxPacket,
) {
    whole.advance(icmp::HEADER_LEN.min(whole.len()));
    packet.body.push(whole);
    match dest {
        IpAddr::V4(_) => icmpv4::emit(message, &mut packet.head),
        IpAddr::V6(_) => icmpv6::emit(message, &mut packet.head),
    }
}

/// Makes the packet an ICMPv6 message whose checksum is to be filled in.
fn emit_icmpv6(mut message: Bytes, packet: &mut TxPacket) -> Result<(), SocketError> {
    const CHECKSUM: core::ops::Range<usize> = icmp::CHECKSUM_OFFSET..icmp::CHECKSUM_OFFSET + 2;
    if message.len() < CHECKSUM.end {
        return Err(SocketError::InvalidInput(
            "an ICMPv6 message has four bytes at least",
        ));
    }
    let head = packet.head.prepend(CHECKSUM.end);
    message.copy_to_slice(head);
    head[CHECKSUM].fill(0);
    packet.body.push(message);
    Ok(())
}
