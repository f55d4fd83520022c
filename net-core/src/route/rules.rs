//! Rules that say which table is asked about which packets.

use super::Reject;
use crate::iface::{IfaceId, IpCidr};
use core::net::IpAddr;

/// The name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

impl TableId {
    /// Asked last of all (`default`).
    pub const DEFAULT: Self = Self(253);
    /// Where routes are unless one says otherwise (`main`).
    pub const MAIN: Self = Self(254);
    /// Asked first of all, before any rule (`local`): where local routes are unless one says otherwise.
    pub const LOCAL: Self = Self(255);
}

/// Which packets a rule is for: those that all of it applies to, or [all others](Self::negated).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selector {
    /// The source is in this prefix. A socket without an address of its own has none yet.
    pub from: Option<IpCidr>,
    /// The destination is in this prefix.
    pub to: Option<IpCidr>,
    /// The bits of the mark under the second number are those of the first.
    pub mark: Option<(u32, u32)>,
    /// The type of service or traffic class, without ECN's bits.
    pub tos: Option<u8>,
    /// It came in over this interface; what this host sends itself counts as from the loopback interface
    /// (`iif lo`).
    pub over: Option<IfaceId>,
    /// The socket that sends it is bound to this interface (`oif`).
    pub out: Option<IfaceId>,
    /// The rule is for all packets but those (`not`).
    pub negated: bool,
    /// The socket that sends it has an [owner](crate::socket::IpOption::Owner) from the first of these
    /// numbers to the second, both included (`uidrange`). What no socket sent, as what is forwarded, has
    /// no owner.
    pub owner: Option<(u32, u32)>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleAction {
    /// Ask this table; if it knows nothing, the next rule has its turn.
    Table(TableId),
    /// Nothing goes there.
    Reject(Reject),
}

/// A rule of policy routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Rules with lower numbers come first; among equals the older one. The local table goes before
    /// all of them; the main table has 32766 and the default table 32767, behind all rules of the same
    /// number.
    pub priority: u32,
    /// Which packets it is for.
    pub selector: Selector,
    /// What it says about them.
    pub action: RuleAction,
}

/// A packet as routes and rules see it, to ask where it would go
/// ([`Stack::way_of`](crate::Stack::way_of), as `ip route get`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteQuery {
    /// Its destination.
    pub dest: IpAddr,
    /// Its source; `None`: it has none yet, as what a socket without an address sends.
    pub source: Option<IpAddr>,
    /// Its mark.
    pub mark: u32,
    /// Its type of service or traffic class.
    pub tos: u8,
    /// The interface that it came in over; `None`: this host sends it.
    pub over: Option<IfaceId>,
    /// The only interface that it may leave over.
    pub out: Option<IfaceId>,
    /// Whose socket sends it, if one does.
    pub owner: Option<u32>,
}

impl RouteQuery {
    /// One that this host sends to a destination, of which nothing else is known.
    #[must_use]
    pub const fn to(dest: IpAddr) -> Self {
        Self {
            dest,
            source: None,
            mark: 0,
            tos: 0,
            over: None,
            out: None,
            owner: None,
        }
    }
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    pub(crate) dest: IpAddr,
    pub(crate) source: Option<IpAddr>,
    pub(crate) mark: u32,
    pub(crate) tos: u8,
    pub(crate) over: Option<IfaceId>,
    /// The only interface that it may leave over.
    pub(crate) out: Option<IfaceId>,
    /// Of the socket that sends it, if one does.
    pub(crate) owner: Option<u32>,
    /// Whether one host may have the destination: local routes are for no other.
    pub(crate) to_host: bool,
}

impl Selector {
    /// Whether a packet is meant.
    pub(super) fn selects(&self, query: &Query) -> bool {
        let Self {
            from,
            to,
            mark,
            tos,
            over,
            out,
            negated,
            owner,
        } = *self;
        let applies = from
            .is_none_or(|prefix| query.source.is_some_and(|source| contains(prefix, source)))
            && to.is_none_or(|prefix| contains(prefix, query.dest))
            && mark.is_none_or(|(value, mask)| query.mark & mask == value & mask)
            && tos.is_none_or(|tos| tos & !3 == query.tos & !3)
            && over.is_none_or(|over| query.over == Some(over))
            && out.is_none_or(|out| query.out == Some(out))
            && owner.is_none_or(|(first, last)| {
                query
                    .owner
                    .is_some_and(|owner| (first..=last).contains(&owner))
            });
        applies != negated
    }
}

/// The priority of the main table.
pub(super) const MAIN_PRIORITY: u32 = 32_766;

fn contains(prefix: IpCidr, address: IpAddr) -> bool {
    let len = u32::from(prefix.prefix_len);
    match (prefix.address, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= len,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= len,
        _ => false,
    }
}
