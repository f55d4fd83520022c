//! What arrives for ping and raw sockets, and ICMP errors for datagram sockets of every kind.

use super::Stack;
use super::ip_input::Arrival;
use crate::buf::RxPacket;
use crate::error::SocketError;
use crate::icmp::{IcmpError, Quoted, complete_checksum};
use crate::iface::IfaceId;
use crate::socket::{FlowKey, PathMtuMode, SocketId};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::udp::{Datagram, DatagramSocket, ErrorQueue, QueuedError, Speaks};
use crate::wire::{IpHeader, icmp, ip, udp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};

/// The raw sockets of each protocol.
#[derive(Debug, Default)]
pub(super) struct RawTable {
    sockets: BTreeMap<u8, Vec<SocketId>>,
}

impl RawTable {
    /// A socket is to get what comes for `protocol`.
    pub(super) fn add(&mut self, protocol: u8, id: SocketId) {
        self.sockets.entry(protocol).or_default().push(id);
    }

    /// It is to get nothing any more.
    pub(super) fn remove(&mut self, protocol: u8, id: SocketId) {
        if let Some(sockets) = self.sockets.get_mut(&protocol) {
            sockets.retain(|&other| other != id);
            if sockets.is_empty() {
                self.sockets.remove(&protocol);
            }
        }
    }

    /// The sockets for `protocol`; nobody gets anything of [`ip::RAW`].
    fn of(&self, protocol: u8) -> &[SocketId] {
        match self.sockets.get(&protocol) {
            Some(sockets) if protocol != ip::RAW => sockets,
            _ => &[],
        }
    }
}

impl Stack {
    /// Gives every raw socket that the packet is for a copy of it; whether there is one.
    #[inline]
    /// Whether some raw socket is there for a protocol.
    pub(super) fn raw_hears(&self, protocol: u8) -> bool {
        !self.raw.of(protocol).is_empty()
    }

    pub(super) fn raw_input(&mut self, arrival: &mut Arrival<'_>) -> bool {
        !self.raw.sockets.is_empty() && self.raw_copies(arrival)
    }

    fn raw_copies(&mut self, arrival: &mut Arrival<'_>) -> bool {
        let (header, over) = (arrival.ip, arrival.over);
        let mut copy = None;
        for at in 0..self.raw.of(header.protocol).len() {
            let Some(&id) = self.raw.of(header.protocol).get(at) else {
                break;
            };
            let wanted = self.sockets.udp(id).is_some_and(|socket| {
                socket.hears(header.dest, header.source) && socket.settings.ip.takes_from(over)
            });
            if !wanted {
                continue;
            }
            let payload = copy.get_or_insert_with(|| copy_for_raw(arrival));
            let datagram = datagram(payload.clone(), &header, over, self.clock);
            if let Err(reason) = self.udp_queue(id, datagram) {
                self.stats.count_drop(reason);
            }
        }
        copy.is_some()
    }

    /// Gives an echo reply to the ping socket that asked.
    pub(super) fn echo_reply_input(
        &mut self,
        arrival: Arrival<'_>,
        ident: u16,
    ) -> Result<(), DropReason> {
        let Arrival {
            ip, over, packet, ..
        } = arrival;
        let local = SocketAddr::new(ip.dest, ident);
        let id = self
            .udp
            .echoes
            .lookup(local, over, || 0)
            .filter(|&id| {
                let socket = self.sockets.udp(id);
                socket.is_some_and(|socket| socket.hears(ip.dest, ip.source))
            })
            .ok_or(DropReason::IcmpIrrelevant)?;
        let message = copy_from(packet, ip.header_len);
        let datagram = datagram(message, &ip, over, self.clock);
        self.udp_queue(id, datagram)
    }

    /// An error about a datagram of a socket (RFC 1122 §4.1.3.3, §3.2.2); whether there is such a socket
    /// that wants to know.
    pub(super) fn datagram_error(
        &mut self,
        report: &Report<'_>,
        quoted: &Quoted,
        error: IcmpError,
    ) -> bool {
        let protocol = quoted.ip.protocol;
        let mut told = false;
        if let Some(id) = self.asker(quoted, report.over) {
            told |= self.tell_error(id, report, quoted, error);
        }
        for at in 0..self.raw.of(protocol).len() {
            let Some(&id) = self.raw.of(protocol).get(at) else {
                break;
            };
            let sent = self
                .sockets
                .udp(id)
                .is_some_and(|socket| socket.hears(quoted.ip.source, quoted.ip.dest));
            if sent {
                told |= self.tell_error(id, report, quoted, error);
            }
        }
        told
    }

    /// The UDP or ping socket that sent what is quoted.
    pub(super) fn asker(&self, quoted: &Quoted, over: IfaceId) -> Option<SocketId> {
        match quoted.ip.protocol {
            ip::UDP => {
                let key = FlowKey::new(quoted.local(), quoted.remote());
                let connected = self.udp.flows.get(&key).copied();
                connected.or_else(|| self.udp.ports.lookup(quoted.local(), over, || 0))
            }
            ip::ICMP | ip::ICMPV6 => {
                // An echo request has its identifier where TCP has the sequence number.
                let ident = u16::try_from(quoted.ports.seq.get() >> 16).ok()?;
                let local = SocketAddr::new(quoted.ip.source, ident);
                self.udp.echoes.lookup(local, over, || 0)
            }
            _ => None,
        }
    }

    /// A path takes less than a socket has sent, somebody says: if that can be, the next datagram fits,
    /// whatever the socket is told. Whether it may be told.
    fn fit_path(&mut self, id: SocketId, quoted: &Quoted, mtu: u16) -> bool {
        let Some(socket) = self.sockets.udp(id) else {
            return false;
        };
        let is_shorter = usize::from(mtu) < quoted.ip.total_len();
        let sends_there = socket.sends_to(quoted.remote());
        // Who keeps errors judges for himself.
        let may_hear = sends_there || socket.settings.recv_errors;
        if is_shorter && sends_there {
            self.path_mtu_told(quoted.ip.dest, mtu);
        }
        is_shorter && may_hear
    }

    /// Tells a socket of an error if it keeps errors, or is connected and the error is hard.
    fn tell_error(
        &mut self,
        id: SocketId,
        report: &Report<'_>,
        quoted: &Quoted,
        error: IcmpError,
    ) -> bool {
        if error.mtu.is_some_and(|mtu| !self.fit_path(id, quoted, mtu)) {
            return false;
        }
        let Some(socket) = self.sockets.udp_mut(id) else {
            return false;
        };
        if !socket.settings.recv_errors {
            if socket.peer.is_none() {
                return error.mtu.is_some();
            }
            let mode = socket.settings.ip.path_mtu_to(quoted.ip.dest);
            // As in Linux, whoever wants to know what a path takes is told that this was too much.
            let too_long = error.mtu.filter(|_| mode != PathMtuMode::Dont);
            let too_long = too_long.map(|_| SocketError::MessageTooLong);
            if let Some(error) = error.hard.or(too_long) {
                socket.error = Some(error);
                self.changed(id);
            }
            return true;
        }
        let meaning = match error.mtu {
            Some(_) => SocketError::MessageTooLong,
            None => error
                .hard
                .or(error.soft)
                .unwrap_or(SocketError::HostUnreachable),
        };
        socket.error = Some(meaning);
        let entry = queued(socket, report, quoted, meaning, error.mtu);
        if socket.errors.has_room() && self.memory.try_charge(ErrorQueue::cost(&entry)) {
            socket.errors.push(entry);
        } else {
            self.stats.count_drop(DropReason::RecvBufferFull);
        }
        self.changed(id);
        true
    }
}

/// An error that somebody reports, as an ICMP message says it.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// Its type and code.
    pub(super) kind: (u8, u8),
    /// Who has found it out.
    pub(super) reporter: IpAddr,
    /// The interface that the datagram left over.
    pub(super) over: IfaceId,
    /// The datagram, as far as it is quoted.
    pub(super) quotation: &'a [u8],
}

impl<'a> Report<'a> {
    /// That of a message that has arrived.
    pub(super) fn of(arrival: &'a Arrival<'_>) -> Self {
        let message = arrival.packet.frame.get(arrival.ip.header_len..);
        let message = message.unwrap_or_default();
        Self {
            kind: match message {
                [kind, code, ..] => (*kind, *code),
                _ => (0, 0),
            },
            reporter: arrival.ip.source,
            over: arrival.over,
            quotation: message.get(icmp::HEADER_LEN..).unwrap_or_default(),
        }
    }
}

impl DatagramSocket {
    /// Whether packets between these addresses are the socket's; for those without ports.
    pub(super) fn hears(&self, local: IpAddr, remote: IpAddr) -> bool {
        let same_version = local.is_ipv4() == self.family.unspecified().is_ipv4();
        let bound = self
            .bound
            .is_none_or(|bound| bound.addr.ip().is_unspecified() || bound.addr.ip() == local);
        let peer = self.peer.is_none_or(|peer| peer.remote.ip() == remote);
        same_version && bound && peer
    }

    /// Whether the socket is connected to `remote`, or has sent there of late: about anything else whoever
    /// knows a port could have made up what he quotes (RFC 8201 §6).
    pub(super) fn sends_to(&self, remote: SocketAddr) -> bool {
        let whom = self.whom(remote);
        self.peer.is_some_and(|peer| self.whom(peer.remote) == whom)
            || self
                .recent
                .is_some_and(|recent| self.whom(recent.remote) == whom)
            || self.before.knows(whom)
    }
}

/// What has arrived, as a socket without ports gets it.
pub(super) fn datagram(payload: Bytes, header: &IpHeader, iface: IfaceId, at: Instant) -> Datagram {
    Datagram {
        pins: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        payload,
        source: SocketAddr::new(header.source, 0),
        dest: SocketAddr::new(header.dest, 0),
        tos: header.tos,
        ttl: header.ttl,
        iface,
        at,
        segment: None,
        // They are in the header that such a socket gets.
        options: Box::default(),
    }
}

/// What a raw socket gets of a packet, with its checksum complete.
fn copy_for_raw(arrival: &mut Arrival<'_>) -> Bytes {
    complete_checksum(arrival.packet);
    match arrival.ip.dest {
        IpAddr::V4(_) => copy_from(arrival.packet, 0),
        IpAddr::V6(_) => copy_from(arrival.packet, arrival.ip.header_len),
    }
}

/// A copy of a packet from `start` on, which lies in its frame.
pub(super) fn copy_from(packet: &RxPacket, start: usize) -> Bytes {
    copy_of(packet, start).freeze()
}

/// The same, to be written to.
pub(super) fn copy_of(packet: &RxPacket, start: usize) -> BytesMut {
    let mut copy = BytesMut::with_capacity(packet.len().saturating_sub(start));
    copy.extend_from_slice(packet.frame.get(start..).unwrap_or_default());
    for piece in &packet.frags {
        copy.extend_from_slice(&piece.bytes);
    }
    copy
}

/// What is to be told about an error.
fn queued(
    socket: &DatagramSocket,
    report: &Report<'_>,
    quoted: &Quoted,
    error: SocketError,
    mtu: Option<u16>,
) -> QueuedError {
    let (transport, dest_port) = match socket.speaks {
        Speaks::Udp => (udp::HEADER_LEN, quoted.ports.dest_port),
        Speaks::Echo | Speaks::EchoAnswers | Speaks::Ip(_) => (0, 0),
    };
    let payload = report.quotation.get(quoted.ip.header_len + transport..);
    let (kind, code) = report.kind;
    QueuedError {
        error,
        kind,
        code,
        mtu,
        reporter: report.reporter,
        dest: SocketAddr::new(quoted.ip.dest, dest_port),
        payload: Bytes::copy_from_slice(payload.unwrap_or_default()),
    }
}
