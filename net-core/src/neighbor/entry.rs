//! One neighbour: its state, and what time does to it (RFC 4861 §7.3.3, appendix C; RFC 7048 §3).

use super::cache::Times;
use super::{Neighbor, NeighborConfig, NeighborState};
use crate::buf::TxPacket;
use crate::iface::IfaceId;
use crate::qdisc::Owner;
use crate::stack::TimerId;
use crate::time::{Duration, Instant};
use crate::wire::MacAddr;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::IpAddr;

/// A solicitation to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To everybody: who has the address?
    Everybody,
    /// To the station: are you still there?
    Station(MacAddr),
}

/// What a timer of an entry has led to.
#[derive(Debug)]
pub(crate) enum Expiry {
    /// Nothing that anybody outside has to do.
    Quiet,
    /// A solicitation for the address is to be sent.
    Ask(IfaceId, IpAddr, Ask),
    /// Nobody has the address on the link; these were meant for it.
    Failed(IfaceId, VecDeque<Waiting>),
}

/// A packet that waits for the station to be known, and whose it is.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) packet: Box<TxPacket>,
    pub(crate) owner: Option<Owner>,
}

/// A neighbour in the cache.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) iface: IfaceId,
    pub(super) address: IpAddr,
    /// [`MacAddr::ZERO`] in the state INCOMPLETE.
    pub(super) mac: MacAddr,
    pub(super) state: NeighborState,
    pub(super) router: bool,
    /// Solicitations sent since the state was entered.
    asked: u8,
    /// A packet was sent to it since the last solicitation.
    in_use: bool,
    /// When it was last known to be reachable.
    confirmed_at: Instant,
    pub(super) timer: Option<TimerId>,
    /// Its place among those that may go, if it may.
    pub(super) place: Option<(Rank, u64)>,
    /// Packets that wait for the station to be known, oldest first.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) waiting_bytes: usize,
}

/// What entry makes room for another, the first one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It does not answer any more.
    Unreachable,
    /// It has not been used lately.
    Stale,
    /// It has never answered.
    Incomplete,
}

/// What follows from a step of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// A solicitation to send.
    pub(super) ask: Option<Ask>,
    /// When time is to make the next step.
    pub(super) wait: Option<Duration>,
    /// The entry is to be removed.
    pub(super) over: bool,
}

impl Step {
    const fn wait(wait: Duration) -> Self {
        Self {
            ask: None,
            wait: Some(wait),
            over: false,
        }
    }

    const fn ask(ask: Ask, wait: Duration) -> Self {
        Self {
            ask: Some(ask),
            wait: Some(wait),
            over: false,
        }
    }

    const OVER: Self = Self {
        ask: None,
        wait: None,
        over: true,
    };
}

impl Entry {
    /// An entry without a past; [`begin`](Self::begin) or [`found`](Self::found) gives it a state.
    pub(super) const fn new(iface: IfaceId, address: IpAddr) -> Self {
        Self {
            iface,
            address,
            mac: MacAddr::ZERO,
            state: NeighborState::Incomplete,
            router: false,
            asked: 0,
            in_use: false,
            confirmed_at: Instant::ZERO,
            timer: None,
            place: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Begins to ask for the station.
    pub(super) const fn begin(&mut self, times: Times) -> Step {
        self.state = NeighborState::Incomplete;
        self.asked = 1;
        Step::ask(Ask::Everybody, times.retrans)
    }

    /// It is not asked again before it is forgotten.
    pub(super) const fn ask_no_more(&mut self, config: &NeighborConfig) {
        self.asked = config.multicast_solicitations;
    }

    /// Somebody begins to wait for it, who was perhaps not there when it was asked for.
    pub(super) fn await_answer(&mut self) {
        if self.state == NeighborState::Incomplete {
            self.asked = 1;
        }
    }

    /// It has just shown that packets reach it.
    pub(super) const fn reached(&mut self, times: Times, now: Instant) -> Step {
        self.state = NeighborState::Reachable;
        self.confirmed_at = now;
        Step::wait(times.reachable)
    }

    /// Something may have changed about it.
    pub(super) const fn doubted(&mut self, config: &NeighborConfig) -> Step {
        self.state = NeighborState::Stale;
        Step::wait(config.unused_time)
    }

    /// Something else than an answer has shown that packets reach it (RFC 4861 §7.3.1); whether
    /// anything but the time changes.
    pub(super) fn confirmed(&mut self, now: Instant) -> bool {
        match self.state {
            NeighborState::Reachable => {
                // The timer looks at it when it goes off.
                self.confirmed_at = now;
                false
            }
            NeighborState::Stale
            | NeighborState::Delay
            | NeighborState::Probe
            | NeighborState::Unreachable => true,
            NeighborState::Incomplete | NeighborState::Permanent => false,
        }
    }

    /// A packet is sent to it.
    pub(super) fn used(&mut self, config: &NeighborConfig) -> Option<Step> {
        self.in_use = true;
        (self.state == NeighborState::Stale).then(|| {
            self.state = NeighborState::Delay;
            Step::wait(config.delay_first_probe)
        })
    }

    /// The time of its state has passed.
    pub(super) fn on_timeout(
        &mut self,
        config: &NeighborConfig,
        times: Times,
        now: Instant,
    ) -> Step {
        match self.state {
            NeighborState::Incomplete if self.asked < config.multicast_solicitations => {
                self.asked += 1;
                Step::ask(Ask::Everybody, times.retrans)
            }
            NeighborState::Reachable => {
                let ends = self.confirmed_at + times.reachable;
                if ends > now {
                    return Step::wait(ends.saturating_since(now));
                }
                self.doubted(config)
            }
            NeighborState::Delay => {
                self.state = NeighborState::Probe;
                self.asked = 1;
                Step::ask(Ask::Station(self.mac), times.retrans)
            }
            NeighborState::Probe if self.asked < config.unicast_solicitations => {
                self.asked += 1;
                Step::ask(Ask::Station(self.mac), times.retrans)
            }
            NeighborState::Probe => {
                self.state = NeighborState::Unreachable;
                self.asked = 1;
                self.in_use = false;
                Step::ask(Ask::Everybody, times.retrans)
            }
            // One of IPv6 as long as packets are sent to it, and else until nobody can be expected to answer (RFC
            // 7048 §3): senders hear that one of IPv4 is not there.
            NeighborState::Unreachable
                if (self.in_use && self.address.is_ipv6())
                    || self.asked < config.multicast_solicitations =>
            {
                let wait = times
                    .retrans
                    .saturating_mul(3_u32.pow(self.asked.min(8).into()));
                self.asked = self.asked.saturating_add(1);
                self.in_use = false;
                Step::ask(Ask::Everybody, wait.min(config.retrans_max))
            }
            NeighborState::Incomplete
            | NeighborState::Unreachable
            | NeighborState::Stale
            | NeighborState::Permanent => Step::OVER,
        }
    }

    /// How soon it makes room for others; `None`: never.
    pub(super) const fn rank(&self) -> Option<Rank> {
        match self.state {
            NeighborState::Incomplete => Some(Rank::Incomplete),
            NeighborState::Stale => Some(Rank::Stale),
            NeighborState::Unreachable => Some(Rank::Unreachable),
            NeighborState::Reachable
            | NeighborState::Delay
            | NeighborState::Probe
            | NeighborState::Permanent => None,
        }
    }

    /// What others may know of it.
    pub(super) fn to_neighbor(&self) -> Neighbor {
        Neighbor {
            iface: self.iface,
            address: self.address,
            mac: (self.state != NeighborState::Incomplete).then_some(self.mac),
            state: self.state,
            router: self.router,
        }
    }
}
