//! One connection: the transmission control block (RFC 9293 §3.3.1), from our SYN or from the
//! peer's acceptance to the last acknowledgement.
//!
//! [`input`](super::input) holds what a segment does to it, [`ack`](super::ack) what an
//! acknowledgement does, [`output`](super::output) what it sends, [`timers`](super::timers) what
//! time does.

use super::congestion::{Congestion, CongestionControl};
pub(crate) use super::context::{Context, Counters, Negotiated, Recovery};
use super::ecn::Ecn;
use super::limits::Limits;
use super::receiver::Receiver;
use super::rtt::RttEstimator;
use super::scoreboard::Scoreboard;
use super::send_queue::SendQueue;
use super::{SeqNum, State};
use crate::SocketError;
use crate::config::TcpConfig;
use crate::socket::TcpSettings;
use crate::time::Instant;
use bytes::Bytes;

/// Send variables, receive variables, timers and what else one connection is.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
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
    pub(crate) congestion: Congestion,
    pub(crate) rtt: RttEstimator,
    pub(crate) recovery: Recovery,
    /// When the permits for challenge ACKs would all be there again.
    pub(crate) challenges_full_at: Instant,
    /// Since when unsent data waits for the peer's window; `Instant::MAX`: it does not.
    pub(crate) stalled_since: Instant,
    /// Duplicate acknowledgements in a row (RFC 5681 §2).
    pub(crate) dup_acks: u32,
    /// The next retransmission may leave whatever the window: recovery begins, or an
    /// acknowledgement has shown another hole.
    pub(crate) resend_due: bool,
    pub(crate) receiver: Receiver,
    /// Reading is shut down: what arrives is acknowledged and dropped.
    pub(crate) read_closed: bool,
    pub(crate) sack: bool,
    pub(crate) ecn: Ecn,
    /// TS.Recent, where timestamps are in use.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) ts_recent_at: Instant,
    pub(crate) ts_offset: u32,
    /// Last.ACK.sent (RFC 7323 §4.3).
    pub(crate) last_ack_sent: SeqNum,
    /// Our SYN (or SYN-ACK) is to be sent, for the first time or again.
    pub(crate) syn_due: bool,
    /// Expiries of the retransmission timer without progress.
    pub(crate) retries: u8,
    /// Probes of a zero window, or keepalive probes, without answer.
    pub(crate) probes: u8,
    pub(crate) probe_due: bool,
    /// The override timer of the silly-window rule expired: a partial segment may leave.
    pub(crate) force_partial: bool,
    pub(crate) retransmit_at: Instant,
    pub(crate) persist_at: Instant,
    pub(crate) keepalive_at: Instant,
    pub(crate) cork_at: Instant,
    /// When a closed socket is given up: FIN_WAIT_2 timeout or linger.
    pub(crate) give_up_at: Instant,
    /// When the peer was last heard.
    pub(crate) heard_at: Instant,
    /// When the oldest unacknowledged byte was first waiting for its acknowledgement.
    pub(crate) waiting_since: Instant,
    /// The pending error.
    pub(crate) error: Option<SocketError>,
    /// The application has closed the socket.
    pub(crate) orphan: bool,
    /// Something changed that the application would want to know.
    pub(crate) notify: bool,
    pub(crate) counters: Counters,
    pub(crate) limits: Limits,
}

impl Connection {
    /// An active open: the SYN is due (RFC 9293 §3.10.1).
    pub(crate) fn connect(
        iss: SeqNum,
        our_mss: u16,
        ts_offset: u32,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let negotiated = Negotiated {
            iss,
            irs: SeqNum::default(),
            peer_mss: our_mss,
            our_mss,
            our_scale: window_scale(settings.recv_buffer),
            peer_scale: None,
            sack: false,
            ecn: false,
            ts_recent: None,
            ts_offset,
        };
        let mut connection = Self::new(&negotiated, config, settings, now);
        connection.state = State::SynSent;
        connection.syn_due = true;
        // It runs from now on, lest a device that never takes the SYN leave connect() hanging.
        connection.retransmit_at = now + connection.rtt.rto();
        connection
    }

    /// A passive open whose handshake is complete but for processing the final ACK. `sent_at` is
    /// when the SYN-ACK left, if it left once.
    pub(crate) fn accepted(
        negotiated: &Negotiated,
        sent_at: Option<Instant>,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let mut connection = Self::new(negotiated, config, settings, now);
        connection.state = State::SynReceived;
        connection.nxt = negotiated.iss + 1;
        let (syn, end) = (negotiated.iss, negotiated.iss + 1);
        connection
            .board
            .on_sent(syn, end, true, sent_at.unwrap_or(now));
        if sent_at.is_none() {
            // Karn: its round trip is ambiguous.
            connection.board.on_retransmit(syn, end, now);
        }
        connection.wl1 = negotiated.irs;
        connection.receiver.edge = connection.receiver.nxt + initial_window(settings);
        connection
    }

    fn new(facts: &Negotiated, config: &TcpConfig, settings: &TcpSettings, now: Instant) -> Self {
        let (receive_scale, scale) = match facts.peer_scale {
            Some(peer) => (facts.our_scale, peer),
            None => (0, 0),
        };
        let mut connection = Self {
            state: State::Closed,
            iss: facts.iss,
            una: facts.iss,
            nxt: facts.iss,
            wnd: 0,
            max_wnd: 0,
            wl1: facts.irs,
            wl2: facts.iss,
            scale,
            mss: 0,
            peer_mss: facts.peer_mss,
            our_mss: facts.our_mss,
            our_scale: facts.our_scale,
            queue: SendQueue::default(),
            board: Scoreboard::default(),
            acked_offset: 0,
            pushed: 0,
            granted: 0,
            fin_queued: false,
            fin_sent: false,
            more: false,
            small_end: facts.iss,
            congestion: Congestion::new(settings.congestion, 536, config.initial_window),
            rtt: RttEstimator::new(config),
            recovery: Recovery::Open,
            challenges_full_at: now,
            stalled_since: Instant::MAX,
            dup_acks: 0,
            resend_due: false,
            receiver: Receiver::new(
                facts.irs,
                settings.recv_buffer,
                receive_scale,
                u32::from(facts.our_mss),
            ),
            read_closed: false,
            sack: facts.sack,
            ecn: Ecn::new(facts.ecn, facts.iss),
            ts_recent: facts.ts_recent,
            ts_recent_at: now,
            ts_offset: facts.ts_offset,
            last_ack_sent: facts.irs + 1,
            syn_due: false,
            retries: 0,
            probes: 0,
            probe_due: false,
            force_partial: false,
            retransmit_at: Instant::MAX,
            persist_at: Instant::MAX,
            keepalive_at: Instant::MAX,
            cork_at: Instant::MAX,
            give_up_at: Instant::MAX,
            heard_at: now,
            waiting_since: now,
            error: None,
            orphan: false,
            notify: false,
            counters: Counters::default(),
            limits: Limits::new(now),
        };
        connection.settle_mss(facts.our_mss, config, settings);
        connection
    }

    /// Computes the effective send MSS (RFC 9293 §3.7.1) of a path whose packets carry `path_mss`
    /// bytes behind IP and a bare TCP header, and sizes the initial window by it.
    pub(crate) fn settle_mss(&mut self, path_mss: u16, config: &TcpConfig, settings: &TcpSettings) {
        self.set_path_mss(path_mss, config, settings);
        if self.board.delivered() == 0 {
            self.congestion = Congestion::new(settings.congestion, self.mss, config.initial_window);
        }
    }

    /// The path's MTU changed.
    pub(crate) fn set_path_mss(
        &mut self,
        path_mss: u16,
        config: &TcpConfig,
        settings: &TcpSettings,
    ) {
        let options = if self.ts_recent.is_some() { 12 } else { 0 };
        let limit = settings.max_segment.unwrap_or(u16::MAX);
        let mss = self
            .peer_mss
            .min(path_mss)
            .min(limit)
            .saturating_sub(options);
        self.mss = u32::from(mss.max(config.min_segment));
        self.congestion.set_segment_size(self.mss);
    }

    /// Takes in what the peer's SYN settled.
    pub(crate) fn negotiate(
        &mut self,
        facts: &Negotiated,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) {
        self.peer_mss = facts.peer_mss;
        self.sack = facts.sack;
        self.ecn.on = facts.ecn;
        self.ts_recent = facts.ts_recent;
        self.ts_recent_at = now;
        let receive_scale;
        (receive_scale, self.scale) = match facts.peer_scale {
            Some(peer) => (facts.our_scale, peer),
            None => (0, 0),
        };
        let our_mss = u32::from(self.our_mss);
        self.receiver = Receiver::new(facts.irs, settings.recv_buffer, receive_scale, our_mss);
        self.receiver.edge = self.receiver.nxt + initial_window(settings);
        self.last_ack_sent = self.receiver.nxt;
        self.wl1 = facts.irs;
        self.settle_mss(self.our_mss, config, settings);
    }

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
        let arrived = if self.sack {
            self.board.sacked()
        } else {
            self.dup_acks.saturating_mul(self.mss)
        };
        self.flight_size()
            .saturating_sub(arrived)
            .saturating_sub(self.board.lost())
    }

    /// Stream offset up to which the application may write, while the stack's budget has `left`
    /// bytes; never less than it was told before.
    pub(crate) fn send_limit(&mut self, settings: &TcpSettings, left: usize) -> u64 {
        let mut limit = self.acked_offset + settings.send_buffer as u64;
        limit = limit.min(self.pushed + self.queue.allowance(left) as u64);
        limit = limit.min(self.acked_offset + (self.sent_len() + settings.notsent_lowat) as u64);
        self.granted = self.granted.max(limit);
        self.granted
    }

    /// Appends to the send queue.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<(), SocketError> {
        if self.send_closed() {
            return Err(self.error.unwrap_or(SocketError::BrokenPipe));
        }
        self.pushed += bytes.len() as u64;
        let behind_unsent = self.unsent_len() > 0;
        self.queue.push(bytes, behind_unsent);
        Ok(())
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
    pub(crate) fn apply(&mut self, settings: &TcpSettings, now: Instant) {
        self.receiver.buffer = settings.recv_buffer;
        self.arm_keepalive(settings, now);
        if settings.quick_ack && self.receiver.delayed_ack_at != Instant::MAX {
            self.receiver.ack_now = true;
        }
        if let Some(limit) = settings.max_segment {
            self.mss = self.mss.min(u32::from(limit));
        }
        self.notify = true;
    }

    /// The path got narrower: what is in flight will not arrive, which says nothing about
    /// congestion (RFC 8201 §5.4).
    pub(crate) fn resend_too_big(&mut self) {
        self.board.mark_all_lost();
    }

    /// The handshake is complete.
    pub(crate) fn establish(&mut self, settings: &TcpSettings, now: Instant) {
        self.state = if self.fin_queued {
            State::FinWait1
        } else {
            State::Established
        };
        self.retries = 0;
        self.notify = true;
        self.arm_keepalive(settings, now);
    }

    /// Ends the connection at once, for `error` or in order.
    pub(crate) fn terminate(&mut self, error: Option<SocketError>) {
        self.state = State::Closed;
        self.error = error.or(self.error);
        self.notify = true;
        self.queue.clear();
        self.board.clear();
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

    pub(crate) fn cwnd(&self) -> u32 {
        self.congestion.window()
    }
}

/// The timestamp clock at `now`, 1 ms a tick.
pub(crate) fn timestamp(now: Instant, offset: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the clock wraps, RFC 7323 §5.4"
    )]
    (now.as_millis() as u32).wrapping_add(offset)
}

/// The shift with which the window field can express `buffer` bytes (RFC 7323 §2.3: at most 14).
pub(crate) fn window_scale(buffer: usize) -> u8 {
    (0..14)
        .find(|&shift| buffer >> shift <= 0xffff)
        .unwrap_or(14)
}

/// The window in our SYN or SYN-ACK, which is never scaled.
pub(crate) fn initial_window(settings: &TcpSettings) -> u32 {
    u32::try_from(settings.recv_buffer)
        .unwrap_or(u32::MAX)
        .min(0xffff)
}
