//! Which packet sockets hear of which frames, and copies of frames for them.

use super::Stack;
use crate::buf::{RxPacket, TxBatch, TxPacket, crossing};
use crate::iface::IfaceId;
use crate::packet::{FrameClass, PacketSocket, Tapped};
use crate::socket::SocketId;
use crate::time::Instant;
use crate::wire::{EtherType, EthernetHeader, MacAddr, ethernet, ip, vlan};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::BytesMut;

/// The packet sockets by what they hear of.
#[derive(Debug, Default)]
pub(super) struct TapTable {
    sockets: BTreeMap<EtherType, Vec<SocketId>>,
    /// Sockets that hear of everything, also of what leaves.
    all: usize,
}

impl TapTable {
    /// A socket hears of frames of `ethertype`; 0 is nothing.
    pub(super) fn add(&mut self, ethertype: EtherType, id: SocketId) {
        if ethertype != EtherType::NONE {
            self.all += usize::from(ethertype == EtherType::ALL);
            self.sockets.entry(ethertype).or_default().push(id);
        }
    }

    /// It does not any more.
    pub(super) fn remove(&mut self, ethertype: EtherType, id: SocketId) {
        if let Some(sockets) = self.sockets.get_mut(&ethertype) {
            sockets.retain(|&other| other != id);
            if sockets.is_empty() {
                self.sockets.remove(&ethertype);
            }
            self.all -= usize::from(ethertype == EtherType::ALL);
        }
    }

    /// Whether somebody hears of what comes in.
    #[inline]
    pub(super) fn hears_incoming(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Whether somebody hears of what leaves: as in Linux, only who hears of everything.
    #[inline]
    pub(super) const fn hears_outgoing(&self) -> bool {
        self.all > 0
    }

    fn of(&self, ethertype: EtherType) -> &[SocketId] {
        self.sockets.get(&ethertype).map_or(&[], Vec::as_slice)
    }
}

impl Stack {
    /// Shows a received Ethernet frame to who wants to see it; whether that was a socket for frames of
    /// its very type.
    pub(super) fn tap_frame(
        &mut self,
        iface: IfaceId,
        own: MacAddr,
        header: &EthernetHeader,
        frame: &RxPacket,
        now: Instant,
    ) -> bool {
        let class = FrameClass::of(header.dest, own);
        let promiscuous = self.iface(iface).is_some_and(|iface| iface.promiscuous > 0);
        if class == FrameClass::OtherHost && !promiscuous {
            return false;
        }
        let about = Tapped {
            bytes: bytes::Bytes::new(),
            link_len: ethernet::HEADER_LEN,
            iface,
            ethertype: header.ethertype,
            class,
            source: Some(header.source),
            at: now,
        };
        self.tap_received(frame, about)
    }

    /// Shows received IP packets, of a link without stations, to who wants to see them.
    pub(super) fn tap_packets(&mut self, iface: IfaceId, packets: &[RxPacket], now: Instant) {
        for packet in packets {
            let about = Tapped {
                bytes: bytes::Bytes::new(),
                link_len: 0,
                iface,
                ethertype: ethertype_of(&packet.frame),
                class: FrameClass::Host,
                source: None,
                at: now,
            };
            self.tap_received(packet, about);
        }
    }

    /// Shows what leaves, from the packet `first` of the batch on; each once, also if the device gives it
    /// back.
    pub(super) fn tap_sent(
        &mut self,
        iface: IfaceId,
        out: &mut TxBatch,
        first: usize,
        now: Instant,
    ) {
        let own = self.mac(iface);
        for packet in out.packets_mut().get_mut(first..).unwrap_or_default() {
            if core::mem::replace(&mut packet.meta.tapped, true) {
                continue;
            }
            let header = own.and_then(|_| EthernetHeader::parse(&packet.head).ok());
            let mut tapped = Tapped {
                bytes: bytes::Bytes::new(),
                link_len: header.map_or(0, |_| ethernet::HEADER_LEN),
                iface,
                ethertype: match header {
                    Some(header) => header.ethertype,
                    None => ethertype_of(&packet.head),
                },
                class: FrameClass::Outgoing,
                source: own,
                at: now,
            };
            self.tap(EtherType::ALL, &mut tapped, |_| copy_of_sent(packet));
        }
    }

    fn tap_received(&mut self, packet: &RxPacket, mut tapped: Tapped) -> bool {
        let ethertype = tapped.ethertype;
        let copy = |link_len| copy_of_received(packet, link_len);
        self.tap(EtherType::ALL, &mut tapped, copy);
        ethertype != EtherType::ALL && self.tap(ethertype, &mut tapped, copy)
    }

    /// Gives a frame to the sockets for `ethertype`; it is copied once, and only if somebody hears of
    /// it. Whether one of them took it.
    fn tap(
        &mut self,
        ethertype: EtherType,
        tapped: &mut Tapped,
        copy: impl Fn(usize) -> BytesMut,
    ) -> bool {
        let mut took = false;
        for at in 0..self.taps.of(ethertype).len() {
            let Some(&id) = self.taps.of(ethertype).get(at) else {
                break;
            };
            let Some(socket) = self.sockets.packet_mut(id) else {
                continue;
            };
            if !socket.hears(tapped.iface) {
                continue;
            }
            if tapped.bytes.is_empty() {
                tapped.bytes = copy(tapped.link_len).freeze();
            }
            let Some(frame) = socket.select(tapped) else {
                continue;
            };
            took = true;
            let cost = PacketSocket::cost(&frame);
            if !socket.has_room() || !self.memory.try_charge(cost) {
                socket.counters.dropped += 1;
                continue;
            }
            socket.push(frame);
            self.changed(id);
        }
        took
    }
}

/// All of a received packet in one piece, its checksum complete.
fn copy_of_received(packet: &RxPacket, link_len: usize) -> BytesMut {
    let mut copy = BytesMut::with_capacity(packet.len());
    copy.extend_from_slice(&packet.frame);
    for piece in &packet.frags {
        copy.extend_from_slice(&piece.bytes);
    }
    let tagged = link_len > 0 && copy.get(12..14) == Some(&EtherType::VLAN.0.to_be_bytes()[..]);
    let ip_at = link_len + if tagged { vlan::TAG_LEN } else { 0 };
    if let Some(packet_of_ip) = copy.get_mut(ip_at..) {
        crossing::complete(packet.meta.checksum, packet_of_ip);
    }
    copy
}

fn copy_of_sent(packet: &TxPacket) -> BytesMut {
    let mut copy = BytesMut::with_capacity(packet.len());
    crossing::copy_completed(packet, &mut copy);
    copy
}

/// What a packet without a link's header says that it is.
fn ethertype_of(packet: &[u8]) -> EtherType {
    match ip::version(packet) {
        Some(4) => EtherType::IPV4,
        Some(6) => EtherType::IPV6,
        _ => EtherType::NONE,
    }
}
