//! Rate and window from the model (§4.2).

use super::{Bbr1, State};
use crate::tcp::congestion::AckSample;
use crate::tcp::congestion::path::volume;

/// The rate in bytes a second, 1.2 Mbit/s, from which two segments leave together (§4.2.2).
const ONE_SEGMENT_BELOW: u64 = 150_000;
/// PacingMarginPercent of the present draft, which Linux's first version has as well: the largest of ten
/// round trips' samples is a little more than the path carries, and what leaves beyond that stays in the queue.
const PACING_MARGIN: u64 = 1;
/// The largest send_quantum.
const MAX_QUANTUM: u64 = 64 << 10;

/// Whether a loss is being repaired, and how (§4.2.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    None,
    /// It begins with the next acknowledgement.
    Beginning,
    /// packet_conservation: as much leaves as arrives, for the first round trip.
    Conserving,
    /// The later round trips: the window follows the model again.
    Later,
    /// After a timeout the window grows from one segment.
    Timeout,
}

impl Bbr1 {
    /// SetPacingRateWithGain (§4.2.1).
    pub(super) fn set_pacing_rate(&mut self, gain: u64) {
        if self.bandwidth.max() == 0 {
            // Nothing was measured so far.
            return;
        }
        let rate =
            u128::from(self.bandwidth.max()) * u128::from(gain * (100 - PACING_MARGIN)) / 100_000;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        if self.full.filled || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
    }

    /// SetSendQuantum (§4.2.2), of which there are to be three beyond what is in flight: at both hosts
    /// and on the way some wait to become one. The pacer's is less, so that no burst makes a queue.
    pub(super) fn send_quantum(&self) -> u32 {
        if !self.autosizing {
            return u32::try_from(MAX_QUANTUM).unwrap_or(u32::MAX);
        }
        let millisecond = (self.pacing_rate / 1000).min(MAX_QUANTUM);
        let millisecond = u32::try_from(millisecond).unwrap_or(u32::MAX);
        millisecond.max(self.least_quantum())
    }

    /// Two segments where that takes no more than 20 ms, else one. By what comes in pairs the largest sample of
    /// ten round trips is a little more than the path carries, which among losses is what a probe needs.
    pub(super) fn least_quantum(&self) -> u32 {
        let segments = if self.pacing_rate < ONE_SEGMENT_BELOW {
            1
        } else {
            2
        };
        self.mss.saturating_mul(segments)
    }

    /// Inflight (§4.2.3.2): the bandwidth-delay product, with a gain in thousandths.
    pub(super) fn inflight(&self, gain: u64) -> u32 {
        let Some(trip) = self.round_trip.min else {
            return self.initial_window;
        };
        let bytes = volume(self.bandwidth.max(), trip).saturating_mul(gain) / 1000;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.quantised(bytes.saturating_add(self.send_quantum().saturating_mul(3)))
    }

    /// What Linux makes of that: an even number of segments, lest an acknowledgement be delayed for want of a
    /// second one, and two more for a probe, which is to be more than that where little is in flight.
    fn quantised(&self, inflight: u32) -> u32 {
        let pair = self.mss.saturating_mul(2).max(1);
        let probe = if self.probes() { pair } else { 0 };
        inflight
            .div_ceil(pair)
            .saturating_mul(pair)
            .saturating_add(probe)
    }

    /// MinPipeCwnd (§4.2.3.3).
    pub(super) const fn min_pipe_cwnd(&self) -> u32 {
        self.mss.saturating_mul(4)
    }

    /// SetCwnd (§4.2.3.6).
    pub(super) fn set_cwnd(&mut self, sample: &AckSample) {
        if !self.conserves_packets(sample) {
            let target = self.inflight(self.cwnd_gain());
            let grown = self.cwnd.saturating_add(sample.acked);
            if self.full.filled {
                self.cwnd = grown.min(target);
            } else if self.cwnd < target || self.delivered < u64::from(self.initial_window) {
                self.cwnd = grown;
            }
            self.cwnd = self.cwnd.max(self.min_pipe_cwnd());
        }
        if self.state == State::ProbeRtt {
            // ModulateCwndForProbeRTT (§4.2.3.5).
            self.cwnd = self.cwnd.min(self.min_pipe_cwnd());
        }
    }

    /// ModulateCwndForRecovery (§4.2.3.4); whether that is all there is to do.
    fn conserves_packets(&mut self, sample: &AckSample) -> bool {
        match self.repair {
            Repair::Beginning => {
                self.repair = Repair::Conserving;
                self.rounds.begin(self.delivered);
                let one = sample.acked.max(self.mss);
                self.cwnd = sample.in_flight_now.saturating_add(one);
                return true;
            }
            Repair::Conserving if self.rounds.start && sample.in_recovery => {
                self.repair = Repair::Later;
            }
            // It was a mark that needs no repair, or the loss was none.
            Repair::Conserving if self.rounds.start => self.end_repair(),
            Repair::Later if !sample.in_recovery => self.end_repair(),
            _ => {}
        }
        if self.repair != Repair::None {
            self.cwnd = self.cwnd.saturating_sub(sample.lost).max(self.mss);
        }
        if self.repair == Repair::Conserving {
            let arrived = sample.in_flight_now.saturating_add(sample.acked);
            self.cwnd = self.cwnd.max(arrived);
        }
        self.repair == Repair::Conserving
    }

    /// While something that was lost has not arrived a repair that is over goes on, as far as
    /// [`repair_of_loss`](Self::repair_of_loss) is concerned: what was lost behind its end, for which Linux begins
    /// the next recovery with the same acknowledgement.
    pub(super) const fn note_repairs(&mut self, sample: &AckSample) {
        self.repair_goes_on &= sample.is_repairing;
        if self.repair_goes_on {
            self.repaired_in = Some(self.rounds.count);
        }
    }

    /// How the repair of a loss begins. Where the last repair went on until this very round trip (as seen before the
    /// acknowledgement at hand), losses just go on, and packets have been conserved for that: as in Linux, whose
    /// recovery does not end while something is lost, so that many losses do not keep each probe from happening.
    pub(super) fn repair_of_loss(&self) -> Repair {
        if self.repaired_in == Some(self.rounds.count) {
            Repair::Later
        } else {
            Repair::Beginning
        }
    }

    /// A loss shows, or a mark; not one more while another is being repaired.
    pub(super) fn begin_repair(&mut self, first: Repair) {
        if matches!(self.repair, Repair::None | Repair::Timeout) {
            self.save_cwnd();
            self.repair = first;
        }
    }

    /// Everything that was out when the loss showed is acknowledged.
    pub(super) fn end_repair(&mut self) {
        self.repair = Repair::None;
        self.restore_cwnd();
    }

    /// SaveCwnd.
    pub(super) fn save_cwnd(&mut self) {
        let touched = self.repair != Repair::None || self.state == State::ProbeRtt;
        self.prior_cwnd = if touched {
            self.prior_cwnd.max(self.cwnd)
        } else {
            self.cwnd
        };
    }

    /// RestoreCwnd.
    pub(super) fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }
}
