//! An address of IPv4 that a host chooses by itself, for one link (RFC 3927).

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
    address: Ipv4Addr,
    step: Step,
    /// When the next thing is to be done.
    due: Instant,
    /// How often somebody else had what was chosen, since an address was held for long.
    conflicts: u8,
    /// When the address began to be used.
    since: Instant,
    /// When somebody was told last that it is taken.
    defended: Option<Instant>,
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

/// How far it is; with how often the link is still to be asked, or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Probe(u8),
    Announce(u8),
}

/// What is to be done with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkLocalAct {
    /// Ask whether anybody has it (§2.2.1).
    Probe,
    /// Use it from now on, and say so (§2.4).
    Take,
    /// Say that it is used, once more, or to who does the same (§2.5(b)).
    Announce,
    /// Use it no more, at once (§2.5).
    Give,
}

impl LinkLocal {
    /// A search by a station; `rng` spreads it in time.
    pub(crate) fn new(mac: MacAddr, rng: &mut Rng, now: Instant) -> Self {
        let [a, b, c, d, e, f] = mac.octets();
        let number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let mut search = Self {
            choices: Seed::from_u64(number).rng("link-local addresses"),
            address: Ipv4Addr::UNSPECIFIED,
            step: Step::Probe(0),
            due: Instant::MAX,
            conflicts: 0,
            since: Instant::ZERO,
            defended: None,
            wishes: Wishes::default(),
        };
        search.choose(rng, now);
        search
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
        self.due
    }

    /// What is being asked about, or used.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The same with its prefix.
    pub(crate) const fn cidr(&self) -> IpCidr {
        IpCidr {
            address: IpAddr::V4(self.address),
            prefix_len: PREFIX_LEN,
        }
    }

    /// Whether the address is used.
    pub(crate) const fn is_used(&self) -> bool {
        matches!(self.step, Step::Announce(_))
    }

    /// Whether somebody else shows that he uses the address; while it is not used here, also that he is
    /// about to (§2.2.1, §2.5).
    pub(crate) fn conflicts_with(&self, packet: &ArpPacket) -> bool {
        let asks_too = packet.is_probe() && packet.target_ip == self.address;
        packet.sender_ip == self.address || (asks_too && !self.is_used())
    }

    /// The next step, if it is due.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Option<LinkLocalAct> {
        if self.due > now {
            return None;
        }
        let (step, wait, act) = match self.step {
            Step::Probe(0) => {
                self.since = now;
                let left = ANNOUNCE_NUM - 1;
                (
                    Step::Announce(left),
                    ANNOUNCE_INTERVAL,
                    Some(LinkLocalAct::Take),
                )
            }
            Step::Probe(1) => (Step::Probe(0), ANNOUNCE_WAIT, Some(LinkLocalAct::Probe)),
            Step::Probe(left) => {
                let wait = PROBE_MIN + Duration::from_nanos(rng.below(PROBE_SPREAD_NANOS));
                (Step::Probe(left - 1), wait, Some(LinkLocalAct::Probe))
            }
            Step::Announce(0) => (Step::Announce(0), Duration::MAX, None),
            Step::Announce(left) => (
                Step::Announce(left - 1),
                ANNOUNCE_INTERVAL,
                Some(LinkLocalAct::Announce),
            ),
        };
        let is_over = step == Step::Announce(0);
        self.step = step;
        self.due = if is_over { Instant::MAX } else { now + wait };
        act
    }

    /// Somebody else has the address: it is defended once in a while, else given up for another.
    pub(crate) fn handle_conflict(&mut self, rng: &mut Rng, now: Instant) -> Option<LinkLocalAct> {
        if !self.is_used() {
            self.conflicts = self.conflicts.saturating_add(1);
            self.choose(rng, now);
            return None;
        }
        let is_first = self
            .defended
            .is_none_or(|at| now.saturating_since(at) >= DEFEND_INTERVAL);
        if is_first {
            self.defended = Some(now);
            return Some(LinkLocalAct::Announce);
        }
        let was_held = now.saturating_since(self.since) >= RATE_LIMIT_INTERVAL;
        self.conflicts = if was_held {
            1
        } else {
            self.conflicts.saturating_add(1)
        };
        Some(LinkLocalAct::Give)
    }

    /// Chooses another address and begins to ask about it, seldom where many were taken (§2.2.1).
    pub(crate) fn choose(&mut self, rng: &mut Rng, now: Instant) {
        let offset = u32::try_from(self.choices.below(CHOICES)).unwrap_or(0);
        self.address = Ipv4Addr::from_bits(FIRST.to_bits() + offset);
        self.step = Step::Probe(PROBE_NUM);
        self.defended = None;
        let wait = Duration::from_nanos(rng.below(PROBE_WAIT_NANOS));
        self.due = if self.conflicts > MAX_CONFLICTS {
            now + RATE_LIMIT_INTERVAL + wait
        } else {
            now + wait
        };
    }
}

/// 169.254.0.0/16, less the 256 addresses at either end (§2.1).
const FIRST: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 0);
const CHOICES: u64 = 65_536 - 512;
const PREFIX_LEN: u8 = 16;
// §9.
const PROBE_WAIT_NANOS: u64 = 1_000_000_000;
const PROBE_NUM: u8 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
/// PROBE_MAX less PROBE_MIN.
const PROBE_SPREAD_NANOS: u64 = 1_000_000_000;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u8 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const MAX_CONFLICTS: u8 = 10;
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
