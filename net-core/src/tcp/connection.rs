//! One connection: the transmission control block (RFC 9293 §3.3.1), from our SYN or from the
//! peer's acceptance to the last acknowledgement.
//!
//! [`open`](super::open) makes it, [`input`](super::input) holds what a segment does to it,
//! [`ack`](super::ack) what an acknowledgement does, [`output`](super::output) what it sends,
//! [`timers`](super::timers) what time does.

use super::congestion::{Congestion, CongestionControl};
pub(crate) use super::context::{Context, Counters, Negotiated};
use super::ecn::Ecn;
use super::fast_open::FastOpen;
use super::limits::Limits;
use super::mtu_probe::MtuSearch;
use super::pacing::Pacer;
use super::paws::Paws;
use super::receiver::Receiver;
use super::recovery::{LossRecovery, Scoreboard};
use super::rtt::{RttEstimator, nanos};
use super::send_queue::SendQueue;
use super::transmit_times::TransmitTimes;
use super::urgent::Urgent;
use super::user_timeout::UserTimeouts;
use super::validation::Validation;
use super::{SeqNum, State};
use crate::SocketError;
use crate::socket::TcpSettings;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use bytes::Bytes;

/// Send variables, receive variables, timers and what else one connection is.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    /// The peer opened it.
    pub(crate) passive: bool,
    /// ISS.
    pub(crate) iss: SeqNum,
    /// SND.UNA.
    pub(crate) una: SeqNum,
    /// SND.NXT; never moves back.
    pub(crate) nxt: SeqNum,
    /// SND.WND, scaled.
    pub(crate) wnd: u32,
    /// The largest SND.WND so far.
    pub(crate) max_wnd: u32,
    /// SND.WL1.
    pub(crate) wl1: SeqNum,
    /// SND.WL2.
    pub(crate) wl2: SeqNum,
    /// Snd.Wind.Shift.
    pub(crate) scale: u8,
    /// Effective send MSS: payload of a full segment.
    pub(crate) mss: u32,
    pub(crate) peer_mss: u16,
    pub(crate) our_mss: u16,
    /// The window shift that we offered, used if the peer offers one too.
    pub(crate) our_scale: u8,
    pub(crate) queue: SendQueue,
    pub(crate) board: Scoreboard,
    /// Stream offset of the first byte in `queue`.
    pub(crate) acked_offset: u64,
    /// Stream offset behind the last byte in `queue`.
    pub(crate) pushed: u64,
    /// Stream offset up to which the application was told that it may write.
    pub(crate) granted: u64,
    /// The application will send no more: FIN follows the queue.
    pub(crate) fin_queued: bool,
    pub(crate) fin_sent: bool,
    /// The last write said that more follows.
    pub(crate) more: bool,
    /// End of the last segment below MSS: Nagle's rule lets one such be unacknowledged.
    pub(crate) small_end: SeqNum,
    /// End of the last segment that left with PSH.
    pub(crate) push_end: SeqNum,
    pub(crate) congestion: Congestion,
    pub(crate) rtt: RttEstimator,
    pub(crate) recovery: LossRecovery,
    pub(crate) pacer: Pacer,
    /// RFC 7661, where it is configured.
    pub(crate) validation: Option<Box<Validation>>,
    pub(crate) mtu: MtuSearch,
    /// When the permits for challenge ACKs would all be there again.
    pub(crate) challenges_full_at: Instant,
    /// Since when unsent data waits for the peer's window; `Instant::MAX`: it does not.
    pub(crate) stalled_since: Instant,
    pub(crate) receiver: Receiver,
    /// Reading is shut down: what arrives is acknowledged and dropped.
    pub(crate) read_closed: bool,
    pub(crate) sack: bool,
    pub(crate) ecn: Ecn,
    /// TS.Recent, where timestamps are in use.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) ts_recent_at: Instant,
    pub(crate) paws: Paws,
    pub(crate) ts_offset: u32,
    /// Last.ACK.sent (RFC 7323 §4.3).
    pub(crate) last_ack_sent: SeqNum,
    /// Our SYN (or SYN-ACK) is to be sent, for the first time or again.
    pub(crate) syn_due: bool,
    /// RFC 7413, where the connection is opened fast.
    pub(crate) fast_open: Option<Box<FastOpen>>,
    /// Expiries of the retransmission timer without progress.
    pub(crate) retries: u8,
    /// Probes of a zero window, or keepalive probes, without answer.
    pub(crate) probes: u8,
    pub(crate) probe_due: bool,
    /// The override timer of the silly-window rule expired: a partial segment may leave.
    pub(crate) force_partial: bool,
    /// Where what a pulled cork held back ends, until that has left.
    pub(crate) uncorked: Option<SeqNum>,
    pub(crate) retransmit_at: Instant,
    pub(crate) persist_at: Instant,
    /// Doublings of the time between probes of the window.
    pub(crate) persist_backoff: u8,
    pub(crate) keepalive_at: Instant,
    pub(crate) cork_at: Instant,
    /// When a closed socket is given up: FIN_WAIT_2 timeout or linger.
    pub(crate) give_up_at: Instant,
    pub(crate) user_timeouts: UserTimeouts,
    pub(crate) urgent: Urgent,
    /// Bytes whose times the application wants to know, where it has asked for some.
    pub(crate) transmit_times: Option<Box<TransmitTimes>>,
    /// When the peer was last heard.
    pub(crate) heard_at: Instant,
    /// When the oldest unacknowledged byte was first waiting for its acknowledgement.
    pub(crate) waiting_since: Instant,
    /// When data last left.
    pub(crate) sent_at: Instant,
    /// The pending error.
    pub(crate) error: Option<SocketError>,
    /// What an ICMP error said of the path, and when (RFC 9293 §3.9.2.2: no reason to end).
    pub(crate) soft_error: Option<(SocketError, Instant)>,
    /// The application has closed the socket.
    pub(crate) orphan: bool,
    /// Something changed that the application would want to know.
    pub(crate) notify: bool,
    pub(crate) counters: Counters,
    pub(crate) limits: Limits,
    /// Payload of the largest super-segment that the queue in front of the device wants.
    pub(crate) max_burst: u32,
}

impl Connection {
    /// Our SYN is not acknowledged, so that SND.UNA stands on it. (SND.UNA comes by ISS again every
    /// 4 GiB.)
    const fn syn_open(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// Sequence number of our FIN, once it is queued.
    pub(crate) fn fin_seq(&self) -> SeqNum {
        let syn = u32::from(self.syn_open());
        self.una + syn + u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }

    /// Bytes in the queue that were sent at least once.
    pub(crate) fn sent_len(&self) -> usize {
        if self.nxt == self.una {
            return 0;
        }
        let syn = u32::from(self.syn_open() && self.nxt != self.iss);
        let fin = u32::from(self.fin_sent && self.una != self.nxt);
        let outstanding = self.nxt.distance_from(self.una);
        (outstanding.saturating_sub(syn).saturating_sub(fin) as usize).min(self.queue.len())
    }

    /// Bytes in the queue that were never sent.
    pub(crate) fn unsent_len(&self) -> usize {
        self.queue.len() - self.sent_len()
    }

    /// FlightSize (RFC 5681 §2): sent and not cumulatively acknowledged.
    pub(crate) fn flight_size(&self) -> u32 {
        self.nxt.distance_from(self.una)
    }

    /// Bytes in flight: sent, and neither acknowledged nor lost (RFC 6675's pipe).
    pub(crate) fn in_flight(&self) -> u32 {
        self.flight_size()
            .saturating_sub(self.arrived())
            .saturating_sub(self.board.lost())
    }

    /// Bytes that have arrived behind a hole, as far as the peer says so.
    pub(crate) const fn arrived(&self) -> u32 {
        if self.sack {
            self.board.sacked()
        } else {
            self.recovery.arrived
        }
    }

    /// Stream offset up to which the application may write, while the stack's budget has `left`
    /// bytes; never less than it was told before.
    pub(crate) fn send_limit(&mut self, settings: &TcpSettings, left: usize) -> u64 {
        let mut limit = self.acked_offset + self.send_buffer(settings) as u64;
        limit = limit.min(self.pushed + self.queue.allowance(left) as u64);
        limit = limit.min(self.acked_offset + (self.sent_len() + settings.notsent_lowat) as u64);
        self.granted = self.granted.max(limit);
        self.granted
    }

    /// Appends to the send queue.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<(), SocketError> {
        let behind_unsent = self.before_push(bytes.len())?;
        self.queue.push(bytes, behind_unsent);
        Ok(())
    }

    /// Appends a copy to the send queue.
    pub(crate) fn push_copy(&mut self, bytes: &[u8]) -> Result<(), SocketError> {
        let behind_unsent = self.before_push(bytes.len())?;
        self.queue.push_copy(bytes, behind_unsent);
        Ok(())
    }

    /// Takes note of bytes that are about to be appended; whether others wait unsent before them.
    fn before_push(&mut self, len: usize) -> Result<bool, SocketError> {
        if self.send_closed() {
            return Err(self.error.unwrap_or(SocketError::BrokenPipe));
        }
        self.pushed += len as u64;
        let unsent = self.unsent_len();
        if unsent < self.mss as usize {
            self.note_app_limit();
        }
        Ok(unsent > 0)
    }

    /// The queue has run dry: if the network would have taken more, it was the application that
    /// limited the rate (draft-ietf-ccwg-bbr §4.1.2.4).
    fn note_app_limit(&mut self) {
        let in_flight = self.in_flight();
        if in_flight.saturating_add(self.mss) <= self.cwnd() && self.board.lost() == 0 {
            self.board.rate.mark_app_limited(in_flight);
        }
    }

    /// The application cannot send (any more).
    pub(crate) fn send_closed(&self) -> bool {
        self.fin_queued || !self.state.may_send()
    }

    /// CLOSE of the sending side (RFC 9293 §3.10.4): FIN follows what is queued.
    pub(crate) fn finish(&mut self) {
        if self.fin_queued {
            return;
        }
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            State::SynSent | State::SynReceived => {}
            _ => return,
        }
        self.fin_queued = true;
    }

    /// Options have changed.
    pub(crate) fn apply(&mut self, cx: &Context<'_>) {
        let (config, settings, now) = (cx.config, cx.settings, cx.now);
        // What has grown stays, unless the application chose less.
        let grown = self.receiver.buffer.min(settings.recv_buffer_max);
        self.receiver.buffer = grown.max(settings.recv_buffer);
        self.arm_keepalive(settings, now);
        if self.state.is_synchronised() {
            self.user_timeouts.announce(config, settings);
        }
        if settings.quick_ack && self.receiver.delayed_ack.at != Instant::MAX {
            self.receiver.acknowledge();
        }
        if let Some(limit) = settings.max_segment {
            self.mss = self.mss.min(u32::from(limit));
        }
        self.settle_pacing(cx);
        self.settle_validation(cx);
        self.notify = true;
    }

    /// The path got narrower: what is in flight will not arrive, which says nothing about
    /// congestion (RFC 8201 §5.4).
    pub(crate) fn resend_too_big(&mut self) {
        self.board.mark_all_lost();
    }

    /// Ends the connection at once, for `error` or in order.
    pub(crate) fn terminate(&mut self, error: Option<SocketError>) {
        self.state = State::Closed;
        self.error = error.or(self.error);
        self.notify = true;
        self.queue.clear();
        self.board.clear();
        self.counters.timeout_recoveries.abandon();
        self.disarm();
    }

    /// Bytes of memory that its queues hold alive.
    pub(crate) fn charge(&self) -> usize {
        self.queue.len() + self.receiver.pins()
    }

    /// The value of our timestamp clock, 1 ms a tick (RFC 7323 §5.4).
    pub(crate) fn timestamp(&self, now: Instant) -> u32 {
        timestamp(now, self.ts_offset)
    }

    /// cwnd; during fast recovery what is in flight and what may be sent beside it.
    pub(crate) fn cwnd(&self) -> u32 {
        if self.recovery.prr.active {
            self.in_flight() + self.recovery.prr.budget
        } else {
            self.congestion.window()
        }
    }

    /// Bytes that may wait for the device where a discipline decides what leaves: what the path
    /// carries in `time`, but no less than two segments.
    pub(crate) fn queue_limit(&self, time: Option<Duration>) -> u32 {
        let Some(time) = time else { return u32::MAX };
        let carried = self.rtt.smoothed().map_or(MAX_QUEUED, |srtt| {
            // A window leaves each round trip, and in slow start two.
            let bytes = (2 * u64::from(self.congestion.window())).saturating_mul(nanos(time));
            bytes / nanos(srtt).max(1)
        });
        let carried = u32::try_from(carried.min(MAX_QUEUED)).unwrap_or(u32::MAX);
        carried.max(2 * self.mss)
    }

    /// Bytes that congestion control lets out now.
    pub(crate) fn congestion_room(&self) -> u32 {
        if self.recovery.prr.active {
            self.recovery.prr.budget
        } else {
            self.congestion.window().saturating_sub(self.in_flight())
        }
    }
}

/// Bytes that one connection has waiting for the device at most: 2 ms at 4 Gbit/s.
const MAX_QUEUED: u64 = 1 << 20;

/// The timestamp clock at `now`, 1 ms a tick.
pub(crate) fn timestamp(now: Instant, offset: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the clock wraps, RFC 7323 §5.4"
    )]
    (now.as_millis() as u32).wrapping_add(offset)
}
