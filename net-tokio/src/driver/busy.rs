//! Asking the devices for a while before going to sleep.

use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

/// Whether the driver goes on asking its devices though nobody rings (`SO_BUSY_POLL`).
///
/// To be put to sleep and woken costs more than a packet's whole way through the stack, so the wait
/// for an answer that comes at once is better spent awake. Unless it is told for how long, the driver
/// learns whether that pays: it stays awake for [`WHILE`] if the latest packet came within that time
/// of the one before, and stops when it has waited in vain.
///
/// It goes by the host's clock: under a paused one no time would pass while the driver is awake.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// How long after the last packet.
    limit: Duration,
    /// Whether it stays awake only where that paid lately.
    learns: bool,
    /// The latest packet came within the limit.
    pays: bool,
    seen: Traffic,
    /// Since when there is nothing to do.
    idle_since: Option<Instant>,
}

/// Packets that have come and gone since the stack began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl BusyPoll {
    /// Stays awake for as long as it is told.
    pub(super) fn for_time(limit: Duration) -> Self {
        Self {
            limit,
            learns: false,
            pays: true,
            seen: Traffic::default(),
            idle_since: None,
        }
    }

    /// Stays awake where that paid lately, and where whoever answers has a core of its own.
    pub(super) fn learning() -> Self {
        let alone =
            thread::available_parallelism().is_ok_and(|cores| cores == NonZero::<usize>::MIN);
        Self {
            learns: true,
            pays: false,
            ..Self::for_time(if alone { Duration::ZERO } else { WHILE })
        }
    }

    /// Whether to ask again at once after a round that left `traffic` behind; `busy` if there is
    /// another round to run anyway.
    pub(super) fn goes_on(&mut self, traffic: Traffic, busy: bool) -> bool {
        if self.limit.is_zero() || busy && self.idle_since.is_none() {
            return false;
        }
        self.goes_on_at(traffic, busy, Instant::now())
    }

    fn goes_on_at(&mut self, traffic: Traffic, busy: bool, now: Instant) -> bool {
        let arrived = traffic.received != self.seen.received;
        let moved = traffic != self.seen;
        self.seen = traffic;
        if let Some(since) = self.idle_since.filter(|_| arrived && self.learns) {
            self.pays = now - since < self.limit;
        }
        if moved || busy {
            self.idle_since = None;
        }
        if busy {
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        self.pays && now - since < self.limit
    }
}

/// For how long a driver that learns stays awake: about what it takes to be woken, twice.
const WHILE: Duration = Duration::from_micros(25);

#[cfg(test)]
mod tests {
    use super::*;

    /// Time goes on by `after` microseconds, and `received` and `sent` packets have come and gone.
    struct Bench(BusyPoll, Instant, Traffic);

    impl Bench {
        fn new(busy: BusyPoll) -> Self {
            Self(busy, Instant::now(), Traffic::default())
        }

        fn goes_on(&mut self, after: u64, received: u64, sent: u64) -> bool {
            self.1 += Duration::from_micros(after);
            self.2.received += received;
            self.2.sent += sent;
            self.0.goes_on_at(self.2, false, self.1)
        }
    }

    #[test]
    fn it_goes_on_for_a_time_after_each_packet() {
        let mut never = BusyPoll::for_time(Duration::ZERO);
        assert!(!never.goes_on(Traffic::default(), false));
        let mut bench = Bench::new(BusyPoll::for_time(Duration::from_micros(50)));
        assert!(bench.goes_on(0, 1, 0) && bench.goes_on(49, 0, 0));
        assert!(!bench.goes_on(1, 0, 0));
        assert!(bench.goes_on(1000, 0, 1) && bench.goes_on(49, 0, 0));
    }

    #[test]
    fn it_learns_from_the_packets_whether_that_pays() {
        let limit = u64::try_from(WHILE.as_micros()).expect("small");
        let mut bench = Bench::new(BusyPoll {
            limit: WHILE,
            ..BusyPoll::learning()
        });
        // A request and its answer, and the next request much later: it slept.
        assert!(!bench.goes_on(0, 1, 0) && !bench.goes_on(2, 0, 1));
        assert!(!bench.goes_on(10 * limit, 1, 0) && !bench.goes_on(2, 0, 1));
        // One that follows at once: from now on it stays awake.
        assert!(bench.goes_on(limit - 1, 1, 0) && bench.goes_on(2, 0, 1));
        assert!(bench.goes_on(limit - 1, 0, 0));
        // In vain.
        assert!(!bench.goes_on(1, 0, 0));
        assert!(!bench.goes_on(10 * limit, 1, 0));
    }

    #[test]
    fn rounds_that_are_due_anyway_are_no_time_to_wait() {
        let mut busy = BusyPoll::for_time(Duration::from_secs(3600));
        assert!(!busy.goes_on(Traffic::default(), true));
        assert!(busy.goes_on(Traffic::default(), false));
        assert!(!busy.goes_on(Traffic::default(), true));
        assert_eq!(busy.idle_since, None);
    }
}
