//! Asking the devices for a while before going to sleep.

use std::time::{Duration, Instant};

/// Whether the driver goes on asking its devices though nobody rings (`SO_BUSY_POLL`).
///
/// It goes by the host's clock: under a paused one no time would pass while the driver is awake.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// How long after the last packet.
    time: Duration,
    /// Packets that had come and gone by then.
    packets: u64,
    /// When the last of them did.
    last: Option<Instant>,
}

impl BusyPoll {
    pub(super) fn new(time: Duration) -> Self {
        Self {
            time,
            packets: 0,
            last: None,
        }
    }

    /// Whether to ask again at once, when so many `packets` have come and gone.
    pub(super) fn goes_on(&mut self, packets: u64) -> bool {
        if self.time.is_zero() {
            return false;
        }
        let now = Instant::now();
        if self.packets != packets {
            self.packets = packets;
            self.last = None;
        }
        let last = *self.last.get_or_insert(now);
        now - last < self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_for_a_time_after_each_packet() {
        let mut never = BusyPoll::new(Duration::ZERO);
        assert!(!never.goes_on(1));
        let mut long = BusyPoll::new(Duration::from_secs(3600));
        assert!(long.goes_on(0) && long.goes_on(0) && long.goes_on(1));
        let mut short = BusyPoll::new(Duration::from_nanos(1));
        assert!(short.goes_on(1));
        while short.goes_on(1) {}
        assert!(short.goes_on(2));
    }
}
