//! SEGMENT ARRIVES (RFC 9293 §3.10.7), for a connection that exists.
//!
//! The RFC's numbered checks are called in its order, one function each.

use super::State;
use super::connection::{Connection, Context};
use super::delayed_ack::Timing;
use super::receiver::Arrival;
use super::rtt::nanos;
use super::segment::Segment;
use crate::SocketError;
use crate::config::CongestionAlgorithm;
use crate::must::must;
use crate::stats::DropReason;
use crate::time::Duration;
use crate::wire::TcpFlags;

/// What the owner of the connection is to do about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Nothing beyond settling the socket.
    Keep,
    /// Answer the segment with a RST and go on.
    Reset,
    /// The handshake is complete.
    Opened,
    /// The connection is over; its error, if any, is pending.
    Closed,
    /// Both FINs are acknowledged.
    TimeWait,
}

/// A timestamp is valid for 24 days (RFC 7323 §5.5).
const TS_RECENT_LIFE: Duration = Duration::from_secs(24 * 24 * 3600);

/// A check's verdict: go on to the next, or stop here.
type Check = Result<(), Disposition>;

impl Connection {
    /// Takes in a segment.
    pub(crate) fn handle_segment(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Disposition {
        self.counters.on_segment(segment);
        if self.take_predicted(segment, cx) {
            return Disposition::Keep;
        }
        let outcome = match self.state {
            State::Closed | State::Listen | State::TimeWait => Err(Disposition::Reset),
            State::SynSent => self.arrives_in_syn_sent(segment, cx),
            State::SynReceived => self.arrives_in_syn_received(segment, cx),
            _ if self.fast_open.is_some() => self.arrives_with_fast_open(segment, cx),
            _ => self.arrives_synchronised(segment, cx),
        };
        match outcome {
            Ok(()) => Disposition::Keep,
            Err(disposition) => disposition,
        }
    }

    /// §3.10.7.3: SYN-SENT.
    fn arrives_in_syn_sent(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) -> Check {
        let acks = segment.has(TcpFlags::ACK);
        let covers_syn = segment.ack.after(self.iss) && segment.ack.at_or_before(self.nxt);
        if acks && !covers_syn {
            // First check: an ACK of something else gets a RST, unless it is one.
            cx.stats.count_drop(DropReason::BadAck);
            let reset = segment.has(TcpFlags::RST);
            return Err(if reset {
                Disposition::Keep
            } else {
                Disposition::Reset
            });
        }
        if segment.has(TcpFlags::RST) {
            // Second check.
            if !acks {
                return Err(self.refuse(DropReason::BadFlags, cx));
            }
            cx.stats.tcp_resets_received += 1;
            self.terminate(Some(SocketError::ConnectionRefused));
            return Err(Disposition::Closed);
        }
        if !segment.has(TcpFlags::SYN) {
            // Fifth check: neither SYN nor RST.
            return Err(self.refuse(DropReason::BadFlags, cx));
        }
        // Fourth check: the SYN.
        let facts = self.facts_of_syn(segment, cx);
        self.negotiate(&facts, cx.config, cx.settings, cx.now);
        self.heard_at = cx.now;
        self.receiver.ack_now = true;
        if acks {
            self.wnd = u32::from(segment.window);
            self.max_wnd = self.wnd;
            self.wl2 = segment.ack;
            self.acknowledge_syn(segment, cx);
            self.establish(cx);
            cx.stats.tcp_active_opens += 1;
        } else if !must("9293 MUST-10") {
            return Err(self.refuse(DropReason::BadFlags, cx));
        } else {
            // Simultaneous open: answer with SYN, ACK.
            self.state = State::SynReceived;
            self.wnd = u32::from(segment.window);
            self.max_wnd = self.wnd;
            self.syn_due = true;
            self.restart_retransmit_timer(cx);
            // Text and FIN wait until our SYN is acknowledged: the peer sends them again.
            return Ok(());
        }
        self.take_text_of_syn(segment, cx)?;
        Err(Disposition::Opened)
    }

    /// Takes in what comes behind a SYN in its segment.
    pub(super) fn take_text_of_syn(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Check {
        segment.seq += 1;
        segment.flags.remove(TcpFlags::SYN);
        self.trim_to_window(segment);
        self.take_text(segment, cx);
        self.eighth_fin(segment)
    }

    /// §3.10.7.4: SYN-RECEIVED, after a simultaneous open or when the accept queue took it in.
    fn arrives_in_syn_received(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Check {
        self.arrives_synchronised(segment, cx)?;
        if self.state.is_synchronised() {
            return Err(Disposition::Opened);
        }
        Ok(())
    }

    /// §3.10.7.4: all states but SYN-SENT.
    fn arrives_synchronised(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) -> Check {
        self.check_up_to_syn(segment, cx)?;
        self.check_from_ack(segment, cx)
    }

    /// The first four checks.
    pub(super) fn check_up_to_syn(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Check {
        self.repeated_syn(segment)?;
        self.first_sequence_number(segment, cx)?;
        self.second_rst(segment, cx)?;
        self.fourth_syn(segment, cx)
    }

    /// Those behind them.
    pub(super) fn check_from_ack(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Check {
        self.fifth_ack(segment, cx)?;
        self.sixth_urg(segment);
        self.seventh_text(segment, cx)?;
        self.eighth_fin(segment)
    }

    /// The peer's SYN once more while ours is not acknowledged: in a simultaneous open its SYN-ACK
    /// (RFC 9293 §3.5, figure 8), or a SYN whose answer was lost. The first check would refuse it.
    fn repeated_syn(&mut self, segment: &mut Segment<'_>) -> Check {
        let repeated = self.state == State::SynReceived
            && segment.has(TcpFlags::SYN)
            && segment.seq + 1 == self.receiver.nxt;
        if !repeated {
            return Ok(());
        }
        if !segment.has(TcpFlags::ACK) {
            self.syn_due = true;
            return Err(Disposition::Keep);
        }
        segment.seq += 1;
        segment.flags.remove(TcpFlags::SYN);
        self.ecn.on_crossing_syn_ack(segment);
        self.receiver.ack_now = true;
        Ok(())
    }

    /// First, check the sequence number; before it PAWS (RFC 7323 §5.3).
    fn first_sequence_number(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) -> Check {
        let reset = segment.has(TcpFlags::RST);
        if let (Some(_), Some((value, _))) = (self.ts_recent, segment.options.timestamps) {
            let old = must("7323 MUST 5.3.1") && self.paws.refuses(value);
            let old = old && self.knows_ts_recent(cx);
            if old && !(reset && must("7323 MUST 5.2.2")) {
                self.answer_old_segment(segment, cx);
                return Err(self.refuse(DropReason::Paws, cx));
            }
        }
        let (nxt, edge) = (self.receiver.nxt, self.receiver.edge);
        let end = segment.seq + segment.seq_len();
        // With no window, a segment at RCV.NXT still brings its RST, ACK and URG; its text is cut below.
        let is_next = segment.seq == nxt && must("9293 MUST-66");
        let acceptable = if segment.seq_len() == 0 {
            segment.seq.at_or_after(nxt) && (segment.seq.before(edge) || is_next)
        } else {
            (segment.seq.before(edge) || is_next) && end.after(nxt)
        };
        if !acceptable {
            if reset && must("5961 MUST 3.2.4") {
                return Err(self.refuse(DropReason::OutOfWindow, cx));
            }
            // Old data, or a probe: the peer must learn where we are. Two hosts that disagree must
            // not answer each other's bare ACKs for ever.
            if segment.has(TcpFlags::SYN) {
                if self.fast_open.is_some()
                    && let Some(disposition) = self.repeats_early_syn(segment, cx)
                {
                    return Err(disposition);
                }
                if segment.has(TcpFlags::ACK) && !self.passive {
                    self.ecn.on_repeated_syn_ack(segment);
                }
                // RFC 5961 §4.2: whatever its sequence number.
                return Err(self.challenge(cx));
            }
            self.answer_old_segment(segment, cx);
            return Err(self.refuse(DropReason::OutOfWindow, cx));
        }
        self.trim_to_window(segment);
        Ok(())
    }

    /// A segment that is not acceptable draws an ACK (RFC 9293 §3.10.7.4, RFC 7323 §5.3 R1). Old data
    /// is reported even where its timestamp is old too: how else is a sender to learn that what it sent
    /// again was only late (RFC 2883 §4)? Bare ACKs are answered at a limited rate.
    fn answer_old_segment(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        let end = segment.seq + segment.payload.len();
        if !segment.payload.is_empty() && end.at_or_before(self.receiver.nxt) {
            cx.stats.tcp_duplicates_received += 1;
            self.receiver.report_duplicate((segment.seq, end));
        } else if segment.seq_len() > 0 || self.may_challenge(cx) {
            self.receiver.acknowledge();
        } else {
            cx.stats.count_drop(DropReason::RateLimited);
        }
    }

    /// Cuts off what lies beyond the window.
    fn trim_to_window(&mut self, segment: &mut Segment<'_>) {
        let edge = self.receiver.edge;
        if (segment.seq + segment.seq_len()).after(edge) {
            let room = edge.distance_from(segment.seq);
            if segment.payload.len() > room || segment.has(TcpFlags::FIN) {
                segment.flags.remove(TcpFlags::FIN);
                segment.payload.truncate(room);
                self.receiver.acknowledge();
            }
        }
    }

    /// Second, check the RST bit (RFC 5961 §3.2).
    fn second_rst(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) -> Check {
        if !segment.has(TcpFlags::RST) {
            return Ok(());
        }
        let exact = segment.seq == self.receiver.nxt && must("5961 MUST 3.2.1");
        if !exact && must("5961 MUST 3.2.2") {
            return Err(self.challenge(cx));
        }
        cx.stats.tcp_resets_received += 1;
        self.note_reset();
        let error = match self.state {
            State::SynReceived => Some(SocketError::ConnectionRefused),
            State::CloseWait => Some(SocketError::BrokenPipe),
            State::Closing | State::LastAck => None,
            _ => Some(SocketError::ConnectionReset),
        };
        self.terminate(error.filter(|_| must("9293 MUST-12")));
        Err(Disposition::Closed)
    }

    /// Fourth, check the SYN bit (RFC 5961 §4.2).
    fn fourth_syn(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) -> Check {
        if !segment.has(TcpFlags::SYN) || !must("5961 MUST 4.2.1") {
            return Ok(());
        }
        Err(self.challenge(cx))
    }

    /// Fifth, check the ACK field.
    fn fifth_ack(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) -> Check {
        if !segment.has(TcpFlags::ACK) {
            return Err(self.refuse(DropReason::BadFlags, cx));
        }
        if self.state == State::SynReceived {
            if !(segment.ack.after(self.una) && segment.ack.at_or_before(self.nxt)) {
                cx.stats.count_drop(DropReason::BadAck);
                return Err(Disposition::Reset);
            }
            self.syn_due = false;
            self.acknowledge_syn(segment, cx);
            self.establish(cx);
            self.wl1 = segment.seq - 1;
        }
        // RFC 5961 §5.2: neither of what was never sent nor older than any window.
        let oldest = self.una - self.max_wnd;
        let absurd = segment.ack.after(self.nxt) || segment.ack.before(oldest);
        if absurd && must("5961 MUST 5.2.1") {
            cx.stats.count_drop(DropReason::BadAck);
            return Err(self.challenge_uncounted(cx));
        }
        self.take_acknowledgement(segment, cx);
        self.after_ack(cx)
    }

    /// What an acceptable segment with an ACK says.
    pub(super) fn take_acknowledgement(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        self.heard_at = cx.now;
        self.probes = 0;
        let told_at_once = self.ecn.on && self.ecn.on_segment(segment);
        self.receiver.acks_acks =
            segment.seq_len() == 0 && (self.receiver.acks_acks || told_at_once && !self.owes_ack());
        self.receiver.ack_now |= told_at_once;
        self.update_ts_recent(segment, cx);
        self.hear_user_timeout(segment, cx);
        self.handle_ack(segment, cx);
        if self.wnd == 0 && !self.orphan && must("9293 MUST-37") {
            // A peer that has shut its window over data in flight, but answers,
            // is alive, however often the data is sent again.
            self.retries = 0;
        }
    }

    /// What an acknowledged FIN does to the state.
    fn after_ack(&mut self, cx: &Context<'_>) -> Check {
        let fin_acked = self.fin_sent && self.una == self.nxt;
        match self.state {
            State::FinWait1 if fin_acked => {
                self.state = State::FinWait2;
                self.notify = true;
                if self.orphan {
                    self.give_up_at = self.give_up_at.min(cx.now + cx.config.fin_wait_2);
                }
                Ok(())
            }
            State::Closing if fin_acked => Err(self.enter_time_wait()),
            State::LastAck if fin_acked => {
                self.terminate(None);
                Err(Disposition::Closed)
            }
            _ => Ok(()),
        }
    }

    /// Seventh, process the segment text.
    fn seventh_text(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) -> Check {
        if !self.state.may_receive() {
            return Ok(());
        }
        let fresh = (segment.seq + segment.payload.len()).after(self.receiver.nxt);
        if self.orphan && fresh && !segment.payload.is_empty() {
            // RFC 9293 §3.6.1 (RFC 2525 §2.17): nobody will read it, so the peer must know.
            cx.stats.count_drop(DropReason::ReaderClosed);
            self.terminate(Some(SocketError::ConnectionReset));
            return Err(Disposition::Reset);
        }
        let spent = cx.memory_spent || (cx.memory_tight && segment.seq.after(self.receiver.nxt));
        if fresh && spent && !self.is_needed(segment) {
            cx.stats.count_drop(DropReason::NoMemory);
            self.receiver.ack_now = true;
            // Who holds what was taken says how much of it was read by now.
            self.notify = true;
            return Err(Disposition::Keep);
        }
        self.take_text(segment, cx);
        Ok(())
    }

    /// Whether a segment is taken even when the stack's memory is spent: a reader who has nothing
    /// else to read must get it, or nobody would ever free memory.
    fn is_needed(&self, segment: &Segment<'_>) -> bool {
        segment.payload.is_empty()
            || segment.seq.at_or_before(self.receiver.nxt) && self.receiver.unread() == 0
    }

    pub(super) fn take_text(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) {
        if segment.payload.is_empty() {
            return;
        }
        let per_packet = cx.settings.congestion == CongestionAlgorithm::Dctcp;
        self.receiver.ack_now |= self.ecn.on_data(segment, per_packet);
        let end = segment.seq + segment.payload.len();
        let count = segment.payload.len().div_ceil(segment.wire_size);
        let arrival = self
            .receiver
            .receive(segment.seq, &mut segment.payload, segment.wire_size);
        segment.payload.truncate(0);
        match arrival {
            Arrival::InOrder => {
                self.counters.data_received_at = Some(cx.now);
                self.find_urgent_byte(cx);
                if self.read_closed {
                    self.receiver.drop_unread();
                }
                self.tune_by_data(segment, cx);
                self.schedule_ack(cx);
                self.notify = true;
            }
            Arrival::OutOfOrder => {
                cx.stats.tcp_out_of_order += 1;
                self.counters.data_received_at = Some(cx.now);
                self.counters.out_of_order = self.counters.out_of_order.saturating_add(count);
            }
            Arrival::Duplicate => cx.stats.tcp_duplicates_received += 1,
            Arrival::NoRoom => cx.stats.count_drop(DropReason::OutOfOrderFull),
        }
        if arrival != Arrival::InOrder && !self.sack {
            // The sender counts duplicate acknowledgements: one for each of its segments.
            let count = u8::try_from(count).unwrap_or(u8::MAX);
            self.receiver.duplicate_acks = self.receiver.duplicate_acks.saturating_add(count);
        }
        segment.seq = end;
    }

    /// In-order data has arrived: its acknowledgement leaves now or waits for company.
    fn schedule_ack(&mut self, cx: &Context<'_>) {
        let timing = Timing {
            min: nanos(cx.config.delayed_ack),
            max: nanos(cx.config.delayed_ack_max),
            srtt: self.rtt.smoothed_nanos(),
            rto: self.rtt.rto_nanos(),
        };
        let receiver = &mut self.receiver;
        receiver.ack_now |=
            receiver
                .delayed_ack
                .decide(receiver.peer_mss, cx.settings.quick_ack, &timing, cx.now);
    }

    /// Eighth, check the FIN bit.
    fn eighth_fin(&mut self, segment: &Segment<'_>) -> Check {
        let arrived = segment.has(TcpFlags::FIN)
            && !self.receiver.finished
            && self
                .receiver
                .receive_fin(segment.seq + segment.payload.len());
        if !arrived && !self.receiver.take_pending_fin() {
            if segment.has(TcpFlags::FIN) {
                self.receiver.ack_now = true;
            }
            return Ok(());
        }
        self.notify = true;
        let fin_acked = self.fin_sent && self.una == self.nxt;
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 if !fin_acked => self.state = State::Closing,
            State::FinWait1 | State::FinWait2 => return Err(self.enter_time_wait()),
            _ => {}
        }
        Ok(())
    }

    fn enter_time_wait(&mut self) -> Disposition {
        self.state = State::TimeWait;
        self.notify = true;
        self.disarm();
        Disposition::TimeWait
    }

    /// RFC 7323 §4.3: TS.Recent follows segments that span Last.ACK.sent.
    fn update_ts_recent(&mut self, segment: &Segment<'_>, cx: &Context<'_>) {
        if let (Some(recent), Some((value, _))) = (self.ts_recent, segment.options.timestamps)
            && (segment.seq.at_or_before(self.last_ack_sent) || !must("7323 MUST 4.3.1"))
            && (value.wrapping_sub(recent).cast_signed() >= 0 || !self.knows_ts_recent(cx))
        {
            let whole = self.receiver.islands.is_empty() || !self.knows_ts_recent(cx);
            self.ts_recent = Some(value);
            self.ts_recent_at = cx.now;
            self.paws.advance(value, whole, cx.now);
        }
    }

    /// RFC 7323 §5.5: whether TS.Recent says anything after so long.
    fn knows_ts_recent(&self, cx: &Context<'_>) -> bool {
        cx.now.saturating_since(self.ts_recent_at) < TS_RECENT_LIFE
    }

    /// Drops the segment for `reason`.
    fn refuse(&self, reason: DropReason, cx: &mut Context<'_>) -> Disposition {
        cx.stats.count_drop(reason);
        Disposition::Keep
    }
}
