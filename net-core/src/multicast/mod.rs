//! Membership in multicast groups, as hosts have it: what sockets want, merged for each interface, and
//! what routers are told of that (IGMP, RFC 3376; MLD, RFC 3810).
//!
//! `Filter` says which sources of a group somebody wants. A `Group` merges the filters of all who
//! joined it on one interface. `Memberships` holds the groups of an interface and family, answers
//! queries, reports changes, and falls back to what old routers understand.

mod filter;
mod group;
mod memberships;

pub(crate) use filter::Filter;
pub(crate) use group::{Group, Told};
pub(crate) use memberships::{Context, Memberships, Say};

use core::net::IpAddr;

/// One change of what a socket hears of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MembershipChange {
    /// Every source (`IP_ADD_MEMBERSHIP`, `IPV6_JOIN_GROUP`).
    Join,
    /// None any more (`IP_DROP_MEMBERSHIP`, `IPV6_LEAVE_GROUP`).
    Leave,
    /// This source, and those that were named like this before (`IP_ADD_SOURCE_MEMBERSHIP`).
    JoinSource(IpAddr),
    /// This source no more; with the last one the group is left (`IP_DROP_SOURCE_MEMBERSHIP`).
    LeaveSource(IpAddr),
    /// All but this source, of a group that was joined (`IP_BLOCK_SOURCE`).
    BlockSource(IpAddr),
    /// This source again (`IP_UNBLOCK_SOURCE`).
    UnblockSource(IpAddr),
}

impl MembershipChange {
    /// The source that it names.
    pub(crate) const fn source(self) -> Option<IpAddr> {
        match self {
            Self::Join | Self::Leave => None,
            Self::JoinSource(source)
            | Self::LeaveSource(source)
            | Self::BlockSource(source)
            | Self::UnblockSource(source) => Some(source),
        }
    }
}

#[cfg(test)]
mod tests;
