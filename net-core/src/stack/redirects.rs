//! Redirects: a router tells a host of a better first hop, and the host takes it (RFC 4861 §8, RFC 1122
//! §3.2.2.2, RFC 1812 §5.2.7.2).

use super::Stack;
use super::ip_input::Arrival;
use crate::autoconf::Redirected;
use crate::buf::RxPacket;
use crate::error::SocketError;
use crate::icmp::{Quoted, complete_checksum};
use crate::iface::{Iface, IfaceId, IpCidr};
use crate::ip::Delivery;
use crate::neighbor::Sighting;
use crate::route::{Route, TableId};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::ethernet::ALL_NODES;
use crate::wire::ndp::NdpOptions;
use crate::wire::{IcmpMessage, NdpMessage, NdpOption, icmpv4, ipv4};
use bytes::BytesMut;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a router has said.
#[derive(Debug, Clone, Copy)]
struct Redirect {
    iface: IfaceId,
    /// The router.
    from: IpAddr,
    dest: IpAddr,
    /// The better first hop; `dest` itself where that is on the link.
    target: IpAddr,
}

impl Stack {
    /// Whether routers on an interface may name better first hops to single destinations (RFC 4861 §8.3,
    /// RFC 1122 §3.2.2.2). Off by default; an interface that
    /// [configures itself](Self::autoconfigure) follows those of IPv6 unless this is off. One that
    /// [forwards](Self::set_forwarding) follows none.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_accept_redirects(&mut self, iface: IfaceId, on: bool) -> Result<(), SocketError> {
        let own = self.iface_mut(iface);
        let own = own.ok_or(SocketError::NoSuchInterface)?;
        own.autoconf.accepts_redirects = Some(on);
        Ok(())
    }

    /// Whether a host is told that what it sends here to be forwarded leaves over the interface that it came
    /// over, to a neighbour that it could have sent it to (RFC 1812 §5.2.7.2, RFC 4861 §8.2; Linux's
    /// `send_redirects`). On by default, and of use on interfaces that [forward](Self::set_forwarding).
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_send_redirects(&mut self, iface: IfaceId, on: bool) -> Result<(), SocketError> {
        let own = self.iface_mut(iface);
        own.ok_or(SocketError::NoSuchInterface)?.sends_redirects = on;
        Ok(())
    }

    /// Takes in a redirect of IPv6 (RFC 4861 §8.1, §8.3).
    pub(super) fn ndp_redirected(
        &mut self,
        iface: IfaceId,
        source: Ipv6Addr,
        [target, dest]: [Ipv6Addr; 2],
        options: NdpOptions<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !source.is_unicast_link_local() || (target != dest && !target.is_unicast_link_local()) {
            return Err(DropReason::Ndp);
        }
        let redirect = Redirect {
            iface,
            from: source.into(),
            dest: dest.into(),
            target: target.into(),
        };
        self.follow_redirect(redirect, now)?;
        if let Some(mac) = options.target_link_layer() {
            let sighting = if target == dest {
                Sighting::Asks(mac)
            } else {
                Sighting::IsRouter(mac)
            };
            self.neighbor_seen(iface, target.into(), sighting, now);
        } else if target != dest {
            self.neighbors.note_router(iface, target.into());
        }
        Ok(())
    }

    /// Takes in a redirect of IPv4. Those to networks count for the one host that is quoted (RFC 1122
    /// §3.2.2.2).
    pub(super) fn icmpv4_redirected(
        &mut self,
        arrival: &Arrival<'_>,
        gateway: Ipv4Addr,
        now: Instant,
    ) -> Result<(), DropReason> {
        let quoted = Quoted::parse(arrival.packet, arrival.ip.header_len)
            .filter(|quoted| self.is_local(quoted.ip.source))
            .ok_or(DropReason::IcmpIrrelevant)?;
        let redirect = Redirect {
            iface: arrival.over,
            from: arrival.ip.source,
            dest: quoted.ip.dest,
            target: gateway.into(),
        };
        let routes = self.routes.main();
        let to_gateway = routes.lookup_over(redirect.target, arrival.over);
        if to_gateway.is_none_or(|route| route.via.is_some()) {
            return Err(DropReason::IcmpIrrelevant);
        }
        self.follow_redirect(redirect, now)
    }

    /// Sends what is for one destination to another neighbour from now on, if that is said by the one
    /// that it is sent to now.
    fn follow_redirect(&mut self, redirect: Redirect, now: Instant) -> Result<(), DropReason> {
        let Redirect {
            iface,
            from,
            dest,
            target,
        } = redirect;
        let own = self.iface(iface).filter(|own| own.accepts_redirects(dest));
        let is_usable = own.is_some()
            && !self.addresses.contains(target)
            && !self.addresses.contains(dest)
            && [dest, target].into_iter().all(|address| {
                !(address.is_multicast()
                    || address.is_unspecified()
                    || self.addresses.is_broadcast(address))
            });
        let route = self.routes.main().lookup_over(dest, iface);
        let route = route.filter(|route| is_usable && route.via.unwrap_or(dest) == from);
        if route.is_none() {
            return Err(DropReason::IcmpIrrelevant);
        }
        self.make_room_for_redirect(iface, dest);
        if let Some(own) = self.iface_mut(iface) {
            let until = now + LIFETIME;
            own.autoconf.redirected.push(Redirected {
                dest,
                target,
                until,
            });
        }
        self.learn_route(Route {
            prefix: IpCidr::host(dest),
            via: (target != dest).then_some(target),
            iface,
            source: None,
            metric: METRIC + u32::from(iface.0),
        });
        self.stats.redirects_followed += 1;
        self.autoconf_settle(iface, now);
        Ok(())
    }

    /// Forgets what was said about a destination before, or what was said first.
    fn make_room_for_redirect(&mut self, iface: IfaceId, dest: IpAddr) {
        let Some(own) = self.iface(iface) else {
            return;
        };
        let mut all = own.autoconf.redirected.iter();
        let known = all.any(|each| each.dest == dest);
        let first = own.autoconf.redirected.first();
        let is_full = own.autoconf.redirected.len() >= MAX_REDIRECTED;
        let gone = match (known, first) {
            (true, _) => dest,
            (false, Some(first)) if is_full => first.dest,
            _ => return,
        };
        self.end_redirects(iface, |each| each.dest == gone);
    }

    /// Forgets redirects over an interface.
    pub(super) fn end_redirects(&mut self, iface: IfaceId, is_over: impl Fn(&Redirected) -> bool) {
        let Some(own) = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut) else {
            return;
        };
        let table = self.routes.table_mut(TableId::MAIN);
        own.autoconf.redirected.retain(|each| {
            let ends = is_over(each);
            if ends {
                table.remove_where(IpCidr::host(each.dest), |decision, metric| {
                    let route = decision.route();
                    metric == METRIC + u32::from(iface.0)
                        && route.is_some_and(|route| route.iface == iface)
                });
            }
            !ends
        });
    }

    /// Tells the sender of a packet that goes on over the link that it came from of the neighbour which
    /// it could have sent it to (RFC 4861 §8.2, RFC 1812 §5.2.7.2).
    pub(super) fn redirect_sender(
        &mut self,
        arrival: &mut Arrival<'_>,
        next_hop: IpAddr,
        now: Instant,
    ) {
        let to_one = arrival.delivery == Delivery::Foreign;
        let own = self.iface(arrival.over);
        let is_on = own.is_some_and(|own| own.sends_redirects);
        if self.mac(arrival.over).is_none() || !to_one || !is_on {
            return;
        }
        match (arrival.ip.source, next_hop) {
            (IpAddr::V4(source), IpAddr::V4(next_hop)) => {
                self.redirect_v4(arrival, source, next_hop, now);
            }
            (IpAddr::V6(source), IpAddr::V6(next_hop)) => {
                self.redirect_v6(arrival, source, next_hop, now);
            }
            _ => {}
        }
    }

    fn redirect_v4(
        &mut self,
        arrival: &mut Arrival<'_>,
        source: Ipv4Addr,
        next_hop: Ipv4Addr,
        now: Instant,
    ) {
        // Sender and next hop are on one network, and the sender did not name the way itself.
        let shares = |own: &Iface| {
            let mut all = own.config.addresses.iter();
            all.any(|cidr| cidr.contains(source.into()) && cidr.contains(next_hop.into()))
        };
        let has_options = arrival.ip.header_len > ipv4::MIN_HEADER_LEN;
        if has_options || !self.iface(arrival.over).is_some_and(shares) {
            return;
        }
        if !self.limits.redirect.take(now) {
            self.stats.count_drop(DropReason::RateLimited);
            return;
        }
        let mut copy = copied(arrival);
        let about = Arrival {
            ip: arrival.ip,
            delivery: arrival.delivery,
            over: arrival.over,
            given_to: None,
            packet: &mut copy,
        };
        let message = IcmpMessage::Other {
            kind: icmpv4::REDIRECT,
            code: icmpv4::REDIRECT_HOST,
            rest: next_hop.to_bits(),
        };
        self.send_error(about, &message, now);
    }

    fn redirect_v6(
        &mut self,
        arrival: &mut Arrival<'_>,
        source: Ipv6Addr,
        target: Ipv6Addr,
        now: Instant,
    ) {
        let IpAddr::V6(dest) = arrival.ip.dest else {
            return;
        };
        let iface = arrival.over;
        // A router has to be named by its address on the link (§8.2).
        let can_be_named = target == dest || target.is_unicast_link_local();
        let back = self.routes.main().lookup_over(source.into(), iface);
        let is_neighbor = back.is_some_and(|route| route.via.is_none());
        let own = self.source_on(iface, ALL_NODES);
        let own = own.filter(Ipv6Addr::is_unicast_link_local);
        let Some(own) = own.filter(|_| can_be_named && is_neighbor) else {
            return;
        };
        if !self.limits.redirect.take(now) {
            self.stats.count_drop(DropReason::RateLimited);
            return;
        }
        let copy = copied(arrival);
        let quoted = copy.frame.get(..MAX_QUOTED).unwrap_or(&copy.frame);
        let quoted = [NdpOption::RedirectedHeader(quoted)];
        let message = NdpMessage::Redirect { target, dest };
        match self.neighbors.station(iface, target.into()) {
            Some(mac) => {
                let options = [NdpOption::TargetLinkLayer(mac), quoted[0]];
                self.ndp_send(iface, own, source, &message, &options, now);
            }
            None => self.ndp_send(iface, own, source, &message, &quoted, now),
        }
        self.stats.icmp_errors_sent += 1;
    }
}

impl Iface {
    /// Whether a router may name a better first hop to `dest`.
    fn accepts_redirects(&self, dest: IpAddr) -> bool {
        let by_itself = self.autoconf.on && dest.is_ipv6();
        !self.forwarding && self.autoconf.accepts_redirects.unwrap_or(by_itself)
    }
}

/// A packet that goes on, as far as it is quoted.
fn copied(arrival: &mut Arrival<'_>) -> RxPacket {
    complete_checksum(arrival.packet);
    let frags = arrival.packet.frags.iter().map(|piece| &piece.bytes[..]);
    let mut copy = BytesMut::with_capacity(MAX_COPIED);
    for piece in core::iter::once(&arrival.packet.frame[..]).chain(frags) {
        let room = MAX_COPIED - copy.len();
        copy.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
    let mut copy = RxPacket::from_frame(copy);
    copy.meta.checksum = crate::buf::Checksum::Verified;
    copy
}

/// Routes that redirects make come behind those of the administrator.
const METRIC: u32 = 1 << 18;
/// What a router has said is forgotten after this time, unless it is said again; as in Linux.
const LIFETIME: Duration = Duration::from_secs(300);
/// Destinations that are redirected over one interface; those of which it was said first make room.
const MAX_REDIRECTED: usize = 64;
/// A redirect of IPv6 has at most 1,280 bytes (RFC 4861 §8.2), of which its headers and the link-layer
/// address take 96.
const MAX_QUOTED: usize = 1280 - 96;
/// More than any error quotes.
const MAX_COPIED: usize = 1280;
