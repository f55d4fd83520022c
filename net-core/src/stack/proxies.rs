//! Answers for addresses of others, and for anycast addresses: several proxies may have heard one question, so that each waits for a
//! random time before it answers (RFC 4861 §7.2.7, §7.2.8; Linux's `proxy_delay` and `proxy_qlen`).

use super::ip_input::Arrival;
use super::{Stack, TimerId, TimerKey};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ndp::{self, HOP_LIMIT, NeighborAdvert};
use crate::wire::{ArpPacket, EtherType, MacAddr, NdpMessage, NdpOption, ip};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// The answers that wait.
#[derive(Debug, Default)]
pub(super) struct ProxyAnswers {
    waiting: Vec<Waiting>,
    /// That of the first of them.
    timer: Option<(TimerId, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    due: Instant,
    iface: IfaceId,
    answer: ProxyAnswer,
}

/// What is said about an address of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyAnswer {
    /// To a station.
    Arp(MacAddr, ArpPacket),
    /// To an address.
    Ndp(Ipv6Addr, NeighborAdvert),
}

impl ProxyAnswer {
    /// The address that was asked for.
    const fn target(&self) -> IpAddr {
        match self {
            Self::Arp(_, reply) => IpAddr::V4(reply.sender_ip),
            Self::Ndp(_, advert) => IpAddr::V6(advert.target),
        }
    }
}

impl Stack {
    /// Starts or stops answering for an address of somebody else, who is reached through this host
    /// (RFC 4861 §7.2.8, RFC 1027). What everybody was asked is answered after
    /// [a random time](crate::neighbor::NeighborConfig::proxy_delay), and overrides nobody's answer.
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): an interface that is no Ethernet, or an address
    /// that no single host has.
    pub fn set_neighbor_proxy(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        on: bool,
    ) -> Result<(), SocketError> {
        self.check_neighbor(iface, address)?;
        if self.neighbors.is_proxy(iface, address) != on {
            self.neighbors.set_proxy(iface, address, on);
            self.hold_solicited_node(iface, address, on);
        }
        Ok(())
    }

    /// Whether others may answer for an address as well as this host: it is somebody else's for whom it answers, or
    /// an anycast address (RFC 4861 §7.2.7, §7.2.8).
    pub(super) fn shares(&self, iface: IfaceId, address: IpAddr) -> bool {
        let mut anycast = self.addresses.anycast_of(iface).map(IpAddr::V6);
        self.neighbors.is_proxy(iface, address) || anycast.any(|own| own == address)
    }

    /// Answers for an address that [others may answer for](Self::shares). A question to this station alone is
    /// answered at once, as no other proxy has heard it.
    pub(super) fn answer_by_proxy(
        &mut self,
        iface: IfaceId,
        answer: ProxyAnswer,
        asked_alone: bool,
        now: Instant,
    ) -> Result<(), DropReason> {
        let delay = self.config.neighbor.proxy_delay;
        if asked_alone || delay.is_zero() {
            return self.send_by_proxy(iface, answer, now);
        }
        let mut waiting = self.proxies.waiting.iter();
        if waiting.any(|each| each.iface == iface && each.answer == answer) {
            // Who asks again before that is answered by it.
            return Ok(());
        }
        if self.proxies.waiting.len() >= self.config.neighbor.proxy_queue {
            return Err(DropReason::ProxyQueueFull);
        }
        let longest = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let due = now.plus_nanos(self.rng.below(longest));
        self.proxies.waiting.push(Waiting { due, iface, answer });
        self.settle_proxies();
        Ok(())
    }

    /// Whether a neighbour asks here, by the address itself, if somebody else whom this host answers for is still
    /// to be reached (RFC 4861 §7.3.3); as in Linux, that is not sent on.
    #[inline]
    pub(super) fn asks_proxy(&self, arrival: &Arrival<'_>) -> bool {
        let header = &arrival.ip;
        header.protocol == ip::ICMPV6
            && header.ttl == HOP_LIMIT
            && header.dest.is_ipv6()
            && arrival.packet.frame.get(header.header_len) == Some(&ndp::NEIGHBOR_SOLICIT)
            && self.neighbors.is_proxy(arrival.over, header.dest)
    }

    /// Sends the answers that are due, for addresses that this host still answers for.
    pub(super) fn proxy_timeout(&mut self, now: Instant) {
        self.proxies.timer = None;
        let due = self.proxies.waiting.extract_if(.., |each| each.due <= now);
        for Waiting { iface, answer, .. } in due.collect::<Vec<_>>() {
            let still = self.shares(iface, answer.target());
            let sent = still.then(|| self.send_by_proxy(iface, answer, now));
            if let Some(Err(reason)) = sent {
                self.stats.count_drop(reason);
            }
        }
        self.settle_proxies();
    }

    fn send_by_proxy(
        &mut self,
        iface: IfaceId,
        answer: ProxyAnswer,
        now: Instant,
    ) -> Result<(), DropReason> {
        match answer {
            ProxyAnswer::Arp(dest, reply) => {
                self.ethernet_output(iface, dest, EtherType::ARP, &reply.to_bytes());
            }
            ProxyAnswer::Ndp(dest, advert) => {
                let mac = self.mac(iface).ok_or(DropReason::NoRoute)?;
                let source = self.source_on(iface, dest).ok_or(DropReason::NoRoute)?;
                let option = [NdpOption::TargetLinkLayer(mac)];
                let message = NdpMessage::NeighborAdvert(advert);
                self.ndp_send(iface, source, dest, &message, &option, now);
            }
        }
        Ok(())
    }

    /// Has the timer go off when the first answer is due.
    fn settle_proxies(&mut self) {
        let first = self.proxies.waiting.iter().map(|each| each.due).min();
        if let Some((timer, at)) = self.proxies.timer
            && Some(at) != first
        {
            self.wheel.cancel(timer);
            self.proxies.timer = None;
        }
        if self.proxies.timer.is_none() {
            let timer = first.map(|at| (self.wheel.insert(TimerKey::Proxies, at), at));
            self.proxies.timer = timer;
        }
    }
}
