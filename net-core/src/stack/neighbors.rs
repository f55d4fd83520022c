//! Neighbours in the stack: asking for them, letting packets wait, telling who waited in vain.

use super::Stack;
use super::arp::audience;
use super::raw::Report;
use crate::buf::TxPacket;
use crate::error::SocketError;
use crate::icmp::{IcmpError, Quoted};
use crate::iface::IfaceId;
use crate::ip::Path;
use crate::neighbor::{
    Ask, Context, Expiry, Lookup, Neighbor, NeighborCache, NeighborHint, Sighting, Waiting,
};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{ArpPacket, EtherType, IpHeader, MacAddr, ip};
use alloc::collections::VecDeque;
use bytes::BytesMut;
use core::net::{IpAddr, Ipv4Addr};

impl Stack {
    /// Every neighbour that the stack knows or asks for.
    pub fn neighbors(&self) -> impl Iterator<Item = Neighbor> + '_ {
        self.neighbors.iter()
    }

    /// Says where a neighbour is, for good: it is not asked, and what others say does not change it.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): an interface that is no Ethernet, or addresses
    /// that no single host has.
    pub fn set_neighbor(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        mac: MacAddr,
    ) -> Result<(), SocketError> {
        self.check_neighbor(iface, address)?;
        if !mac.is_unicast() {
            return Err(SocketError::InvalidInput(
                "the station of a neighbour is no group",
            ));
        }
        let waiting = self
            .neighbors
            .set_permanent(iface, address, mac, &mut self.wheel);
        for packet in waiting {
            self.link_release(iface, packet, mac);
        }
        Ok(())
    }

    /// Forgets a neighbour, also one of [`set_neighbor`](Self::set_neighbor). Packets that wait for
    /// it are dropped.
    pub fn remove_neighbor(&mut self, iface: IfaceId, address: IpAddr) {
        let waiting = self.neighbors.remove(iface, address, &mut self.wheel);
        self.neighbor_drop(waiting, DropReason::NeighborQueueFull);
    }

    pub(super) fn check_neighbor(
        &self,
        iface: IfaceId,
        address: IpAddr,
    ) -> Result<(), SocketError> {
        if self.mac(iface).is_none() {
            return Err(SocketError::InvalidInput(
                "only an interface of Ethernet has neighbours",
            ));
        }
        if !is_host(address) {
            return Err(SocketError::InvalidInput(
                "a neighbour has the address of a single host",
            ));
        }
        Ok(())
    }

    /// Where packets for a neighbour go; asks for it if need be.
    pub(super) fn resolve(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        hint: &mut NeighborHint,
        now: Instant,
    ) -> Lookup {
        let mut cx = Context {
            config: &self.config.neighbor,
            wheel: &mut self.wheel,
            now,
        };
        let (lookup, ask) = self.neighbors.resolve(iface, address, hint, &mut cx);
        if let Some(ask) = ask {
            let lost = self.neighbors.take_lost();
            self.stats.count_drops(DropReason::NeighborQueueFull, lost);
            self.solicit(iface, address, ask, now);
        }
        lookup
    }

    /// Lets a packet wait until a neighbour answers.
    pub(super) fn neighbor_wait(&mut self, index: u32, waiting: Waiting) {
        let dropped = self.neighbors.wait(index, waiting, &self.config.neighbor);
        self.neighbor_drop(dropped, DropReason::NeighborQueueFull);
    }

    pub(super) fn neighbor_drop(&mut self, dropped: VecDeque<Waiting>, reason: DropReason) {
        for Waiting { packet, .. } in dropped {
            self.stats.count_drop(reason);
            self.recycle(packet);
        }
    }

    /// A neighbour has said something about itself; what has waited for that leaves.
    pub(super) fn neighbor_seen(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        sighting: Sighting,
        now: Instant,
    ) {
        if !is_host(address) {
            return;
        }
        let mut cx = Context {
            config: &self.config.neighbor,
            wheel: &mut self.wheel,
            now,
        };
        let released = self
            .neighbors
            .handle_sighting(iface, address, sighting, &mut cx);
        let lost = self.neighbors.take_lost();
        self.stats.count_drops(DropReason::NeighborQueueFull, lost);
        if let Some((mac, waiting)) = released {
            for packet in waiting {
                self.link_release(iface, packet, mac);
            }
        }
    }

    /// The peer of a connection has acknowledged something new, so packets reach the neighbour that
    /// leads to it (RFC 4861 §7.3.1).
    pub(crate) fn neighbor_confirm(&mut self, path: &Path, now: Instant) {
        self.with_neighbor_of(path, now, NeighborCache::confirm);
    }

    /// A peer does not acknowledge what it is sent: if the neighbour that leads to it is gone, that is
    /// to be found out by asking it (RFC 1122 §3.3.1.4, RFC 4861 §7.3.3).
    pub(crate) fn neighbor_doubt(&mut self, path: &Path, now: Instant) {
        self.with_neighbor_of(path, now, NeighborCache::doubt);
    }

    /// Does something about the neighbour that a path leads to, if there is one.
    fn with_neighbor_of(
        &mut self,
        path: &Path,
        now: Instant,
        touch: impl FnOnce(&mut NeighborCache, u32, &mut Context<'_>),
    ) {
        let at = self
            .neighbors
            .at_hint(path.iface, path.next_hop, path.neighbor);
        if let Some(index) = at {
            let mut cx = Context {
                config: &self.config.neighbor,
                wheel: &mut self.wheel,
                now,
            };
            touch(&mut self.neighbors, index, &mut cx);
        }
    }

    /// A timer of a neighbour has gone off.
    pub(super) fn neighbor_timeout(&mut self, index: u32, now: Instant) {
        let mut cx = Context {
            config: &self.config.neighbor,
            wheel: &mut self.wheel,
            now,
        };
        match self.neighbors.handle_timeout(index, &mut cx) {
            Expiry::Quiet => {}
            Expiry::Ask(iface, address, ask) => {
                if ask == Ask::Everybody {
                    self.router_failed(iface, address);
                }
                self.solicit(iface, address, ask, now);
            }
            Expiry::Failed(iface, waiting) => {
                for Waiting { mut packet, .. } in waiting {
                    self.stats.count_drop(DropReason::NeighborFailed);
                    self.neighbor_failed(iface, &mut packet, now);
                    self.recycle(packet);
                }
            }
        }
    }

    /// Asks for the station of an address.
    pub(super) fn solicit(&mut self, iface: IfaceId, address: IpAddr, ask: Ask, now: Instant) {
        let (Some(mac), Some(own)) = (self.mac(iface), self.iface(iface)) else {
            return;
        };
        let source = own.source_for(address);
        self.stats.neighbor_solicitations += 1;
        match (address, source) {
            (IpAddr::V4(target), source) => {
                let source = match source {
                    Some(IpAddr::V4(source)) => source,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                let question = ArpPacket::request(mac, source, target);
                let dest = match ask {
                    Ask::Everybody => MacAddr::BROADCAST,
                    Ask::Station(station) => audience(source, station),
                };
                self.ethernet_output(iface, dest, EtherType::ARP, &question.to_bytes());
            }
            (IpAddr::V6(target), Some(IpAddr::V6(source))) => {
                self.neighbor_solicit(iface, mac, source, target, ask, now);
            }
            (IpAddr::V6(_), _) => self.stats.count_drop(DropReason::NoRoute),
        }
    }

    /// Tells the socket that a packet came from that its neighbour is not there, as a router's ICMP
    /// error would (RFC 4861 §7.2.2, RFC 1122 §2.3.2.1).
    fn neighbor_failed(&mut self, iface: IfaceId, packet: &mut TxPacket, now: Instant) {
        let Ok(header) = IpHeader::parse_quoted(&packet.head) else {
            return;
        };
        // One that came from elsewhere may have this host's address by now.
        let tracker = self.hooks.tracker();
        let before = tracker.and_then(|tracker| tracker.before(&header, &packet.head));
        let sender = before.map_or(header.source, |tuple| tuple.source);
        let is_local = self.is_local(sender);
        let quotation = if is_local || self.has_transparent() {
            packet.front(MAX_QUOTATION)
        } else {
            // Nobody here can have sent it.
            BytesMut::new()
        };
        let quoted = Quoted::read(&quotation);
        if !is_local && !quoted.as_ref().is_some_and(|quoted| self.has_sent(quoted)) {
            self.forwarded_in_vain(iface, header, before, packet, now);
            return;
        }
        let Some(quoted) = quoted else {
            return;
        };
        let error = IcmpError::unreachable_neighbor();
        if quoted.ip.protocol == ip::TCP {
            let (local, remote) = (quoted.local(), quoted.remote());
            self.tcp_icmp_error(local, remote, quoted.ports.seq, error, now);
            return;
        }
        let report = Report {
            kind: match quoted.ip.dest {
                IpAddr::V4(_) => HOST_UNREACHABLE,
                IpAddr::V6(_) => ADDRESS_UNREACHABLE,
            },
            reporter: quoted.ip.source,
            over: iface,
            quotation: &quotation,
        };
        self.datagram_error(&report, &quoted, error);
    }
}

/// Type and code of the ICMP errors that say so (RFC 792, RFC 4443 §3.1).
const HOST_UNREACHABLE: (u8, u8) = (3, 1);
const ADDRESS_UNREACHABLE: (u8, u8) = (1, 3);
/// Bytes of a packet that are quoted, about; an error of IPv4 would have no room for more (RFC 1812
/// §4.3.2.3).
const MAX_QUOTATION: usize = 548;

/// Whether a single host may have the address.
fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.is_loopback())
        }
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.is_loopback()),
    }
}
