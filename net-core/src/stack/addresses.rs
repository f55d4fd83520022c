//! Addresses that come and go while the stack runs: checked before use (RFC 4862 §5.4, RFC 7527), used,
//! deprecated, given up.

use super::{Stack, TimerKey};
use crate::autoconf::{AddressState, AddressStatus, Formed, NONCES, Nonce, Origin, stable_address};
use crate::error::SocketError;
use crate::iface::{IfaceId, IpCidr};
use crate::must::must;
use crate::route::{Route, TableId};
use crate::time::Instant;
use crate::wire::ethernet::solicited_node;
use crate::wire::{NdpMessage, NdpOption};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// Gives an interface another address, with the route to its prefix. One of IPv6 on an Ethernet is
    /// used once it is known that nobody else has it, after about a second; [`addresses`](Self::addresses)
    /// tells. One of IPv4 is used at once, and the link is told of it twice (RFC 5227 §2.3); it is checked
    /// first where the interface [detects conflicts](Self::set_conflict_detection).
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface); [`AddressInUse`](SocketError::AddressInUse) if
    /// it has the address; [`InvalidInput`](SocketError::InvalidInput) as for
    /// [`add_iface`](Self::add_iface).
    pub fn add_address(
        &mut self,
        iface: IfaceId,
        cidr: IpCidr,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.give_address(iface, cidr, self.detects_conflicts(iface), now)
    }

    /// Gives an interface an address; `checks_v4` says whether it is to be checked before, if it is one of IPv4.
    pub(super) fn give_address(
        &mut self,
        iface: IfaceId,
        cidr: IpCidr,
        checks_v4: bool,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        let mut config = own.config.clone();
        config.addresses.push(cidr);
        config.check()?;
        let known = own.autoconf.state(cidr.address).is_some();
        if known || self.has_address(iface, cidr.address) {
            return Err(SocketError::AddressInUse);
        }
        match cidr.address {
            IpAddr::V6(address) if self.mac(iface).is_some() => {
                let forever = (Instant::MAX, Instant::MAX);
                let formed = self.unchecked(address, cidr.prefix_len, forever, now);
                self.check_address(iface, formed, now);
            }
            IpAddr::V6(_) => self.use_address(iface, cidr),
            IpAddr::V4(address) if checks_v4 => {
                self.check_given(iface, address, cidr.prefix_len, now);
                self.autoconf_settle(iface, now);
            }
            IpAddr::V4(address) => {
                self.use_address(iface, cidr);
                self.arp_announce_twice(iface, address, now);
            }
        }
        Ok(())
    }

    /// Has the addresses of IPv6 checked that an interface of Ethernet was made with, as others are that
    /// come later (RFC 4862 §5.4): until it is known that nobody else has them, after one to two seconds,
    /// they are not used. Without this they are used at once. An interface that
    /// [configures itself](Self::autoconfigure) begins with it. On other links there is nobody to ask.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn check_addresses(&mut self, iface: IfaceId, now: Instant) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        if own.config.kind.mac().is_none() || !must("4862 MUST 5.4.1") {
            return Ok(());
        }
        let all = own.config.addresses.iter();
        let unchecked = all.filter(|cidr| own.autoconf.state(cidr.address).is_none());
        let unchecked: Vec<IpCidr> = unchecked.copied().collect();
        for cidr in unchecked {
            if let IpAddr::V6(address) = cidr.address {
                self.drop_address(iface, cidr);
                let due = self.soon(now);
                let forever = (Instant::MAX, Instant::MAX);
                let formed = self.unchecked(address, cidr.prefix_len, forever, due);
                // Its group has been listened to since it was given.
                if let Some(own) = self.iface_mut(iface) {
                    own.autoconf.formed.push(formed);
                }
            }
        }
        self.autoconf_settle(iface, now);
        Ok(())
    }

    /// Takes an address and the route to its prefix from an interface; whether it had it. Connections
    /// from it stay, send nothing, and time out, unless they are of transparent sockets.
    pub fn remove_address(&mut self, iface: IfaceId, address: IpAddr, now: Instant) -> bool {
        self.clock = now;
        self.link_local_removed(iface, address);
        let was_given = self.given_removed(iface, address);
        let Some(own) = self.iface_mut(iface) else {
            return false;
        };
        let formed = own.autoconf.formed.iter();
        let at = { formed }.position(|each| IpAddr::V6(each.address) == address);
        let formed = at.map(|at| own.autoconf.formed.remove(at));
        let mut all = own.config.addresses.iter();
        let used = all.find(|cidr| cidr.address == address).copied();
        if let Some(cidr) = used {
            self.drop_address(iface, cidr);
        }
        if formed.is_none_or(|formed| formed.state != AddressState::Duplicate)
            && (formed.is_some() || used.is_some())
        {
            self.hold_solicited_node(iface, address, false);
        }
        self.autoconf_settle(iface, now);
        self.keep_link_local(iface, now);
        was_given || formed.is_some() || used.is_some()
    }

    /// The addresses of an interface, and how far each is.
    pub fn addresses(&self, iface: IfaceId) -> impl Iterator<Item = AddressStatus> + '_ {
        let own = self.iface(iface).into_iter();
        own.flat_map(|own| {
            let formed = own.autoconf.formed.iter().map(Formed::status);
            let rest = own.config.addresses.iter();
            let rest = rest.filter(move |cidr| {
                cidr.address.is_ipv4() || own.autoconf.state(cidr.address).is_none()
            });
            let rest = rest.map(|&cidr| plain(cidr, AddressState::Preferred));
            let search = own.autoconf.link_local.iter();
            let search = search.filter(|search| !search.is_used());
            let search = search.map(|search| plain(search.cidr(), AddressState::Tentative));
            let given = own.autoconf.given.iter();
            let given = given.map(|given| plain(given.cidr(), given.state()));
            let unused = given.filter(|given| given.state != AddressState::Preferred);
            rest.chain(search).chain(unused).chain(formed)
        })
    }

    /// Whether it is being checked that nobody else has the address.
    pub(super) fn is_tentative(&self, iface: IfaceId, address: Ipv6Addr) -> bool {
        let own = self.iface(iface);
        let state = own.and_then(|own| own.autoconf.state(address.into()));
        state == Some(AddressState::Tentative)
    }

    /// Chooses an address in a prefix, and begins to check it.
    pub(super) fn form_address(
        &mut self,
        iface: IfaceId,
        prefix: u64,
        lifetimes: (Instant, Instant),
        collisions: u8,
        due: Instant,
    ) {
        let Some(mac) = self.mac(iface) else {
            return;
        };
        let address = stable_address(self.stable_key, prefix, mac, collisions);
        // Of fe80::/64 every address is on the link; of others that has to be told (RFC 5942 §4).
        let prefix_len = if prefix == LINK_LOCAL { 64 } else { 128 };
        let formed = Formed {
            origin: Origin::Stable,
            collisions,
            ..self.unchecked(address, prefix_len, lifetimes, due)
        };
        self.check_address(iface, formed, self.clock);
    }

    /// An address of which nothing is known yet.
    pub(super) fn unchecked(
        &mut self,
        address: Ipv6Addr,
        prefix_len: u8,
        (preferred_until, valid_until): (Instant, Instant),
        due: Instant,
    ) -> Formed {
        Formed {
            address,
            prefix_len,
            origin: Origin::Given,
            state: AddressState::Tentative,
            collisions: 0,
            probes: DUP_ADDR_DETECT_TRANSMITS,
            due,
            nonces: [self.nonce(); NONCES],
            preferred_until,
            valid_until,
            told_by: None,
        }
    }

    fn nonce(&mut self) -> Nonce {
        let [a, b, c, d, e, f, ..] = self.rng.next_u64().to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// Begins to check an address: first of all its group is listened to (RFC 4862 §5.4.2).
    pub(super) fn check_address(&mut self, iface: IfaceId, formed: Formed, now: Instant) {
        self.hold_solicited_node(iface, formed.address.into(), true);
        if let Some(own) = self.iface_mut(iface) {
            own.autoconf.formed.push(formed);
        }
        self.autoconf_settle(iface, now);
    }

    /// Somebody asks whether an address that is being checked is free, too (RFC 4862 §5.4.3).
    pub(super) fn tentative_solicited(
        &mut self,
        iface: IfaceId,
        address: Ipv6Addr,
        nonce: Option<&[u8]>,
        now: Instant,
    ) {
        let own = self.iface_mut(iface);
        let Some(formed) = own.and_then(|own| own.autoconf.find(address)) else {
            return;
        };
        let is_ours = |nonce| formed.nonces.iter().any(|ours| nonce == &ours[..]);
        if nonce.is_some_and(is_ours) {
            // The link has brought our own back, and may do so with what others say; it is asked again
            // (RFC 7527 §4.1).
            formed.probes = MAX_MULTICAST_SOLICIT;
            self.stats.looped_probes += 1;
        } else {
            self.duplicate(iface, address, now);
        }
    }

    /// Somebody else has an address that was being checked: another one is chosen, unless it was not
    /// the stack that chose, or that has been tried often enough (RFC 4862 §5.4.5, RFC 7217 §6).
    pub(super) fn duplicate(&mut self, iface: IfaceId, address: Ipv6Addr, now: Instant) {
        let own = self.iface_mut(iface);
        let Some(formed) = own.and_then(|own| own.autoconf.find(address)) else {
            return;
        };
        formed.state = AddressState::Duplicate;
        let gone = *formed;
        self.stats.address_conflicts += 1;
        self.hold_solicited_node(iface, address.into(), false);
        if gone.origin != Origin::Given && gone.collisions < IDGEN_RETRIES {
            if let Some(own) = self.iface_mut(iface) {
                own.autoconf.formed.retain(|each| each.address != address);
            }
            self.choose_again(iface, gone, now);
        }
        self.keep_link_local(iface, now);
        self.autoconf_settle(iface, now);
    }

    /// Chooses another address in the place of one that somebody else has.
    fn choose_again(&mut self, iface: IfaceId, gone: Formed, now: Instant) {
        let (prefix, collisions) = (gone.prefix(), gone.collisions + 1);
        match gone.origin {
            Origin::Given => {}
            Origin::Stable => {
                let lifetimes = (gone.preferred_until, gone.valid_until);
                self.form_address(iface, prefix, lifetimes, collisions, now);
            }
            Origin::Temporary(_) => self.form_temporary(iface, prefix, collisions, now),
        }
    }

    /// The next step of each check that is due: ask, or use the address.
    pub(super) fn check_tentative(&mut self, iface: IfaceId, now: Instant) {
        let retrans = self.neighbors.retrans_timer(iface, &self.config.neighbor);
        let count = self.iface(iface).map_or(0, |own| own.autoconf.formed.len());
        for at in 0..count {
            let nonce = self.nonce();
            let own = self.iface_mut(iface);
            let Some(formed) = own.and_then(|own| own.autoconf.formed.get_mut(at)) else {
                return;
            };
            if formed.state != AddressState::Tentative || formed.due > now {
                continue;
            }
            if formed.probes > 0 {
                formed.probes -= 1;
                formed.due = now + retrans;
                formed.note_nonce(nonce);
                let target = formed.address;
                let message = NdpMessage::NeighborSolicit { target };
                let option = [NdpOption::Nonce(&nonce)];
                let dest = solicited_node(target);
                self.ndp_send(iface, Ipv6Addr::UNSPECIFIED, dest, &message, &option, now);
            } else {
                formed.state = AddressState::Preferred;
                let (cidr, address) = (formed.cidr(), formed.address);
                self.use_address(iface, cidr);
                if address.is_unicast_link_local() {
                    self.begin_soliciting(iface, now);
                }
            }
        }
    }

    /// Deprecates addresses, and gives them up (RFC 4862 §5.5.4).
    pub(super) fn expire_addresses(&mut self, iface: IfaceId, now: Instant) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let mut deprecated = false;
        for formed in &mut own.autoconf.formed {
            if formed.state == AddressState::Preferred && formed.preferred_until <= now {
                formed.state = AddressState::Deprecated;
                deprecated = true;
            }
        }
        let over = own
            .autoconf
            .formed
            .iter()
            .filter(|each| each.valid_until <= now);
        let over: Vec<Ipv6Addr> = over.map(|each| each.address).collect();
        for address in over {
            self.remove_address(iface, address.into(), now);
        }
        if deprecated {
            // Sources are chosen anew.
            self.routes.table_mut(TableId::MAIN).changed();
        }
    }

    pub(super) fn use_address(&mut self, iface: IfaceId, cidr: IpCidr) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let has_route = own
            .config
            .addresses
            .iter()
            .any(|other| is_alike(other, &cidr));
        own.config.addresses.push(cidr);
        self.addresses.add(iface, cidr);
        self.settle_anycast(iface);
        self.settle_advertising(iface);
        self.note_own_addresses();
        if has_route {
            // Sources are chosen anew.
            self.routes.table_mut(TableId::MAIN).changed();
        } else {
            self.route_to_prefix(iface, cidr);
        }
    }

    pub(super) fn drop_address(&mut self, iface: IfaceId, cidr: IpCidr) {
        self.advertising_address_goes(iface, cidr.address);
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        own.config.addresses.retain(|other| *other != cidr);
        let mut rest = own.config.addresses.iter();
        let heir = rest.find(|other| is_alike(other, &cidr)).copied();
        self.addresses.remove(iface, cidr);
        self.settle_anycast(iface);
        self.settle_advertising(iface);
        self.note_own_addresses();
        let table = self.routes.table_mut(TableId::MAIN);
        let removed = table.remove_where(cidr, |decision, _| {
            let route = decision.route();
            route.is_some_and(|route| route.iface == iface && route.source == Some(cidr.address))
        });
        // Whoever keeps a way from it or to it looks again.
        table.changed();
        if let Some(heir) = heir.filter(|_| removed > 0) {
            self.route_to_prefix(iface, heir);
        }
    }

    /// The route that comes with an address.
    fn route_to_prefix(&mut self, iface: IfaceId, cidr: IpCidr) {
        self.learn_route(Route {
            prefix: cidr,
            via: None,
            iface,
            source: Some(cidr.address),
            metric: u32::from(iface.0),
        });
    }

    /// What is due on an interface.
    pub(super) fn autoconf_timeout(&mut self, iface: IfaceId, now: Instant) {
        if let Some(own) = self.iface_mut(iface) {
            own.autoconf.timer = None;
        }
        self.check_tentative(iface, now);
        self.link_local_timeout(iface, now);
        self.given_timeout(iface, now);
        self.arp_announce_due(iface, now);
        self.succeed_temporary(iface, now);
        self.solicit_routers(iface, now);
        self.expire_routers(iface, now);
        self.expire_addresses(iface, now);
        self.autoconf_settle(iface, now);
    }

    /// Sets the timer to what is due next.
    pub(super) fn autoconf_settle(&mut self, iface: IfaceId, now: Instant) {
        let own = self.ifaces.get_mut(iface.index());
        let Some(own) = own.and_then(Option::as_mut) else {
            return;
        };
        let armed = own.autoconf.timer;
        let armed = armed.and_then(|timer| self.wheel.deadline(timer));
        let next = own.autoconf.next().map(|at| at.max(now));
        if next == armed {
            return;
        }
        if let Some(timer) = own.autoconf.timer.take() {
            self.wheel.cancel(timer);
        }
        own.autoconf.timer = next.map(|at| self.wheel.insert(TimerKey::Autoconf(iface), at));
    }
}

/// What is said of an address that has no end.
const fn plain(cidr: IpCidr, state: AddressState) -> AddressStatus {
    AddressStatus {
        cidr,
        state,
        preferred_until: None,
        valid_until: None,
        is_temporary: false,
    }
}

/// Whether two addresses bring the route to the same prefix.
fn is_alike(one: &IpCidr, other: &IpCidr) -> bool {
    one.prefix_len == other.prefix_len && one.contains(other.address)
}

/// fe80::/64.
pub(super) const LINK_LOCAL: u64 = 0xfe80 << 48;
/// Solicitations that check an address (RFC 4862 §5.1).
const DUP_ADDR_DETECT_TRANSMITS: u8 = 1;
/// And once more so many when one came back (RFC 7527 §4.1).
const MAX_MULTICAST_SOLICIT: u8 = 3;
/// New choices after others had the address (RFC 7217 §7).
const IDGEN_RETRIES: u8 = 3;
