//! Tail loss probes (RFC 8985 §7): when the end of a flight may be lost and nothing behind it could
//! show that, one more segment asks.

use crate::tcp::SeqNum;
use crate::tcp::congestion::{CongestionControl, LossSample};
use crate::tcp::connection::{Connection, Context};
use crate::tcp::recovery::Phase;
use crate::time::{Duration, Instant};

/// The probe of one connection.
#[derive(Debug)]
pub(crate) struct LossProbe {
    /// The PTO timer.
    pub(crate) at: Instant,
    /// A probe is to be sent.
    pub(crate) due: bool,
    /// TLP.end_seq: SND.NXT when the probe was sent that is not accounted for yet.
    pub(crate) end: Option<SeqNum>,
    /// TLP.is_retrans: it was sent before.
    again: bool,
    /// A round trip was measured since the last probe.
    pub(crate) sampled: bool,
}

impl Default for LossProbe {
    fn default() -> Self {
        Self {
            at: Instant::MAX,
            due: false,
            end: None,
            again: false,
            sampled: true,
        }
    }
}

/// What an acknowledgement says of a probe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeEvidence {
    pub(crate) ack: SeqNum,
    /// It neither acknowledges anything new nor brings data or selective acknowledgements.
    pub(crate) bare_duplicate: bool,
    /// The end of the range that it reports to have arrived twice.
    pub(crate) duplicate_end: Option<SeqNum>,
    /// Whether our FIN is out: it takes a sequence number that no duplicate report covers.
    pub(crate) fin: bool,
}

impl LossProbe {
    /// The probe leaves; `end` is SND.NXT behind it, `again`: it was sent before.
    pub(crate) fn on_sent(&mut self, end: SeqNum, again: bool) {
        self.due = false;
        self.end = Some(end);
        self.again = again;
    }

    /// Nothing is to be asked any more: recovery takes over (§7.1).
    pub(crate) fn reset(&mut self) {
        (self.at, self.due, self.end) = (Instant::MAX, false, None);
    }

    /// §7.4.2, `TLP_process_ack`; whether the probe repaired a loss that nothing else shows.
    pub(crate) fn on_ack(&mut self, evidence: &ProbeEvidence) -> bool {
        let Some(end) = self.end.filter(|&end| evidence.ack.at_or_after(end)) else {
            return false;
        };
        let twice = evidence
            .duplicate_end
            .is_some_and(|right| right == end || evidence.fin && right + 1 == end);
        let repaired = self.again && !twice && evidence.ack.after(end);
        if !self.again || twice || repaired || evidence.bare_duplicate {
            self.end = None;
        }
        repaired
    }
}

impl Connection {
    /// §7.2: starts the PTO timer after new data or an acknowledgement of new data, where a probe
    /// would be of use. Before a SYN-ACK is acknowledged that alone is asked for (RFC 7413 §4.2.2).
    pub(crate) fn arm_loss_probe(&mut self, cx: &Context<'_>) {
        let probe = &self.recovery.probe;
        let useful = self.sack
            && self.una != self.nxt
            && self.recovery.phase == Phase::Open
            && self.board.sacked() == 0
            && cx.config.recovery.tail_loss_probe
            && cx.config.recovery.rack
            && probe.end.is_none()
            && probe.sampled
            && !self.pacer.is_paused(cx.now)
            && !self.is_unconfirmed();
        self.recovery.probe.at = if useful {
            (cx.now + self.probe_timeout(cx.config.recovery.max_ack_delay)).min(self.retransmit_at)
        } else {
            Instant::MAX
        };
    }

    /// §7.2, `TLP_calc_PTO`.
    fn probe_timeout(&self, max_ack_delay: Duration) -> Duration {
        let Some(srtt) = self.rtt.smoothed() else {
            return NO_RTT_PTO;
        };
        let timeout = (2 * srtt).max(MIN_PTO);
        if self.flight_size() <= self.mss {
            timeout + max_ack_delay
        } else {
            timeout
        }
    }

    /// §7.3: the PTO timer expired.
    pub(crate) fn on_probe_timeout(&mut self, cx: &mut Context<'_>) {
        self.recovery.probe.at = Instant::MAX;
        if self.una == self.nxt || !self.state.is_synchronised() {
            return;
        }
        let probe = &mut self.recovery.probe;
        let quiet = self.recovery.phase == Phase::Open && self.board.sacked() == 0;
        if quiet && probe.end.is_none() && probe.sampled {
            probe.due = true;
            probe.sampled = false;
        }
        // Whether or not a probe leaves, the retransmission timer is the last resort.
        self.restart_retransmit_timer(cx);
    }

    /// §7.4.2: the probe has repaired a loss, to which the window must answer.
    pub(crate) fn on_loss_repaired_by_probe(&mut self, cx: &mut Context<'_>) {
        let lost = LossSample {
            bytes: self.mss,
            delivered: self.board.delivered(),
            sent: None,
        };
        self.congestion.on_lost(&lost, cx.now);
        self.congestion.on_loss(self.flight_before_loss(), cx.now);
        self.congestion.on_recovered(cx.now);
        cx.stats.tcp_loss_probe_recoveries += 1;
    }
}

/// PTO without a measured round trip (§7.2).
const NO_RTT_PTO: Duration = Duration::from_secs(1);

/// The smallest PTO, as Linux's: below it the peer's scheduling is measured, not the path.
const MIN_PTO: Duration = Duration::from_millis(2);
