//! What can be known about a connection from outside.

use super::State;
use super::accecn::AccurateEcnInfo;
use super::congestion::CongestionControl;
use super::connection::Connection;
use super::ecn::EcnFeedback;
use super::fast_open::FastOpenFailure;
use super::limits::{Limit, LimitedTime};
use super::recovery::Phase;
use crate::SocketError;
use crate::config::CongestionAlgorithm;
use crate::time::{Duration, Instant};

/// A snapshot of a connection, after Linux's `TCP_INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// State of the machine.
    pub state: State,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// Mean deviation of the round-trip time.
    pub rtt_variance: Duration,
    /// Smallest round-trip time.
    pub rtt_min: Option<Duration>,
    /// Retransmission timeout with its backoff.
    pub rto: Duration,
    /// Congestion window in bytes.
    pub cwnd: u32,
    /// Slow start threshold in bytes; `u32::MAX` before the first loss.
    pub slow_start_threshold: u32,
    /// Algorithm in charge of the congestion window.
    pub congestion: CongestionAlgorithm,
    /// What it would need to send more.
    pub limit: Limit,
    /// For how long each of those has held it up.
    pub limited: LimitedTime,
    /// A loss is being repaired.
    pub in_recovery: bool,
    /// Bytes a second at which data leaves, where the connection is paced.
    pub pacing_rate: Option<u64>,
    /// Bytes a second that the network delivered, by the latest sample.
    pub delivery_rate: Option<u64>,
    /// The application limited the sender in that sample: the network may deliver more.
    pub delivery_rate_app_limited: bool,
    /// Payload bytes of a full segment we send.
    pub send_mss: u32,
    /// Payload bytes of the largest segment received.
    pub receive_mss: u32,
    /// Bytes sent, and neither acknowledged nor lost.
    pub in_flight: u32,
    /// Bytes given by the application and not acknowledged.
    pub send_queue: usize,
    /// Bytes of those that were never sent.
    pub unsent: usize,
    /// The peer's window in bytes.
    pub send_window: u32,
    /// Our window in bytes, as the peer knows it.
    pub receive_window: u32,
    /// Size of the receive buffer, which grows with the path.
    pub receive_buffer: usize,
    /// Bytes received in order and not read.
    pub unread: usize,
    /// Bytes acknowledged by the peer over the connection's life, controls included.
    pub delivered: u64,
    /// Segments sent; a super-segment is one.
    pub segments_out: u64,
    /// Segments received, super-segments counted by what they stand for.
    pub segments_in: u64,
    /// Retransmitted transmissions.
    pub retransmits: u32,
    /// Bytes in them.
    pub bytes_retransmitted: u64,
    /// Retransmission timeouts.
    pub timeouts: u32,
    /// Those of them since the peer last acknowledged anything. The socket's event is raised at the
    /// third (R1 of RFC 9293 §3.8.3).
    pub unanswered: u8,
    /// What an ICMP error has said of the path since the peer was heard last: no reason to end the
    /// connection, but the one that is given if the peer stays silent (RFC 9293 §3.9.2.2).
    pub soft_error: Option<SocketError>,
    /// Times that fast recovery began.
    pub fast_recoveries: u32,
    /// Bytes considered lost, rightly or not.
    pub bytes_lost: u64,
    /// Tail loss probes sent.
    pub loss_probes: u32,
    /// Segments that the peer reported to have received twice (RFC 2883): retransmissions that were
    /// not needed, or copies that the network made.
    pub duplicates_reported: u32,
    /// Recoveries that turned out to be spurious and were undone.
    pub undos: u32,
    /// Retransmission timeouts among them.
    pub spurious_timeouts: u32,
    /// Segments have been seen to overtake each other on the way.
    pub reordering_seen: bool,
    /// How late a segment may be before it counts as lost (RFC 8985 §6.2).
    pub reordering_window: Duration,
    /// Selective acknowledgements are in use.
    pub sack: bool,
    /// Timestamps are in use.
    pub timestamps: bool,
    /// The user timeout that the peer told last (RFC 5482).
    pub peer_user_timeout: Option<Duration>,
    /// How congestion marks are told.
    pub ecn: EcnFeedback,
    /// How many there were, where feedback is accurate (RFC 9768).
    pub accurate_ecn: Option<AccurateEcnInfo>,
    /// The SYN-ACK acknowledged data that came with the SYN, whichever of them was ours (RFC 7413).
    pub syn_data: bool,
    /// Why our SYN's did not, where it was to.
    pub fast_open_failure: Option<FastOpenFailure>,
    /// Our and the peer's window shift.
    pub window_scale: (u8, u8),
}

impl Connection {
    pub(crate) fn info(&self, now: Instant) -> TcpInfo {
        TcpInfo {
            state: if self.is_unconfirmed() {
                State::SynReceived
            } else {
                self.state
            },
            rtt: self.rtt.smoothed(),
            rtt_variance: self.rtt.variance(),
            rtt_min: self.rtt.min(),
            rto: self.rtt.rto(),
            cwnd: self.cwnd(),
            slow_start_threshold: self.congestion.slow_start_threshold(),
            congestion: self.congestion.algorithm(),
            limit: self.limits.current(),
            limited: self.limits.times(now),
            in_recovery: self.recovery.phase != Phase::Open,
            pacing_rate: self.pacer.rate(),
            delivery_rate: self.board.rate.latest.bytes_per_second(),
            delivery_rate_app_limited: self.board.rate.latest.app_limited,
            send_mss: self.mss,
            receive_mss: self.receiver.peer_mss,
            in_flight: self.in_flight(),
            send_queue: self.queue.len(),
            unsent: self.unsent_len(),
            send_window: self.wnd,
            receive_window: self.receiver.window(),
            receive_buffer: self.receiver.buffer,
            unread: self.receiver.unread(),
            delivered: self.board.delivered(),
            segments_out: self.counters.segments_out,
            segments_in: self.counters.segments_in,
            retransmits: self.counters.retransmits,
            bytes_retransmitted: self.counters.bytes_retransmitted,
            timeouts: self.counters.timeouts,
            unanswered: self.retries,
            soft_error: self.soft_error(),
            fast_recoveries: self.counters.fast_recoveries,
            bytes_lost: self.counters.bytes_lost,
            loss_probes: self.counters.loss_probes,
            duplicates_reported: self.counters.duplicates_reported,
            undos: self.counters.undos,
            spurious_timeouts: self.counters.spurious_timeouts,
            reordering_seen: self.recovery.rack.reordering_seen,
            reordering_window: self.reordering_window(),
            sack: self.sack,
            timestamps: self.ts_recent.is_some(),
            peer_user_timeout: self.user_timeouts.remote,
            ecn: self.ecn.feedback(),
            accurate_ecn: self.ecn.accurate.as_ref().map(|it| it.info()),
            syn_data: self.fast_open.as_ref().is_some_and(|it| it.syn_data),
            fast_open_failure: self.fast_open.as_ref().and_then(|it| it.failure),
            window_scale: (self.receiver.scale, self.scale),
        }
    }
}
