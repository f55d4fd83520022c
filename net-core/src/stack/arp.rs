//! ARP in the stack (RFC 826, RFC 5227).
//!
//! Addresses have two defenders, the claim (`autoconf/claim.rs`) of one that was checked, and
//! [`arp_conflict`](Stack::arp_conflict) for the others: that an address has a claim is how the stack knows that it
//! need not be asked about any more once conflicts are to be detected, so one that was just added has none.

use super::Stack;
use super::proxies::ProxyAnswer;
use crate::autoconf::{ANNOUNCE_INTERVAL, Announcement, DEFEND_INTERVAL};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::ip::may_be_local;
use crate::must::must;
use crate::neighbor::Sighting;
use crate::route::Query;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{ArpOperation, ArpPacket, EtherType, MacAddr};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

impl Stack {
    /// Takes in what follows the Ethernet header of an ARP frame, for this station or `to_all`.
    pub(super) fn arp_input(
        &mut self,
        iface: IfaceId,
        mac: MacAddr,
        bytes: &[u8],
        to_all: bool,
        now: Instant,
    ) -> Result<(), DropReason> {
        let packet = ArpPacket::parse(bytes)?;
        let sender = IpAddr::V4(packet.sender_ip);
        let target = IpAddr::V4(packet.target_ip);
        if self.has_mac(packet.sender_mac) {
            // Our own, come back, or from another of our interfaces on this link (RFC 5227 §2.1.1, §2.4).
            return Err(DropReason::Arp);
        }
        let chosen = self.link_local_conflict(iface, &packet, now);
        let given = self.given_conflict(iface, &packet, now);
        if chosen || given {
            return Err(DropReason::AddressConflict);
        }
        let source = (!packet.is_probe()).then_some(sender);
        // Another host of such an address, as where an anycast address is announced: no neighbour.
        let from_us = source.is_some() && self.is_routed_here(iface, sender, Some(target));
        let for_us = self.has_address(iface, target)
            || (packet.operation == ArpOperation::Request
                && !from_us
                && self.is_routed_here(iface, target, source));
        if self.addresses.contains(sender) {
            self.arp_conflict(iface, packet.sender_ip, now);
            return Err(DropReason::AddressConflict);
        }
        if !packet.is_probe() && !from_us {
            let sighting = match packet.operation {
                ArpOperation::Request if for_us => Sighting::Asks(packet.sender_mac),
                ArpOperation::Reply if for_us => Sighting::Adverts {
                    mac: Some(packet.sender_mac),
                    solicited: true,
                    overrides: true,
                    router: None,
                },
                _ => Sighting::Mentions(packet.sender_mac),
            };
            self.neighbor_seen(iface, sender, sighting, now);
        }
        let answered = for_us || self.neighbors.is_proxy(iface, target);
        if packet.operation == ArpOperation::Request && answered {
            if !self.limits.neighbor.take(now) {
                return Err(DropReason::RateLimited);
            }
            let reply = ArpPacket::reply_to(&packet, mac);
            let dest = audience(packet.target_ip, packet.sender_mac);
            if !for_us {
                let answer = ProxyAnswer::Arp(dest, reply);
                return self.answer_by_proxy(iface, answer, !to_all, now);
            }
            self.ethernet_output(iface, dest, EtherType::ARP, &reply.to_bytes());
        }
        Ok(())
    }

    /// Whether a local route makes an address this host's: as in Linux such addresses are found by ARP on
    /// every link, those of IPv6 only by a proxy ([`set_neighbor_proxy`](Self::set_neighbor_proxy)). They are
    /// not defended, though: others may have them too, so who says that one is theirs gets no answer. Who asks
    /// before taking one (a probe) does, as in Linux.
    fn is_routed_here(&self, over: IfaceId, address: IpAddr, source: Option<IpAddr>) -> bool {
        if !self.routes.may_have_local() {
            return false;
        }
        let to_host = may_be_local(address) && !address.is_loopback();
        self.routes.ends_here(&Query {
            dest: address,
            source,
            mark: 0,
            tos: 0,
            over: Some(over),
            out: None,
            owner: None,
            to_host: to_host && !self.addresses.is_broadcast(address),
        })
    }

    /// Somebody else uses an address of ours that was not checked before: says that it is ours, unless that was
    /// said a short time ago, and keeps it (RFC 5227 §2.4(c)).
    fn arp_conflict(&mut self, iface: IfaceId, address: Ipv4Addr, now: Instant) {
        self.stats.address_conflicts += 1;
        if !self.has_address(iface, IpAddr::V4(address)) {
            return;
        }
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        if own.defended_until > now {
            return;
        }
        own.defended_until = now + DEFEND_INTERVAL;
        self.arp_announce(iface, address);
    }

    /// Asks who has an address, without saying that it is ours (RFC 5227 §1.1).
    pub(super) fn arp_probe(&mut self, iface: IfaceId, address: Ipv4Addr) {
        if let Some(mac) = self.mac(iface) {
            let packet = ArpPacket::request(mac, Ipv4Addr::UNSPECIFIED, address);
            let bytes = packet.to_bytes();
            self.ethernet_output(iface, MacAddr::BROADCAST, EtherType::ARP, &bytes);
        }
    }

    /// Tells the whole link where an address of ours is (RFC 5227 §2.3).
    pub(super) fn arp_announce(&mut self, iface: IfaceId, address: Ipv4Addr) {
        if let Some(mac) = self.mac(iface) {
            let packet = ArpPacket::request(mac, address, address);
            self.ethernet_output(
                iface,
                MacAddr::BROADCAST,
                EtherType::ARP,
                &packet.to_bytes(),
            );
        }
    }

    /// Tells the link of an address that is used from now on, and again after two seconds, so that nobody
    /// keeps a station that had it before (RFC 5227 §2.3).
    pub(super) fn arp_announce_twice(&mut self, iface: IfaceId, address: Ipv4Addr, now: Instant) {
        if self.mac(iface).is_none() {
            return;
        }
        self.arp_announce(iface, address);
        let due = now + ANNOUNCE_INTERVAL;
        if let Some(own) = self.iface_mut(iface)
            && must("5227 MUST 2.3.1")
        {
            let all = &mut own.autoconf.announcements;
            all.retain(|each| each.address != address);
            all.push(Announcement { address, due });
        }
        self.autoconf_settle(iface, now);
    }

    /// Makes the announcements that are due, of addresses that are still there.
    pub(super) fn arp_announce_due(&mut self, iface: IfaceId, now: Instant) {
        let own = self.iface_mut(iface).into_iter();
        let due = own.flat_map(|own| {
            let all = &mut own.autoconf.announcements;
            all.extract_if(.., |each| each.due <= now)
        });
        let due: Vec<_> = due.map(|each| each.address).collect();
        for address in due {
            if self.has_address(iface, address.into()) {
                self.arp_announce(iface, address);
            }
        }
    }

    /// Tells the neighbours of an interface where its addresses are, as after it was moved to another
    /// link or has taken an address over: a gratuitous ARP (RFC 5227 §2.3) or an unsolicited
    /// advertisement (RFC 4861 §7.2.6) for each.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn announce(&mut self, iface: IfaceId, now: Instant) -> Result<(), SocketError> {
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        let addresses: Vec<IpAddr> = own
            .config
            .addresses
            .iter()
            .map(|cidr| cidr.address)
            .collect();
        for address in addresses {
            match address {
                IpAddr::V4(address) => self.arp_announce(iface, address),
                IpAddr::V6(address) => self.ndp_announce(iface, address, now),
            }
        }
        Ok(())
    }

    /// Whether any interface is the station.
    fn has_mac(&self, mac: MacAddr) -> bool {
        let mut all = self.ifaces.iter().flatten();
        all.any(|own| own.config.kind.mac() == Some(mac))
    }

    /// Whether the interface has the address.
    pub(super) fn has_address(&self, iface: IfaceId, address: IpAddr) -> bool {
        self.iface(iface).is_some_and(|iface| {
            let mut own = iface.config.addresses.iter();
            own.any(|cidr| cidr.address == address)
        })
    }
}

/// Who gets what is said in ARP from an address: of one that was chosen for the link everybody, so that
/// another one who has it hears of that (RFC 3927 §2.5).
pub(super) const fn audience(sender: Ipv4Addr, station: MacAddr) -> MacAddr {
    if sender.is_link_local() {
        MacAddr::BROADCAST
    } else {
        station
    }
}
