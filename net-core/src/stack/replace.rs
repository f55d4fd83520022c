//! A hook has had another packet take the place of one: with headers in front of it, or without some.

use super::Stack;
use super::ip_input::Arrival;
use crate::buf::{Checksum, RxMeta, RxPacket, TxBatch, TxPacket};
use crate::conntrack::Tracked;
use crate::hook::{HookPoint, NewFront};
use crate::icmp::complete_checksum;
use crate::iface::IfaceId;
use crate::ip::{Delivery, Fragments};
use crate::offload::gso::segment;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::checksum::checksum;
use crate::wire::{IcmpMessage, IpHeader, ipv4, ipv6, transport};
use bytes::{Bytes, BytesMut};
use core::mem;

impl Stack {
    /// Takes in what a hook has made of a packet that has come in, as if it had come so.
    pub(super) fn replace_in(
        &mut self,
        arrival: &mut Arrival<'_>,
        front: NewFront,
        now: Instant,
    ) -> Result<(), DropReason> {
        if arrival.packet.meta.gso.is_some() {
            // Which packets it was the hook cannot have told.
            return Err(DropReason::BadOffload);
        }
        let mut packet = mem::take(arrival.packet);
        complete_checksum(&mut packet);
        let NewFront { strip, headers } = front;
        if packet.frame.len() < strip {
            return Err(DropReason::Truncated);
        }
        let rest = packet.frame.split_off(strip);
        packet.frame = BytesMut::from(&*headers);
        packet.frame.unsplit(rest);
        let RxMeta {
            pins,
            to_group,
            mark,
            ..
        } = packet.meta;
        packet.meta = RxMeta {
            pins,
            to_group,
            mark,
            ..RxMeta::default()
        };
        let len = packet.len();
        set_len(&mut packet.frame, len)?;
        if !self.hooks.descend() {
            return Err(DropReason::Hook);
        }
        let outcome = self.ip_input(arrival.over, &mut packet, now);
        self.hooks.ascend();
        outcome
    }

    /// Sends what a hook has made of a packet on its way out. Of a super-segment it is asked about each
    /// segment: those that it does not replace are dropped.
    pub(super) fn replace_out(
        &mut self,
        at: HookPoint,
        came_over: Option<IfaceId>,
        leaves_over: IfaceId,
        packet: &mut TxPacket,
        front: NewFront,
    ) {
        if packet.meta.gso.is_some() {
            let mut segments = TxBatch::default();
            if let Err(reason) = segment(packet, false, &mut segments) {
                self.stats.count_drop(reason);
            }
            for mut packet in segments.drain() {
                if self.pass_out_at(at, came_over, leaves_over, &mut packet) {
                    self.stats.count_drop(DropReason::Hook);
                }
            }
            return;
        }
        let sent = if self.hooks.descend() {
            let sent = self.send_replaced(packet, front);
            self.hooks.ascend();
            sent
        } else {
            Err(DropReason::Hook)
        };
        if let Err(reason) = sent {
            self.stats.count_drop(reason);
        }
    }

    /// Finds the way of the new packet, and sends it there: in fragments, if it is too large now and may be
    /// cut, and else its sender hears how large the old one may be (RFC 2003 §3.1, RFC 2473 §7).
    fn send_replaced(&mut self, packet: &mut TxPacket, front: NewFront) -> Result<(), DropReason> {
        let now = self.clock;
        transport::complete_checksum(packet);
        let mut moved = self.new_packet();
        (*moved).clone_from(packet);
        put_on(&mut moved, front)?;
        let header = IpHeader::parse_quoted(&moved.head)?;
        let path = self.route(header.dest, None);
        let path = path.map_err(|_| DropReason::NoRoute)?;
        let is_too_big = moved.len() > usize::from(path.mtu);
        if is_too_big && (header.dont_fragment || header.dest.is_ipv6()) {
            let grown = moved.len().saturating_sub(packet.len());
            let mtu = usize::from(path.mtu).saturating_sub(grown);
            self.recycle(moved);
            self.too_big_now(path.iface, packet, mtu, now)?;
            return Err(DropReason::TooBig);
        }
        moved.meta.departure = moved.meta.departure.max(now);
        if !self.pass_out(path.iface, &mut moved) {
            self.recycle(moved);
            return Ok(());
        }
        if !is_too_big {
            self.link_output(&path, moved, None, now);
            return Ok(());
        }
        let (source, dest) = (header.source, header.dest);
        let id = (self.identifications).next(source, dest, header.protocol, 1);
        let cut = Fragments::new(&mut moved, path.mtu, id)
            .map(|fragments| self.send_fragments(&path, fragments, None, now));
        self.recycle(moved);
        cut
    }

    /// Tells the sender of a packet, which may be this host, that it has to leave room.
    fn too_big_now(
        &mut self,
        over: IfaceId,
        packet: &TxPacket,
        mtu: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let mut copy = RxPacket::from_frame(packet.front(MAX_QUOTED));
        copy.meta.checksum = Checksum::Verified;
        let arrival = Arrival {
            ip: IpHeader::parse_quoted(&packet.head)?,
            delivery: Delivery::Foreign,
            over,
            packet: &mut copy,
        };
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
        self.send_error(arrival, &IcmpMessage::PacketTooBig { mtu }, now);
        Ok(())
    }
}

/// Changes the front of a packet, its length, and what the stack knows about it.
fn put_on(packet: &mut TxPacket, front: NewFront) -> Result<(), DropReason> {
    let NewFront { strip, headers } = front;
    if packet.head.len() < strip {
        return Err(DropReason::Truncated);
    }
    packet.head.strip(strip);
    if packet.head.len() + headers.len() > MAX_HEAD {
        let rest = Bytes::copy_from_slice(&packet.head);
        packet.head.clear();
        packet.body.insert(0, rest);
        packet.body = super::icmp::join_excess(mem::take(&mut packet.body));
    }
    packet.head.prepend(headers.len()).copy_from_slice(&headers);
    packet.meta.tracked = Tracked::default();
    packet.meta.checksum = Checksum::Verified;
    let len = packet.len();
    set_len(&mut packet.head, len)
}

/// Writes the length of a packet into its header, and brings the header's checksum in order.
fn set_len(bytes: &mut [u8], len: usize) -> Result<(), DropReason> {
    let IpHeader {
        dest, header_len, ..
    } = IpHeader::parse_quoted(bytes)?;
    let header = bytes.get_mut(..header_len).ok_or(DropReason::Truncated)?;
    if dest.is_ipv6() {
        return put(header, 4, len.saturating_sub(ipv6::HEADER_LEN));
    }
    put(header, 2, len)?;
    put(header, ipv4::CHECKSUM_OFFSET, 0)?;
    let sum = checksum(header);
    put(header, ipv4::CHECKSUM_OFFSET, sum.into())
}

fn put(header: &mut [u8], at: usize, number: usize) -> Result<(), DropReason> {
    let number = u16::try_from(number).map_err(|_| DropReason::TooBig)?;
    let place = header.get_mut(at..at + 2).ok_or(DropReason::Truncated)?;
    place.copy_from_slice(&number.to_be_bytes());
    Ok(())
}

/// Bytes of headers, and of payload behind them, that lie in one piece: a link's still finds room.
const MAX_HEAD: usize = 216;
/// Bytes of a packet that ICMP errors of either version quote at most (RFC 4443 §2.4(c)).
const MAX_QUOTED: usize = 1280;
