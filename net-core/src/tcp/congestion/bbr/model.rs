//! What BBR knows of the path: bandwidth in two time scales, round trips, aggregation of
//! acknowledgements.

use super::{Bbr, State};
use crate::tcp::congestion::AckSample;
use crate::tcp::congestion::path::volume;
use crate::time::{Duration, Instant};

/// MinRTTFilterLen.
const MIN_RTT_FILTER: Duration = Duration::from_secs(10);
/// ProbeRTTInterval.
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// Round trips in each half of the window of extra_acked (ExtraAckedFilterLen is both).
const AGGREGATION_ROUNDS: u8 = 5;

/// Bandwidth and volume that the path carries.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// max_bw_filter: this ProbeBW cycle and the one before.
    max_filter: [u64; 2],
    /// bw.
    pub(super) bandwidth: u64,
    pub(super) bandwidth_short: u64,
    pub(super) inflight_short: u32,
    pub(super) inflight_long: u32,
    /// The largest rate and volume of the present round trip.
    pub(super) bandwidth_latest: u64,
    pub(super) inflight_latest: u32,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            max_filter: [0; 2],
            bandwidth: 0,
            bandwidth_short: u64::MAX,
            inflight_short: u32::MAX,
            inflight_long: u32::MAX,
            bandwidth_latest: 0,
            inflight_latest: 0,
        }
    }
}

impl Model {
    /// max_bw.
    pub(super) fn max_bandwidth(&self) -> u64 {
        self.max_filter[0].max(self.max_filter[1])
    }

    /// AdvanceMaxBwFilter; a cycle without a sample does not make the one before forgotten.
    pub(super) fn advance_max_filter(&mut self) {
        if self.max_filter[0] > 0 {
            self.max_filter = [0, self.max_filter[0]];
        }
    }

    /// BoundBWForModel.
    pub(super) fn bound(&mut self) {
        self.bandwidth = self.max_bandwidth().min(self.bandwidth_short);
    }

    /// ResetShortTermModel.
    pub(super) fn reset_short_term(&mut self) {
        self.bandwidth_short = u64::MAX;
        self.inflight_short = u32::MAX;
    }
}

/// min_rtt, and when it was last looked at with little in flight.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrip {
    /// min_rtt; `None`: Infinity.
    pub(super) min: Option<Duration>,
    min_at: Instant,
    /// probe_rtt_min_delay.
    probe_min: Option<Duration>,
    /// probe_rtt_min_stamp.
    pub(super) probe_min_at: Instant,
    /// probe_rtt_expired.
    pub(super) expired: bool,
}

impl RoundTrip {
    /// The handshake took so long.
    pub(super) fn new(srtt: Option<Duration>, now: Instant) -> Self {
        Self {
            min: srtt,
            min_at: now,
            probe_min: srtt,
            probe_min_at: now,
            expired: false,
        }
    }
}

/// extra_acked: how much more than the bandwidth accounts for is acknowledged at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Aggregation {
    began_at: Instant,
    delivered: u64,
    /// Largest excess of this half of the window and of the one before.
    filter: [u32; 2],
    rounds: u8,
}

impl Aggregation {
    /// The measuring interval begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began_at = now;
        self.delivered = 0;
    }

    /// extra_acked.
    pub(super) fn extra(&self) -> u32 {
        self.filter[0].max(self.filter[1])
    }
}

impl Bbr {
    /// StartRound.
    pub(super) fn start_round(&mut self) {
        self.rounds.begin(self.delivered);
    }

    /// UpdateRound.
    fn update_round(&mut self, sample: &AckSample) {
        self.rounds.on_ack(sample);
        self.probe.rounds_since_up += u64::from(self.rounds.start);
    }

    /// UpdateMaxBw. Samples that the application limited count only if they show more.
    pub(super) fn update_max_bandwidth(&mut self, sample: &AckSample, rate: u64) {
        self.update_round(sample);
        if rate > 0 && (rate >= self.model.max_bandwidth() || !sample.rate.app_limited) {
            let now = &mut self.model.max_filter[0];
            *now = rate.max(*now);
        }
    }

    /// UpdateACKAggregation.
    pub(super) fn update_ack_aggregation(&mut self, sample: &AckSample, now: Instant) {
        let interval = now.saturating_since(self.aggregation.began_at);
        let mut expected = volume(self.model.bandwidth, interval);
        if self.aggregation.delivered <= expected {
            self.aggregation.begin(now);
            expected = 0;
        }
        self.aggregation.delivered += u64::from(sample.acked);
        let extra = self.aggregation.delivered - expected;
        let extra = u32::try_from(extra).unwrap_or(u32::MAX).min(self.cwnd);
        let half = if self.full.reached {
            AGGREGATION_ROUNDS
        } else {
            1
        };
        let aggregation = &mut self.aggregation;
        aggregation.rounds = aggregation.rounds.saturating_add(self.rounds.start.into());
        if aggregation.rounds >= half {
            aggregation.rounds = 0;
            aggregation.filter = [0, aggregation.filter[0]];
        }
        aggregation.filter[0] = aggregation.filter[0].max(extra);
    }

    /// UpdateMinRTT.
    pub(super) fn update_min_rtt(&mut self, sample: &AckSample, now: Instant) {
        let trip = &mut self.round_trip;
        trip.expired = now > trip.probe_min_at + PROBE_RTT_INTERVAL;
        if let Some(rtt) = sample.rtt
            && (trip.expired || trip.probe_min.is_none_or(|min| rtt < min))
        {
            trip.probe_min = Some(rtt);
            trip.probe_min_at = now;
        }
        let expired = now > trip.min_at + MIN_RTT_FILTER;
        if let Some(probed) = trip.probe_min
            && (expired || trip.min.is_none_or(|min| probed < min))
        {
            trip.min = Some(probed);
            trip.min_at = trip.probe_min_at;
        }
    }

    /// BDPMultiple, of `bandwidth`, with a gain in percent.
    pub(super) fn bdp_of(&self, bandwidth: u64, gain: u64) -> u32 {
        let Some(min) = self.round_trip.min else {
            return self.initial_window;
        };
        let bytes = volume(bandwidth, min).saturating_mul(gain) / 100;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// BBR.bdp.
    pub(super) fn bdp(&self) -> u32 {
        self.bdp_of(self.model.bandwidth, 100)
    }

    /// QuantizationBudget.
    pub(super) fn with_budget(&self, inflight: u32) -> u32 {
        let inflight = inflight
            .max(self.send_quantum().saturating_mul(3))
            .max(self.min_pipe_cwnd());
        if self.state == State::Up {
            inflight.saturating_add(2 * self.mss)
        } else {
            inflight
        }
    }

    /// MinPipeCwnd.
    pub(super) fn min_pipe_cwnd(&self) -> u32 {
        self.mss.saturating_mul(4)
    }
}
