//! What a switch or router does with a packet.

use super::super::link::replace;
use crate::buf::{RxPacket, TxPacket};
use crate::icmp::quote;
use crate::iface::{IfaceId, IpCidr};
use crate::route::{Route, RouteTable};
use crate::wire::{IcmpMessage, IpHeader, icmp, icmpv4, icmpv6, ip, ipv4, transport};
use alloc::vec::Vec;
use core::net::IpAddr;

/// The forwarding half of a switch or router.
#[derive(Debug)]
pub(super) struct Forwarder {
    kind: Kind,
    /// The interface of a route is the place of a port among those of the node.
    routes: RouteTable,
    pub(super) counters: ForwardCounters,
}

#[derive(Debug)]
pub(super) enum Kind {
    Switch,
    /// With the addresses it speaks from.
    Router(Vec<IpAddr>),
}

/// What a switch or router did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForwardCounters {
    /// Packets passed on.
    pub forwarded: u64,
    /// Dropped: no IP packet.
    pub malformed: u64,
    /// Dropped: no route to where it goes.
    pub no_route: u64,
    /// Dropped: the time to live has run out.
    pub expired: u64,
    /// Dropped: larger than the MTU of the next link, and not to be fragmented.
    pub too_big: u64,
    /// ICMP errors sent.
    pub errors_sent: u64,
}

/// Where a packet goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// On, over the port at this place.
    Forward(usize),
    /// Nowhere, and its sender is to know.
    Refuse(Refusal),
    /// Nowhere.
    Drop,
}

/// What the sender of a packet is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoRoute,
    Expired,
    TooBig(u16),
}

/// Metric of routes that were added by hand.
pub(super) const BY_HAND: u32 = 0;
/// Metric of routes that were found.
pub(super) const FOUND: u32 = 1;

impl Forwarder {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            routes: RouteTable::new(),
            counters: ForwardCounters::default(),
        }
    }

    pub(super) fn add_route(&mut self, prefix: IpCidr, place: usize, metric: u32) {
        let Ok(place) = u16::try_from(place) else {
            return;
        };
        let route = Route {
            prefix,
            via: None,
            iface: IfaceId(place),
            source: None,
            metric,
        };
        self.routes.insert(route).expect("a small table");
    }

    pub(super) fn forget_found(&mut self) {
        let by_hand: Vec<Route> = self
            .routes
            .routes()
            .filter(|route| route.metric == BY_HAND)
            .collect();
        self.routes = RouteTable::new();
        for route in by_hand {
            self.routes.insert(route).expect("a small table");
        }
    }

    /// Decides where a packet goes and changes it on its way through. `mtu_of` knows the MTU behind
    /// each port.
    pub(super) fn decide(
        &mut self,
        packet: &mut RxPacket,
        mtu_of: impl FnOnce(usize) -> Option<u16>,
    ) -> Verdict {
        let Ok(header) = IpHeader::parse(&packet.frame, packet.len()) else {
            self.counters.malformed += 1;
            return Verdict::Drop;
        };
        let route = self.routes.lookup(header.dest).map(|route| route.iface);
        let Some(place) = route.map(IfaceId::index) else {
            self.counters.no_route += 1;
            return Verdict::Refuse(Refusal::NoRoute);
        };
        if let Kind::Router(_) = self.kind {
            if header.ttl <= 1 {
                self.counters.expired += 1;
                return Verdict::Refuse(Refusal::Expired);
            }
            let mtu = mtu_of(place).unwrap_or(u16::MAX);
            // A super-segment is cut by the next link.
            if packet.meta.gso.is_none() && packet.len() > usize::from(mtu) {
                self.counters.too_big += 1;
                if header.dest.is_ipv6() || header.dont_fragment {
                    return Verdict::Refuse(Refusal::TooBig(mtu));
                }
                // A real one would fragment it, which nothing here does.
                return Verdict::Drop;
            }
            count_down(&mut packet.frame);
        }
        self.counters.forwarded += 1;
        Verdict::Forward(place)
    }

    /// The ICMP error about a packet, and the place of the port that it leaves by; `None` where there
    /// must not be one (RFC 1812 §4.3.2.7), or no way to send it.
    pub(super) fn answer(
        &mut self,
        mut packet: RxPacket,
        why: Refusal,
    ) -> Option<(TxPacket, usize)> {
        let Kind::Router(addresses) = &self.kind else {
            return None;
        };
        let about = IpHeader::parse_quoted(&packet.frame).ok()?;
        let own = addresses
            .iter()
            .copied()
            .find(|own| own.is_ipv4() == about.source.is_ipv4())?;
        let payload = packet.frame.get(about.header_len..).unwrap_or_default();
        let later_fragment = about.fragment.is_some_and(|fragment| fragment.offset > 0);
        if later_fragment || about_an_error(about.protocol, payload) {
            return None;
        }
        let place = self.routes.lookup(about.source)?.iface.index();
        self.counters.errors_sent += 1;
        Some((error(own, &about, &mut packet, why), place))
    }
}

fn about_an_error(protocol: u8, message: &[u8]) -> bool {
    let message = match protocol {
        ip::ICMP => icmpv4::parse(message),
        ip::ICMPV6 => icmpv6::parse(message),
        _ => return false,
    };
    message.is_ok_and(|message| message.is_error())
}

/// Builds an error about `packet`, whose header is `about`.
fn error(own: IpAddr, about: &IpHeader, packet: &mut RxPacket, why: Refusal) -> TxPacket {
    let message = match why {
        Refusal::NoRoute => IcmpMessage::Unreachable { code: 0 },
        Refusal::Expired => IcmpMessage::TimeExceeded { code: 0 },
        Refusal::TooBig(mtu) => IcmpMessage::PacketTooBig { mtu: mtu.into() },
    };
    let mut out = TxPacket::default();
    let (protocol, most, ip_header) = match own {
        IpAddr::V4(_) => (ip::ICMP, MAX_ERROR_V4, ipv4::MIN_HEADER_LEN),
        IpAddr::V6(_) => (ip::ICMPV6, MAX_ERROR_V6, crate::wire::ipv6::HEADER_LEN),
    };
    out.body = quote(packet, most - ip_header - icmp::HEADER_LEN);
    match own {
        IpAddr::V4(_) => icmpv4::emit(&message, &mut out.head),
        IpAddr::V6(_) => icmpv6::emit(&message, &mut out.head),
    }
    transport::fill_checksum(&mut out, own, about.source, protocol, false);
    IpHeader::new(own, about.source, protocol, out.len()).emit(&mut out.head);
    out.meta.header_len = u16::try_from(out.head.len()).unwrap_or(u16::MAX);
    out
}

/// Takes one off the time to live or hop limit, which is 2 at least.
fn count_down(frame: &mut [u8]) {
    match ip::version(frame) {
        Some(4) => {
            if let Some(header) = frame.first_chunk_mut::<{ ipv4::MIN_HEADER_LEN }>() {
                let old = u16::from_be_bytes([header[8], header[9]]);
                header[8] -= 1;
                let new = u16::from_be_bytes([header[8], header[9]]);
                let at = ipv4::CHECKSUM_OFFSET;
                let field = u16::from_be_bytes([header[at], header[at + 1]]);
                header[at..at + 2].copy_from_slice(&replace(field, old, new).to_be_bytes());
            }
        }
        Some(6) => {
            if let Some(limit) = frame.get_mut(7) {
                *limit -= 1;
            }
        }
        _ => {}
    }
}

/// Bytes of an ICMPv4 error, IP header included (RFC 1812 §4.3.2.3).
const MAX_ERROR_V4: usize = 576;
/// Bytes of an ICMPv6 error, IP header included (RFC 4443 §2.4(c)).
const MAX_ERROR_V6: usize = 1280;
