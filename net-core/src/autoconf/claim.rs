//! How a host claims an address of IPv4 on its link: it asks whether anybody has it, uses it, says so, and
//! defends it (RFC 5227 §2.1 to §2.4; RFC 3927 has the same times).

use crate::seed::Rng;
use crate::time::{Duration, Instant};
use crate::wire::ArpPacket;
use core::net::Ipv4Addr;

/// The claim to one address.
#[derive(Debug)]
pub(crate) struct Claim {
    address: Ipv4Addr,
    step: Step,
    /// When the next thing is to be done.
    due: Instant,
    /// When the address began to be used.
    since: Instant,
    /// When somebody was told last that it is taken.
    defended: Option<Instant>,
}

/// How far it is; with how often the link is still to be asked, or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Probe(u8),
    Announce(u8),
}

/// What is to be done with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimAct {
    /// Ask whether anybody has it (RFC 5227 §2.1.1).
    Probe,
    /// Use it from now on, and say so (§2.3).
    Take,
    /// Say that it is used, once more, or to who does the same (§2.4).
    Announce,
    /// Use it no more, at once (§2.4).
    Give,
}

/// What has come of somebody else's claim to the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contest {
    /// The address was not used yet, and is his.
    Lost,
    /// It is used, and he is to be told.
    Defend,
    /// He was told within the last [`DEFEND_INTERVAL`], and insists.
    Insisted,
}

impl Claim {
    /// A claim that begins when `wait` is over, and up to a second later (§2.1.1).
    pub(crate) fn new(address: Ipv4Addr, wait: Duration, rng: &mut Rng, now: Instant) -> Self {
        Self {
            address,
            step: Step::Probe(PROBE_NUM),
            due: now + wait + Duration::from_nanos(rng.below(PROBE_WAIT_NANOS)),
            since: now,
            defended: None,
        }
    }

    /// One to an address that somebody else has probed for, and of which the link is told: it is used, and
    /// defended.
    pub(crate) const fn probed(address: Ipv4Addr, now: Instant) -> Self {
        Self {
            address,
            step: Step::Announce(0),
            due: Instant::MAX,
            since: now,
            defended: None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`Instant::MAX`]: never.
    pub(crate) const fn next(&self) -> Instant {
        self.due
    }

    /// What is being asked about, or used.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// When the address began to be used, where it is.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// Whether the address is used.
    pub(crate) const fn is_used(&self) -> bool {
        matches!(self.step, Step::Announce(_))
    }

    /// Whether somebody else shows that he uses the address; while it is not used here, also that he is
    /// about to (§2.1.1, §2.4).
    pub(crate) fn conflicts_with(&self, packet: &ArpPacket) -> bool {
        let asks_too = packet.is_probe() && packet.target_ip == self.address;
        packet.sender_ip == self.address || (asks_too && !self.is_used())
    }

    /// The next step, if it is due.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Option<ClaimAct> {
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
                    Some(ClaimAct::Take),
                )
            }
            Step::Probe(1) => (Step::Probe(0), ANNOUNCE_WAIT, Some(ClaimAct::Probe)),
            Step::Probe(left) => {
                let wait = PROBE_MIN + Duration::from_nanos(rng.below(PROBE_SPREAD_NANOS));
                (Step::Probe(left - 1), wait, Some(ClaimAct::Probe))
            }
            Step::Announce(0) => (Step::Announce(0), Duration::MAX, None),
            Step::Announce(left) => (
                Step::Announce(left - 1),
                ANNOUNCE_INTERVAL,
                Some(ClaimAct::Announce),
            ),
        };
        let is_over = step == Step::Announce(0);
        self.step = step;
        self.due = if is_over { Instant::MAX } else { now + wait };
        act
    }

    /// Somebody else claims the address.
    pub(crate) fn handle_conflict(&mut self, now: Instant) -> Contest {
        if !self.is_used() {
            return Contest::Lost;
        }
        let is_first = self
            .defended
            .is_none_or(|at| now.saturating_since(at) >= DEFEND_INTERVAL);
        if !is_first {
            return Contest::Insisted;
        }
        self.defended = Some(now);
        Contest::Defend
    }
}

// RFC 5227 §1.1, and RFC 3927 §9.
const PROBE_WAIT_NANOS: u64 = 1_000_000_000;
const PROBE_NUM: u8 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
/// PROBE_MAX less PROBE_MIN.
const PROBE_SPREAD_NANOS: u64 = 1_000_000_000;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u8 = 2;
/// Between the two announcements of an address.
pub(crate) const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// So often an address is defended at most.
pub(crate) const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
