//! Routers that do not answer, and that packets would go by if they did (RFC 4191 §3.5).

use super::Autoconf;
use crate::time::{Duration, Instant};
use crate::wire::ndp::Preference;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

/// A router that others go before, because it did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PassedOver {
    router: Ipv6Addr,
    /// Before then it is not asked again.
    next_probe: Instant,
}

/// The smaller, the better.
type Rank = (Reverse<u8>, Reverse<Preference>, usize);

impl Autoconf {
    /// A router does not answer.
    pub(crate) fn pass_over(&mut self, router: Ipv6Addr, now: Instant) {
        let next_probe = now + PROBE_INTERVAL;
        self.passed_over.retain(|each| each.router != router);
        if self.failures_of(router) > 0 {
            let passed_over = PassedOver { router, next_probe };
            self.passed_over.push(passed_over);
        }
    }

    /// The next router to ask whether it answers again, now that a packet for `dest` goes by another one: it
    /// is not asked for the next minute.
    pub(crate) fn pop_probe(
        &mut self,
        dest: Ipv6Addr,
        next_hop: Ipv6Addr,
        now: Instant,
    ) -> Option<Ipv6Addr> {
        self.forget_passed_over();
        let due = |each: &PassedOver| {
            each.next_probe <= now && self.would_lead(each.router, dest, next_hop)
        };
        let at = self.passed_over.iter().position(due)?;
        let due = self.passed_over.get_mut(at)?;
        due.next_probe = now + PROBE_INTERVAL;
        Some(due.router)
    }

    /// When one may be asked, of those that are still passed over; the others are forgotten.
    pub(crate) fn next_probe(&mut self) -> Option<Instant> {
        self.forget_passed_over();
        self.passed_over.iter().map(|each| each.next_probe).min()
    }

    /// Whether packets for `dest` would go by `router`, did that answer, and not by `next_hop`.
    fn would_lead(&self, router: Ipv6Addr, dest: Ipv6Addr, next_hop: Ipv6Addr) -> bool {
        let Some(rank) = self.rank_of(router, dest) else {
            return false;
        };
        let used = self.rank_of(next_hop, dest);
        // Where nobody answers, each of the others would be as welcome.
        let is_better = |used| rank < used || self.failures_of(next_hop) > 0;
        router != next_hop && used.is_some_and(is_better)
    }

    /// In which place packets for `dest` would go by `router`, if all routers answered: the longest prefix
    /// first, then what is preferred, then what was told first (RFC 4191 §3.2). `None`: never.
    fn rank_of(&self, router: Ipv6Addr, dest: Ipv6Addr) -> Option<Rank> {
        let routes = self.routes.iter().enumerate();
        let routes = routes
            .filter(|(_, each)| each.router == router && each.prefix.contains(IpAddr::V6(dest)));
        let routes = routes.map(|(at, each)| (each.prefix.prefix_len, each.preference, at));
        let routers = self.routers.iter().enumerate();
        let routers = routers.filter(|(_, each)| each.address == router);
        let routers = routers.map(|(at, each)| (0, each.preference, at));
        let ranks = routes.chain(routers);
        ranks
            .map(|(len, preference, at)| (Reverse(len), Reverse(preference), at))
            .min()
    }

    fn failures_of(&self, router: Ipv6Addr) -> u32 {
        let routers = self.routers.iter();
        let routers = routers.filter(|each| each.address == router);
        let routes = self.routes.iter().filter(|each| each.router == router);
        let failures = routers.map(|each| each.failures);
        let failures = failures.chain(routes.map(|each| each.failures));
        failures.max().unwrap_or(0)
    }

    /// Forgets those that were heard again, or are no routers any more.
    fn forget_passed_over(&mut self) {
        let mut all = core::mem::take(&mut self.passed_over);
        all.retain(|each| self.failures_of(each.router) > 0);
        self.passed_over = all;
    }
}

/// Between two questions to one router.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);
