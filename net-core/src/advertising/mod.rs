//! Router advertisements as a router sends them: what an interface advertises (RFC 4861 §6.2.1, RFC 4191, RFC
//! 8106), when (RFC 4861 §6.2.4 to §6.2.6), and whether other routers contradict it (§6.2.7).

mod advertiser;
mod check;
mod consistency;
mod message;

pub(crate) use advertiser::{Advertisement, Advertiser};
pub use consistency::{Inconsistency, Variable};

use crate::time::Duration;
use crate::wire::ndp::{Lifetime, Preference, RouteInformation};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// What a router advertises on an interface: the variables of RFC 4861 §6.2.1 under their names, and what RFC
/// 4191 and RFC 8106 add.
///
/// All of it goes into one advertisement, which has to fit a packet of the link. What is taken out of a list
/// is no longer advertised; for hosts to forget it at once it is first advertised with a lifetime of 0.
///
/// ```
/// use net_core::advertising::{AdvDnsServers, AdvPrefix, RouterAdvertising};
/// use net_core::time::Duration;
/// let advertising = RouterAdvertising {
///     adv_send_advertisements: true,
///     max_rtr_adv_interval: Duration::from_secs(60),
///     adv_prefix_list: vec![AdvPrefix::new("fd07::".parse()?, 64)],
///     adv_rdnss_list: vec![AdvDnsServers {
///         servers: vec!["fd07::53".parse()?],
///         lifetime: None,
///     }],
///     ..RouterAdvertising::default()
/// };
/// assert_eq!(advertising.min_interval(), Duration::from_millis(19_800));
/// assert_eq!(advertising.default_lifetime(), Duration::from_secs(180));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterAdvertising {
    /// AdvSendAdvertisements: whether the interface advertises, periodically and to who asks. False by
    /// default.
    pub adv_send_advertisements: bool,
    /// MaxRtrAdvInterval: the longest time between two unsolicited advertisements, 4 to 1,800 s. 600 s by
    /// default.
    pub max_rtr_adv_interval: Duration,
    /// MinRtrAdvInterval: the shortest, from 3 s to ¾ of the longest. By default, `None`, 0.33 of the longest if
    /// that is 9 s or more, but 3 s at least, and else ¾ of it.
    pub min_rtr_adv_interval: Option<Duration>,
    /// AdvManagedFlag: addresses are to be had by DHCPv6. False by default.
    pub adv_managed_flag: bool,
    /// AdvOtherConfigFlag: other settings are to be had by DHCPv6. False by default.
    pub adv_other_config_flag: bool,
    /// AdvLinkMTU: the MTU of the link in bytes, from 1,280 to what the interface takes; 0, the default, leaves
    /// it open.
    pub adv_link_mtu: u32,
    /// AdvReachableTime: for how long a neighbour counts as reachable, in whole milliseconds, at most an hour;
    /// zero, the default, leaves it open.
    pub adv_reachable_time: Duration,
    /// AdvRetransTimer: the time between two solicitations, in whole milliseconds of 32 bits; zero, the default,
    /// leaves it open.
    pub adv_retrans_timer: Duration,
    /// AdvCurHopLimit: the hop limit of what hosts send; 0 leaves it open. 64 by default.
    pub adv_cur_hop_limit: u8,
    /// AdvDefaultLifetime: for how long this is a default router, in whole seconds, from the longest interval
    /// to 9,000 s; zero: it is none. By default, `None`, three times the longest interval.
    pub adv_default_lifetime: Option<Duration>,
    /// How much this is to be preferred to other default routers (RFC 4191 §2.2). Medium by default.
    pub adv_default_preference: Preference,
    /// Whether the address of the interface's station is told. True by default.
    pub adv_source_link_layer: bool,
    /// AdvPrefixList: prefixes of the link. None by default.
    pub adv_prefix_list: Vec<AdvPrefix>,
    /// Prefixes that this router leads to (RFC 4191 §2.3), at most 17 (§4). None by default.
    pub adv_route_list: Vec<RouteInformation>,
    /// Recursive DNS servers (RFC 8106 §5.1), an option for each entry. None by default.
    pub adv_rdnss_list: Vec<AdvDnsServers>,
    /// Domains in which to search for names (RFC 8106 §5.2), an option for each entry. None by default.
    pub adv_dnssl_list: Vec<AdvDnsSearch>,
}

/// A prefix of the link, as an entry of AdvPrefixList (RFC 4861 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvPrefix {
    /// The prefix; the bits behind it are 0. It covers no link-local addresses and no groups.
    pub prefix: Ipv6Addr,
    /// Its length in bits; hosts on an Ethernet form addresses from 64 alone.
    pub prefix_len: u8,
    /// AdvValidLifetime: for how long it is on the link, and addresses formed from it are valid. 30 days by
    /// default.
    pub adv_valid_lifetime: Lifetime,
    /// AdvPreferredLifetime: for how long these are preferred; not longer than valid. 7 days by default.
    pub adv_preferred_lifetime: Lifetime,
    /// AdvOnLinkFlag: addresses in it are on the link. True by default.
    pub adv_on_link_flag: bool,
    /// AdvAutonomousFlag: hosts may form addresses from it (RFC 4862). True by default.
    pub adv_autonomous_flag: bool,
    /// Whether both lifetimes count down in real time, from when the interface was given them, instead of being
    /// the same in each advertisement. False by default.
    pub decrements: bool,
}

/// DNS servers with one lifetime (RFC 8106 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvDnsServers {
    /// The servers, those to ask first in front; 1 to 127.
    pub servers: Vec<Ipv6Addr>,
    /// For how long they may be asked; zero: no longer. `None`: for three times the longest interval between
    /// advertisements.
    pub lifetime: Option<Lifetime>,
}

/// Domains to search with one lifetime (RFC 8106 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvDnsSearch {
    /// The domains, such as `example.org`.
    pub domains: Vec<String>,
    /// For how long names may be searched for in them; zero: no longer. `None`: for three times the longest
    /// interval between advertisements.
    pub lifetime: Option<Lifetime>,
}

/// What routers say of a link that everybody there keeps to, they, too (RFC 4861 §6.2.1); 0 leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LinkValues {
    /// In milliseconds, as the next.
    pub(crate) reachable_time: u32,
    pub(crate) retrans_timer: u32,
    pub(crate) hop_limit: u8,
    pub(crate) mtu: u32,
}

impl Default for RouterAdvertising {
    fn default() -> Self {
        Self {
            adv_send_advertisements: false,
            max_rtr_adv_interval: Duration::from_secs(600),
            min_rtr_adv_interval: None,
            adv_managed_flag: false,
            adv_other_config_flag: false,
            adv_link_mtu: 0,
            adv_reachable_time: Duration::ZERO,
            adv_retrans_timer: Duration::ZERO,
            adv_cur_hop_limit: 64,
            adv_default_lifetime: None,
            adv_default_preference: Preference::Medium,
            adv_source_link_layer: true,
            adv_prefix_list: Vec::new(),
            adv_route_list: Vec::new(),
            adv_rdnss_list: Vec::new(),
            adv_dnssl_list: Vec::new(),
        }
    }
}

impl RouterAdvertising {
    /// MinRtrAdvInterval, also where it follows from the longest interval. The RFC's own default for a longest
    /// interval below 9 s, that interval itself, is above the bound that the same section sets, ¾ of it, and so that
    /// is taken; from 9 s to 9.09 s its default is below the other bound, and so those 3 s are.
    #[must_use]
    pub fn min_interval(&self) -> Duration {
        let max = self.max_rtr_adv_interval;
        self.min_rtr_adv_interval.unwrap_or_else(|| {
            if max >= Duration::from_secs(9) {
                (max.saturating_mul(33) / 100).max(MIN_INTERVAL)
            } else {
                max * 3 / 4
            }
        })
    }

    /// AdvDefaultLifetime, also where it follows from the longest interval.
    #[must_use]
    pub fn default_lifetime(&self) -> Duration {
        let of_itself = self.max_rtr_adv_interval.saturating_mul(3);
        self.adv_default_lifetime.unwrap_or(of_itself)
    }

    /// The lifetime of DNS options that say none (RFC 8106 §5.1).
    fn dns_lifetime(&self, lifetime: Option<Lifetime>) -> Lifetime {
        let of_itself = self.max_rtr_adv_interval.saturating_mul(3);
        let seconds = of_itself.as_millis().div_ceil(1000);
        lifetime.unwrap_or(Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// What it says of the link that holds for the router, too.
    pub(crate) fn link_values(&self) -> LinkValues {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        LinkValues {
            reachable_time: millis(self.adv_reachable_time),
            retrans_timer: millis(self.adv_retrans_timer),
            hop_limit: self.adv_cur_hop_limit,
            mtu: self.adv_link_mtu,
        }
    }

    /// The same with lifetimes that count down as they are after `age`.
    pub(crate) fn aged(&self, age: Duration) -> Self {
        let mut aged = self.clone();
        for prefix in &mut aged.adv_prefix_list {
            *prefix = prefix.aged(age);
        }
        aged
    }
}

impl AdvPrefix {
    /// A prefix with the defaults of RFC 4861 §6.2.1: on the link, for addresses, valid for 30 days and preferred
    /// for 7.
    #[must_use]
    pub const fn new(prefix: Ipv6Addr, prefix_len: u8) -> Self {
        Self {
            prefix,
            prefix_len,
            adv_valid_lifetime: Lifetime(2_592_000),
            adv_preferred_lifetime: Lifetime(604_800),
            adv_on_link_flag: true,
            adv_autonomous_flag: true,
            decrements: false,
        }
    }

    /// The same `age` after it was configured.
    fn aged(self, age: Duration) -> Self {
        if !self.decrements {
            return self;
        }
        let seconds = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        let left = |lifetime: Lifetime| match lifetime {
            Lifetime::INFINITE => lifetime,
            Lifetime(all) => Lifetime(all.saturating_sub(seconds)),
        };
        Self {
            adv_valid_lifetime: left(self.adv_valid_lifetime),
            adv_preferred_lifetime: left(self.adv_preferred_lifetime),
            ..self
        }
    }
}

/// No MinRtrAdvInterval is shorter (RFC 4861 §6.2.1).
const MIN_INTERVAL: Duration = Duration::from_secs(3);
