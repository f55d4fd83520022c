//! What is known of the path: its bandwidth and its round trip (§4.1).

use super::Bbr1;
use crate::tcp::congestion::AckSample;
use crate::time::{Duration, Instant};

/// BtlBwFilterLen is ten packet-timed round trips (§4.1.1.3). As in Linux's windowed filter a sample is too old when
/// more than that have passed since its own, so that there are eleven: a probe is not forgotten in the round trip in
/// which the next one shows.
const BANDWIDTH_ROUNDS: u8 = 10 + 1;
/// RTpropFilterLen (§4.1.2.3).
const ROUND_TRIP_TIME: Duration = Duration::from_secs(10);

/// The largest rate of the present round trip and the ten before it.
#[derive(Debug, Clone, Default)]
pub(super) struct MaxFilter {
    /// The largest of each round trip, at its number modulo their number.
    rounds: [u64; BANDWIDTH_ROUNDS as usize],
    /// The number of the newest.
    newest: u64,
    max: u64,
}

impl MaxFilter {
    /// BtlBw; 0: not known yet.
    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// A sample in round trip number `round`. What is too old goes only now: while there are no new
    /// samples the old ones are all that is known.
    pub(super) fn update(&mut self, rate: u64, round: u64) {
        let most = u64::from(BANDWIDTH_ROUNDS);
        let passed = round.saturating_sub(self.newest).min(most);
        for number in (round + 1 - passed)..=round {
            *self.of(number) = 0;
        }
        self.newest = round;
        let largest = self.of(round);
        *largest = rate.max(*largest);
        self.max = self.rounds.iter().copied().max().unwrap_or(0);
    }

    fn of(&mut self, round: u64) -> &mut u64 {
        #[expect(clippy::cast_possible_truncation, reason = "below ten")]
        let index = (round % u64::from(BANDWIDTH_ROUNDS)) as usize;
        &mut self.rounds[index]
    }
}

/// RTprop, the smallest round trip of the last ten seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrip {
    /// `None`: not known yet.
    pub(super) min: Option<Duration>,
    /// rtprop_stamp: when it was last as short.
    pub(super) min_at: Instant,
    /// rtprop_expired.
    pub(super) expired: bool,
}

impl RoundTrip {
    /// The handshake took so long.
    pub(super) const fn new(srtt: Option<Duration>, now: Instant) -> Self {
        Self {
            min: srtt,
            min_at: now,
            expired: false,
        }
    }
}

impl Bbr1 {
    /// UpdateBtlBw (§4.1.1.5): samples that the application limited count only if they show more.
    pub(super) fn update_bandwidth(&mut self, sample: &AckSample) {
        self.rounds.on_ack(sample);
        let rate = sample.rate.bytes_per_second().unwrap_or(0);
        if rate > 0 && (rate >= self.bandwidth.max() || !sample.rate.app_limited) {
            self.bandwidth.update(rate, self.rounds.count);
        }
    }

    /// UpdateRTprop (§4.1.2.3).
    pub(super) fn update_round_trip(&mut self, sample: &AckSample, now: Instant) {
        let trip = &mut self.round_trip;
        trip.expired = now > trip.min_at + ROUND_TRIP_TIME;
        if let Some(rtt) = sample.rtt
            && (trip.expired || trip.min.is_none_or(|min| rtt <= min))
        {
            trip.min = Some(rtt);
            trip.min_at = now;
        }
    }
}
