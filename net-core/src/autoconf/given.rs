//! Addresses of IPv4 that are given by hand, and checked before they are used (RFC 5227).

use super::AddressState;
use super::claim::{Claim, ClaimAct, Contest};
use super::link_local::{MAX_CONFLICTS, RATE_LIMIT_INTERVAL};
use crate::iface::IpCidr;
use crate::seed::Rng;
use crate::time::{Duration, Instant};
use crate::wire::ArpPacket;
use core::net::{IpAddr, Ipv4Addr};

/// What becomes of an address of IPv4 in use which another host insists on: one that goes on using it ten
/// seconds after it was told at most that the address is taken (RFC 5227 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Defence {
    /// It is given up, at once (§2.4(b)): for a host, which two of one address would keep from working.
    GiveUp,
    /// It is kept, and defended again each ten seconds (§2.4(c)): for a router or a server which others know
    /// by this address.
    Keep,
}

/// Such an address.
#[derive(Debug)]
pub(crate) struct Given {
    claim: Claim,
    prefix_len: u8,
    /// Somebody else has it.
    is_taken: bool,
}

/// How often an interface may begin to check an address (RFC 5227 §2.1.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many addresses other hosts had, or took.
    conflicts: u8,
    /// When the last check begins, or has begun.
    last: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            conflicts: 0,
            last: Instant::ZERO,
        }
    }
}

impl Pace {
    /// Another host has an address.
    pub(crate) const fn note_conflict(&mut self) {
        self.conflicts = self.conflicts.saturating_add(1);
    }

    /// For how long the next check is to wait: after many conflicts one a minute begins.
    fn wait(&self, now: Instant) -> Duration {
        if self.conflicts < MAX_CONFLICTS {
            return Duration::ZERO;
        }
        self.last.max(now).saturating_since(now) + RATE_LIMIT_INTERVAL
    }
}

impl Given {
    /// One that is about to be checked.
    pub(crate) fn new(
        address: Ipv4Addr,
        prefix_len: u8,
        pace: &mut Pace,
        rng: &mut Rng,
        now: Instant,
    ) -> Self {
        let claim = Claim::new(address, pace.wait(now), rng, now);
        pace.last = claim.next();
        Self {
            claim,
            prefix_len,
            is_taken: false,
        }
    }

    /// One that somebody else has checked.
    pub(crate) const fn checked(address: Ipv4Addr, prefix_len: u8, now: Instant) -> Self {
        Self {
            claim: Claim::probed(address, now),
            prefix_len,
            is_taken: false,
        }
    }

    /// The address.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.claim.address()
    }

    /// The same with its prefix.
    pub(crate) const fn cidr(&self) -> IpCidr {
        IpCidr {
            address: IpAddr::V4(self.address()),
            prefix_len: self.prefix_len,
        }
    }

    /// How far it is.
    pub(crate) const fn state(&self) -> AddressState {
        if self.is_taken {
            AddressState::Duplicate
        } else if self.claim.is_used() {
            AddressState::Preferred
        } else {
            AddressState::Tentative
        }
    }

    /// Whether somebody else has it.
    pub(crate) const fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// When something is due; [`Instant::MAX`]: never.
    pub(crate) const fn next(&self) -> Instant {
        if self.is_taken {
            return Instant::MAX;
        }
        self.claim.next()
    }

    /// Whether a packet shows that another host claims it. What is given up is no concern any more.
    pub(crate) fn conflicts_with(&self, packet: &ArpPacket) -> bool {
        !self.is_taken && self.claim.conflicts_with(packet)
    }

    /// The next step, if it is due.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Option<ClaimAct> {
        if self.is_taken {
            return None;
        }
        self.claim.handle_timeout(rng, now)
    }

    /// Another host claims it.
    pub(crate) fn handle_conflict(&mut self, defence: Defence, now: Instant) -> Option<ClaimAct> {
        match self.claim.handle_conflict(now) {
            Contest::Lost => {
                self.is_taken = true;
                None
            }
            Contest::Defend => Some(ClaimAct::Announce),
            Contest::Insisted if defence == Defence::GiveUp => {
                self.is_taken = true;
                Some(ClaimAct::Give)
            }
            Contest::Insisted => None,
        }
    }
}
