//! Addresses that come and go: formed by the stack itself, checked before use, given up when their time
//! is over (RFC 4862; RFC 5227 and RFC 3927 for IPv4), and what routers of a link have told (RFC 4861 §6.3).

mod back_off;
mod claim;
mod given;
mod link_local;
mod passed_over;
mod room;
mod stable;
mod temporary;
mod told;

use back_off::Solicitations;
pub(crate) use claim::{ANNOUNCE_INTERVAL, ClaimAct, DEFEND_INTERVAL};
pub use given::Defence;
pub(crate) use given::{Given, Pace};
pub(crate) use link_local::{LinkLocal, Wish};
use passed_over::PassedOver;
pub(crate) use room::NoRoom;
use stable::is_reserved;
pub(crate) use stable::stable_address;
pub(crate) use temporary::{REGEN_ADVANCE, Term, temporary_address};
use told::LinkSettings;
pub(crate) use told::{MAX_ROUTES, ToldRoute, names};

use crate::iface::IpCidr;
use crate::ip::Standing;
use crate::stack::TimerId;
use crate::time::Instant;
use crate::wire::ndp::{Lifetime, Preference};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address is (RFC 4862 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressState {
    /// It is being checked that nobody else has it; it is not used yet.
    Tentative,
    /// It is used.
    Preferred,
    /// It still works, but new connections begin from others.
    Deprecated,
    /// Somebody else has it; it is not used.
    Duplicate,
}

/// An address of an interface, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressStatus {
    /// The address with the length of its on-link prefix.
    pub cidr: IpCidr,
    /// How far it is.
    pub state: AddressState,
    /// When it becomes deprecated; `None`: never.
    pub preferred_until: Option<Instant>,
    /// When it is given up; `None`: never.
    pub valid_until: Option<Instant>,
    /// It is at random, and another one will soon take its place (RFC 8981).
    pub is_temporary: bool,
}

/// What an interface knows by and for itself.
#[derive(Debug, Default)]
pub(crate) struct Autoconf {
    /// It forms addresses, and does what routers say.
    pub(crate) on: bool,
    /// Temporary ones, too.
    pub(crate) temporary: bool,
    /// Addresses that were checked, or are.
    pub(crate) formed: Vec<Formed>,
    /// Prefixes that are on the link.
    pub(crate) prefixes: Vec<OnLink>,
    /// Default routers.
    pub(crate) routers: Vec<Router>,
    /// Those that there are default routes to, the best in front.
    pub(crate) default_routes: Vec<Ipv6Addr>,
    /// Routers that do not answer.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Routes by routers to some prefixes.
    pub(crate) routes: Vec<ToldRoute>,
    /// How packets are to leave.
    pub(crate) link: LinkSettings,
    /// Recursive DNS servers (RFC 8106).
    pub(crate) dns: Vec<(Ipv6Addr, Instant)>,
    /// Domains in which names are searched for (RFC 8106).
    pub(crate) search: Vec<(String, Instant)>,
    /// Whether routers may name better first hops, if somebody has said so.
    pub(crate) accepts_redirects: Option<bool>,
    /// What they have named, what was said first in front.
    pub(crate) redirected: Vec<Redirected>,
    /// The address of IPv4 that it chooses by itself, where it does.
    pub(crate) link_local: Option<Box<LinkLocal>>,
    /// Whether addresses of IPv4 that are given are checked, and what becomes of those that others insist on.
    pub(crate) detects_conflicts: Option<Defence>,
    /// Those that were checked, or are.
    pub(crate) given: Vec<Given>,
    /// How often such checks begin.
    pub(crate) pace: Pace,
    /// Addresses of IPv4 that the link is to be told of once more.
    pub(crate) announcements: Vec<Announcement>,
    /// Questions for routers.
    pub(crate) solicitations: Solicitations,
    /// Goes off when the next of all these things is due.
    pub(crate) timer: Option<TimerId>,
}

/// An address that is checked before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Formed {
    pub(crate) address: Ipv6Addr,
    /// The on-link prefix that comes with it.
    pub(crate) prefix_len: u8,
    pub(crate) origin: Origin,
    pub(crate) state: AddressState,
    /// How many earlier choices others had already.
    pub(crate) collisions: u8,
    /// Solicitations still to be sent in search of somebody else with the address.
    pub(crate) probes: u8,
    /// When the next step of that is due.
    pub(crate) due: Instant,
    /// Tell our own last solicitations from those of others, which a link may bring back late (RFC 7527
    /// §4.1). The newest in front.
    pub(crate) nonces: [Nonce; NONCES],
    pub(crate) preferred_until: Instant,
    pub(crate) valid_until: Instant,
    /// The router that has told of the prefix, where one has.
    pub(crate) told_by: Option<Ipv6Addr>,
}

/// As long as the option is without padding.
pub(crate) type Nonce = [u8; 6];

/// Who has chosen an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody else.
    Given,
    /// The stack, for good, though it may have to choose another.
    Stable,
    /// The stack, for a time.
    Temporary(Term),
}

/// An address of IPv4 of which the link is to be told, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) address: Ipv4Addr,
    pub(crate) due: Instant,
}

/// A prefix of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnLink {
    pub(crate) prefix: IpCidr,
    pub(crate) until: Instant,
}

/// A default router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Router {
    pub(crate) address: Ipv6Addr,
    pub(crate) preference: Preference,
    pub(crate) until: Instant,
    /// How often it has not answered since it was last heard (RFC 4861 §6.3.6).
    pub(crate) failures: u32,
}

/// A destination to which a router has named a better first hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Redirected {
    pub(crate) dest: IpAddr,
    pub(crate) target: IpAddr,
    pub(crate) until: Instant,
}

impl Autoconf {
    /// When something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let addresses = self.formed.iter().map(Formed::next);
        let prefixes = self.prefixes.iter().map(|prefix| prefix.until);
        let routers = self.routers.iter().map(|router| router.until);
        let routes = self.routes.iter().map(|route| route.until);
        let dns = self.dns.iter().map(|&(_, until)| until);
        let search = self.search.iter().map(|&(_, until)| until);
        let redirected = self.redirected.iter().map(|each| each.until);
        let link_local = self.link_local.iter().map(|search| search.next());
        let given = self.given.iter().map(Given::next);
        let announcements = self.announcements.iter().map(|each| each.due);
        addresses
            .chain(link_local)
            .chain(given)
            .chain(announcements)
            .chain(prefixes)
            .chain(routers)
            .chain(routes)
            .chain(dns)
            .chain(search)
            .chain(redirected)
            .chain(self.solicitations.next())
            .min()
            .filter(|&at| at < Instant::MAX)
    }

    /// The address, if it was checked or is.
    pub(crate) fn find(&mut self, address: Ipv6Addr) -> Option<&mut Formed> {
        self.formed.iter_mut().find(|each| each.address == address)
    }

    /// Whether packets for elsewhere may go by the router.
    pub(crate) fn is_default_router(&self, address: Ipv6Addr) -> bool {
        self.routers.iter().any(|router| router.address == address)
    }

    /// How far the address is, if it was checked or is.
    pub(crate) fn state(&self, address: IpAddr) -> Option<AddressState> {
        match address {
            IpAddr::V4(address) => {
                let mut all = self.given.iter();
                Some(all.find(|each| each.address() == address)?.state())
            }
            IpAddr::V6(address) => {
                let mut all = self.formed.iter();
                Some(all.find(|each| each.address == address)?.state)
            }
        }
    }

    /// The stable address that was chosen in a prefix of 64 bits.
    pub(crate) fn in_prefix(&mut self, prefix: u64) -> Option<&mut Formed> {
        let mut all = self.formed.iter_mut();
        all.find(|each| each.origin == Origin::Stable && each.prefix() == prefix)
    }

    /// Until when addresses in a prefix are preferred, and valid: that of the stable one, if there is one.
    pub(crate) fn lifetimes_of(&self, prefix: u64) -> Option<(Instant, Instant)> {
        let mut all = self.formed.iter();
        let stable = all.find(|each| each.origin == Origin::Stable && each.prefix() == prefix)?;
        Some((stable.preferred_until, stable.valid_until))
    }

    /// What counts when a source is chosen.
    pub(crate) fn standing(&self, address: IpAddr) -> Standing {
        let mut all = self.formed.iter();
        let formed = all.find(|each| IpAddr::V6(each.address) == address);
        formed.map_or(Standing::default(), |formed| Standing {
            is_deprecated: formed.state == AddressState::Deprecated,
            is_temporary: formed.is_temporary(),
        })
    }
}

impl Router {
    /// What decides whether it is used.
    pub(crate) const fn rank(&self) -> (Ipv6Addr, Preference, u32) {
        (self.address, self.preference, self.failures)
    }
}

impl Formed {
    /// It is preferred until then.
    pub(crate) fn prefer_until(&mut self, until: Instant, now: Instant) {
        self.preferred_until = until;
        if self.state == AddressState::Deprecated && until > now {
            self.state = AddressState::Preferred;
        }
    }

    /// Another solicitation is sent.
    pub(crate) fn note_nonce(&mut self, nonce: Nonce) {
        self.nonces.rotate_right(1);
        self.nonces[0] = nonce;
    }

    /// The first 64 bits.
    pub(crate) const fn prefix(&self) -> u64 {
        prefix_of(self.address)
    }

    /// It serves for a time alone.
    pub(crate) const fn is_temporary(&self) -> bool {
        matches!(self.origin, Origin::Temporary(_))
    }

    /// For how long it serves, if it is a temporary address in a prefix.
    pub(crate) fn temporary_in(&self, prefix: u64) -> Option<Term> {
        match self.origin {
            Origin::Temporary(term) if self.prefix() == prefix => Some(term),
            _ => None,
        }
    }

    /// Whether no other temporary address is needed beside it: its term goes on, or is followed by another
    /// when it is about to end. What others have keeps its place, so that no more is tried there (RFC 8981
    /// §3.4). While a prefix is deprecated nothing follows, and so later the term may be over.
    pub(crate) fn serves_on(&self, term: &Term, now: Instant) -> bool {
        let will_be_followed = self.state == AddressState::Preferred;
        let goes_on = term.preferred > now + REGEN_ADVANCE || will_be_followed;
        !term.is_succeeded && (goes_on || self.state == AddressState::Duplicate)
    }

    /// When another one is to be formed in its place.
    pub(crate) fn succession(&self) -> Option<Instant> {
        let is_used = self.state == AddressState::Preferred;
        match self.origin {
            Origin::Temporary(term) if is_used && !term.is_succeeded => {
                // Where the prefix is preferred for a shorter time nothing can follow.
                let early = term.preferred.saturating_since(Instant::ZERO);
                Some(Instant::ZERO + early.saturating_sub(REGEN_ADVANCE))
            }
            _ => None,
        }
    }

    fn next(&self) -> Instant {
        match self.state {
            AddressState::Tentative => self.due,
            AddressState::Preferred => {
                let ends = self.preferred_until.min(self.valid_until);
                self.succession().map_or(ends, |at| at.min(ends))
            }
            AddressState::Deprecated | AddressState::Duplicate => self.valid_until,
        }
    }

    /// The address with the prefix that comes with it.
    pub(crate) const fn cidr(&self) -> IpCidr {
        IpCidr {
            address: IpAddr::V6(self.address),
            prefix_len: self.prefix_len,
        }
    }

    /// How far it is, to be told.
    pub(crate) fn status(&self) -> AddressStatus {
        let end = |at: Instant| (at < Instant::MAX).then_some(at);
        AddressStatus {
            cidr: self.cidr(),
            state: self.state,
            preferred_until: end(self.preferred_until),
            valid_until: end(self.valid_until),
            is_temporary: self.is_temporary(),
        }
    }
}

/// Nonces of a check that are remembered: as many as it can send solicitations without having to begin
/// again.
pub(crate) const NONCES: usize = 4;

/// The first 64 bits.
pub(crate) const fn prefix_of(address: Ipv6Addr) -> u64 {
    (address.to_bits() >> 64) as u64
}

/// When something that lasts so long from `now` on ends.
pub(crate) fn end_of(lifetime: Lifetime, now: Instant) -> Instant {
    lifetime
        .duration()
        .map_or(Instant::MAX, |duration| now + duration)
}
