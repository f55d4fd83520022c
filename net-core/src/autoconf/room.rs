//! Room for what routers tell. All of it is bounded, and whoever is on the link can say anything: what is
//! worth least makes room, so that nobody shuts others out for good. While somebody floods the link, what
//! true routers say may be forgotten again until they say it the next time.

use super::{AddressState, Autoconf, Formed, Origin};
use crate::iface::IpCidr;
use core::cmp::Reverse;
use core::net::Ipv6Addr;

impl Autoconf {
    /// The router that is to go if there is no room for another: one that has not answered, one that is
    /// preferred less, one whose time is over first; none that is in use.
    ///
    /// # Errors
    /// There is no room, and all are in use.
    pub(crate) fn router_in_excess(
        &self,
        is_in_use: impl Fn(Ipv6Addr) -> bool,
    ) -> Result<Option<Ipv6Addr>, NoRoom> {
        if self.routers.len() < MAX_ROUTERS {
            return Ok(None);
        }
        let idle = self.routers.iter().filter(|each| !is_in_use(each.address));
        let worst = idle.min_by_key(|each| (Reverse(each.failures), each.preference, each.until));
        worst.map(|each| Some(each.address)).ok_or(NoRoom)
    }

    /// Forgets the prefix whose time is over first if there is no room for another.
    pub(crate) fn pop_prefix_in_excess(&mut self) -> Option<IpCidr> {
        let full = self.prefixes.len() >= MAX_PREFIXES;
        let all = self.prefixes.iter().enumerate().filter(|_| full);
        let (at, _) = all.min_by_key(|(_, each)| each.until)?;
        Some(self.prefixes.remove(at).prefix)
    }

    /// Forgets the DNS server whose time is over first if there is no room for another (RFC 8106 §6.2).
    pub(crate) fn drop_server_in_excess(&mut self) {
        let full = self.dns.len() >= MAX_DNS;
        let all = self.dns.iter().enumerate().filter(|_| full);
        if let Some((at, _)) = all.min_by_key(|(_, (_, until))| *until) {
            self.dns.remove(at);
        }
    }

    /// The address that is to go if there is no room for another that a router wants: one that is not
    /// used; then one in a prefix that no router has told of by which packets go; of such the one that was
    /// formed last, as connections begin from those formed earlier.
    pub(crate) fn address_in_excess(
        &self,
        is_in_use: impl Fn(Ipv6Addr) -> bool,
    ) -> Option<Ipv6Addr> {
        if self.has_room() {
            return None;
        }
        let theirs = self.formed.iter().rev();
        let theirs = theirs.filter(|each| each.origin != Origin::Given);
        let theirs = theirs.filter(|each| !each.address.is_unicast_link_local());
        let worst = theirs.min_by_key(|each| {
            let standing = match each.state {
                AddressState::Duplicate => 0,
                AddressState::Deprecated => 1,
                AddressState::Tentative | AddressState::Preferred => 2,
            };
            (standing, self.teller(each).is_some_and(&is_in_use))
        });
        worst.map(|each| each.address)
    }

    /// Who has told of the prefix of an address.
    fn teller(&self, formed: &Formed) -> Option<Ipv6Addr> {
        let mut all = self.formed.iter();
        let stable =
            all.find(|each| each.origin == Origin::Stable && each.prefix() == formed.prefix());
        stable.and_then(|stable| stable.told_by)
    }

    /// Whether routers may make it have another address.
    pub(crate) fn has_room(&self) -> bool {
        let theirs = self.formed.iter();
        let theirs = theirs.filter(|each| each.origin != Origin::Given);
        theirs.count() < MAX_ADDRESSES
    }
}

/// Nothing of what there is may go.
#[derive(Debug)]
pub(crate) struct NoRoom;

/// Addresses that routers can make an interface have, with its link-local one.
const MAX_ADDRESSES: usize = 16;
/// Routers that are remembered for an interface.
const MAX_ROUTERS: usize = 8;
/// Prefixes of a link that are remembered.
const MAX_PREFIXES: usize = 16;
/// DNS servers that are remembered for an interface.
const MAX_DNS: usize = 8;
