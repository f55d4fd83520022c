//! The link: Ethernet headers off what comes in, and in front of what goes out (RFC 894, RFC 2464).

use super::Stack;
use crate::buf::{RxPacket, TxBatch, TxPacket};
use crate::filter::ArpPlace;
use crate::hook::HookPoint;
use crate::iface::{IfaceId, IfaceKind};
use crate::ip::Path;
use crate::neighbor::{Lookup, Waiting};
use crate::qdisc::Owner;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{EtherType, EthernetHeader, MacAddr, arp, ethernet};
use alloc::boxed::Box;
use bytes::Buf;
use smallvec::SmallVec;

/// Where a link takes a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The link has no stations.
    Bare,
    /// From one station to another, or to several.
    Stations { source: MacAddr, dest: MacAddr },
    /// The station is being asked for; the packet waits at this entry.
    Wait(u32),
    /// Nowhere.
    Drop(DropReason),
}

impl Stack {
    /// Takes the Ethernet header off a frame; whether there is an IP packet in it. What else it may
    /// be is dealt with.
    pub(super) fn ethernet_input(
        &mut self,
        iface: IfaceId,
        mac: MacAddr,
        frame: &mut RxPacket,
        now: Instant,
    ) -> bool {
        match self.ethernet_receive(iface, mac, frame, now) {
            Ok(is_ip) => is_ip,
            Err(reason) => {
                self.stats.count_drop(reason);
                false
            }
        }
    }

    fn ethernet_receive(
        &mut self,
        iface: IfaceId,
        mac: MacAddr,
        frame: &mut RxPacket,
        now: Instant,
    ) -> Result<bool, DropReason> {
        let header = EthernetHeader::parse(&frame.frame)?;
        let taken = self.taps.hears_incoming() && self.tap_frame(iface, mac, &header, frame, now);
        if header.dest != mac && !header.dest.is_group() {
            return Err(DropReason::OtherStation);
        }
        frame.frame.advance(ethernet::HEADER_LEN);
        frame.meta.to_group = header.dest.is_group();
        match header.ethertype {
            EtherType::IPV4 | EtherType::IPV6 => Ok(true),
            EtherType::ARP => {
                let to_all = header.dest.is_group();
                let place = ArpPlace {
                    at: HookPoint::LocalIn,
                    iface,
                };
                if self.hooks.asks_about_arp(place.at)
                    && !self.hooks.lets_arp_by(place, &mut frame.frame, now)
                {
                    return Err(DropReason::Filter);
                }
                self.arp_input(iface, mac, &frame.frame, to_all, now)?;
                Ok(false)
            }
            _ if taken => Ok(false),
            _ => Err(DropReason::EtherType),
        }
    }

    /// Gives a packet what its link needs in front of it, and queues it for the device; whether there
    /// was room. It counts against its owner's send buffer until it has left or is dropped. A packet
    /// for a neighbour that is still being asked for waits elsewhere until that answers.
    pub(super) fn link_output(
        &mut self,
        path: &Path,
        mut packet: Box<TxPacket>,
        owner: Option<Owner>,
        now: Instant,
    ) -> bool {
        let mut path = *path;
        match self.way(&mut path, now) {
            Way::Bare => {}
            Way::Stations { source, dest } => {
                self.note_departure(&path, &packet, now);
                frame(&mut packet, source, dest, EtherType::of_ip(path.next_hop));
            }
            Way::Wait(index) => {
                self.neighbor_wait(index, Waiting { packet, owner });
                return true;
            }
            Way::Drop(reason) => {
                self.stats.count_drop(reason);
                self.recycle(packet);
                return false;
            }
        }
        if let Some(owner) = owner {
            self.hold(owner);
        }
        self.device_queue(path.iface, packet, owner)
    }

    /// The same for packets that go into the batch behind the first `from`, past the queue.
    #[inline]
    pub(crate) fn link_transmit(
        &mut self,
        path: &mut Path,
        out: &mut TxBatch,
        from: usize,
        now: Instant,
    ) {
        let way = self.way(path, now);
        if way == Way::Bare {
            return;
        }
        let ethertype = EtherType::of_ip(path.next_hop);
        if let Some(first) = out.packets_mut().get(from) {
            self.note_departure(path, first, now);
        }
        let mut kept = out.len();
        for packet in out.packets_mut().get_mut(from..).unwrap_or_default() {
            match way {
                Way::Bare => {}
                Way::Stations { source, dest } => frame(packet, source, dest, ethertype),
                Way::Wait(index) => {
                    let mut waits = self.new_packet();
                    core::mem::swap(&mut waits, packet);
                    let (packet, owner) = (waits, None);
                    self.neighbor_wait(index, Waiting { packet, owner });
                    kept = from;
                }
                Way::Drop(reason) => {
                    self.stats.count_drop(reason);
                    kept = from;
                }
            }
        }
        out.truncate(kept);
    }

    /// Sends what has waited for a station.
    pub(super) fn link_release(&mut self, iface: IfaceId, waiting: Waiting, dest: MacAddr) {
        let Waiting { mut packet, owner } = waiting;
        let Some(source) = self.mac(iface) else {
            self.recycle(packet);
            return;
        };
        let ethertype = match crate::wire::ip::version(&packet.head) {
            Some(6) => EtherType::IPV6,
            _ => EtherType::IPV4,
        };
        frame(&mut packet, source, dest, ethertype);
        if let Some(owner) = owner {
            self.hold(owner);
        }
        self.device_queue(iface, packet, owner);
    }

    /// The address of the station that the interface is.
    #[inline]
    pub(super) fn mac(&self, iface: IfaceId) -> Option<MacAddr> {
        self.iface(iface).and_then(|iface| iface.config.kind.mac())
    }

    /// Where the link takes packets that go by `path`.
    #[inline]
    fn way(&mut self, path: &mut Path, now: Instant) -> Way {
        match self.iface(path.iface).map(|iface| iface.config.kind) {
            Some(IfaceKind::Ethernet(source)) => self.way_over_ethernet(path, source, now),
            _ => Way::Bare,
        }
    }

    fn way_over_ethernet(&mut self, path: &mut Path, source: MacAddr, now: Instant) -> Way {
        let next_hop = path.next_hop;
        if let Some(dest) = MacAddr::of_group(next_hop) {
            return Way::Stations { source, dest };
        }
        if self.addresses.is_broadcast(next_hop) {
            let dest = MacAddr::BROADCAST;
            return Way::Stations { source, dest };
        }
        match self.resolve(path.iface, next_hop, &mut path.neighbor, now) {
            Lookup::Station(dest) => Way::Stations { source, dest },
            Lookup::Wait(index) => Way::Wait(index),
            Lookup::Full => Way::Drop(DropReason::NeighborQueueFull),
        }
    }

    /// Sends a packet of a protocol beside IP.
    pub(super) fn ethernet_output(
        &mut self,
        iface: IfaceId,
        dest: MacAddr,
        ethertype: EtherType,
        payload: &[u8],
    ) {
        let Some(source) = self.mac(iface) else {
            return;
        };
        let place = ArpPlace {
            at: HookPoint::LocalOut,
            iface,
        };
        if ethertype == EtherType::ARP && self.hooks.asks_about_arp(place.at) {
            let mut bytes: SmallVec<[u8; arp::LEN]> = SmallVec::from_slice(payload);
            if !self.hooks.lets_arp_by(place, &mut bytes, self.clock) {
                self.stats.count_drop(DropReason::Filter);
                return;
            }
        }
        let mut packet = self.new_packet();
        packet.head.prepend(payload.len()).copy_from_slice(payload);
        packet.meta.checksum = crate::buf::Checksum::Verified;
        packet.meta.departure = self.clock;
        frame(&mut packet, source, dest, ethertype);
        self.device_queue(iface, packet, None);
    }
}

/// Puts the Ethernet header in front of a packet.
#[inline]
fn frame(packet: &mut TxPacket, source: MacAddr, dest: MacAddr, ethertype: EtherType) {
    let header = EthernetHeader {
        dest,
        source,
        ethertype,
    };
    header.emit(&mut packet.head);
    packet.meta.link_len = LINK_LEN;
    packet.meta.header_len += u16::from(LINK_LEN);
}

/// Bytes of the Ethernet header.
const LINK_LEN: u8 = 14;
