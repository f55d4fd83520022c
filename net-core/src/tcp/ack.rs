//! What an acknowledgement does to the sending side: RFC 9293 §3.10.7.4 (fifth check), RFC 5681.
//! What it says of losses is for [`recovery`](super::recovery).

use super::SeqNum;
use super::accecn::Progress;
use super::congestion::{AckSample, CongestionControl};
use super::connection::{Connection, Context};
use super::recovery::{Ack, Delivery, Phase, RetransmissionTest};
use super::segment::Segment;
use crate::must::must;
use crate::time::{Duration, Instant};
use crate::wire::TcpFlags;

/// What an acknowledgement is to loss recovery.
struct Repairs {
    /// Bytes that it shows to be lost.
    lost: u32,
    /// It belongs to a recovery.
    recovers: bool,
    /// As the last one of fast recovery, which has repaired a loss.
    ends: bool,
}

impl Connection {
    /// Takes in the ACK of a segment that has passed the checks in front of it.
    pub(crate) fn handle_ack(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        if self.una == self.nxt
            && segment.options.sack.is_empty()
            && self.recovery.probe.end.is_none()
        {
            // Nothing is outstanding: a peer that sends data repeats its acknowledgement.
            self.update_window(segment);
            let progress = Progress::default();
            let marks = self
                .ecn
                .on_ack(segment, progress, (self.una, self.nxt), self.mss);
            if marks.reduce {
                self.respond_to_mark(0, cx);
            }
            return;
        }
        let prior_in_flight = self.in_flight();
        let mut delivery = Delivery::new(self.retransmission_test(segment), cx.now);
        let ack = self.take_ack(segment, &mut delivery, cx);
        let echo = ack.echo.filter(|_| ack.advances());
        self.measure_round_trip(echo, &delivery, cx.now);
        if ack.marked && self.recovery.phase == Phase::Open {
            self.respond_to_mark(prior_in_flight, cx);
        } else if ack.advances() && !ack.echoes_mark {
            self.ecn.marks_in_row = 0;
        }
        let (phase, undos) = (self.recovery.phase, self.counters.undos);
        let lost = self.recover(&ack, &delivery, cx);
        if delivery.bytes > 0 || ack.delivered > 0 {
            // The acknowledgement that begins or ends a recovery has set the window already (RFC
            // 6582 §6, RFC 4015 §3.4).
            let ends = phase == Phase::Fast
                && self.recovery.phase == Phase::Open
                && undos == self.counters.undos;
            let repairs = Repairs {
                lost,
                recovers: phase == Phase::Fast || phase != self.recovery.phase,
                ends,
            };
            self.inform_congestion_control(&ack, &repairs, prior_in_flight, &delivery, cx);
        }
        self.rearm(&ack, cx);
    }

    /// The peer echoes a mark: like a loss, but nothing is to be repaired (RFC 3168 §6.1.2).
    fn respond_to_mark(&mut self, in_flight: u32, cx: &Context<'_>) {
        if self.congestion.window() <= self.mss && must("9438 MUST 4.6.5") {
            self.pause_for_mark(self.ecn.marks_in_row, cx);
            self.ecn.marks_in_row = self.ecn.marks_in_row.saturating_add(1);
        }
        let used = self.respond_unvalidated(in_flight);
        self.ecn.on_reduced();
        self.congestion.on_ecn(used, cx.now);
        self.forget_validation(cx.now);
    }

    /// Moves the send variables and the scoreboard; what the ACK is to loss recovery.
    fn take_ack(
        &mut self,
        segment: &Segment<'_>,
        delivery: &mut Delivery,
        cx: &Context<'_>,
    ) -> Ack {
        let mut ack = Ack {
            number: segment.ack,
            advanced: segment.ack.distance_from(self.una),
            duplicate: false,
            dsack: None,
            bare: false,
            delivered: 0,
            echo: self.echo(segment),
            marked: false,
            echoes_mark: false,
            marked_bytes: None,
        };
        let certain = self.ecn.on && self.is_certain(segment);
        let window_moved = self.update_window(segment);
        let repeats = !ack.advances() && !window_moved && self.is_duplicate(segment);
        if ack.advances() {
            self.advance_una(segment, delivery, cx);
        }
        let cumulative = delivery.bytes;
        if self.sack && !segment.options.sack.is_empty() {
            ack.dsack = self.take_sacks(segment, delivery);
        }
        ack.bare = repeats && segment.options.sack.is_empty();
        // RFC 6675 §2: with selective acknowledgements a duplicate is what brings a new one.
        ack.duplicate = if self.sack {
            delivery.bytes > cumulative
        } else {
            repeats
        };
        if ack.advances() {
            self.recovery.dup_acks = 0;
        } else if ack.duplicate {
            self.recovery.dup_acks = self.recovery.dup_acks.saturating_add(1);
        }
        ack.delivered = if self.sack {
            delivery.bytes
        } else {
            self.count_delivered(&ack, delivery)
        };
        if self.ecn.on {
            self.hear_marks(segment, certain, &mut ack);
        }
        ack
    }

    /// Whether what the acknowledgement tells of arrived in order, as whole segments, each sent once. What is
    /// whole is not known while their size grows.
    fn is_certain(&self, segment: &Segment<'_>) -> bool {
        let whole = self.board.is_whole() && self.small_end.at_or_before(self.una);
        self.sack
            && whole
            && !self.mtu.is_growing()
            && !self.fin_sent
            && segment.ack.after(self.una)
            && segment.options.sack.is_empty()
            && segment.wire_count() == 1
    }

    /// What the acknowledgement tells of marks; `certain`: see [`is_certain`](Self::is_certain).
    fn hear_marks(&mut self, segment: &Segment<'_>, certain: bool, ack: &mut Ack) {
        let progress = Progress {
            // Without progress it may be older than what was heard before.
            newer: ack.advances() || (ack.delivered > 0 && !segment.options.sack.is_empty()),
            bytes: ack.delivered,
            certain,
        };
        let window = (self.una, self.nxt);
        let marks = self.ecn.on_ack(segment, progress, window, self.mss);
        ack.marked = marks.reduce;
        ack.echoes_mark = marks.echoed;
        ack.marked_bytes = marks.bytes;
        self.counters.delivered_ce += u64::from(ack.bytes_marked());
    }

    /// RFC 9293: SND.WND follows segments newer than SND.WL1/WL2; whether it changed.
    fn update_window(&mut self, segment: &Segment<'_>) -> bool {
        let newer = self.wl1.before(segment.seq)
            || (self.wl1 == segment.seq && self.wl2.at_or_before(segment.ack));
        if segment.ack.before(self.una) || !newer {
            return false;
        }
        let sign = if must("9293 MUST-1") { 0 } else { 0x8000 };
        let window = u32::from(segment.window & !sign) << self.scale;
        let changed = window != self.wnd;
        if changed && window > self.wnd {
            // Room for the writer's segments: the persist timer has done its work.
            self.persist_at = Instant::MAX;
            self.persist_backoff = 0;
        }
        self.wnd = window;
        self.max_wnd = self.max_wnd.max(window);
        self.wl1 = segment.seq;
        self.wl2 = segment.ack;
        changed
    }

    /// RFC 5681 §2: outstanding data, no payload, neither SYN nor FIN, the same ACK.
    fn is_duplicate(&self, segment: &Segment<'_>) -> bool {
        segment.ack == self.una
            && self.nxt != self.una
            && segment.payload.is_empty()
            && !segment.flags.intersects(TcpFlags::SYN | TcpFlags::FIN)
    }

    pub(super) fn advance_una(
        &mut self,
        segment: &Segment<'_>,
        delivery: &mut Delivery,
        cx: &Context<'_>,
    ) {
        self.board.acknowledge(segment.ack, delivery);
        let data = segment.ack.distance_from(self.una) as usize;
        // Of a FIN's acknowledgement one unit is not in the queue.
        let data = data.min(self.queue.len());
        self.queue.release(data);
        self.acked_offset += data as u64;
        self.una = segment.ack;
        self.retries = 0;
        self.waiting_since = cx.now;
        self.notify = true;
        if self.small_end.before(self.una) {
            self.small_end = self.una;
        }
        self.note_acknowledged(cx.now);
        self.confirm_mtu(cx.now);
        self.urgent.on_advance(self.una);
    }

    /// Takes the selective acknowledgements in; the range that the first of them reports to have
    /// arrived twice, if it does (RFC 2883 §4, §5).
    fn take_sacks(
        &mut self,
        segment: &Segment<'_>,
        delivery: &mut Delivery,
    ) -> Option<(SeqNum, SeqNum)> {
        let blocks = &segment.options.sack;
        let oldest = self.una - self.max_wnd.max(0xffff);
        let dsack = blocks.duplicate(segment.ack);
        let dsack = dsack.filter(|&(left, right)| {
            left.before(right) && left.at_or_after(oldest) && right.at_or_before(self.nxt)
        });
        for (left, right) in blocks.iter().skip(usize::from(dsack.is_some())) {
            let valid = left.before(right)
                && left.at_or_after(self.una)
                && right.at_or_before(self.nxt)
                && right.after(self.una);
            if valid {
                self.board.sack(left, right, delivery);
            }
        }
        dsack
    }

    /// DeliveredData where the peer cannot say what has arrived (RFC 9937 §3): each duplicate
    /// stands for a segment, and an advance for what it covers beyond those. Together they are
    /// never more than was sent, so that made-up duplicates gain nothing.
    fn count_delivered(&mut self, ack: &Ack, delivery: &Delivery) -> u32 {
        if ack.advances() {
            // One segment is what the peer was waiting for; duplicates stood for the others.
            let told = ack
                .advanced
                .saturating_sub(self.mss)
                .min(self.recovery.arrived);
            self.recovery.arrived = (self.recovery.arrived - told).min(self.flight_size());
            return delivery.bytes.saturating_sub(told);
        }
        if !ack.duplicate {
            return 0;
        }
        let most = self.flight_size().saturating_sub(self.mss);
        let arrived = (self.recovery.arrived.saturating_add(self.mss)).min(most);
        let news = arrived.saturating_sub(self.recovery.arrived);
        self.recovery.arrived = self.recovery.arrived.max(arrived);
        news
    }

    /// RFC 6298 §2, §3: a sample of what was sent once, or by the timestamp that is echoed by a
    /// segment that advances SND.UNA (RFC 7323 §4.1).
    pub(super) fn measure_round_trip(
        &mut self,
        echo: Option<u32>,
        delivery: &Delivery,
        now: Instant,
    ) {
        let sample = delivery.round_trip().or_else(|| stamp_age(echo?, now));
        let Some(rtt) = sample else { return };
        match self.recovery.adapt_behind {
            Some(behind) if self.una.after(behind) => {
                self.recovery.adapt_behind = None;
                self.rtt.adapt(delivery.latest_round_trip().unwrap_or(rtt));
            }
            _ => self.rtt.measure(rtt, self.una, self.nxt, now),
        }
        self.recovery.probe.sampled = true;
    }

    fn inform_congestion_control(
        &mut self,
        ack: &Ack,
        repairs: &Repairs,
        prior_in_flight: u32,
        delivery: &Delivery,
        cx: &mut Context<'_>,
    ) {
        if delivery.original {
            self.ecn.on_delivered();
        }
        let rate = self.board.rate.sample(delivery, self.rtt.min_nanos());
        if self.validation.is_some() && self.recovery.phase == Phase::Open {
            self.validate_window(&rate, cx);
        }
        // RFC 5681 §3.2, RFC 3042: duplicates do not widen the window, unless they are known to
        // come of reordering; nor does what echoes a mark (RFC 3168 §6.1.2).
        let widens =
            ack.advances() || self.recovery.rack.reordering_seen() || !must("3042 MUST 2.1");
        let cwnd_limited = self.limits.window_was_full(self.una);
        // Where several acknowledgements come at once the later ones find less in flight.
        let used = cwnd_limited || self.fills_window(prior_in_flight);
        let sample = AckSample {
            acked: ack.delivered,
            slow_start: ack.delivered.min(self.slow_start_limit(cx)),
            lost: repairs.lost,
            delivered: self.board.delivered(),
            rate,
            rtt: delivery.latest_round_trip(),
            in_flight: prior_in_flight,
            in_flight_now: self.in_flight(),
            cwnd_limited,
            window_used: widens && !ack.echoes_mark && used,
            congestion_experienced: ack.marked,
            echoes_mark: ack.echoes_mark,
            marked: ack.bytes_marked(),
            in_recovery: repairs.recovers,
            ends_recovery: repairs.ends,
            is_repairing: self.board.is_repairing(),
        };
        self.congestion.on_ack(&sample, cx.now);
        if self.congestion.holds_back() {
            self.board.rate.mark_held_back(sample.in_flight_now);
        }
        self.update_pacing(cx);
    }

    /// L of RFC 3465 §2.3: how much one acknowledgement may widen the window in slow start.
    fn slow_start_limit(&self, cx: &Context<'_>) -> u32 {
        if self.recovery.phase == Phase::Loss && !self.sack {
            // What it covers may have arrived before the timeout; that it says so now does not mean
            // that it has just left the network.
            return self.mss;
        }
        match cx.config.abc_limit {
            0 => u32::MAX,
            limit => self.mss.saturating_mul(limit),
        }
    }

    /// Whether the window was put to use, so that an acknowledgement may widen it (RFC 7661's
    /// concern): half of it in slow start, all but a few segments of it later.
    fn fills_window(&self, in_flight: u32) -> bool {
        let window = self.congestion.window();
        if window < self.congestion.slow_start_threshold() {
            in_flight.saturating_mul(2) >= window
        } else {
            in_flight.saturating_add(3 * self.mss) >= window
        }
    }

    /// Sets the timers anew: RFC 6298 §5.2, §5.3, RFC 8985 §7.2.
    fn rearm(&mut self, ack: &Ack, cx: &Context<'_>) {
        if ack.advances() {
            self.retransmit_at = if self.una == self.nxt {
                Instant::MAX
            } else {
                self.next_timeout(cx.now)
            };
            self.arm_loss_probe(cx);
        } else if ack.delivered > 0 {
            // Segments were selectively acknowledged: the reordering timer takes over.
            self.recovery.probe.at = Instant::MAX;
        }
        if self.recovery.rack.reorder_at != Instant::MAX && self.board.is_whole() {
            self.recovery.rack.reorder_at = Instant::MAX;
        }
    }

    pub(super) fn retransmission_test(&self, segment: &Segment<'_>) -> RetransmissionTest {
        RetransmissionTest {
            echo: self.echo(segment),
            rtt_min: self.rtt.min_nanos(),
        }
    }

    /// The timestamp that a segment echoes, on our clock without its offset.
    pub(super) fn echo(&self, segment: &Segment<'_>) -> Option<u32> {
        let (_, echo) = segment
            .options
            .timestamps
            .filter(|_| self.ts_recent.is_some())?;
        Some(echo.wrapping_sub(self.ts_offset))
    }
}

/// The time since our clock of timestamps showed `stamp`; a tick if it still does. `None`: it never
/// did.
pub(super) fn stamp_age(stamp: u32, now: Instant) -> Option<Duration> {
    #[expect(clippy::cast_possible_truncation, reason = "RFC 7323's clock wraps")]
    let age = (now.as_millis() as u32).wrapping_sub(stamp);
    (age.cast_signed() >= 0).then(|| Duration::from_millis(u64::from(age.max(1))))
}
