//! What a configuration can say wrongly.

use super::message::{HEADER_LEN, advertisement};
use super::{AdvDnsSearch, AdvDnsServers, AdvPrefix, MIN_INTERVAL, RouterAdvertising};
use crate::error::SocketError;
use crate::time::Duration;
use crate::wire::ndp::{MAX_OPTION_LEN, RouteInformation};
use crate::wire::{MacAddr, ipv6};
use core::net::Ipv6Addr;

impl RouterAdvertising {
    /// Checks everything, for an interface that takes packets of `mtu` bytes.
    pub(crate) fn check(&self, mtu: u16) -> Result<(), SocketError> {
        self.check_times()?;
        let link_mtu = self.adv_link_mtu;
        require(
            link_mtu == 0 || (MIN_MTU..=u32::from(mtu)).contains(&link_mtu),
            "AdvLinkMTU is 0, or from 1280 to the MTU of the interface",
        )?;
        self.check_prefixes()?;
        self.check_routes()?;
        self.adv_rdnss_list.iter().try_for_each(check_servers)?;
        self.adv_dnssl_list.iter().try_for_each(check_domains)?;
        let len = advertisement(self, Duration::ZERO, MacAddr::ZERO).len();
        // What it says of the link holds for itself.
        let room = match u16::try_from(link_mtu) {
            Ok(told @ 1..) => told,
            _ => mtu,
        };
        require(
            ipv6::HEADER_LEN + len <= usize::from(room),
            "all options of a router advertisement fit one packet of the link",
        )
    }

    fn check_times(&self) -> Result<(), SocketError> {
        let max = self.max_rtr_adv_interval;
        require(
            (Duration::from_secs(4)..=Duration::from_secs(1800)).contains(&max),
            "MaxRtrAdvInterval is from 4 to 1800 seconds",
        )?;
        require(
            (MIN_INTERVAL..=max * 3 / 4).contains(&self.min_interval()),
            "MinRtrAdvInterval is from 3 seconds to three quarters of MaxRtrAdvInterval",
        )?;
        require(
            self.adv_reachable_time <= Duration::from_secs(3600),
            "AdvReachableTime is at most an hour",
        )?;
        require(
            u32::try_from(self.adv_retrans_timer.as_millis()).is_ok(),
            "AdvRetransTimer is a number of milliseconds of 32 bits",
        )?;
        let lifetime = Duration::from_secs(self.default_lifetime().as_secs());
        require(
            lifetime.is_zero() || (max..=Duration::from_secs(9000)).contains(&lifetime),
            "AdvDefaultLifetime is 0, or from MaxRtrAdvInterval to 9000 seconds",
        )
    }

    fn check_prefixes(&self) -> Result<(), SocketError> {
        for (at, entry) in self.adv_prefix_list.iter().enumerate() {
            let &AdvPrefix {
                prefix, prefix_len, ..
            } = entry;
            check_prefix(prefix, prefix_len)?;
            require(
                !prefix.is_unspecified(),
                "an advertised prefix of the link is one of hosts",
            )?;
            // Hosts would take addresses for those of the link that they send elsewhere, or to many.
            require(
                !covers(prefix, prefix_len, LINK_LOCAL) && !covers(prefix, prefix_len, GROUPS),
                "an advertised prefix of the link covers no link-local addresses and no groups",
            )?;
            require(
                entry.adv_preferred_lifetime <= entry.adv_valid_lifetime,
                "AdvPreferredLifetime is not larger than AdvValidLifetime",
            )?;
            let mut before = self.adv_prefix_list.iter().take(at);
            require(
                !before.any(|other| (other.prefix, other.prefix_len) == (prefix, prefix_len)),
                "AdvPrefixList has a prefix once",
            )?;
        }
        Ok(())
    }

    /// RFC 4191 §2.3, §4.
    fn check_routes(&self) -> Result<(), SocketError> {
        require(
            self.adv_route_list.len() <= MAX_ROUTES,
            "a router advertises 17 routes at most",
        )?;
        for (at, route) in self.adv_route_list.iter().enumerate() {
            let &RouteInformation {
                prefix, prefix_len, ..
            } = route;
            check_prefix(prefix, prefix_len)?;
            let mut before = self.adv_route_list.iter().take(at);
            require(
                !before.any(|other| (other.prefix, other.prefix_len) == (prefix, prefix_len)),
                "a router advertises a route once",
            )?;
        }
        Ok(())
    }
}

/// The prefix of a link or a route.
fn check_prefix(prefix: Ipv6Addr, len: u8) -> Result<(), SocketError> {
    require(len <= 128, "a prefix of IPv6 is at most 128 bits long")?;
    let behind = u128::MAX.checked_shr(len.into()).unwrap_or(0);
    require(
        prefix.to_bits() & behind == 0,
        "the bits of an advertised prefix behind its length are 0",
    )?;
    require(
        !prefix.is_unicast_link_local() && !prefix.is_multicast() && !prefix.is_loopback(),
        "a router advertises no link-local prefix, no group and no loopback address",
    )
}

/// Whether a prefix has another one in it.
fn covers(prefix: Ipv6Addr, len: u8, inner: Ipv6Addr) -> bool {
    let behind = u128::MAX.checked_shr(len.into()).unwrap_or(0);
    (prefix.to_bits() ^ inner.to_bits()) & !behind == 0
}

/// RFC 8106 §5.1.
fn check_servers(entry: &AdvDnsServers) -> Result<(), SocketError> {
    require(
        (1..=(MAX_OPTION_LEN - 8) / 16).contains(&entry.servers.len()),
        "an entry has 1 to 127 DNS servers",
    )?;
    let is_host = |server: &Ipv6Addr| {
        !(server.is_unspecified() || server.is_loopback() || server.is_multicast())
    };
    require(
        entry.servers.iter().all(is_host),
        "a DNS server has the address of a single host",
    )
}

/// RFC 8106 §5.2, RFC 1035 §2.3.4.
fn check_domains(entry: &AdvDnsSearch) -> Result<(), SocketError> {
    require(
        !entry.domains.is_empty(),
        "an entry has a domain to search at least",
    )?;
    // A byte for each label, one for the end; the dots do not count.
    let len: usize = entry.domains.iter().map(|name| name.len() + 2).sum();
    require(
        len <= MAX_OPTION_LEN - 8,
        "the domains of an entry fit one option",
    )?;
    let is_label = |label: &str| {
        let is_of_hosts = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_of_hosts)
    };
    let is_name = |name: &str| name.len() <= 253 && name.split('.').all(is_label);
    require(
        entry.domains.iter().all(|name| is_name(name)),
        "a domain to search is made of labels of 1 to 63 letters, digits and hyphens, without a final dot",
    )
}

const fn require(holds: bool, rule: &'static str) -> Result<(), SocketError> {
    match holds {
        true => Ok(()),
        false => Err(SocketError::InvalidInput(rule)),
    }
}

// An IPv6 link takes so many bytes (RFC 8200 §5), which leaves room for an advertisement without options.
const MIN_MTU: u32 = 1280;
const _: () = assert!(HEADER_LEN + ipv6::HEADER_LEN < 1280);
/// fe80::/10; a longer prefix in it is link-local itself.
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
/// ff00::/8.
const GROUPS: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);
/// RFC 4191 §4.
const MAX_ROUTES: usize = 17;
