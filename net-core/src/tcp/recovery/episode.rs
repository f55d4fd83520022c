//! A recovery from its beginning to its end, or to its undoing.

use super::frto::{AckAfterTimeout, Frto, Verdict};
use super::prr::Progress;
use super::sack::Found;
use super::tlp::ProbeEvidence;
use super::undo::{AcceptableAck, Spurious};
use super::{Ack, Delivery, Phase};
use crate::must::must;
use crate::tcp::congestion::{CongestionControl, LossSample};
use crate::tcp::connection::{Connection, Context};
use crate::time::Instant;

impl Connection {
    /// What an acknowledgement means for loss recovery, step by step; how many bytes it shows to be
    /// lost.
    pub(crate) fn recover(&mut self, ack: &Ack, delivery: &Delivery, cx: &mut Context<'_>) -> u32 {
        self.recovery.rack.on_delivery(delivery);
        if ack.advances() {
            self.recovery.last_advance = ack.advanced;
        }
        if self.is_untroubled(ack) {
            return 0;
        }
        if ack.advances() {
            self.recovery.rack.on_advance(self.una);
            self.recovery.undo.on_advance(self.una);
        }
        self.account_for_probe(ack, cx);
        self.look_for_spurious(ack, delivery, cx);
        self.end_recovery_if_complete(ack, delivery, cx);
        let found = self.detect_loss(ack, delivery, cx);
        self.respond_to_loss(&found, delivery, cx);
        self.reduce_proportionally(ack, &found);
        found.lost
    }

    /// Whether everything arrives in order and has for a while: nothing to do.
    fn is_untroubled(&self, ack: &Ack) -> bool {
        let recovery = &self.recovery;
        recovery.phase == Phase::Open
            && ack.advances()
            && ack.dsack.is_none()
            && self.board.is_whole()
            && recovery.probe.end.is_none()
            && !recovery.undo.is_watching()
    }

    /// RFC 8985 §7.4.2.
    fn account_for_probe(&mut self, ack: &Ack, cx: &mut Context<'_>) {
        let evidence = ProbeEvidence {
            ack: ack.number,
            bare_duplicate: ack.bare,
            duplicate_end: ack.dsack.map(|(_, right)| right),
            fin: self.fin_sent,
        };
        let repaired = self.recovery.probe.on_ack(&evidence) && must("8985 MUST 7.4.2.1");
        if repaired && self.recovery.phase == Phase::Open {
            self.on_loss_repaired_by_probe(cx);
        }
    }

    /// Looks for evidence that nothing was lost; undoes what was done about it.
    fn look_for_spurious(&mut self, ack: &Ack, delivery: &Delivery, cx: &mut Context<'_>) {
        let config = &cx.config.recovery;
        let (eifel, dsack) = (config.eifel, config.dsack);
        if let Some((left, right)) = ack.dsack {
            cx.stats.tcp_duplicates_reported += 1;
            self.counters.duplicates_reported += 1;
            self.recovery.rack.on_duplicate(self.nxt);
            let spurious = self.recovery.undo.on_duplicate(left, right);
            if let Some(spurious) = spurious.filter(|_| dsack) {
                self.undo_recovery(spurious, ack, cx);
            }
        }
        if self.recovery.phase != Phase::Open && ack.advances() && eifel {
            let acceptable = AcceptableAck {
                echo: ack.echo,
                reports_duplicate: ack.dsack.is_some(),
                complete: self.una == self.nxt,
            };
            if let Some(spurious) = self.recovery.undo.on_acceptable_ack(&acceptable) {
                self.undo_recovery(spurious, ack, cx);
            }
        }
        if self.recovery.frto != Frto::Off {
            self.judge_timeout(ack, delivery, cx);
        }
    }

    /// RFC 5682.
    fn judge_timeout(&mut self, ack: &Ack, delivery: &Delivery, cx: &mut Context<'_>) {
        let usable = (self.una + self.wnd).distance_from(self.nxt);
        let first = self.recovery.frto == Frto::Repaired;
        let verdict = self.recovery.frto.on_ack(&AckAfterTimeout {
            una: self.una,
            advances: ack.advances(),
            covers_resent: self.una.at_or_after(self.recovery.undo.end()),
            duplicate: ack.duplicate || ack.bare,
            delivers: delivery.bytes > 0,
            beyond_recover: self.board.highest_arrived().after(self.recovery.recover),
            sack: self.sack,
            nxt: self.nxt,
            can_send_new: self.unsent_len() > 0 && usable > 0,
            mss: self.mss,
        });
        if first && ack.advances() {
            self.recovery.recover = self.nxt;
        }
        match verdict {
            Verdict::Wait | Verdict::Probe => {}
            Verdict::Genuine(segments) => {
                let most = self.mss.saturating_mul(segments);
                self.congestion.limit_window(most.max(self.mss));
            }
            Verdict::Spurious => {
                let spurious = self.recovery.undo.conclude();
                self.undo_recovery(spurious, ack, cx);
            }
        }
    }

    /// The Eifel response (RFC 4015 §3.1), also where a fast retransmit was spurious.
    fn undo_recovery(&mut self, spurious: Spurious, ack: &Ack, cx: &mut Context<'_>) {
        let recovery = &mut self.recovery;
        recovery.frto = Frto::Off;
        recovery.prr.active = false;
        recovery.resend_due = false;
        recovery.lost_behind_timeout = None;
        recovery.phase = Phase::Open;
        // RFC 5682 §3.1: fast recovery may begin anew.
        recovery.recover = self.una - 1;
        recovery.dup_acks = 0;
        recovery.undo.on_undone(self.nxt);
        self.counters.timeout_recoveries.end(cx.now);
        // Step (8): go on with what was never sent. What is lost all the same will show once more.
        self.board.mark_none_lost();
        self.counters.undos += 1;
        cx.stats.tcp_undos += 1;
        let mut at_most = u32::MAX;
        match spurious {
            Spurious::FastRetransmit => {
                // It looked lost because it was late: that is how reordering shows where what was
                // late had been sent again (RFC 8985 §6.2 step 4).
                self.recovery.rack.on_reordering();
            }
            Spurious::Timeout => {
                cx.stats.tcp_spurious_timeouts += 1;
                self.counters.spurious_timeouts += 1;
                self.mtu.on_spurious_timeout();
                // Step (9), without a burst.
                let initial = cx.config.initial_window.saturating_mul(self.mss);
                at_most = self.in_flight() + ack.advanced.min(initial);
                self.recovery.adapt_behind = Some(self.nxt);
            }
        }
        if !(ack.marked && must("4015 MUST 3.4.1")) {
            self.congestion.on_spurious(at_most.max(self.mss));
        }
        self.forget_validation(cx.now);
    }

    /// Recovery ends when everything that was out at its beginning is acknowledged.
    fn end_recovery_if_complete(&mut self, ack: &Ack, delivery: &Delivery, cx: &mut Context<'_>) {
        let recovery = &mut self.recovery;
        let complete = ack.advances() && self.una.at_or_after(recovery.recover);
        if recovery.phase == Phase::Open || !complete {
            return;
        }
        let next = recovery.lost_behind_timeout.take();
        self.end_recovery(cx.now);
        if let Some(flight) = next {
            let flight = flight.min(self.congestion.window());
            let flight = flight.max(self.flight_before_loss());
            self.begin_fast_recovery(flight, delivery.bytes, cx);
            // What the timeout had sent again may arrive twice, which would say nothing of this loss.
            self.recovery.undo.conclude();
            if self.una == self.nxt {
                self.end_recovery(cx.now);
            }
        }
    }

    fn end_recovery(&mut self, now: Instant) {
        if self.recovery.phase == Phase::Fast {
            // RFC 9937 §6.4.
            self.congestion.on_recovered(now);
            self.end_unvalidated(now);
        } else {
            self.congestion.on_timeout_recovered(now);
            self.counters.timeout_recoveries.end(now);
        }
        let recovery = &mut self.recovery;
        recovery.phase = Phase::Open;
        recovery.prr.active = false;
        recovery.frto = Frto::Off;
        recovery.rack.on_recovered();
        recovery.undo.on_recovered(self.nxt);
    }

    /// Some data was found lost: fast recovery begins; or the window is reduced once more because what left
    /// since it was reduced is lost too, sent again or for the first time (RFC 5681 §4.3: two indications of
    /// congestion).
    pub(super) fn respond_to_loss(
        &mut self,
        found: &Found,
        delivery: &Delivery,
        cx: &mut Context<'_>,
    ) {
        if found.lost == 0 {
            return;
        }
        self.counters.bytes_lost += u64::from(found.lost);
        if self.is_lost_mtu_probe(found.lost, cx.now) {
            return;
        }
        let lost = LossSample {
            bytes: found.lost,
            delivered: self.board.delivered(),
            sent: found
                .resent_at
                .map_or_else(|| self.board.last_lost(), |_| None),
        };
        self.congestion.on_lost(&lost, cx.now);
        let recovery = &mut self.recovery;
        let resent = recovery.phase == Phase::Fast && found.resent_at >= Some(recovery.reduced_at);
        cx.stats.tcp_lost_retransmits += u64::from(resent);
        // BBR's model, which governs recovery too, has its own answer to each loss.
        let next_window = !self.congestion.governs_recovery()
            && found.end.is_some_and(|end| end.after(recovery.next_window));
        let flight = self.flight_before_loss();
        match self.recovery.phase {
            Phase::Open => self.begin_fast_recovery(flight, delivery.bytes, cx),
            Phase::Fast if next_window => self.begin_fast_recovery(flight, delivery.bytes, cx),
            Phase::Fast if resent => self.reduce(flight, delivery.bytes, cx),
            Phase::Loss if next_window => {
                self.recovery.lost_behind_timeout.get_or_insert(flight);
            }
            Phase::Fast | Phase::Loss => {}
        }
    }

    /// Begins a fast recovery, with `flight` bytes outstanding; also within one, whose place it takes.
    fn begin_fast_recovery(&mut self, flight: u32, delivered: u32, cx: &mut Context<'_>) {
        let recovery = &mut self.recovery;
        if recovery.phase == Phase::Fast {
            recovery.rack.on_recovered();
            recovery.undo.begin_within(self.una, self.board.resent());
        } else {
            recovery.undo.begin(self.una, self.board.first_resent());
        }
        recovery.phase = Phase::Fast;
        recovery.recover = self.nxt;
        recovery.probe.reset();
        self.congestion.remember(flight);
        self.reduce(flight, delivered, cx);
        self.counters.fast_recoveries += 1;
        cx.stats.tcp_fast_retransmits += 1;
    }

    /// Reduces the window, of which `flight` bytes were outstanding, and starts its proportional reduction (RFC
    /// 9937 §6.1), counting what the acknowledgement that shows the loss has `delivered`.
    fn reduce(&mut self, flight: u32, delivered: u32, cx: &mut Context<'_>) {
        let used = self.respond_unvalidated(flight);
        self.congestion.on_loss(used, cx.now);
        self.limit_unvalidated();
        self.recovery.reduced_at = cx.now;
        self.recovery.next_window = self.nxt;
        self.recovery.resend_due = true;
        if cx.config.recovery.prr && !self.congestion.governs_recovery() {
            let arrived = self.arrived();
            let outstanding = (self.flight_size() + delivered).saturating_sub(arrived);
            self.recovery.prr.begin(outstanding, self.mss);
        }
    }

    /// FlightSize when a loss shows, without what limited transmit has sent beyond the window (RFC
    /// 5681 §3.2 step 2).
    pub(super) fn flight_before_loss(&self) -> u32 {
        self.flight_size().min(self.congestion.window())
    }

    /// RFC 9937 §6.2.
    fn reduce_proportionally(&mut self, ack: &Ack, found: &Found) {
        if self.recovery.phase == Phase::Fast && self.recovery.prr.active {
            let progress = Progress {
                delivered: ack.delivered,
                in_flight: self.in_flight(),
                safe: ack.advances() && found.lost == 0,
            };
            let ssthresh = self.congestion.slow_start_threshold();
            self.recovery.prr.on_ack(progress, ssthresh, self.mss);
        }
    }

    /// The reordering timer expired (RFC 8985 §6.2 step 5).
    pub(crate) fn on_reordering_timeout(&mut self, cx: &mut Context<'_>) {
        self.recovery.rack.reorder_at = Instant::MAX;
        let found = self.detect_by_time(cx);
        let nothing = Delivery::new(super::RetransmissionTest::default(), cx.now);
        self.respond_to_loss(&found, &nothing, cx);
    }

    /// What the retransmission timer's expiry means for recovery (RFC 5681 §3.1, RFC 6298 §5.4, RFC
    /// 8985 §6.3).
    pub(crate) fn begin_loss_recovery(&mut self, cx: &mut Context<'_>) {
        let config = &cx.config.recovery;
        let judge = match self.recovery.phase {
            Phase::Open => {
                self.recovery
                    .undo
                    .begin(self.una, self.board.first_resent());
                self.congestion.remember(self.flight_before_loss());
                self.rtt.remember();
                true
            }
            Phase::Fast => false,
            // Once more for the same segment.
            Phase::Loss => self.recovery.frto == Frto::Repaired && must("5682 MUST 2.1.2"),
        };
        self.forget_validation(cx.now);
        // RFC 5681 §3.1: the threshold once for each segment that the timer finds lost, the window
        // each time.
        let again = self.recovery.phase == Phase::Loss;
        if !again || must("5681 MUST 3.1.8") && self.una.after(self.recovery.timed_out) {
            self.congestion.on_rto(self.flight_before_loss(), cx.now);
        } else {
            self.congestion.limit_window(self.mss);
        }
        let recovery = &mut self.recovery;
        recovery.timed_out = self.una;
        recovery.undo.on_timeout();
        recovery.phase = Phase::Loss;
        recovery.recover = self.nxt;
        recovery.next_window = self.nxt;
        recovery.lost_behind_timeout = None;
        recovery.dup_acks = 0;
        recovery.arrived = 0;
        recovery.resend_due = true;
        recovery.prr.active = false;
        recovery.frto = if judge && config.frto && recovery.undo.is_armed() {
            Frto::Repaired
        } else {
            Frto::Off
        };
        recovery.probe.reset();
        recovery.rack.reorder_at = Instant::MAX;
        let reneged = self.board.is_reneged() && must("2018 MUST 5.1");
        if reneged || self.retries > 1 {
            // The peer may have dropped what it acknowledged selectively (RFC 2018 §8).
            cx.stats.tcp_reneges += u64::from(reneged);
            self.board.forget_sacks();
        }
        if self.sack && config.rack {
            self.board.mark_first_lost(self.mss, true);
            let patience = self.recovery.rack.rtt() + self.reordering_window();
            self.board.mark_lost_by_age(patience, cx.now);
        } else {
            self.board.mark_all_lost();
        }
    }
}
