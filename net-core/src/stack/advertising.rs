//! A router's advertisements on its interfaces (RFC 4861 §6.2).

use super::ndp::Ends;
use super::{Stack, TimerKey};
use crate::advertising::{Advertisement, Advertiser, Inconsistency, RouterAdvertising};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::neighbor::Sighting;
use crate::route::TableId;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ethernet::ALL_NODES;
use crate::wire::ndp::{NdpOptions, RouterAdvert};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// Says what a router advertises on an interface of Ethernet (RFC 4861 §6.2.1). It does so while
    /// [`adv_send_advertisements`](RouterAdvertising::adv_send_advertisements) is true, the interface
    /// [forwards](Self::set_forwarding) and has a link-local address, from which advertisements come; one that has
    /// none, or loses its last one, forms one (RFC 4862 §5.3). Where other stations have all that it has tried, it
    /// stays silent, and [`addresses`](Self::addresses) shows a duplicate, until one is removed or given.
    /// Three leave soon, up to 16 s apart, the others at random between
    /// MinRtrAdvInterval and MaxRtrAdvInterval, and up to half a second after somebody has asked, at least three
    /// seconds apart. When the interface ceases to, up to three final ones say that it is no router any more
    /// (§6.2.5).
    ///
    /// What is advertised of the link holds for this host, too, while it advertises (§6.2.1), and what is left open is
    /// as the device and [`Config::neighbor`](crate::Config::neighbor) have it, within the limits that hold for what
    /// others advertise: it uses hop limits of 32 at least, and asks after 0.1 to 10 s.
    ///
    /// Meanwhile what other routers advertise is not followed, but
    /// [compared](Self::router_inconsistency) (§6.2.7).
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface); [`InvalidInput`](SocketError::InvalidInput) with the
    /// rule that the configuration breaks, for an interface that is no Ethernet or whose MTU is below 1280, and
    /// for one that [configures itself](Self::autoconfigure) if it is to advertise. Nothing changes then.
    pub fn set_router_advertising(
        &mut self,
        iface: IfaceId,
        config: RouterAdvertising,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        if own.config.kind.mac().is_none() || own.config.mtu < 1280 {
            return Err(SocketError::InvalidInput(
                "routers advertise themselves on interfaces of Ethernet with an MTU of at least 1280",
            ));
        }
        config.check(own.config.mtu)?;
        let is_wanted = config.adv_send_advertisements;
        if is_wanted && own.autoconf.on {
            return Err(SocketError::InvalidInput(
                "an interface that configures itself is a host's, and does not advertise",
            ));
        }
        let Some(own) = self.iface_mut(iface) else {
            return Ok(());
        };
        match &mut own.advertiser {
            Some(advertiser) => advertiser.configure(config, now),
            None => own.advertiser = Some(Box::new(Advertiser::new(config, now))),
        }
        self.settle_advertising(iface);
        self.keep_link_local(iface, now);
        Ok(())
    }

    /// What a router advertises on an interface, with what is left of lifetimes that count down; the default, which
    /// advertises nothing, where nobody has said. `None` if there is no such interface.
    #[must_use]
    pub fn router_advertising(&self, iface: IfaceId, now: Instant) -> Option<RouterAdvertising> {
        let advertiser = self.iface(iface)?.advertiser.as_ref();
        Some(advertiser.map_or_else(RouterAdvertising::default, |each| each.config(now)))
    }

    /// Whether it is an advertising interface (RFC 4861 §6.2.2).
    #[must_use]
    pub fn is_advertising(&self, iface: IfaceId) -> bool {
        let advertiser = self.iface(iface).and_then(|own| own.advertiser.as_ref());
        advertiser.is_some_and(|advertiser| advertiser.is_advertising())
    }

    /// What another router on the link of an interface has advertised last against what this one does (RFC 4861
    /// §6.2.7), if any has; [`Stats::router_inconsistencies`](crate::stats::Stats) counts them.
    #[must_use]
    pub fn router_inconsistency(&self, iface: IfaceId) -> Option<Inconsistency> {
        self.iface(iface)?.advertiser.as_ref()?.inconsistency()
    }

    /// The next such thing to write down, at most one a minute for each interface.
    pub fn poll_router_inconsistency(&mut self) -> Option<(IfaceId, Inconsistency)> {
        if !self.has_inconsistency {
            return None;
        }
        let ids = (0..=u16::MAX).map(IfaceId);
        let found = ids.zip(&mut self.ifaces).find_map(|(id, slot)| {
            let advertiser = slot.as_mut()?.advertiser.as_mut()?;
            Some((id, advertiser.poll_inconsistency()?))
        });
        self.has_inconsistency = found.is_some();
        found
    }

    /// Sends one final advertisement at once on an interface that advertises, and no more after it: to be called
    /// before the interface is [removed](Self::remove_iface), or the stack ends (RFC 4861 §6.2.5). Whether there
    /// was anything to say, which then waits for the device.
    pub fn cease_advertising(&mut self, iface: IfaceId, now: Instant) -> bool {
        self.clock = now;
        let mac = self.mac(iface);
        let own = self.iface_mut(iface);
        let advertiser = own.and_then(|own| own.advertiser.as_mut());
        let leave = mac.zip(advertiser);
        let last = leave.and_then(|(mac, advertiser)| advertiser.take_leave(mac, now));
        let is_router = last.is_some();
        if let Some(last) = last {
            self.send_advertisement(iface, last, now);
        }
        self.follow_own_advertisements(iface);
        if let Some(own) = self.iface_mut(iface) {
            own.advertiser = None;
        }
        self.arm_advertising(iface);
        is_router
    }

    /// What a router advertises of its link holds for itself (RFC 4861 §6.2.1), and not what others have said before;
    /// when it ceases to, that is over.
    fn follow_own_advertisements(&mut self, iface: IfaceId) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let advertiser = own.advertiser.as_mut();
        let Some(told) = advertiser.and_then(|each| each.poll_link_values()) else {
            return;
        };
        own.autoconf.link.mtu = None;
        own.autoconf.link.hop_limit = None;
        self.neighbors.forget_times(iface);
        // Whoever keeps a way looks again.
        self.routes.table_mut(TableId::MAIN).changed();
        self.link_times_told(iface, told.reachable_time, told.retrans_timer);
        self.hop_limit_told(iface, told.hop_limit);
        self.mtu_told(iface, told.mtu);
    }

    /// An interface that is to advertise forms a link-local address if it has none.
    pub(super) fn keep_link_local(&mut self, iface: IfaceId, now: Instant) {
        let advertiser = self.iface(iface).and_then(|own| own.advertiser.as_ref());
        if advertiser.is_some_and(|each| each.is_wanted()) {
            self.give_link_local(iface, now);
        }
    }

    /// After what an interface advertises, whether it forwards, or its addresses have changed.
    pub(super) fn settle_advertising(&mut self, iface: IfaceId) {
        let now = self.clock;
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let Some(advertiser) = &mut own.advertiser else {
            return;
        };
        let all = own.config.addresses.iter();
        let of_link: Vec<Ipv6Addr> = all
            .filter_map(|cidr| match cidr.address {
                IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
                _ => None,
            })
            .collect();
        advertiser.settle(own.forwarding, &of_link, now);
        self.follow_own_advertisements(iface);
        self.arm_advertising(iface);
    }

    /// An address is about to go: if advertisements come from it, hosts hear that it is no router's any more (RFC
    /// 4861 §6.2.8).
    pub(super) fn advertising_address_goes(&mut self, iface: IfaceId, address: IpAddr) {
        let now = self.clock;
        let mac = self.mac(iface);
        let advertiser = self
            .iface_mut(iface)
            .and_then(|own| own.advertiser.as_mut());
        let (Some(mac), Some(advertiser)) = (mac, advertiser) else {
            return;
        };
        if advertiser.source().map(IpAddr::V6) == Some(address)
            && let Some(last) = advertiser.take_leave(mac, now)
        {
            self.send_advertisement(iface, last, now);
        }
    }

    /// Somebody asks for routers (RFC 4861 §6.1.1, §6.2.6).
    pub(super) fn router_solicited(
        &mut self,
        iface: IfaceId,
        ends: Ends,
        options: NdpOptions<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        // A host has nothing to say to who asks for routers.
        if !self.is_advertising(iface) {
            return Err(DropReason::IcmpIrrelevant);
        }
        let station = options.source_link_layer();
        if ends.source.is_unspecified() {
            if station.is_some() {
                return Err(DropReason::Ndp);
            }
        } else {
            let asker = IpAddr::V6(ends.source);
            if let Some(mac) = station {
                self.neighbor_seen(iface, asker, Sighting::Asks(mac), now);
            }
            self.neighbors.note_host(iface, asker);
        }
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        if let Some(advertiser) = own.and_then(|own| own.advertiser.as_mut()) {
            advertiser.handle_solicitation(&mut self.rng, now);
        }
        self.arm_advertising(iface);
        Ok(())
    }

    /// Another router advertises itself on an advertising interface (RFC 4861 §6.2.7).
    pub(super) fn inspect_advertisement(
        &mut self,
        iface: IfaceId,
        router: Ipv6Addr,
        advert: &RouterAdvert,
        options: NdpOptions<'_>,
        now: Instant,
    ) {
        let own = self.iface_mut(iface);
        let Some(advertiser) = own.and_then(|own| own.advertiser.as_mut()) else {
            return;
        };
        if advertiser.handle_advertisement(router, advert, options, now) {
            self.stats.router_inconsistencies += 1;
            self.has_inconsistency = true;
        }
    }

    /// An advertisement is due.
    pub(super) fn advertising_timeout(&mut self, iface: IfaceId, now: Instant) {
        let mac = self.mac(iface);
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let (Some(mac), Some(own)) = (mac, own) else {
            return;
        };
        own.advertising_timer = None;
        let advertiser = own.advertiser.as_mut();
        let due = advertiser.and_then(|each| each.handle_timeout(mac, &mut self.rng, now));
        if let Some(advertisement) = due {
            self.send_advertisement(iface, advertisement, now);
        }
        self.arm_advertising(iface);
    }

    fn send_advertisement(&mut self, iface: IfaceId, sent: Advertisement, now: Instant) {
        let Advertisement { source, message } = sent;
        self.stats.router_advertisements += 1;
        self.ndp_output(iface, source, ALL_NODES, &message, now);
    }

    /// Sets the timer to the next advertisement.
    fn arm_advertising(&mut self, iface: IfaceId) {
        let own = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut);
        let Some(own) = own else {
            return;
        };
        let next = own.advertiser.as_ref().map(|advertiser| advertiser.next());
        let next = next.filter(|&at| at < Instant::MAX);
        let armed = own.advertising_timer;
        if next == armed.and_then(|timer| self.wheel.deadline(timer)) {
            return;
        }
        if let Some(timer) = own.advertising_timer.take() {
            self.wheel.cancel(timer);
        }
        own.advertising_timer = next.map(|at| self.wheel.insert(TimerKey::Advertising(iface), at));
    }
}
