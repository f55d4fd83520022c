//! An address of IPv4 that a host chooses by itself, for one link (RFC 3927).

use super::claim::{Claim, ClaimAct, Contest};
use crate::iface::IpCidr;
use crate::seed::{Rng, Seed};
use crate::time::{Duration, Instant};
use crate::wire::{ArpPacket, MacAddr};
use core::net::{IpAddr, Ipv4Addr};

/// The search for such an address, and what has been found.
#[derive(Debug)]
pub(crate) struct LinkLocal {
    /// Chooses addresses: for one station the same, in the same order, so that it has after a restart
    /// what it had before unless somebody else has that now (§2.1).
    choices: Rng,
    /// The address that was chosen last.
    claim: Claim,
    /// How often somebody else had what was chosen, since an address was held for long.
    conflicts: u8,
    /// Who wants it.
    wishes: Wishes,
}

/// Who may want an address of the link. They do not know of each other: what one asks for stays when the
/// other wants it no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The application, whatever else there is.
    Asked,
    /// A client of DHCP, until it has a lease (§1.9).
    FallBack,
}

/// The wishes that stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Wishes {
    asked: bool,
    fall_back: bool,
}

impl LinkLocal {
    /// A search by a station; `rng` spreads it in time.
    pub(crate) fn new(mac: MacAddr, rng: &mut Rng, now: Instant) -> Self {
        let [a, b, c, d, e, f] = mac.octets();
        let number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let mut choices = Seed::from_u64(number).rng("link-local addresses");
        let first = next_choice(&mut choices);
        Self {
            choices,
            claim: Claim::new(first, Duration::ZERO, rng, now),
            conflicts: 0,
            wishes: Wishes::default(),
        }
    }

    /// Somebody wants the address, or no more.
    pub(crate) const fn wish(&mut self, wish: Wish, on: bool) {
        match wish {
            Wish::Asked => self.wishes.asked = on,
            Wish::FallBack => self.wishes.fall_back = on,
        }
    }

    /// Whether anybody wants it.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.wishes.asked || self.wishes.fall_back
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`Instant::MAX`]: never.
    pub(crate) const fn next(&self) -> Instant {
        self.claim.next()
    }

    /// What is being asked about, or used.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.claim.address()
    }

    /// The same with its prefix.
    pub(crate) const fn cidr(&self) -> IpCidr {
        IpCidr {
            address: IpAddr::V4(self.claim.address()),
            prefix_len: PREFIX_LEN,
        }
    }

    /// Whether the address is used.
    pub(crate) const fn is_used(&self) -> bool {
        self.claim.is_used()
    }

    /// Whether somebody else shows that he uses the address; while it is not used here, also that he is
    /// about to (§2.2.1, §2.5).
    pub(crate) fn conflicts_with(&self, packet: &ArpPacket) -> bool {
        self.claim.conflicts_with(packet)
    }

    /// The next step, if it is due.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Option<ClaimAct> {
        self.claim.handle_timeout(rng, now)
    }

    /// Somebody else has the address: it is defended once in a while, else given up for another.
    pub(crate) fn handle_conflict(&mut self, rng: &mut Rng, now: Instant) -> Option<ClaimAct> {
        match self.claim.handle_conflict(now) {
            Contest::Lost => {
                self.conflicts = self.conflicts.saturating_add(1);
                self.choose(rng, now);
                None
            }
            Contest::Defend => Some(ClaimAct::Announce),
            Contest::Insisted => {
                let was_held = now.saturating_since(self.claim.since()) >= RATE_LIMIT_INTERVAL;
                self.conflicts = if was_held {
                    1
                } else {
                    self.conflicts.saturating_add(1)
                };
                Some(ClaimAct::Give)
            }
        }
    }

    /// Chooses another address and begins to ask about it, seldom where many were taken (§2.2.1).
    pub(crate) fn choose(&mut self, rng: &mut Rng, now: Instant) {
        let wait = if self.conflicts > MAX_CONFLICTS {
            RATE_LIMIT_INTERVAL
        } else {
            Duration::ZERO
        };
        let address = next_choice(&mut self.choices);
        self.claim = Claim::new(address, wait, rng, now);
    }
}

/// The next address in the order of a station.
fn next_choice(choices: &mut Rng) -> Ipv4Addr {
    let offset = u32::try_from(choices.below(CHOICES)).unwrap_or(0);
    Ipv4Addr::from_bits(FIRST.to_bits() + offset)
}

/// 169.254.0.0/16, less the 256 addresses at either end (§2.1).
const FIRST: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 0);
const CHOICES: u64 = 65_536 - 512;
const PREFIX_LEN: u8 = 16;
// §9, and RFC 5227 §1.1.
pub(super) const MAX_CONFLICTS: u8 = 10;
pub(super) const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
