//! How much paths take where that is less than the own link does, as routers have told about datagrams
//! (RFC 1191 §6.3, RFC 8201 §5.2). TCP keeps that for each connection by itself.

use crate::seed::Key;
use crate::time::{Duration, Instant};
use alloc::collections::VecDeque;
use core::net::IpAddr;
use hashbrown::HashMap;

/// The path MTUs that are known, by destination.
#[derive(Debug)]
pub(crate) struct PathMtus {
    known: HashMap<IpAddr, PathMtu, Key>,
    /// In the order in which they end, with some that were renewed since.
    ends: VecDeque<(Instant, IpAddr)>,
}

/// What is known of one destination.
#[derive(Debug, Clone, Copy)]
struct PathMtu {
    mtu: u16,
    /// It takes less than the least that is believed: routers have to fragment.
    is_locked: bool,
    until: Instant,
}

impl PathMtus {
    /// Nothing is known.
    pub(crate) const fn new(key: Key) -> Self {
        Self {
            known: HashMap::with_hasher(key),
            ends: VecDeque::new(),
        }
    }

    /// A router says that packets to `dest` may have `mtu` bytes. No smaller number than is known already
    /// says nothing new: that the path has changed is found out when what is known ends. Whether it is new.
    pub(crate) fn learn(&mut self, dest: IpAddr, mtu: u16, now: Instant) -> bool {
        let floor = match dest {
            IpAddr::V4(_) => MIN_V4,
            IpAddr::V6(_) => MIN_V6,
        };
        let is_locked = dest.is_ipv4() && mtu < floor;
        let mtu = mtu.max(floor);
        if let Some(known) = self.known(dest, now)
            && known.mtu <= mtu
            && known.is_locked >= is_locked
        {
            return false;
        }
        let told = PathMtu {
            mtu,
            is_locked,
            until: now + LIFETIME,
        };
        let until = told.until;
        self.known.insert(dest, told);
        self.ends.push_back((until, dest));
        while self.ends.len() > MAX_ENDS || self.known.len() > MAX_KNOWN || self.is_over(now) {
            self.pop();
        }
        true
    }

    /// Forgets what is known for long enough; whether there was something.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.known.len();
        while self.is_over(now) {
            self.pop();
        }
        self.known.len() < before
    }

    /// When there is something to forget.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.ends.front().map(|&(until, _)| until)
    }

    /// Forgets what was told first, unless it was told anew since.
    fn pop(&mut self) {
        if let Some((until, dest)) = self.ends.pop_front()
            && self
                .known
                .get(&dest)
                .is_some_and(|known| known.until == until)
        {
            self.known.remove(&dest);
        }
    }

    /// The bytes that packets to `dest` may have where the link takes `mtu`.
    pub(crate) fn limit(&self, dest: IpAddr, mtu: u16, now: Instant) -> u16 {
        if self.known.is_empty() {
            return mtu;
        }
        let known = self.known(dest, now);
        known.map_or(mtu, |known| known.mtu.min(mtu))
    }

    /// Whether packets to `dest` that are as short as may be (`limit`) are still too long for the path, so
    /// that routers have to fragment them.
    #[inline]
    pub(crate) fn is_locked(&self, dest: IpAddr, limit: u16, now: Instant) -> bool {
        limit <= MIN_V4 && self.known(dest, now).is_some_and(|known| known.is_locked)
    }

    fn known(&self, dest: IpAddr, now: Instant) -> Option<&PathMtu> {
        self.known.get(&dest).filter(|known| known.until > now)
    }

    /// Whether the time of what was told first is over.
    fn is_over(&self, now: Instant) -> bool {
        self.ends.front().is_some_and(|&(until, _)| until <= now)
    }
}

/// What is told is forgotten after this time, as the path may have become wider (RFC 8201 §4, RFC 1191
/// §6.3).
const LIFETIME: Duration = Duration::from_secs(600);
/// Destinations of which it is known; those told of first make room.
const MAX_KNOWN: usize = 1024;
/// Each may have been renewed.
const MAX_ENDS: usize = 2 * MAX_KNOWN;
/// No path of IPv4 is taken to be narrower, as by Linux (`min_pmtu`).
const MIN_V4: u16 = 552;
/// Every link of IPv6 takes so much (RFC 8200 §5).
const MIN_V6: u16 = 1280;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    fn mtus() -> PathMtus {
        PathMtus::new(Seed::from_u64(7).key("path mtus"))
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    const DEST: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_path_gets_narrower_at_once_and_wider_after_ten_minutes() {
        let mut mtus = mtus();
        mtus.learn(DEST, 1400, at(0));
        mtus.learn(DEST, 1300, at(1));
        mtus.learn(DEST, 1450, at(2));
        assert_eq!(mtus.limit(DEST, 1500, at(3)), 1300);
        assert_eq!(mtus.limit(DEST, 1200, at(3)), 1200, "the link's own");
        assert_eq!(mtus.limit(DEST, 1500, at(600)), 1300);
        assert_eq!(mtus.limit(DEST, 1500, at(601)), 1500);
        mtus.learn(DEST, 1450, at(602));
        assert_eq!(mtus.limit(DEST, 1500, at(603)), 1450);
    }

    #[test]
    fn nobody_makes_a_path_narrower_than_the_least() {
        let mut mtus = mtus();
        mtus.learn(DEST, 68, at(0));
        assert_eq!(mtus.limit(DEST, 1500, at(1)), 552);
        assert!(mtus.is_locked(DEST, 552, at(1)) && !mtus.is_locked(DEST, 552, at(600)));
        let v6 = "2001:db8::1".parse().unwrap();
        mtus.learn(v6, 100, at(0));
        assert_eq!(mtus.limit(v6, 1500, at(1)), 1280);
    }

    #[test]
    fn what_is_told_again_takes_no_more_room() {
        let mut mtus = mtus();
        for _ in 0..5000 {
            mtus.learn(DEST, 1400, at(0));
        }
        assert_eq!(mtus.ends.len(), 1);
        mtus.learn(DEST, 552, at(1));
        assert!(!mtus.is_locked(DEST, 552, at(2)));
        mtus.learn(DEST, 551, at(2));
        assert!(mtus.is_locked(DEST, 552, at(3)));
        assert_eq!(mtus.ends.len(), 3);
    }

    #[test]
    fn what_was_told_first_makes_room() {
        let mut mtus = mtus();
        for number in 0..5000_u32 {
            mtus.learn(number.to_be_bytes().into(), 1400, at(0));
            mtus.learn(number.to_be_bytes().into(), 1300, at(0));
        }
        assert_eq!(mtus.known.len(), MAX_KNOWN);
        assert!(mtus.ends.len() <= MAX_ENDS);
        let newest: IpAddr = 4999_u32.to_be_bytes().into();
        assert_eq!(mtus.limit(newest, 1500, at(1)), 1300);
    }
}
