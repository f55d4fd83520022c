//! What comes for addresses that no interface has, and is this host's all the same: by a rule that gives
//! it to a socket (`tproxy`), by a transparent socket that has the address, by a local route (any-IP), or
//! as an echo request that an application answers.

use super::Stack;
use super::ip_input::{Arrival, has_extensions};
use crate::hook::HookPoint;
use crate::icmp::Quoted;
use crate::ip::{Delivery, may_be_local, read_chain};
use crate::route::Query;
use crate::socket::{FlowKey, SocketId};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{self, Chain};
use crate::wire::{IpHeader, ip};
use core::net::SocketAddr;

impl Stack {
    /// What a packet passes before anybody knows where it goes: it is put together, where what follows
    /// needs its ports, and hooks are asked. `None` where nothing of it goes on.
    pub(super) fn before_routing<'a>(
        &mut self,
        mut arrival: Arrival<'a>,
        now: Instant,
    ) -> Result<Option<Arrival<'a>>, DropReason> {
        if self.is_joined(&arrival) {
            arrival.delivery = self.addresses.delivery(arrival.ip.dest);
            match self.unwrap(arrival, now)? {
                Some(whole) => arrival = whole,
                None => return Ok(None),
            }
        }
        let watched = self.hooks.is_watched(HookPoint::PreRouting);
        let passes = !watched || self.pass_in(HookPoint::PreRouting, &mut arrival, None, now)?;
        Ok(passes.then_some(arrival))
    }

    /// Whether a fragment is put to the others of its packet before its flow or its socket is looked for:
    /// they are known by ports, which later fragments do not have. Those of IPv6 that a router sends on are
    /// only where flows are followed, as in Linux, and are cut again as they were ([`cut_of`]); a router does
    /// not read other extension headers (RFC 8200 §4), and where there are some the fragments belong to no flow
    /// and count as invalid. Else a socket that would get the first of them gets the others that follow;
    /// another first one has to say for itself whose it is.
    ///
    /// [`cut_of`]: super::forward::cut_of
    fn is_joined(&self, arrival: &Arrival<'_>) -> bool {
        let (header, takes_foreign) = (&arrival.ip, self.has_transparent() || self.hooks.gives());
        if !takes_foreign && !self.hooks.is_tracking() {
            return false;
        }
        if header.dest.is_ipv4() {
            return header.fragment.is_some()
                && (self.hooks.is_tracking()
                    || !self.is_forwarding(arrival.over)
                    || self.takes_on_router());
        }
        let mut chain = Chain::new(&arrival.packet.frame).map_while(Result::ok);
        has_extensions(header)
            && chain.any(|header| header.kind == ipv6_ext::FRAGMENT)
            && (header.dest.is_multicast()
                || self.is_local(header.dest)
                || (self.hooks.is_tracking() && is_plain_fragment(arrival))
                || (takes_foreign
                    && (!self.is_forwarding(arrival.over) || self.is_waiting_for(arrival))))
    }

    /// Whether somebody takes what comes over an interface that forwards and is for no address of ours. Those
    /// that answer pings for others do not.
    fn takes_on_router(&self) -> bool {
        let echoes = self.echo_takers.ids().filter(|&id| self.is_transparent(id));
        self.hooks.gives()
            || self.tcp.transparent_waits > 0
            || self.sockets.transparent() > echoes.count()
    }

    /// Whether the others of its packet wait for a later fragment.
    fn is_waiting_for(&self, arrival: &Arrival<'_>) -> bool {
        let place = Carried::of(arrival).and_then(|carried| carried.fragment);
        place.is_some_and(|place| {
            let (header, over) = (&arrival.ip, arrival.over);
            place.offset != 0 && self.reassembler.is_waiting_for(header, place, over)
        })
    }

    /// A packet goes on to somebody else. If it is the first fragment of one, the name of that one is not, or
    /// no longer, that of a packet which a socket gets: what waits under it does not take the rest.
    #[inline]
    pub(super) fn release_fragments(&mut self, arrival: &Arrival<'_>) {
        if self.reassembler.is_empty() || !has_extensions(&arrival.ip) {
            return;
        }
        let place = Carried::of(arrival).and_then(|carried| carried.fragment);
        if let Some(place) = place.filter(|place| place.offset == 0) {
            let (memory, stats) = (&mut self.memory, &mut self.stats);
            self.reassembler
                .forget(&arrival.ip, place, arrival.over, memory, stats);
        }
    }

    /// Whether there is a transparent socket, or what is remembered of one's connection.
    #[inline]
    pub(super) const fn has_transparent(&self) -> bool {
        self.sockets.transparent() > 0 || self.tcp.transparent_waits > 0
    }

    /// Whether it is worth a look who takes what is for no address of ours.
    #[inline]
    pub(super) fn may_take_foreign(&self, arrival: &Arrival<'_>) -> bool {
        self.routes.may_have_local() || self.has_transparent() || arrival.given_to.is_some()
    }

    /// Whom a packet is for that is for no address of ours: this host or somebody else. The first fragment of
    /// what a socket would get, were it whole, is this host's, to wait for the others
    /// ([`is_joined`](Self::is_joined)): those that came before it have gone on, but without it they are no
    /// packet that passes the socket by.
    #[inline(never)]
    pub(super) fn foreign_route(&self, arrival: &Arrival<'_>) -> Delivery {
        let IpHeader {
            source, dest, tos, ..
        } = arrival.ip;
        let query = Query {
            dest,
            source: Some(source),
            mark: arrival.packet.meta.mark,
            tos,
            over: Some(arrival.over),
            out: None,
            owner: None,
            to_host: may_be_local(dest),
        };
        if self.routes.ends_here(&query) {
            return Delivery::Local;
        }
        let Some(place) = Carried::of(arrival).filter(|_| query.to_host) else {
            return Delivery::Foreign;
        };
        if arrival.given_to.is_some() || self.has_socket_for(arrival, &place) {
            Delivery::Local
        } else {
            Delivery::Foreign
        }
    }

    /// Whether a transparent socket has the address and port that a packet is for, or that an ICMP error
    /// is about, or takes the echo request that it is.
    fn has_socket_for(&self, arrival: &Arrival<'_>, carried: &Carried) -> bool {
        let is_later = carried.fragment.is_some_and(|place| place.offset != 0);
        if !self.has_transparent() || is_later {
            return false;
        }
        let IpHeader { source, dest, .. } = arrival.ip;
        let Carried { protocol, at, .. } = *carried;
        if matches!(protocol, ip::ICMP | ip::ICMPV6) {
            if self.takes_echo(arrival, at) {
                return true;
            }
            let quoted = Quoted::parse(arrival.packet, at);
            return quoted.is_some_and(|quoted| quoted.ip.source == dest && self.has_sent(&quoted));
        }
        let ports = arrival.packet.frame.get(at..);
        ports
            .and_then(|bytes| bytes.first_chunk())
            .is_some_and(|&[a, b, c, d]| {
                let local = SocketAddr::new(dest, u16::from_be_bytes([c, d]));
                let remote = SocketAddr::new(source, u16::from_be_bytes([a, b]));
                self.has_socket(protocol, local, remote)
            })
    }

    /// Whether a socket takes what is for `local`: what a rule gave to `given_to` reaches a socket that is
    /// not transparent only if it would have done so without the rule.
    #[inline]
    pub(super) fn may_take(
        &self,
        id: SocketId,
        local: SocketAddr,
        given_to: Option<SocketAddr>,
    ) -> bool {
        given_to.is_none_or(|bound| {
            (bound == local && self.is_local(local.ip())) || self.is_transparent(id)
        })
    }

    /// Whether a socket may have what is not for an address of this host.
    fn is_transparent(&self, id: SocketId) -> bool {
        let settings = self.ip_settings(id);
        settings.is_ok_and(|settings| settings.transparent)
    }

    /// Whether a socket of this host has sent what somebody quotes.
    pub(super) fn has_sent(&self, quoted: &Quoted) -> bool {
        self.has_socket(quoted.ip.protocol, quoted.local(), quoted.remote())
    }

    /// Whether a socket has just this address and port, with this peer or, being transparent, with any: it
    /// listens, or is an unconnected one of UDP.
    fn has_socket(&self, protocol: u8, local: SocketAddr, remote: SocketAddr) -> bool {
        let key = FlowKey::new(local, remote);
        let (has_flow, ports) = match protocol {
            ip::TCP => (self.tcp.flows.contains(&key), &self.tcp.ports),
            ip::UDP => (self.udp.flows.contains(&key), &self.udp.ports),
            _ => return false,
        };
        has_flow || ports.takers_at(local).any(|id| self.is_transparent(id))
    }
}

/// Whether a fragment of IPv6 has no other extension headers, and so the whole packet none that a router
/// leaves to others.
fn is_plain_fragment(arrival: &Arrival<'_>) -> bool {
    let first = Chain::new(&arrival.packet.frame).next();
    first.is_some_and(|first| {
        first.is_ok_and(|first| {
            first.kind == ipv6_ext::FRAGMENT && !ipv6_ext::is_extension(first.next_header())
        })
    })
}

/// What a packet carries behind all headers of IP.
struct Carried {
    protocol: u8,
    at: usize,
    fragment: Option<Fragment>,
}

impl Carried {
    /// Looks behind extension headers; `None` where they are broken.
    fn of(arrival: &Arrival<'_>) -> Option<Self> {
        let header = &arrival.ip;
        if !has_extensions(header) {
            return Some(Self {
                protocol: header.protocol,
                at: header.header_len,
                fragment: header.fragment,
            });
        }
        let end = read_chain(&arrival.packet.frame, header).ok()?;
        Some(Self {
            protocol: end.protocol,
            at: end.position,
            fragment: end.fragment,
        })
    }
}
