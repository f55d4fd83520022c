//! What an acknowledgement does to the sending side: RFC 9293 §3.10.7.4 (fifth check), RFC 5681,
//! RFC 6582 without selective acknowledgements, RFC 6675 with them.

use super::congestion::{AckSample, CongestionControl};
use super::connection::{Connection, Context, Recovery};
use super::scoreboard::{DUP_THRESH, Delivery};
use super::segment::Segment;
use crate::Instant;
use crate::time::Duration;
use crate::wire::TcpFlags;

impl Connection {
    /// Takes in the ACK of a segment that has passed the checks in front of it.
    pub(crate) fn handle_ack(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        let prior_in_flight = self.in_flight();
        let advances = segment.ack.after(self.una);
        let window_moved = self.update_window(segment);
        let duplicate = !advances && !window_moved && self.is_duplicate(segment);

        let mut delivery = Delivery::default();
        let had_sacked = self.board.sacked();
        if advances {
            self.advance_una(segment, &mut delivery, cx);
        }
        self.take_sacks(segment, &mut delivery, cx);
        let sacked_more = self.board.sacked() > had_sacked;
        // RFC 6675 §2: with selective acknowledgements a duplicate is what brings a new one.
        let counted = if self.sack { sacked_more } else { duplicate };
        if let Some(rtt) = delivery.rtt {
            self.rtt.measure(rtt);
        }
        if advances {
            self.dup_acks = 0;
            self.rearm_retransmit(cx.now);
        } else if counted {
            self.dup_acks = self.dup_acks.saturating_add(1);
        }

        if self.ecn.on_ack(segment, self.nxt) && self.recovery == Recovery::Open {
            self.congestion.on_ecn(prior_in_flight, cx.now);
        }
        let lost = self.detect_loss(advances, counted, sacked_more);
        self.steer(advances, lost, prior_in_flight, &delivery, cx);
    }

    /// RFC 9293: SND.WND follows segments newer than SND.WL1/WL2; whether it changed.
    fn update_window(&mut self, segment: &Segment<'_>) -> bool {
        let newer = self.wl1.before(segment.seq)
            || (self.wl1 == segment.seq && self.wl2.at_or_before(segment.ack));
        if segment.ack.before(self.una) || !newer {
            return false;
        }
        let window = u32::from(segment.window) << self.scale;
        let changed = window != self.wnd;
        if changed && window > self.wnd {
            // Room for the writer's segments: the persist timer has done its work.
            self.persist_at = Instant::MAX;
            self.rtt.reset_backoff();
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

    fn advance_una(&mut self, segment: &Segment<'_>, delivery: &mut Delivery, cx: &Context<'_>) {
        self.board.acknowledge(segment.ack, delivery, cx.now);
        let data = segment.ack.distance_from(self.una) as usize;
        // Of a FIN's acknowledgement one unit is not in the queue.
        let data = data.min(self.queue.len());
        self.queue.release(data);
        self.acked_offset += data as u64;
        self.una = segment.ack;
        self.retries = 0;
        self.waiting_since = cx.now;
        self.rtt.reset_backoff();
        self.notify = true;
        if self.small_end.before(self.una) {
            self.small_end = self.una;
        }
    }

    fn take_sacks(&mut self, segment: &Segment<'_>, delivery: &mut Delivery, cx: &Context<'_>) {
        if !self.sack {
            return;
        }
        for (left, right) in segment.options.sack.iter() {
            let valid = left.before(right)
                && left.at_or_after(self.una)
                && right.at_or_before(self.nxt)
                && right.after(self.una);
            if valid {
                self.board.sack(left, right, delivery, cx.now);
            }
        }
    }

    /// Marks what is lost by what has arrived; how many bytes.
    fn detect_loss(&mut self, advances: bool, counted: bool, sacked_more: bool) -> u32 {
        let mut lost = 0;
        if self.sack && (sacked_more || (advances && self.board.sacked() > 0)) {
            lost += self.board.mark_lost(self.mss, self.reordering_window());
        }
        if counted && self.dup_acks == DUP_THRESH && self.recovery == Recovery::Open && lost == 0 {
            lost += self.board.mark_first_lost(self.mss, true);
        }
        if let Recovery::Fast { recover } = self.recovery
            && advances
            && self.una.before(recover)
            && self.board.lost() == 0
        {
            // A partial acknowledgement shows the next hole (RFC 6582 §3.2, step 3). With selective
            // ones it may be a hole that was sent again with the first and is on its way.
            lost += self.board.mark_first_lost(self.mss, !self.sack);
            self.resend_due = lost > 0;
        }
        lost
    }

    /// What was sent this much before something that has arrived is late, not reordered: a
    /// quarter of the smallest round trip (RFC 8985 §6.2's initial choice).
    fn reordering_window(&self) -> Duration {
        self.rtt.min().unwrap_or_default() / 4
    }

    /// Moves recovery on and tells the congestion control.
    fn steer(
        &mut self,
        advances: bool,
        lost: u32,
        prior_in_flight: u32,
        delivery: &Delivery,
        cx: &mut Context<'_>,
    ) {
        match self.recovery {
            Recovery::Fast { recover } if advances && self.una.at_or_after(recover) => {
                self.recovery = Recovery::Open;
                self.congestion.on_recovered(cx.now);
            }
            Recovery::Loss { recover } if advances && self.una.at_or_after(recover) => {
                self.recovery = Recovery::Open;
            }
            _ => {}
        }
        if lost > 0 && self.recovery == Recovery::Open {
            self.recovery = Recovery::Fast { recover: self.nxt };
            self.congestion.on_loss(self.flight_size(), cx.now);
            self.resend_due = true;
            self.counters.fast_recoveries += 1;
            cx.stats.tcp_fast_retransmits += 1;
        }
        let fast = matches!(self.recovery, Recovery::Fast { .. });
        if delivery.bytes > 0 && !fast {
            let sample = AckSample {
                acked: delivery.bytes,
                lost,
                delivered: self.board.delivered(),
                interval: delivery.interval,
                rtt: delivery.rtt,
                in_flight: prior_in_flight,
                app_limited: !self.fills_window(prior_in_flight),
                congestion_experienced: false,
            };
            self.congestion.on_ack(&sample, cx.now);
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

    /// RFC 6298 §5.2, §5.3.
    fn rearm_retransmit(&mut self, now: Instant) {
        self.retransmit_at = if self.una == self.nxt {
            Instant::MAX
        } else {
            now + self.rtt.rto()
        };
    }
}
