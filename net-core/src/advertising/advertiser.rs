//! When an interface advertises: at random times, more often in the beginning, soon after it was asked, and once
//! more when it ceases to (RFC 4861 §6.2.4 to §6.2.6).

use super::consistency::{Inconsistency, contradiction};
use super::message::{advertisement, farewell};
use super::{LinkValues, RouterAdvertising};
use crate::must::must;
use crate::seed::Rng;
use crate::time::{Duration, Instant};
use crate::wire::MacAddr;
use crate::wire::ndp::{NdpOptions, RouterAdvert};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::net::Ipv6Addr;

/// The advertisements of an interface, all of them to all nodes of the link.
#[derive(Debug)]
pub(crate) struct Advertiser {
    config: RouterAdvertising,
    /// When that was configured: some lifetimes count from there.
    since: Instant,
    state: State,
    /// When the next one leaves; [`Instant::MAX`]: never.
    due: Instant,
    /// When the last one left.
    last: Option<Instant>,
    /// Somebody has asked since.
    is_solicited: bool,
    /// Hosts take the address that advertisements come from for a router's.
    is_known: bool,
    /// What of it holds for this host.
    followed: Option<LinkValues>,
    /// What another router has said last against ours.
    inconsistency: Option<Inconsistency>,
    /// The same, while it is to be written down.
    untold: Option<Inconsistency>,
    /// When that may be told again.
    quiet_until: Instant,
}

/// Whether it is an advertising interface (§6.2.2).
#[derive(Debug)]
enum State {
    Silent,
    Advertising {
        source: Ipv6Addr,
        /// Advertisements still to be sent soon after each other.
        initial: u8,
    },
    Ceasing {
        source: Ipv6Addr,
        /// Final advertisements still to be sent.
        left: u8,
        /// What it has advertised.
        config: Box<RouterAdvertising>,
    },
}

/// An ICMPv6 message to all nodes, without its checksum, and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) source: Ipv6Addr,
    pub(crate) message: Vec<u8>,
}

impl Advertiser {
    /// One that is silent so far.
    pub(crate) const fn new(config: RouterAdvertising, now: Instant) -> Self {
        Self {
            config,
            since: now,
            state: State::Silent,
            due: Instant::MAX,
            last: None,
            is_solicited: false,
            is_known: false,
            followed: None,
            inconsistency: None,
            untold: None,
            quiet_until: Instant::ZERO,
        }
    }

    /// What is advertised, with what is left of lifetimes that count down.
    pub(crate) fn config(&self, now: Instant) -> RouterAdvertising {
        self.config.aged(self.age(now))
    }

    /// Whether it is to advertise where it can.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.config.adv_send_advertisements
    }

    /// Whether it advertises.
    pub(crate) const fn is_advertising(&self) -> bool {
        matches!(self.state, State::Advertising { .. })
    }

    /// What another router has said last against what this one says.
    pub(crate) const fn inconsistency(&self) -> Option<Inconsistency> {
        self.inconsistency
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`Instant::MAX`]: never.
    pub(crate) const fn next(&self) -> Instant {
        self.due
    }

    /// Advertises something else: as if it began to, so that hosts hear of it soon (§6.2.4).
    pub(crate) fn configure(&mut self, config: RouterAdvertising, now: Instant) {
        let changes = self.config(now) != config;
        if !config.adv_send_advertisements {
            // Of what was advertised hosts are to hear that it is over.
            self.cease(now);
        }
        (self.config, self.since) = (config, now);
        if let State::Advertising { source, .. } = self.state
            && changes
        {
            self.begin(source, now);
        }
    }

    /// The interface forwards, or not, and has these link-local addresses.
    pub(crate) fn settle(&mut self, forwards: bool, addresses: &[Ipv6Addr], now: Instant) {
        let is_router = forwards || !must("4861 MUST 6.2.4.1");
        let is_wanted = is_router && self.config.adv_send_advertisements;
        match self.state {
            State::Advertising { source, .. } if addresses.contains(&source) => {
                if !is_wanted {
                    self.cease(now);
                }
            }
            State::Ceasing { source, .. } if !is_wanted && addresses.contains(&source) => {}
            _ => match addresses.first().filter(|_| is_wanted) {
                Some(&source) => self.begin(source, now),
                None => {
                    self.state = State::Silent;
                    self.due = Instant::MAX;
                }
            },
        }
    }

    /// Somebody asks (§6.2.6). Whoever asks before the answer has left gets the same.
    pub(crate) fn handle_solicitation(&mut self, rng: &mut Rng, now: Instant) {
        if !self.is_advertising() || self.is_solicited {
            return;
        }
        let mut delay = up_to(MAX_RA_DELAY_TIME, rng);
        if !must("4861 MUST 6.2.6.2") {
            delay = Duration::ZERO;
        }
        self.is_solicited = true;
        self.due = self.due.min(self.earliest(now) + delay);
    }

    /// The advertisement that is due, if one is.
    pub(crate) fn handle_timeout(
        &mut self,
        station: MacAddr,
        rng: &mut Rng,
        now: Instant,
    ) -> Option<Advertisement> {
        if self.due > now {
            return None;
        }
        let age = self.age(now);
        self.is_known = true;
        let sent = match &mut self.state {
            State::Silent => {
                (self.due, self.is_known) = (Instant::MAX, false);
                return None;
            }
            State::Advertising { source, initial } => {
                *initial = initial.saturating_sub(1);
                let min = self.config.min_interval();
                let max = self.config.max_rtr_adv_interval;
                let mut interval = min + up_to(max.saturating_sub(min), rng);
                if *initial > 0 {
                    interval = interval.min(MAX_INITIAL_RTR_ADVERT_INTERVAL);
                }
                self.due = now + interval;
                Advertisement {
                    source: *source,
                    message: advertisement(&self.config, age, station),
                }
            }
            State::Ceasing {
                source,
                left,
                config,
            } => {
                let sent = Advertisement {
                    source: *source,
                    message: farewell(config, station),
                };
                *left = left.saturating_sub(1);
                self.due = now + MIN_DELAY_BETWEEN_RAS;
                if *left == 0 {
                    self.state = State::Silent;
                    (self.due, self.is_known) = (Instant::MAX, false);
                }
                sent
            }
        };
        self.last = Some(now);
        self.is_solicited = false;
        Some(sent)
    }

    /// What is to be said at once before its address, or its interface, goes: nothing can be said later (§6.2.5,
    /// §6.2.8). Once for what hosts have heard, which is three seconds apart.
    pub(crate) fn take_leave(&mut self, station: MacAddr, now: Instant) -> Option<Advertisement> {
        let (source, message) = match mem::replace(&mut self.state, State::Silent) {
            // Who has not heard of it need not forget it.
            State::Advertising { source, .. } if self.is_known => {
                (source, farewell(&self.config, station))
            }
            State::Ceasing { source, config, .. } => (source, farewell(&config, station)),
            State::Silent | State::Advertising { .. } => {
                self.due = Instant::MAX;
                return None;
            }
        };
        (self.due, self.last, self.is_known) = (Instant::MAX, Some(now), false);
        Some(Advertisement { source, message })
    }

    /// The address that its advertisements come from, while it has something to say.
    pub(crate) const fn source(&self) -> Option<Ipv6Addr> {
        match self.state {
            State::Silent => None,
            State::Advertising { source, .. } | State::Ceasing { source, .. } => Some(source),
        }
    }

    /// What holds for this host from now on, if that has changed: what it advertises of the link, while it does
    /// (§6.2.1), and then nothing any more.
    pub(crate) fn poll_link_values(&mut self) -> Option<LinkValues> {
        let now = self.is_advertising().then(|| self.config.link_values());
        let before = mem::replace(&mut self.followed, now);
        (before != now).then(|| now.unwrap_or_default())
    }

    /// Compares what another router says with what this one does (§6.2.7): whether they contradict each other.
    /// That is to be written down at most once in [`INTERVAL`].
    pub(crate) fn handle_advertisement(
        &mut self,
        router: Ipv6Addr,
        advert: &RouterAdvert,
        options: NdpOptions<'_>,
        now: Instant,
    ) -> bool {
        let found = contradiction(&self.config, self.age(now), advert, options);
        let Some(variable) = found else {
            return false;
        };
        self.inconsistency = Some(Inconsistency { router, variable });
        if now >= self.quiet_until {
            self.quiet_until = now + INTERVAL;
            self.untold = self.inconsistency;
        }
        true
    }

    /// What is to be written down of it.
    pub(crate) const fn poll_inconsistency(&mut self) -> Option<Inconsistency> {
        self.untold.take()
    }

    fn begin(&mut self, source: Ipv6Addr, now: Instant) {
        self.is_known &= self.source() == Some(source);
        self.state = State::Advertising {
            source,
            initial: MAX_INITIAL_RTR_ADVERTISEMENTS,
        };
        self.due = self.earliest(now);
    }

    fn cease(&mut self, now: Instant) {
        let State::Advertising { source, .. } = self.state else {
            return;
        };
        // Who has not heard of it need not forget it.
        if !self.is_known {
            (self.state, self.due) = (State::Silent, Instant::MAX);
            return;
        }
        self.state = State::Ceasing {
            source,
            left: MAX_FINAL_RTR_ADVERTISEMENTS,
            config: Box::new(self.config.clone()),
        };
        self.due = self.earliest(now);
    }

    /// When the next advertisement may leave.
    fn earliest(&self, now: Instant) -> Instant {
        let last = self.last.filter(|_| must("4861 MUST 6.2.6.3"));
        last.map_or(now, |last| now.max(last + MIN_DELAY_BETWEEN_RAS))
    }

    const fn age(&self, now: Instant) -> Duration {
        now.saturating_since(self.since)
    }
}

/// A time between zero and `most`, each as likely as the others.
fn up_to(most: Duration, rng: &mut Rng) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(nanos.saturating_add(1)))
}

// RFC 4861 §10.
const MAX_INITIAL_RTR_ADVERT_INTERVAL: Duration = Duration::from_secs(16);
const MAX_INITIAL_RTR_ADVERTISEMENTS: u8 = 3;
const MAX_FINAL_RTR_ADVERTISEMENTS: u8 = 3;
const MIN_DELAY_BETWEEN_RAS: Duration = Duration::from_secs(3);
const MAX_RA_DELAY_TIME: Duration = Duration::from_millis(500);
/// Between two reports about inconsistencies.
const INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "advertiser_tests.rs"]
mod tests;
