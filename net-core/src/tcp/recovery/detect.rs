//! Where a loss is detected: on an acknowledgement, by what has arrived; and by the reordering
//! timer. (The retransmission timer is in [`timers`](crate::tcp::timers), the probe that finds the
//! loss of a flight's end in [`tlp`](super::tlp).)

use super::sack::{DUP_THRESH, Found};
use super::{Ack, Delivery, Phase};
use crate::tcp::connection::{Connection, Context};
use crate::time::{Duration, Instant};

impl Connection {
    /// Marks what is lost by what has arrived; how many bytes, and of which transmissions.
    pub(super) fn detect_loss(
        &mut self,
        ack: &Ack,
        delivery: &Delivery,
        cx: &Context<'_>,
    ) -> Found {
        if !self.sack {
            return self.detect_by_duplicates(ack);
        }
        if cx.config.recovery.rack {
            // RFC 8985 §9.2: RFC 6675 is not to be used with it.
            if delivery.bytes == 0 && ack.dsack.is_none() {
                return Found::default();
            }
            return self.detect_by_time(cx);
        }
        let mut found = self.board.mark_lost_by_count(self.mss);
        if found.lost > 0 {
            return found;
        }
        if self.recovery.phase == Phase::Open {
            // RFC 6675 §5 step (2): DupThresh of them, however small the segments are.
            if ack.duplicate && self.recovery.dup_acks >= DUP_THRESH {
                found.lost = self.board.mark_first_lost(self.mss, true);
            }
        } else if self.board.lost() == 0 && self.is_partial(ack) {
            // It may show the next hole, or one that was sent again and is on its way.
            found.lost = self.board.mark_first_lost(self.mss, false);
            self.recovery.resend_due = found.lost > 0;
        }
        found
    }

    /// RFC 8985 §6.2 steps 4 and 5, on an acknowledgement and when the reordering timer expires.
    pub(super) fn detect_by_time(&mut self, cx: &Context<'_>) -> Found {
        let rack = &self.recovery.rack;
        let window = self.reordering_window();
        let found = self
            .board
            .mark_lost_by_time(rack.newest(), rack.rtt() + window, cx.now);
        self.recovery.rack.reorder_at = found.next_at.unwrap_or(Instant::MAX);
        found
    }

    /// RACK.reo_wnd (RFC 8985 §6.2 step 4).
    pub(crate) fn reordering_window(&self) -> Duration {
        let hurry = self.recovery.phase != Phase::Open
            || self.board.sacked() > (DUP_THRESH - 1) * self.mss
            || self.recovery.dup_acks >= DUP_THRESH;
        let (rtt_min, srtt) = (self.rtt.min(), self.rtt.smoothed());
        self.recovery.rack.reordering_window(
            hurry,
            rtt_min.unwrap_or_default(),
            srtt.unwrap_or_default(),
        )
    }

    /// Without selective acknowledgements (RFC 6582 §3.2): the third duplicate, or a partial
    /// acknowledgement.
    fn detect_by_duplicates(&mut self, ack: &Ack) -> Found {
        let mut lost = 0;
        if self.recovery.phase == Phase::Fast && self.is_partial(ack) {
            lost = self.board.mark_first_lost(self.mss, true);
            self.recovery.resend_due = true;
        } else if ack.duplicate
            && self.recovery.dup_acks == DUP_THRESH
            && self.recovery.phase == Phase::Open
            && self.may_begin_by_duplicates()
        {
            lost = self.board.mark_first_lost(self.mss, true);
        }
        Found {
            lost,
            ..Found::default()
        }
    }

    /// A partial acknowledgement (RFC 6582 §3.2 step 3): it advances, but not up to `recover`.
    fn is_partial(&self, ack: &Ack) -> bool {
        ack.advances() && self.una.before(self.recovery.recover)
    }

    /// RFC 6582 §3.2 step (2), the careful variant: duplicates that do not lie behind what was out
    /// at the last recovery may be answers to what it sent again needlessly; unless SND.UNA
    /// advanced by so little before them (§4.1) that they cannot be.
    fn may_begin_by_duplicates(&self) -> bool {
        let recovery = &self.recovery;
        let behind = self.una.after(recovery.recover);
        let lost = self.cwnd() > self.mss && recovery.last_advance <= 4 * self.mss;
        behind || lost
    }
}
