//! Packets for others: a router's part (RFC 1812 §5, RFC 8200).

use super::Stack;
use super::icmp::MAX_QUOTED;
use super::icmp::join_excess;
use super::ip_input::Arrival;
use super::ip_output::Passage;
use crate::buf::{Checksum, RxPacket, TxPacket};
use crate::conntrack::{Flow, Tracked, Transport, Tuple};
use crate::error::SocketError;
use crate::hook::{HookPoint, NewFront, PacketView};
use crate::iface::{IfaceId, ReversePath};
use crate::ip::{Delivery, Fragments, may_be_forwarded};
use crate::nat;
use crate::qdisc::priority_of_tos;
use crate::route::{Decision, Query, Reject, Route};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::checksum::pseudo_header;
use crate::wire::ethernet::ALL_ROUTERS;
use crate::wire::ipv6_ext::{self, Chain};
use crate::wire::{IcmpMessage, IpHeader, icmp, icmpv4, icmpv6, ip, transport};
use bytes::Bytes;
use core::hash::BuildHasher;
use core::net::IpAddr;

impl Stack {
    /// Lets what comes in over an interface for others go on to them, or not. Off by default. One of Ethernet
    /// that does is in the groups of all routers, ff01::2, ff02::2, ff05::2 (RFC 4291 §2.8), and advertises itself
    /// where it is [told what](Self::set_router_advertising). The subnet-router anycast addresses of its prefixes of IPv6, such as fd07:: of fd07::/64, are
    /// this host's meanwhile (RFC 4291 §2.6.1): echo requests and datagrams to them are answered, from an address of
    /// its own, and TCP is not, as with Linux.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_forwarding(&mut self, iface: IfaceId, on: bool) -> Result<(), SocketError> {
        let own = self.iface_mut(iface).ok_or(SocketError::NoSuchInterface)?;
        let changes = core::mem::replace(&mut own.forwarding, on) != on;
        if changes && self.mac(iface).is_some() {
            for scope in ROUTED_SCOPES {
                let mut group = ALL_ROUTERS.segments();
                group[0] = 0xff00 | scope;
                self.hold_group(iface, group.into(), on);
            }
        }
        self.settle_anycast(iface);
        self.settle_advertising(iface);
        Ok(())
    }

    /// Whether what comes in over an interface for others goes on.
    pub(super) fn is_forwarding(&self, iface: IfaceId) -> bool {
        self.iface(iface).is_some_and(|iface| iface.forwarding)
    }

    /// Says which sources may come in over an interface (RFC 3704). [`ReversePath::Off`] by default.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_reverse_path(
        &mut self,
        iface: IfaceId,
        check: ReversePath,
    ) -> Result<(), SocketError> {
        let iface = self.iface_mut(iface);
        iface.ok_or(SocketError::NoSuchInterface)?.reverse_path = check;
        Ok(())
    }

    /// Whether tables and rules lead back to where a packet came from, for an answer without a mark: as Linux
    /// asks, whose `src_valid_mark` is off.
    pub(super) fn check_reverse_path(
        &self,
        check: ReversePath,
        over: IfaceId,
        header: &IpHeader,
    ) -> Result<(), DropReason> {
        let back = Query {
            dest: header.source,
            source: Some(header.dest),
            mark: 0,
            tos: header.tos,
            over: self.addresses.loopback(),
            out: None,
            owner: None,
            // From an address of this host nobody else sends.
            to_host: true,
        };
        let leads_back = match check {
            ReversePath::Off => true,
            ReversePath::Loose => self.routes.leads_over(&back, None),
            ReversePath::Strict => self.routes.leads_over(&back, Some(over)),
        };
        if leads_back {
            Ok(())
        } else {
            Err(DropReason::ReversePath)
        }
    }

    /// Sends a packet on to whom it is for, or says why not.
    pub(super) fn ip_forward(
        &mut self,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !self.is_forwarding(arrival.over)
            || !may_be_forwarded(arrival.ip.source, arrival.ip.dest)
        {
            return Err(DropReason::NotForUs);
        }
        if !arrival.options_v4().is_empty() {
            self.options_input(arrival, now)?;
        }
        if arrival.ip.ttl <= 1 {
            let code = icmp::HOPS_EXCEEDED;
            self.send_error(arrival.reborrow(), &IcmpMessage::TimeExceeded { code }, now);
            return Err(DropReason::HopLimit);
        }
        let route = match self.forward_route(arrival) {
            Ok(route) => route,
            Err(reject) => return self.unreachable(arrival.reborrow(), reject, now),
        };
        let Some(out) = self.iface(route.iface) else {
            return self.unreachable(arrival.reborrow(), None, now);
        };
        let next_hop = route.via.unwrap_or(arrival.ip.dest);
        let path = self.path(route.iface, out, arrival.ip.source, next_hop);
        let mtu = path.mtu;
        // Before rules are asked, which see what goes on. Errors from here on quote it so (RFC 1812 §4.3.2.3).
        arrival.ip.ttl = arrival.ip.ttl.saturating_sub(1);
        ip::decrement_hops(&mut arrival.packet.frame);
        if self.hooks.is_watched(HookPoint::Forward)
            && !self.pass_in(HookPoint::Forward, arrival, Some(route.iface), now)?
        {
            return Ok(());
        }
        let Ok(cut) = cut_of(arrival, mtu) else {
            let mtu = mtu.into();
            self.send_error(arrival.reborrow(), &IcmpMessage::PacketTooBig { mtu }, now);
            return Err(DropReason::TooBig);
        };
        if route.iface == arrival.over && !self.is_translated(arrival.packet.meta.tracked) {
            self.redirect_sender(arrival, next_hop, now);
        }
        if !arrival.options_v4().is_empty() {
            let own = self.address_towards(route.iface, next_hop);
            self.record_passage(arrival, own, now);
        }
        let mut packet = self.new_packet();
        if let Err(reason) = carry_over(&arrival.ip, arrival.packet, &mut packet) {
            self.recycle(packet);
            return Err(reason);
        }
        packet.meta.departure = now;
        packet.meta.priority = priority_of_tos(arrival.ip.tos);
        let came = Some(arrival.over);
        let passage = self.pass_out_at(HookPoint::PostRouting, came, route.iface, &mut packet);
        if passage != Passage::Leaves {
            self.recycle(packet);
            return Ok(());
        }
        if packet.meta.gso.is_none() && !out_sums(self, route.iface) {
            transport::complete_checksum(&mut packet);
        }
        let Some(largest) = cut else {
            self.stats.forwarded += 1;
            self.link_output(&path, packet, None, now);
            return Ok(());
        };
        let IpHeader {
            source,
            dest,
            protocol,
            id,
            ..
        } = arrival.ip;
        let id = match dest {
            IpAddr::V4(_) => id.into(),
            IpAddr::V6(_) => self.identifications.next(source, dest, protocol, 1),
        };
        let cut = Fragments::new(&mut packet, largest, id).map(|fragments| {
            self.stats.forwarded += 1;
            self.send_fragments(&path, fragments, None, now);
        });
        self.recycle(packet);
        cut
    }

    /// Sends what a hook has made of a packet that was to go on, which has counted a hop here (RFC 2003 §3.1).
    pub(super) fn forward_replaced(
        &mut self,
        arrival: &mut Arrival<'_>,
        leaves_over: IfaceId,
        front: NewFront,
    ) -> Result<(), DropReason> {
        let mut packet = self.new_packet();
        let carried = carry_over(&arrival.ip, arrival.packet, &mut packet);
        if carried.is_ok() {
            self.stats.forwarded += 1;
            let (at, came) = (HookPoint::Forward, Some(arrival.over));
            self.replace_out(at, came, leaves_over, &mut packet, front);
        }
        self.recycle(packet);
        carried
    }

    /// Whether a packet's flow is translated: its sender does not know where it goes.
    fn is_translated(&self, tracked: Tracked) -> bool {
        let flow = (self.hooks.tracker()).and_then(|tracker| tracker.flow(tracked));
        flow.is_some_and(Flow::is_translated)
    }

    /// Tells the sender of a packet that was to go on that the neighbour which was to have it does not
    /// answer (RFC 1812 §5.2.7.1, RFC 4861 §7.2.2). It hears of the packet that it sent: with the ends
    /// that were `before` they were translated (RFC 5508 §4).
    pub(super) fn forwarded_in_vain(
        &mut self,
        over: IfaceId,
        mut ip: IpHeader,
        before: Option<Tuple>,
        packet: &mut TxPacket,
        now: Instant,
    ) {
        transport::complete_checksum(packet);
        let mut copy = RxPacket::from_frame(packet.front(MAX_QUOTED));
        copy.meta.checksum = Checksum::Verified;
        if let Some(before) = before {
            let (len, at) = (packet.len(), ip.header_len);
            let protocol = ip.protocol;
            let mut view = PacketView {
                ip: &mut ip,
                bytes: &mut copy.frame,
                len,
                came_over: None,
                leaves_over: Some(over),
                mark: &mut copy.meta.mark,
                tracked: &mut copy.meta.tracked,
                checksum: copy.meta.checksum,
                front: None,
                given_to: None,
                goes_anew: false,
            };
            nat::translate_back(&mut view, Transport { protocol, at }, &before);
        }
        let code = match ip.dest {
            IpAddr::V4(_) => icmpv4::HOST_UNREACHABLE,
            IpAddr::V6(_) => icmpv6::ADDRESS_UNREACHABLE,
        };
        let arrival = Arrival {
            ip,
            delivery: Delivery::Foreign,
            over,
            given_to: None,
            packet: &mut copy,
        };
        self.send_error(arrival, &IcmpMessage::Unreachable { code }, now);
    }

    /// The way on; `Err` with what a route says, if one does.
    fn forward_route(&self, arrival: &Arrival<'_>) -> Result<Route, Option<Reject>> {
        let flow = || {
            let ports = arrival.packet.frame.get(arrival.ip.header_len..);
            let ports = ports.and_then(|bytes| bytes.first_chunk::<4>()).copied();
            let ports = ports.filter(|_| {
                matches!(arrival.ip.protocol, ip::TCP | ip::UDP) && arrival.ip.fragment.is_none()
            });
            let IpHeader { source, dest, .. } = arrival.ip;
            self.flow_key.hash_one((source, dest, ports))
        };
        let query = Query {
            dest: arrival.ip.dest,
            source: Some(arrival.ip.source),
            mark: arrival.packet.meta.mark,
            tos: arrival.ip.tos,
            over: Some(arrival.over),
            out: None,
            owner: None,
            // What ends here has been delivered.
            to_host: false,
        };
        match self.routes.decide(&query, flow) {
            Some(Decision::Route(route)) => Ok(route),
            Some(Decision::Reject(reject)) => Err(Some(reject)),
            Some(Decision::Local) | None => Err(None),
        }
    }

    /// Tells the sender that no way leads on (RFC 1812 §5.2.7.1, RFC 4443 §3.1), where it is to know.
    fn unreachable(
        &mut self,
        arrival: Arrival<'_>,
        reject: Option<Reject>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let v4 = arrival.ip.dest.is_ipv4();
        let code = match reject {
            Some(Reject::Blackhole) => return Err(DropReason::Blackhole),
            None if v4 => icmpv4::NET_UNREACHABLE,
            None => icmpv6::NO_ROUTE,
            Some(Reject::Unreachable) if v4 => icmpv4::HOST_UNREACHABLE,
            Some(Reject::Unreachable) => icmpv6::ADDRESS_UNREACHABLE,
            Some(Reject::Prohibit) if v4 => icmpv4::PROHIBITED,
            Some(Reject::Prohibit) => icmpv6::PROHIBITED,
        };
        self.send_error(arrival, &IcmpMessage::Unreachable { code }, now);
        Err(DropReason::NoRoute)
    }
}

/// How large the fragments are in which a packet goes on over a link; `None`: it goes on as it is. What its
/// sender has cut by IPv6, and was put together here to be looked at, is cut again no larger than it was.
///
/// # Errors
/// Too large, and not to be cut by a router.
pub(super) fn cut_of(arrival: &Arrival<'_>, mtu: u16) -> Result<Option<u16>, TooBig> {
    let largest = arrival.packet.meta.largest_fragment;
    if arrival.ip.dest.is_ipv6() && largest > 0 {
        return if largest > mtu {
            Err(TooBig)
        } else {
            Ok(Some(largest.max(MIN_CUT).min(mtu)))
        };
    }
    if !is_too_big(arrival, mtu) {
        Ok(None)
    } else if may_be_cut(arrival) {
        Ok(Some(mtu))
    } else {
        Err(TooBig)
    }
}

/// The next link does not take it.
#[derive(Debug)]
pub(super) struct TooBig;

/// Whether a router may cut a packet, a fragment too (RFC 791 §3.2, RFC 1812 §5.2.6).
fn may_be_cut(arrival: &Arrival<'_>) -> bool {
    let ip = &arrival.ip;
    ip.dest.is_ipv4() && !ip.dont_fragment && arrival.packet.meta.gso.is_none()
}

fn out_sums(stack: &Stack, iface: IfaceId) -> bool {
    stack
        .iface(iface)
        .is_some_and(|iface| iface.caps.tx_checksum)
}

/// Whether a packet, or what a super-segment stands for, is larger than the next link carries.
fn is_too_big(arrival: &Arrival<'_>, mtu: u16) -> bool {
    let mtu = usize::from(mtu);
    match arrival.packet.meta.gso {
        None => arrival.packet.len() > mtu,
        Some(gso) => {
            let headers = transport_end(&arrival.ip, arrival.packet).unwrap_or(usize::MAX);
            headers.saturating_add(usize::from(gso.size)) > mtu
        }
    }
}

/// Where the transport header of a TCP segment or a datagram ends.
fn transport_end(header: &IpHeader, packet: &RxPacket) -> Option<usize> {
    let transport = packet.frame.get(header.header_len..)?;
    let len = match header.protocol {
        ip::TCP => crate::wire::tcp::header_len(transport)?,
        ip::UDP => crate::wire::udp::HEADER_LEN,
        _ => return None,
    };
    let end = header.header_len + len;
    (end <= packet.frame.len()).then_some(end)
}

/// Makes a packet to send of one that has come in. Payload is not copied, unless it is small.
fn carry_over(
    header: &IpHeader,
    packet: &mut RxPacket,
    out: &mut TxPacket,
) -> Result<(), DropReason> {
    let len = packet.frame.len();
    let head = match packet.meta.gso {
        Some(_) => transport_end(header, packet).ok_or(DropReason::BadOffload)?,
        None if len <= MAX_COPIED && packet.frags.is_empty() => len,
        None => len.min(headers_end(header, &packet.frame)).min(MAX_COPIED),
    };
    let front = packet.frame.get(..head).ok_or(DropReason::Truncated)?;
    out.head.prepend(head).copy_from_slice(front);
    out.meta.header_len = u16::try_from(head).unwrap_or(u16::MAX);
    out.meta.gso = packet.meta.gso;
    out.meta.mark = packet.meta.mark;
    out.meta.tracked = packet.meta.tracked;
    out.meta.checksum = match packet.meta.checksum {
        // What the sender wrote goes on as it is; the receiver verifies it.
        Checksum::Unknown => Checksum::Verified,
        known => known,
    };
    if packet.meta.gso.is_some() {
        leave_to_cutter(header, out);
    }
    if head < len || !packet.frags.is_empty() {
        let rest = core::mem::take(&mut packet.frame).split_off(head).freeze();
        let frags = packet.frags.drain(..).map(|piece| piece.bytes);
        let pieces = core::iter::once(rest).chain(frags);
        out.body = join_excess(pieces.filter(|piece: &Bytes| !piece.is_empty()).collect());
    }
    Ok(())
}

/// Where the headers end that matter on the way: the transport's, or what an ICMP error quotes.
fn headers_end(header: &IpHeader, packet: &[u8]) -> usize {
    let (mut at, mut protocol) = (header.header_len, header.protocol);
    if header.dest.is_ipv6()
        && ipv6_ext::is_extension(protocol)
        && let Ok(end) = Chain::new(packet).skip_all()
    {
        (at, protocol) = (end.position(), end.protocol());
    }
    let len = match protocol {
        ip::ICMP | ip::ICMPV6 => MAX_ERROR,
        _ => MAX_TRANSPORT,
    };
    at.saturating_add(len)
}

/// Says of a super-segment that whoever cuts it sums the segments, whatever has been merged.
fn leave_to_cutter(header: &IpHeader, out: &mut TxPacket) {
    let (start, len) = (header.header_len, header.payload_len);
    let Some(offset) = transport::checksum_offset(header.protocol) else {
        return;
    };
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let sum = pseudo_header(header.source, header.dest, header.protocol, len);
    if let Some(field) = out.head.get_mut(start + offset..start + offset + 2) {
        field.copy_from_slice(&sum.partial().to_be_bytes());
    }
    out.meta.checksum = Checksum::Partial {
        start: u16::try_from(start).unwrap_or(0),
        offset: u16::try_from(offset).unwrap_or(0),
    };
}

/// Every link of IPv6 takes so many bytes (RFC 8200 §5): nothing has to be cut smaller.
const MIN_CUT: u16 = 1280;
/// A packet of up to so many bytes is copied: that costs less than sharing its memory.
const MAX_COPIED: usize = 216;
/// Bytes of a transport header that matter on the way: a checksum may have to be completed.
const MAX_TRANSPORT: usize = 60;
/// Bytes of an ICMP error that do: its header, and in what it quotes the longest IP header and that of TCP
/// as far as its checksum.
const MAX_ERROR: usize = 8 + 60 + 20;
/// The interface, the link and the site have a group of all routers (RFC 4291 §2.7.1).
const ROUTED_SCOPES: [u16; 3] = [1, 2, 5];
