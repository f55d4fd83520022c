//! Addresses of IPv4 for one link in the stack (RFC 3927).

use super::Stack;
use crate::autoconf::{ClaimAct, LinkLocal, Wish};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use crate::time::Instant;
use crate::wire::ArpPacket;
use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr};

impl Stack {
    /// Whether an interface of Ethernet has an address of 169.254.0.0/16 that it chooses by itself, after
    /// asking the link whether somebody else has it (RFC 3927). It is meant for a link where nobody gives
    /// addresses; what is sent from or to such an address goes to a neighbour, never to a router. It takes
    /// four to eight seconds until there is one; [`addresses`](Self::addresses) tells. Off by default.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface), or
    /// [`InvalidInput`](SocketError::InvalidInput) for an interface that is no Ethernet.
    pub fn set_link_local_v4(
        &mut self,
        iface: IfaceId,
        on: bool,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.wish_link_local(iface, Wish::Asked, on, now)
    }

    /// As [`set_link_local_v4`](Self::set_link_local_v4), for whoever gives the interface its addresses,
    /// such as a client of DHCP, and has none for it at the time (RFC 3927 §1.9). The two wishes stand
    /// beside each other: there is an address of the link while either does.
    ///
    /// # Errors
    /// As for [`set_link_local_v4`](Self::set_link_local_v4).
    pub fn fall_back_to_link_local_v4(
        &mut self,
        iface: IfaceId,
        on: bool,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.wish_link_local(iface, Wish::FallBack, on, now)
    }

    fn wish_link_local(
        &mut self,
        iface: IfaceId,
        wish: Wish,
        on: bool,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let own = own.ok_or(SocketError::NoSuchInterface)?;
        let mac = own.config.kind.mac().ok_or(SocketError::InvalidInput(
            "only an interface of Ethernet chooses an address of its link",
        ))?;
        let search = &mut own.autoconf.link_local;
        if on {
            search
                .get_or_insert_with(|| Box::new(LinkLocal::new(mac, &mut self.rng, now)))
                .wish(wish, true);
        } else if let Some(known) = search {
            known.wish(wish, false);
            if !known.is_wanted() {
                self.end_link_local(iface);
            }
        }
        self.autoconf_settle(iface, now);
        Ok(())
    }

    /// Whether an interface chooses an address of 169.254.0.0/16 by itself.
    #[must_use]
    pub fn link_local_v4(&self, iface: IfaceId) -> bool {
        let own = self.iface(iface);
        own.is_some_and(|own| own.autoconf.link_local.is_some())
    }

    /// Forgets the address that the interface has chosen, and looks for none any more.
    fn end_link_local(&mut self, iface: IfaceId) {
        let own = self.iface_mut(iface);
        let search = own.and_then(|own| own.autoconf.link_local.take());
        if let Some(search) = search.filter(|search| search.is_used()) {
            self.drop_address(iface, search.cidr());
        }
    }

    /// Somebody has taken an address from the interface: if it has chosen that, it is not to choose
    /// another.
    pub(super) fn link_local_removed(&mut self, iface: IfaceId, address: IpAddr) {
        if let Some(own) = self.iface_mut(iface)
            && let Some(search) = &own.autoconf.link_local
            && IpAddr::V4(search.address()) == address
        {
            own.autoconf.link_local = None;
        }
    }

    /// The next step of the search.
    pub(super) fn link_local_timeout(&mut self, iface: IfaceId, now: Instant) {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let Some(search) = own.and_then(|own| own.autoconf.link_local.as_mut()) else {
            return;
        };
        let address = search.address();
        if let Some(act) = search.handle_timeout(&mut self.rng, now) {
            self.link_local_act(iface, address, act, now);
        }
    }

    /// Somebody says something in ARP; whether he has the address that the interface has chosen.
    pub(super) fn link_local_conflict(
        &mut self,
        iface: IfaceId,
        packet: &ArpPacket,
        now: Instant,
    ) -> bool {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let search = own.and_then(|own| own.autoconf.link_local.as_mut());
        let Some(search) = search.filter(|search| search.conflicts_with(packet)) else {
            return false;
        };
        self.stats.address_conflicts += 1;
        let address = search.address();
        if let Some(act) = search.handle_conflict(&mut self.rng, now) {
            self.link_local_act(iface, address, act, now);
        }
        self.autoconf_settle(iface, now);
        true
    }

    fn link_local_act(&mut self, iface: IfaceId, address: Ipv4Addr, act: ClaimAct, now: Instant) {
        match act {
            ClaimAct::Probe => self.arp_probe(iface, address),
            ClaimAct::Announce => self.arp_announce(iface, address),
            ClaimAct::Take => {
                let own = self.iface(iface);
                let Some(own) = own else {
                    return;
                };
                let Some(cidr) = own.autoconf.link_local.as_ref().map(|search| search.cidr())
                else {
                    return;
                };
                let is_given = own.autoconf.state(cidr.address).is_some();
                if is_given || self.has_address(iface, cidr.address) {
                    // Somebody has given it to the interface: theirs would end with ours.
                    self.choose_link_local(iface, now);
                    return;
                }
                self.use_address(iface, cidr);
                self.arp_announce(iface, address);
            }
            ClaimAct::Give => {
                if let Some(gone) = self.choose_link_local(iface, now) {
                    self.drop_address(iface, gone);
                }
            }
        }
    }

    /// Begins again with another address; the one so far.
    fn choose_link_local(&mut self, iface: IfaceId, now: Instant) -> Option<IpCidr> {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let search = own.and_then(|own| own.autoconf.link_local.as_mut())?;
        let gone = search.cidr();
        search.choose(&mut self.rng, now);
        Some(gone)
    }
}
