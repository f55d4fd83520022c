//! A hook has had another packet take the place of one: with headers in front of it, or without some.

use super::Stack;
use super::ip_input::Arrival;
use super::ip_output::Passage;
use crate::buf::{Checksum, RxMeta, RxPacket, TxBatch, TxPacket};
use crate::conntrack::Tracked;
use crate::hook::{Heading, HookPoint, NewFront};
use crate::icmp::complete_checksum;
use crate::iface::IfaceId;
use crate::ip::{Fragments, Origin};
use crate::offload::gso::segment;
use crate::socket::IpSettings;
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
        if !headers.is_empty() {
            let len = packet.len();
            set_len(&mut packet.frame, len)?;
        }
        if !self.hooks.descend(Heading::In) {
            return Err(DropReason::Hook);
        }
        let outcome = self.ip_input(arrival.over, &mut packet, now);
        self.hooks.ascend(Heading::In);
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
                let passage = self.pass_out_at(at, came_over, leaves_over, &mut packet);
                if matches!(passage, Passage::Leaves | Passage::LeavesAnew) {
                    self.stats.count_drop(DropReason::Hook);
                }
            }
            return;
        }
        if !self.hooks.descend(Heading::Out) {
            self.stats.count_drop(DropReason::Hook);
            return;
        }
        let sent = self.send_replaced(packet, front);
        // What is said about a packet passes as that did, not as what it was to be replaced by.
        self.hooks.ascend(Heading::Out);
        let said = match sent {
            Ok(None) => return,
            Ok(Some(Narrow { over, mtu })) => self.too_big_now(over, packet, mtu, self.clock),
            Err(reason) => Err(reason),
        };
        self.stats
            .count_drop(said.err().unwrap_or(DropReason::TooBig));
    }

    /// Finds the way of the new packet, and sends it there: in fragments, if it is too large now and may be
    /// cut, and else it says how large the old one may be, for its sender (RFC 2003 §3.1, RFC 2473 §7).
    fn send_replaced(
        &mut self,
        packet: &mut TxPacket,
        front: NewFront,
    ) -> Result<Option<Narrow>, DropReason> {
        let now = self.clock;
        transport::complete_checksum(packet);
        let mut moved = self.new_packet();
        (*moved).clone_from(packet);
        put_on(&mut moved, front)?;
        let header = IpHeader::parse_quoted(&moved.head)?;
        let path = self.route(header.dest, None);
        let path = path.map_err(|_| DropReason::NoRoute)?;
        let is_too_big = moved.len() > usize::from(path.mtu);
        if is_too_big && may_not_be_cut(packet, &header)? {
            let grown = moved.len().saturating_sub(packet.len());
            let mut mtu = usize::from(path.mtu).saturating_sub(grown);
            if IpHeader::parse_quoted(&packet.head)?.dest.is_ipv6() {
                mtu = mtu.max(LEAST_MTU_V6);
            }
            self.recycle(moved);
            let over = path.iface;
            return Ok(Some(Narrow { over, mtu }));
        }
        moved.meta.departure = moved.meta.departure.max(now);
        let origin = Origin::of(&IpSettings::default());
        if self.pass_out(path.iface, origin, &mut moved, None) != Passage::Leaves {
            self.recycle(moved);
            return Ok(None);
        }
        if !is_too_big {
            self.link_output(&path, moved, None, now);
            return Ok(None);
        }
        let id = self.id_of_fragments(&header);
        let cut = Fragments::new(&mut moved, path.mtu, id)
            .map(|fragments| self.send_fragments(&path, fragments, None, now));
        self.recycle(moved);
        cut.map(|()| None)
    }

    /// Tells the sender of a packet, which may be this host, that it has to leave room.
    pub(super) fn too_big_now(
        &mut self,
        over: IfaceId,
        packet: &TxPacket,
        mtu: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let mut copy = RxPacket::default();
        let arrival = self.as_if_arrived(over, packet, &mut copy)?;
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
        self.send_error(arrival, &IcmpMessage::PacketTooBig { mtu }, now);
        Ok(())
    }
}

/// A way that a packet is too large for, now that another has taken its place.
struct Narrow {
    over: IfaceId,
    /// Bytes that packets may have, before they are replaced.
    mtu: usize,
}

/// Whether the sender of a packet has to send smaller ones, now that those with the header `outer` around
/// them are too large. An IPv6 sender need not go below 1280 bytes (RFC 2473 §7.1), and an IPv4 one may
/// have left it to others (§7.2): then it is the packet outside that is cut.
fn may_not_be_cut(packet: &TxPacket, outer: &IpHeader) -> Result<bool, DropReason> {
    if outer.dest.is_ipv4() {
        return Ok(outer.dont_fragment);
    }
    let inner = IpHeader::parse_quoted(&packet.head)?;
    Ok(if inner.dest.is_ipv6() {
        packet.len() > LEAST_MTU_V6
    } else {
        inner.dont_fragment
    })
}

/// Changes the front of a packet, its length, and what the stack knows about it.
fn put_on(packet: &mut TxPacket, front: NewFront) -> Result<(), DropReason> {
    let NewFront { strip, headers } = front;
    if packet.head.len() < strip {
        return Err(DropReason::Truncated);
    }
    packet.head.strip(strip);
    let keep = MAX_HEAD.saturating_sub(headers.len());
    if packet.head.len() > keep {
        // What is cut off is payload: the headers that hooks and filters look at stay in front.
        let old = mem::take(&mut packet.head);
        let (front, rest) = old.split_at(keep);
        packet.head.prepend(front.len()).copy_from_slice(front);
        packet.body.insert(0, Bytes::copy_from_slice(rest));
        packet.body = super::icmp::join_excess(mem::take(&mut packet.body));
    }
    packet.head.prepend(headers.len()).copy_from_slice(&headers);
    packet.meta.tracked = Tracked::default();
    packet.meta.checksum = Checksum::Verified;
    let len = packet.len();
    if headers.is_empty() {
        // What was inside is taken as it is, or not at all.
        let inner = IpHeader::parse(&packet.head, len)?;
        return if inner.total_len() == len {
            Ok(())
        } else {
            Err(DropReason::Truncated)
        };
    }
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
/// What every link carries of IPv6 (RFC 8200 §5).
const LEAST_MTU_V6: usize = 1280;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ip;
    use alloc::boxed::Box;
    use core::net::IpAddr;

    /// A datagram's worth of payload with a header in front, all in the head.
    fn packet(source: &str, dest: &str, len: usize) -> TxPacket {
        let [source, dest] = [source, dest].map(|text| text.parse::<IpAddr>().unwrap());
        let mut packet = TxPacket::default();
        packet.head.prepend(len).fill(7);
        IpHeader::new(source, dest, ip::UDP, len).emit(&mut packet.head);
        packet
    }

    #[test]
    fn headers_behind_a_longer_one_stay_where_hooks_look() {
        let mut translated = packet("10.0.0.1", "10.0.0.2", 190);
        let headers = packet("fd00::1", "fd00::2", 0);
        let headers = Box::from(&headers.head[..]);
        put_on(&mut translated, NewFront { strip: 20, headers }).unwrap();
        assert_eq!(translated.len(), 40 + 190);
        assert_eq!(translated.head.len(), MAX_HEAD);
        assert_eq!(translated.head[40], 7);
    }

    #[test]
    fn what_was_inside_is_taken_as_it_is_or_not_at_all() {
        let bare = |inner: &TxPacket| {
            let mut outer = inner.clone();
            outer.head.prepend(8).fill(0);
            let headers = Box::default();
            put_on(&mut outer, NewFront { strip: 8, headers }).map(|()| outer.head.to_vec())
        };
        let inner = packet("10.0.0.1", "10.0.0.2", 30);
        assert_eq!(bare(&inner), Ok(inner.head.to_vec()));
        let mut forged = inner.clone();
        forged.head[8] ^= 1;
        assert!(bare(&forged).is_err(), "its sum is wrong");
        let mut padded = inner.clone();
        padded.body.push(Bytes::from_static(b"behind"));
        assert_eq!(bare(&padded), Err(DropReason::Truncated));
    }
}
