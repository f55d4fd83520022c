//! What routers tell in options beside prefixes and routes: how packets are to leave, and who knows names
//! (RFC 4861 §6.3.4, RFC 8106).

use super::Stack;
use crate::autoconf::{end_of, names};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::route::TableId;
use crate::time::Instant;
use crate::wire::ndp::Lifetime;
use core::net::{IpAddr, Ipv6Addr};
use core::num::NonZeroU8;

impl Stack {
    /// The recursive DNS servers that routers of an interface have told (RFC 8106 §5.1).
    pub fn dns_servers(&self, iface: IfaceId) -> impl Iterator<Item = IpAddr> + '_ {
        let own = self.iface(iface).into_iter();
        own.flat_map(|own| &own.autoconf.dns)
            .map(|&(server, _)| server.into())
    }

    /// The domains in which routers of an interface have told to search for names (RFC 8106 §5.2).
    pub fn dns_search(&self, iface: IfaceId) -> impl Iterator<Item = &str> + '_ {
        let own = self.iface(iface).into_iter();
        own.flat_map(|own| &own.autoconf.search)
            .map(|(domain, _)| domain.as_str())
    }

    /// Limits packets of IPv4 that leave by an interface to `mtu` bytes, where its device could take larger ones,
    /// as a server of DHCP may want it (RFC 2132 §5.1); `None`: no more. What comes in may be as large as before.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface), or [`InvalidInput`](SocketError::InvalidInput) below 68,
    /// which every link carries (RFC 791 §3.2).
    pub fn limit_mtu_v4(&mut self, iface: IfaceId, mtu: Option<u16>) -> Result<(), SocketError> {
        let own = self.iface_mut(iface).ok_or(SocketError::NoSuchInterface)?;
        if mtu.is_some_and(|mtu| mtu < MIN_MTU_V4) {
            return Err(SocketError::InvalidInput(
                "every link carries packets of IPv4 of 68 bytes",
            ));
        }
        if own.autoconf.link.mtu_v4 != mtu {
            own.autoconf.link.mtu_v4 = mtu;
            // Whoever keeps a way looks again.
            self.routes.table_mut(TableId::MAIN).changed();
        }
        Ok(())
    }

    /// How many hops packets of IPv6 may make, unless their socket says something else. What leads
    /// nowhere is taken for the least that makes sense.
    pub(super) fn hop_limit_told(&mut self, iface: IfaceId, hop_limit: u8) {
        // 0 leaves it open.
        let told = NonZeroU8::new(hop_limit).map(|told| told.max(MIN_HOP_LIMIT));
        let Some(own) = self.iface_mut(iface).filter(|_| told.is_some()) else {
            return;
        };
        if own.autoconf.link.hop_limit != told {
            own.autoconf.link.hop_limit = told;
            // Whoever keeps a way looks again.
            self.routes.table_mut(TableId::MAIN).changed();
        }
    }

    /// How large packets of IPv6 may be. More than the device takes, or less than IPv6 needs, is ignored.
    pub(super) fn mtu_told(&mut self, iface: IfaceId, mtu: u32) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let told = u16::try_from(mtu).ok();
        let told = told.filter(|told| (MIN_MTU..=own.config.mtu).contains(told));
        if told.is_some() && own.autoconf.link.mtu != told {
            own.autoconf.link.mtu = told;
            self.routes.table_mut(TableId::MAIN).changed();
        }
    }

    /// DNS servers may be asked (RFC 8106 §5.3.1). An option that names one that nobody can be is wrong in
    /// whole.
    pub(super) fn dns_told(
        &mut self,
        iface: IfaceId,
        servers: &[[u8; 16]],
        lifetime: Lifetime,
        now: Instant,
    ) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let is_host = |server: Ipv6Addr| {
            !(server.is_unspecified() || server.is_loopback() || server.is_multicast())
        };
        if !servers.iter().all(|&server| is_host(server.into())) {
            return;
        }
        for server in servers.iter().copied().map(Ipv6Addr::from) {
            let dns = &mut own.autoconf.dns;
            let known = dns.iter_mut().find(|(known, _)| *known == server);
            match known {
                Some((_, until)) if lifetime.0 > 0 => *until = end_of(lifetime, now),
                Some(_) => dns.retain(|(known, _)| *known != server),
                None if lifetime.0 > 0 => {
                    own.autoconf.drop_server_in_excess();
                    own.autoconf.dns.push((server, end_of(lifetime, now)));
                }
                None => {}
            }
        }
    }

    /// Names are to be searched for in these domains (RFC 8106 §5.3.1), of which one that is none makes
    /// the option wrong in whole.
    pub(super) fn search_told(
        &mut self,
        iface: IfaceId,
        domains: &[u8],
        lifetime: Lifetime,
        now: Instant,
    ) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        for domain in names(domains).into_iter().flatten() {
            let search = &mut own.autoconf.search;
            let known = search
                .iter_mut()
                .find(|(known, _)| known.eq_ignore_ascii_case(&domain));
            match known {
                Some((_, until)) if lifetime.0 > 0 => *until = end_of(lifetime, now),
                Some(_) => search.retain(|(known, _)| !known.eq_ignore_ascii_case(&domain)),
                None if lifetime.0 > 0 => {
                    own.autoconf.drop_domain_in_excess();
                    own.autoconf.search.push((domain, end_of(lifetime, now)));
                }
                None => {}
            }
        }
    }
}

/// Every link carries this of IPv6 (RFC 8200 §5).
const MIN_MTU: u16 = 1280;
/// And this of IPv4 (RFC 791 §3.2).
const MIN_MTU_V4: u16 = 68;
/// No router can keep packets on the link, or near it (RFC 3756 §4.2.7).
const MIN_HOP_LIMIT: NonZeroU8 = NonZeroU8::new(32).expect("it is not 0");
