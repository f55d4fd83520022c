//! Neighbour discovery in the stack (RFC 4861).

use super::Stack;
use super::ip_input::Arrival;
use super::proxies::ProxyAnswer;
use crate::iface::IfaceId;
use crate::ip::IpMeta;
use crate::neighbor::{Ask, Sighting};
use crate::socket::IpSettings;
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::ethernet::{ALL_NODES, solicited_node};
use crate::wire::ndp::{HOP_LIMIT, NdpOptions, NeighborAdvert, RouterAdvert};
use crate::wire::{MacAddr, NdpMessage, NdpOption, ip};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv6Addr};

/// The addresses of an IPv6 header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) source: Ipv6Addr,
    pub(super) dest: Ipv6Addr,
}

impl Stack {
    /// Takes in a message of neighbour discovery whose checksum is right.
    pub(super) fn ndp_input(
        &mut self,
        arrival: &Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let (IpAddr::V6(source), IpAddr::V6(dest)) = (arrival.ip.source, arrival.ip.dest) else {
            return Err(DropReason::Ndp);
        };
        // No router has touched it (RFC 4861 §6.1, §7.1, §8.1).
        if arrival.ip.ttl != HOP_LIMIT {
            return Err(DropReason::Ndp);
        }
        let Some(mac) = self.mac(arrival.over) else {
            return Err(DropReason::IcmpIrrelevant);
        };
        if !arrival.packet.frags.is_empty() {
            return Err(DropReason::Truncated);
        }
        let bytes = arrival.packet.frame.get(arrival.ip.header_len..);
        let (message, options) = NdpMessage::parse(bytes.ok_or(DropReason::Truncated)?)?;
        let ends = Ends { source, dest };
        match message {
            NdpMessage::NeighborSolicit { target } => {
                self.solicited(arrival.over, mac, ends, target, options, now)
            }
            NdpMessage::NeighborAdvert(advert) => {
                self.advertised(arrival.over, ends, advert, options, now)
            }
            NdpMessage::RouterAdvert(advert) => {
                self.router_advertised(arrival.over, ends, advert, options, now)
            }
            NdpMessage::RouterSolicit => self.router_solicited(arrival.over, ends, options, now),
            NdpMessage::Redirect { target, dest } => {
                self.ndp_redirected(arrival.over, source, [target, dest], options, now)
            }
        }
    }

    /// A router says how neighbours are to be asked, and where it is itself (RFC 4861 §6.3.4).
    fn router_advertised(
        &mut self,
        iface: IfaceId,
        ends: Ends,
        advert: RouterAdvert,
        options: NdpOptions<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        // RFC 4861 §6.1.2.
        if !ends.source.is_unicast_link_local() {
            return Err(DropReason::Ndp);
        }
        if self.is_advertising(iface) {
            // This one is a router itself, and only compares (RFC 4861 §6.2.7).
            self.inspect_advertisement(iface, ends.source, &advert, options, now);
        } else {
            self.link_times_told(iface, advert.reachable_time, advert.retrans_timer);
        }
        if let Some(mac) = options.source_link_layer() {
            let sighting = Sighting::IsRouter(mac);
            self.neighbor_seen(iface, IpAddr::V6(ends.source), sighting, now);
        } else {
            self.neighbors.note_router(iface, IpAddr::V6(ends.source));
        }
        self.follow_router(iface, ends.source, &advert, options, now);
        Ok(())
    }

    /// How long neighbours count as reachable, and how often they are asked, in milliseconds; 0 leaves it open.
    pub(super) fn link_times_told(&mut self, iface: IfaceId, reachable: u32, retrans: u32) {
        let told = |millis: u32| (millis != 0).then(|| Duration::from_millis(millis.into()));
        let reachable = told(reachable).map(|time| time.min(MAX_REACHABLE_TIME));
        let retrans = told(retrans).map(|time| time.clamp(MIN_RETRANS_TIMER, MAX_RETRANS_TIMER));
        self.neighbors.set_times(iface, reachable, retrans);
    }

    /// Somebody asks for an address (RFC 4861 §7.2.3).
    fn solicited(
        &mut self,
        iface: IfaceId,
        mac: MacAddr,
        ends: Ends,
        target: Ipv6Addr,
        options: NdpOptions<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let asker = options.source_link_layer();
        let duplicate_detection = ends.source.is_unspecified();
        // RFC 4861 §7.1.1.
        if duplicate_detection && (ends.dest != solicited_node(target) || asker.is_some()) {
            return Err(DropReason::Ndp);
        }
        if self.is_tentative(iface, target) {
            // It is not ours yet: who resolves it gets no answer (RFC 4862 §5.4.3).
            if duplicate_detection {
                self.tentative_solicited(iface, target, options.nonce(), now);
            }
            return Ok(());
        }
        let ours = self.has_address(iface, IpAddr::V6(target));
        if !ours && !self.shares(iface, IpAddr::V6(target)) {
            return Err(DropReason::IcmpIrrelevant);
        }
        if let (Some(asker), false) = (asker, duplicate_detection) {
            let sighting = Sighting::Asks(asker);
            self.neighbor_seen(iface, IpAddr::V6(ends.source), sighting, now);
        }
        if !self.limits.neighbor.take(now) {
            return Err(DropReason::RateLimited);
        }
        let advert = NeighborAdvert {
            router: self.is_router(iface),
            solicited: !duplicate_detection,
            // Not for somebody else, who may answer as well (RFC 4861 §7.2.7, §7.2.8).
            overrides: ours,
            target,
        };
        let dest = if duplicate_detection {
            ALL_NODES
        } else {
            ends.source
        };
        if !ours {
            let answer = ProxyAnswer::Ndp(dest, advert);
            return self.answer_by_proxy(iface, answer, !ends.dest.is_multicast(), now);
        }
        let option = [NdpOption::TargetLinkLayer(mac)];
        let message = NdpMessage::NeighborAdvert(advert);
        self.ndp_send(iface, target, dest, &message, &option, now);
        Ok(())
    }

    /// Somebody says where an address is (RFC 4861 §7.2.5).
    fn advertised(
        &mut self,
        iface: IfaceId,
        ends: Ends,
        advert: NeighborAdvert,
        options: NdpOptions<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        // RFC 4861 §7.1.2.
        if ends.dest.is_multicast() && advert.solicited {
            return Err(DropReason::Ndp);
        }
        if self.is_tentative(iface, advert.target) {
            self.duplicate(iface, advert.target, now);
            return Ok(());
        }
        let target = IpAddr::V6(advert.target);
        if self.has_address(iface, target) {
            self.stats.address_conflicts += 1;
            return Err(DropReason::AddressConflict);
        }
        let mac = options.target_link_layer();
        let is_accepted = self.neighbors.accepts(iface, target, mac, advert.overrides);
        let sighting = Sighting::Adverts {
            mac,
            solicited: advert.solicited,
            overrides: advert.overrides,
            router: Some(advert.router),
        };
        self.neighbor_seen(iface, target, sighting, now);
        if is_accepted && advert.router {
            self.router_answers(iface, advert.target);
        } else if is_accepted {
            // What was a router is a host now.
            self.router_gone(iface, advert.target);
            self.forget_told_routes(iface, advert.target);
            self.autoconf_settle(iface, now);
        }
        Ok(())
    }

    /// Asks for the station of an address (RFC 4861 §7.2.2).
    pub(super) fn neighbor_solicit(
        &mut self,
        iface: IfaceId,
        mac: MacAddr,
        source: Ipv6Addr,
        target: Ipv6Addr,
        ask: Ask,
        now: Instant,
    ) {
        let dest = match ask {
            Ask::Everybody => solicited_node(target),
            Ask::Station(_) => target,
        };
        let message = NdpMessage::NeighborSolicit { target };
        let option = [NdpOption::SourceLinkLayer(mac)];
        self.ndp_send(iface, source, dest, &message, &option, now);
    }

    /// Tells the whole link where an address of ours is (RFC 4861 §7.2.6).
    pub(super) fn ndp_announce(&mut self, iface: IfaceId, address: Ipv6Addr, now: Instant) {
        let Some(mac) = self.mac(iface) else {
            return;
        };
        let message = NdpMessage::NeighborAdvert(NeighborAdvert {
            router: self.is_router(iface),
            solicited: false,
            overrides: true,
            target: address,
        });
        let option = [NdpOption::TargetLinkLayer(mac)];
        self.ndp_send(iface, address, ALL_NODES, &message, &option, now);
    }

    /// Sends a message over an interface.
    pub(super) fn ndp_send(
        &mut self,
        iface: IfaceId,
        source: Ipv6Addr,
        dest: Ipv6Addr,
        message: &NdpMessage,
        options: &[NdpOption<'_>],
        now: Instant,
    ) {
        let mut bytes = Vec::with_capacity(64);
        message.emit(options, &mut bytes);
        self.ndp_output(iface, source, dest, &bytes, now);
    }

    /// Sends a message that is written out but for its checksum.
    pub(super) fn ndp_output(
        &mut self,
        iface: IfaceId,
        source: Ipv6Addr,
        dest: Ipv6Addr,
        message: &[u8],
        now: Instant,
    ) {
        let (source, dest) = (IpAddr::V6(source), IpAddr::V6(dest));
        let Some(path) = self
            .iface(iface)
            .map(|own| self.path(iface, own, source, dest))
        else {
            return;
        };
        let mut packet = self.new_packet();
        let (front, rest) = message.split_at(message.len().min(MAX_FRONT));
        packet.head.prepend(front.len()).copy_from_slice(front);
        if !rest.is_empty() {
            packet.body.push(Bytes::copy_from_slice(rest));
        }
        let settings = IpSettings::default();
        let meta = IpMeta::new(&settings, &path, dest, ip::ICMPV6, HOP_LIMIT);
        let meta = IpMeta {
            ttl: HOP_LIMIT,
            ..meta
        };
        self.ip_output(&path, meta, packet, None, now);
    }

    /// Whether what comes over an interface for others goes on to them.
    fn is_router(&self, iface: IfaceId) -> bool {
        self.iface(iface).is_some_and(|own| own.forwarding)
    }

    /// The address of an interface that fits a destination.
    pub(super) fn source_on(&self, iface: IfaceId, dest: Ipv6Addr) -> Option<Ipv6Addr> {
        match self.iface(iface)?.source_for(IpAddr::V6(dest)) {
            Some(IpAddr::V6(source)) => Some(source),
            _ => None,
        }
    }
}

/// Bytes of a message that go in front of its packet's body.
const MAX_FRONT: usize = 128;
/// The longest time for which a router can make neighbours count as reachable (RFC 4861 §6.2.1's
/// AdvReachableTime).
const MAX_REACHABLE_TIME: Duration = Duration::from_secs(3600);
/// A router cannot make solicitations more frequent than so.
const MIN_RETRANS_TIMER: Duration = Duration::from_millis(100);
/// Nor less frequent.
const MAX_RETRANS_TIMER: Duration = Duration::from_secs(10);
