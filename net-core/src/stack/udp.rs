//! UDP in the stack: who gets a datagram, and how one leaves.

use super::Stack;
use super::ip_input::Arrival;
use crate::config::Config;
use crate::iface::IfaceId;
use crate::ip::Delivery;
use crate::seed::Seed;
use crate::socket::{Demux, FlowKey, PortTable, Sharing, SocketId};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::udp::{Cutter, Datagram, DatagramSocket, Speaks};
use crate::wire::udp::HEADER_LEN;
use crate::wire::{IpHeader, UdpHeader, transport};
use alloc::boxed::Box;
use core::net::SocketAddr;

/// Where UDP sockets are found.
#[derive(Debug)]
pub(crate) struct UdpTables {
    pub(crate) ports: PortTable,
    /// Identifiers of ping sockets.
    pub(crate) echoes: PortTable,
    /// Connected sockets.
    pub(crate) flows: Demux<SocketId>,
}

/// Datagrams that one super-packet may stand for (Linux's `UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 128;

impl UdpTables {
    pub(crate) fn new(config: &Config, seed: Seed) -> Self {
        Self {
            ports: PortTable::new(
                config.ephemeral_ports.clone(),
                seed.rng("udp ports"),
                Sharing::Always,
            )
            .with_share(config.port_share),
            echoes: PortTable::new(1..=u16::MAX, seed.rng("echo identifiers"), Sharing::Always)
                .with_share(config.port_share),
            flows: Demux::new(seed.key("udp flows")),
        }
    }

    /// Where the addresses of such sockets are; raw sockets have no ports.
    pub(crate) const fn ports_of(&mut self, speaks: Speaks) -> Option<&mut PortTable> {
        match speaks {
            Speaks::Udp => Some(&mut self.ports),
            Speaks::Echo => Some(&mut self.echoes),
            Speaks::EchoAnswers | Speaks::Ip(_) => None,
        }
    }

    /// The socket for a datagram: a connected one, else the one that is most specifically bound to
    /// `bound`, the datagram's destination or what a rule says instead.
    fn find(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        bound: SocketAddr,
        over: IfaceId,
        takes: impl Fn(SocketId) -> bool,
    ) -> Option<SocketId> {
        let key = FlowKey::new(local, remote);
        if !self.flows.is_empty()
            && let Some(id) = self.flows.get(&key)
            && takes(*id)
        {
            return Some(*id);
        }
        self.ports.lookup(bound, over, || self.flows.hash(&key))
    }
}

impl Stack {
    /// Takes in one datagram, or a super-packet of several.
    pub(super) fn udp_input(
        &mut self,
        arrival: Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let bytes = arrival
            .packet
            .frame
            .get(arrival.ip.header_len..)
            .ok_or(DropReason::Truncated)?;
        let header = UdpHeader::parse(bytes, arrival.ip.payload_len)?;
        // The checksum covers what the UDP length says; what is behind it is nobody's.
        let covered = IpHeader {
            payload_len: usize::from(header.length),
            ..arrival.ip
        };
        transport::verify_checksum(arrival.packet, &covered)?;
        if header.dest_port == 0 {
            return Err(DropReason::TransportHeader);
        }
        let local = SocketAddr::new(arrival.ip.dest, header.dest_port);
        let remote = SocketAddr::new(arrival.ip.source, header.source_port);
        if matches!(arrival.delivery, Delivery::Broadcast | Delivery::Multicast) {
            return self.udp_to_many(local, remote, &header, arrival);
        }
        let over = arrival.over;
        let takes = |id| {
            let socket = self.sockets.udp(id);
            socket.is_some_and(|socket| socket.settings.ip.takes_from(over))
        };
        let bound = arrival.given_to.unwrap_or(local);
        let found = self.udp.find(local, remote, bound, over, takes);
        let found = found.filter(|id| self.may_take(*id, local, arrival.given_to));
        let Some(id) = found else {
            self.port_unreachable(arrival, now);
            return Err(DropReason::NoSocket);
        };
        let joined = self.sockets.udp(id).is_some_and(|to| to.settings.gro);
        let ends = (local, remote);
        self.udp_each(ends, &header, arrival, joined, |stack, datagram| {
            stack.udp_queue(id, datagram)
        })
    }

    /// Cuts a packet from the second of two ends to the first into its datagrams, unless they stay
    /// `joined`, and has `queue` queue each.
    #[inline]
    pub(super) fn udp_each(
        &mut self,
        (local, remote): (SocketAddr, SocketAddr),
        header: &UdpHeader,
        arrival: Arrival<'_>,
        joined: bool,
        mut queue: impl FnMut(&mut Self, Datagram) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let options = Box::<[u8]>::from(arrival.options_v4());
        let Arrival {
            ip, over, packet, ..
        } = arrival;
        let at = self.clock;
        let total = header.payload_len();
        let size = packet
            .meta
            .gso
            .map_or(total, |gso| usize::from(gso.size))
            .max(1);
        if total.div_ceil(size) > MAX_SEGMENTS {
            return Err(DropReason::BadOffload);
        }
        let segment = (joined && size < total).then(|| u16::try_from(size).ok());
        let (segment, size) = match segment.flatten() {
            Some(each) => (Some(each), total),
            None => (None, size),
        };
        let mut cutter = Cutter::new(packet, ip.header_len.saturating_add(HEADER_LEN))?;
        let remote = scoped(remote, over);
        let mut left = total;
        loop {
            let len = left.min(size);
            left -= len;
            let (payload, pins) = cutter.cut(len);
            let datagram = Datagram {
                payload,
                source: remote,
                dest: local,
                tos: ip.tos,
                ttl: ip.ttl,
                iface: over,
                at,
                segment,
                pins,
                options: options.clone(),
            };
            let count = datagram.count() as u64;
            if let Err(reason) = queue(self, datagram) {
                if left == 0 {
                    // The caller counts one.
                    self.stats.count_drops(reason, count - 1);
                    return Err(reason);
                }
                self.stats.count_drops(reason, count);
            }
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Queues one datagram at its socket, if buffer and budget allow.
    pub(super) fn udp_queue(
        &mut self,
        id: SocketId,
        mut datagram: Datagram,
    ) -> Result<(), DropReason> {
        let socket = self.sockets.udp_mut(id).ok_or(DropReason::NoSocket)?;
        if !socket.has_room() {
            return Err(DropReason::RecvBufferFull);
        }
        if !self.memory.try_charge(DatagramSocket::cost(datagram.pins)) {
            return Err(DropReason::NoMemory);
        }
        if socket.speaks == Speaks::Udp {
            self.stats.udp_in += datagram.count() as u64;
        }
        if !socket.settings.recv_options {
            datagram.options = Box::default();
        }
        datagram.pins += u32::try_from(datagram.options.len()).unwrap_or(0);
        socket.push(datagram);
        self.changed(id);
        Ok(())
    }
}

/// A sender's address that is of one link, with that (RFC 4007 §6), so that it can be answered.
#[inline]
pub(super) fn scoped(addr: SocketAddr, over: IfaceId) -> SocketAddr {
    match addr {
        SocketAddr::V6(mut addr) if addr.ip().is_unicast_link_local() => {
            addr.set_scope_id(over.number());
            SocketAddr::V6(addr)
        }
        addr => addr,
    }
}
