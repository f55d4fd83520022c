//! An IP packet that has come in: its header, where it goes, and its protocol (RFC 1122 §3.2).

use super::Stack;
use crate::buf::{GsoKind, RxPacket};
use crate::hook::HookPoint;
use crate::iface::{IfaceId, IfaceKind, ReversePath};
use crate::ip::{Delivery, is_martian_source};
use crate::must::must;
use crate::stats::DropReason;
use crate::tcp::segment::{Payload, Segment};
use crate::time::Instant;
use crate::wire::{IpHeader, TcpHeader, igmp, ip, ipv4, ipv6_ext, transport};
use core::net::{IpAddr, SocketAddr};

/// A packet whose IP header has been understood, on its way to its protocol.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    /// Its IP header.
    pub(crate) ip: IpHeader,
    /// Whether it is for this host alone.
    pub(crate) delivery: Delivery,
    /// Which interface it came over.
    pub(crate) over: IfaceId,
    /// Whose socket it is for if not for that of its destination: a rule has said so (`tproxy`).
    pub(crate) given_to: Option<SocketAddr>,
    /// The packet from the IP header on, without padding, its transport checksum in order.
    pub(crate) packet: &'a mut RxPacket,
}

impl Arrival<'_> {
    /// The options of an IPv4 header; none of IPv6.
    pub(super) fn options_v4(&self) -> &[u8] {
        let options = match self.ip.dest {
            IpAddr::V4(_) => ipv4::MIN_HEADER_LEN..self.ip.header_len,
            IpAddr::V6(_) => 0..0,
        };
        self.packet.frame.get(options).unwrap_or_default()
    }

    /// Whether others have it, too, for all that can be seen of it: nothing is answered to such a packet.
    pub(super) const fn is_to_many(&self) -> bool {
        matches!(self.delivery, Delivery::Broadcast | Delivery::Multicast)
            || self.packet.meta.to_group
    }

    /// The same, to be used and given back.
    pub(crate) fn reborrow(&mut self) -> Arrival<'_> {
        Arrival {
            packet: &mut *self.packet,
            ..*self
        }
    }
}

impl Stack {
    /// Takes in one packet, or says why not: its header, where it goes, and what is there for it.
    pub(super) fn ip_input(
        &mut self,
        iface: IfaceId,
        packet: &mut RxPacket,
        now: Instant,
    ) -> Result<(), DropReason> {
        let len = packet.len();
        let header = IpHeader::parse(&packet.frame, len)?;
        if header.total_len() < len {
            // What follows is the link's padding.
            packet.truncate(header.total_len());
        }
        check_offload(packet, &header)?;
        let mut arrival = Arrival {
            ip: header,
            delivery: Delivery::Foreign,
            over: iface,
            given_to: None,
            packet,
        };
        if self.hooks.is_watched(HookPoint::PreRouting) || self.has_transparent() {
            match self.before_routing(arrival, now)? {
                Some(passed) => arrival = passed,
                None => return Ok(()),
            }
        }
        arrival.delivery = self.input_route(&arrival)?;
        if arrival.delivery == Delivery::Foreign && self.may_take_foreign(&arrival) {
            arrival.delivery = self.foreign_route(&arrival);
        }
        if arrival.delivery == Delivery::Foreign && self.asks_proxy(&arrival) {
            arrival.delivery = Delivery::Local;
        }
        let to_group = arrival.packet.meta.to_group;
        if to_group && !matches!(arrival.delivery, Delivery::Broadcast | Delivery::Multicast) {
            return Err(DropReason::LinkBroadcast);
        }
        match arrival.delivery {
            Delivery::Local | Delivery::Anycast | Delivery::Broadcast | Delivery::Multicast => {
                if !arrival.options_v4().is_empty() {
                    self.options_input(&mut arrival, now)?;
                }
                self.local_deliver(arrival, now)
            }
            Delivery::Foreign => {
                self.release_fragments(&arrival);
                self.ip_forward(&mut arrival, now)
            }
        }
    }

    /// Hands a packet that is for this host to its protocol, once all of it is there.
    pub(super) fn local_deliver(
        &mut self,
        arrival: Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let header = &arrival.ip;
        let arrival = if header.fragment.is_some() || has_extensions(header) {
            match self.unwrap(arrival, now)? {
                Some(whole) => whole,
                None => return Ok(()),
            }
        } else {
            arrival
        };
        let mut arrival = arrival;
        if self.strays.is_some() && self.hand_over(&mut arrival, now)? {
            return Ok(());
        }
        if !self.comes_in(&mut arrival, now)? {
            return Ok(());
        }
        let taken = self.raw_input(&mut arrival);
        let header = &arrival.ip;
        match (header.protocol, header.dest) {
            (ip::TCP, _) => self.receive_tcp(arrival, now),
            (ip::UDP, _) => self.udp_input(arrival, now),
            (ip::ICMP, IpAddr::V4(_)) | (ip::ICMPV6, IpAddr::V6(_)) => {
                self.icmp_input(arrival, now)
            }
            (igmp::PROTOCOL, IpAddr::V4(_)) => self.igmp_input(&arrival, now),
            (protocol, _) if self.protocol_input(protocol, &mut arrival, now) || taken => Ok(()),
            _ => {
                self.protocol_unreachable(arrival, now);
                Err(DropReason::UnknownProtocol)
            }
        }
    }

    /// Whether a packet for this host passes the hooks of LocalIn as it is.
    pub(super) fn comes_in(
        &mut self,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> Result<bool, DropReason> {
        Ok(!self.hooks.is_watched(HookPoint::LocalIn)
            || self.pass_in(HookPoint::LocalIn, arrival, None, now)?)
    }

    /// Checks where the packet claims to come from and finds out whom it is for, by addresses alone.
    pub(super) fn input_route(&self, arrival: &Arrival<'_>) -> Result<Delivery, DropReason> {
        let (iface, header) = (arrival.over, &arrival.ip);
        let over = self.iface(iface).ok_or(DropReason::NotForUs)?;
        let over_loopback = over.config.kind == IfaceKind::Loopback;
        // Our own address as the source, or a loopback address as either, never comes over a wire
        // (RFC 1122 §3.2.1.3(g), RFC 4291 §2.5.3).
        // From nowhere come IPv6's questions of who has no address yet, and IGMP's of switches (RFC 4541
        // §2.1.1).
        let asks_before_having = header.source.is_unspecified()
            && matches!(header.protocol, ip::ICMPV6 | igmp::PROTOCOL)
            && header.dest.is_multicast();
        let from_nobody = is_martian_source(header.source, over_loopback) && must("9293 MUST-63");
        if (from_nobody && !asks_before_having)
            || (!over_loopback && (header.dest.is_loopback() || self.is_local(header.source)))
            || self.addresses.is_broadcast(header.source)
        {
            return Err(DropReason::Martian);
        }
        if over.reverse_path != ReversePath::Off && !asks_before_having {
            self.check_reverse_path(over.reverse_path, iface, header)?;
        }
        if header.dest.is_multicast() && self.is_member(iface, header.dest, header.source) {
            return Ok(Delivery::Multicast);
        }
        Ok(self.addresses.delivery(header.dest))
    }

    fn receive_tcp(&mut self, arrival: Arrival<'_>, now: Instant) -> Result<(), DropReason> {
        let Arrival {
            ip,
            delivery,
            over,
            given_to,
            packet,
        } = arrival;
        if delivery != Delivery::Local && must("9293 MUST-57") {
            return Err(DropReason::NotForUs);
        }
        transport::verify_checksum(packet, &ip)?;
        let segment = packet
            .frame
            .get(ip.header_len..)
            .ok_or(DropReason::Truncated)?;
        let header = TcpHeader::parse(segment)?;
        let (gso_size, mark) = (packet.meta.gso.map(|gso| gso.size), packet.meta.mark);
        let headers = ip.header_len.saturating_add(header.header_len);
        let payload = Payload::behind(packet, headers)?;
        let mut segment = Segment::new(&header, payload, gso_size, ip.tos, over);
        segment.given_to = given_to;
        segment.mark = mark;
        let local = SocketAddr::new(ip.dest, header.dest_port);
        let remote = SocketAddr::new(ip.source, header.source_port);
        self.tcp_input(segment, local, remote, now);
        Ok(())
    }
}

/// Whether something is between an IPv6 header and the protocol.
pub(super) const fn has_extensions(header: &IpHeader) -> bool {
    header.dest.is_ipv6() && ipv6_ext::is_extension(header.protocol)
}

/// Checks that a super-segment is of the protocol that its kind says.
fn check_offload(packet: &RxPacket, header: &IpHeader) -> Result<(), DropReason> {
    let Some(gso) = packet.meta.gso else {
        return Ok(());
    };
    let fits = match gso.kind {
        GsoKind::Tcp4 => header.protocol == ip::TCP && header.dest.is_ipv4(),
        GsoKind::Tcp6 => header.protocol == ip::TCP && header.dest.is_ipv6(),
        GsoKind::Udp => header.protocol == ip::UDP,
    };
    if fits && gso.size > 0 && header.fragment.is_none() {
        Ok(())
    } else {
        Err(DropReason::BadOffload)
    }
}
