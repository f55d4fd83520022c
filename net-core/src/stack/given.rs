//! Addresses of IPv4 that are given by hand, checked and defended (RFC 5227).

use super::Stack;
use crate::autoconf::{ClaimAct, Defence, Given};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use crate::must::must;
use crate::time::Instant;
use crate::wire::ArpPacket;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

impl Stack {
    /// Whether an interface of Ethernet checks addresses of IPv4 that it is given, those that it has now, too,
    /// before it uses them (RFC 5227 §2.1). It asks the link three times, for four to seven seconds in all; an
    /// address that nobody has is used then, and announced twice; one that another host has, or asks about at
    /// the same time, is not used. [`addresses`](Self::addresses) tells, and each conflict counts in
    /// [`Stats::address_conflicts`](crate::stats::Stats::address_conflicts). An address that was found to be another's
    /// is not tried again, until it is [removed](Self::remove_address) and added anew; after ten such addresses
    /// of an interface each further check waits, and one a minute begins. `defence` says what
    /// becomes of one in use that another host insists on.
    ///
    /// Off (`None`) by default, as with Linux, which leaves the check to programs (`arping -D`): nothing can be
    /// bound to an address for the time of the check. Off, addresses are used at once, and are kept and
    /// defended each ten seconds when others have them ([`Defence::Keep`]). Switching it off ends no check that
    /// is under way. On a link that is no Ethernet there is nobody to ask, and nothing changes.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_conflict_detection(
        &mut self,
        iface: IfaceId,
        defence: Option<Defence>,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.iface_mut(iface).ok_or(SocketError::NoSuchInterface)?;
        own.autoconf.detects_conflicts = defence;
        if !self.detects_conflicts(iface) {
            return Ok(());
        }
        for cidr in self.unclaimed(iface) {
            if let IpAddr::V4(address) = cidr.address {
                self.drop_address(iface, cidr);
                self.check_given(iface, address, cidr.prefix_len, now);
            }
        }
        self.autoconf_settle(iface, now);
        Ok(())
    }

    /// As [`add_address`](Self::add_address), for who knows that nobody else has the address, such as a client
    /// of DHCP: one of IPv4 is not asked about again, whatever
    /// [`set_conflict_detection`](Self::set_conflict_detection) says later, and is defended as that says (RFC
    /// 5227 §2.1, §2.4).
    ///
    /// # Errors
    /// As for [`add_address`](Self::add_address).
    pub fn add_checked_address(
        &mut self,
        iface: IfaceId,
        cidr: IpCidr,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.give_address(iface, cidr, false, now)?;
        let is_ethernet = self.mac(iface).is_some();
        if let IpAddr::V4(address) = cidr.address
            && is_ethernet
            && let Some(own) = self.iface_mut(iface)
        {
            let given = Given::checked(address, cidr.prefix_len, now);
            own.autoconf.given.push(given);
        }
        Ok(())
    }

    /// Whether addresses of IPv4 are checked there.
    pub(super) fn detects_conflicts(&self, iface: IfaceId) -> bool {
        let own = self.iface(iface);
        let asked = own.is_some_and(|own| own.autoconf.detects_conflicts.is_some());
        asked && self.mac(iface).is_some() && must("5227 MUST 2.1.1")
    }

    /// The addresses of an interface that it has neither checked nor chosen by itself.
    fn unclaimed(&self, iface: IfaceId) -> Vec<IpCidr> {
        let Some(own) = self.iface(iface) else {
            return Vec::new();
        };
        let search = own.autoconf.link_local.as_ref();
        let chosen = search.map(|search| IpAddr::V4(search.address()));
        let all = own.config.addresses.iter().filter(|cidr| {
            own.autoconf.state(cidr.address).is_none() && Some(cidr.address) != chosen
        });
        all.copied().collect()
    }

    /// Begins to check an address.
    pub(super) fn check_given(
        &mut self,
        iface: IfaceId,
        address: Ipv4Addr,
        prefix_len: u8,
        now: Instant,
    ) {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        if let Some(own) = own {
            let (pace, rng) = (&mut own.autoconf.pace, &mut self.rng);
            let given = Given::new(address, prefix_len, pace, rng, now);
            own.autoconf.given.push(given);
        }
    }

    /// Somebody has taken an address from the interface; whether it was checked, or is.
    pub(super) fn given_removed(&mut self, iface: IfaceId, address: IpAddr) -> bool {
        let Some(own) = self.iface_mut(iface) else {
            return false;
        };
        let all = &mut own.autoconf.given;
        let count = all.len();
        all.retain(|given| IpAddr::V4(given.address()) != address);
        all.len() < count
    }

    /// The next step of each check that is due.
    pub(super) fn given_timeout(&mut self, iface: IfaceId, now: Instant) {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let Some(own) = own else {
            return;
        };
        let mut acts = Vec::new();
        for given in &mut own.autoconf.given {
            let act = given.handle_timeout(&mut self.rng, now);
            acts.extend(act.map(|act| (given.cidr(), act)));
        }
        for (cidr, act) in acts {
            self.given_act(iface, cidr, act);
        }
    }

    /// Somebody says something in ARP; whether he claims an address that was checked, or is.
    pub(super) fn given_conflict(
        &mut self,
        iface: IfaceId,
        packet: &ArpPacket,
        now: Instant,
    ) -> bool {
        let Some(own) = self.iface_mut(iface) else {
            return false;
        };
        let defence = own.autoconf.detects_conflicts.unwrap_or(Defence::Keep);
        let mut all = own.autoconf.given.iter_mut();
        let Some(given) = all.find(|given| given.conflicts_with(packet)) else {
            return false;
        };
        let (cidr, act) = (given.cidr(), given.handle_conflict(defence, now));
        if given.is_taken() {
            own.autoconf.pace.note_conflict();
        }
        self.stats.address_conflicts += 1;
        if let Some(act) = act {
            self.given_act(iface, cidr, act);
        }
        self.autoconf_settle(iface, now);
        true
    }

    fn given_act(&mut self, iface: IfaceId, cidr: IpCidr, act: ClaimAct) {
        let IpAddr::V4(address) = cidr.address else {
            return;
        };
        match act {
            ClaimAct::Probe => self.arp_probe(iface, address),
            ClaimAct::Announce => self.arp_announce(iface, address),
            ClaimAct::Take => {
                self.use_address(iface, cidr);
                self.arp_announce(iface, address);
            }
            ClaimAct::Give => self.drop_address(iface, cidr),
        }
    }
}
