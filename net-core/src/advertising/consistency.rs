//! Whether routers of a link contradict each other (RFC 4861 §6.2.7).

use super::RouterAdvertising;
use crate::time::Duration;
use crate::wire::NdpOption;
use crate::wire::ndp::{Lifetime, NdpOptions, PrefixInformation, RouterAdvert};
use core::fmt;
use core::net::Ipv6Addr;

/// Another router of the link advertises something else: hosts go to and fro between the two values, and one of
/// the routers is likely to be configured wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inconsistency {
    /// The link-local address of the other router.
    pub router: Ipv6Addr,
    /// What they do not agree about, or the first such thing.
    pub variable: Variable,
}

/// What routers of a link have to agree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variable {
    /// AdvCurHopLimit.
    CurHopLimit,
    /// AdvManagedFlag.
    ManagedFlag,
    /// AdvOtherConfigFlag.
    OtherConfigFlag,
    /// AdvReachableTime.
    ReachableTime,
    /// AdvRetransTimer.
    RetransTimer,
    /// AdvLinkMTU.
    LinkMtu,
    /// AdvPreferredLifetime of a prefix with its length.
    PreferredLifetime(Ipv6Addr, u8),
    /// AdvValidLifetime of a prefix with its length.
    ValidLifetime(Ipv6Addr, u8),
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CurHopLimit => f.write_str("AdvCurHopLimit"),
            Self::ManagedFlag => f.write_str("AdvManagedFlag"),
            Self::OtherConfigFlag => f.write_str("AdvOtherConfigFlag"),
            Self::ReachableTime => f.write_str("AdvReachableTime"),
            Self::RetransTimer => f.write_str("AdvRetransTimer"),
            Self::LinkMtu => f.write_str("AdvLinkMTU"),
            Self::PreferredLifetime(prefix, len) => {
                write!(f, "AdvPreferredLifetime of {prefix}/{len}")
            }
            Self::ValidLifetime(prefix, len) => write!(f, "AdvValidLifetime of {prefix}/{len}"),
        }
    }
}

/// The first thing in which what another router says contradicts what is configured here, `age` ago. What one of
/// them leaves open contradicts nothing.
pub(super) fn contradiction(
    config: &RouterAdvertising,
    age: Duration,
    advert: &RouterAdvert,
    options: NdpOptions<'_>,
) -> Option<Variable> {
    let differ = |ours: u128, theirs: u32| ours != 0 && theirs != 0 && ours != theirs.into();
    let header = [
        (
            differ(config.adv_cur_hop_limit.into(), advert.hop_limit.into()),
            Variable::CurHopLimit,
        ),
        (
            config.adv_managed_flag != advert.managed,
            Variable::ManagedFlag,
        ),
        (
            config.adv_other_config_flag != advert.other,
            Variable::OtherConfigFlag,
        ),
        (
            differ(config.adv_reachable_time.as_millis(), advert.reachable_time),
            Variable::ReachableTime,
        ),
        (
            differ(config.adv_retrans_timer.as_millis(), advert.retrans_timer),
            Variable::RetransTimer,
        ),
    ];
    let of_header = header
        .into_iter()
        .find_map(|(is_one, it)| is_one.then_some(it));
    let mut all = options.into_iter().take(MAX_OPTIONS);
    of_header.or_else(|| {
        all.find_map(|option| match option {
            NdpOption::Mtu(mtu) if differ(config.adv_link_mtu.into(), mtu) => {
                Some(Variable::LinkMtu)
            }
            NdpOption::Prefix(told) => of_prefix(config, age, &told),
            _ => None,
        })
    })
}

fn of_prefix(
    config: &RouterAdvertising,
    age: Duration,
    told: &PrefixInformation,
) -> Option<Variable> {
    let mut all = config.adv_prefix_list.iter();
    let ours = all.find(|ours| (ours.prefix, ours.prefix_len) == (told.prefix, told.prefix_len))?;
    let now = ours.aged(age);
    // Where they count down it is the end that they agree about, and clocks differ.
    let skew = if ours.decrements { MAX_SKEW } else { 0 };
    let differ = |ours: Lifetime, theirs: Lifetime| ours.0.abs_diff(theirs.0) > skew;
    if differ(now.adv_preferred_lifetime, told.preferred) {
        return Some(Variable::PreferredLifetime(told.prefix, told.prefix_len));
    }
    let differs = differ(now.adv_valid_lifetime, told.valid);
    differs.then_some(Variable::ValidLifetime(told.prefix, told.prefix_len))
}

/// Seconds by which lifetimes that count down may differ.
const MAX_SKEW: u32 = 60;
/// Options of an advertisement that are looked at.
const MAX_OPTIONS: usize = 64;
