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
use crate::socket::TcpSettings;
use crate::time::{Duration, Instant};

/// A snapshot of a connection, after Linux's `TCP_INFO`: `docs/tcp-info.md` says which of its fields is which
/// here.
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
    /// Round-trip time as the receiving side sees it, by the timestamps that data echoes.
    pub receive_rtt: Option<Duration>,
    /// Retransmission timeout with its backoff.
    pub rto: Duration,
    /// Doublings of that timeout, or where the peer's window is closed of the time between probes.
    pub backoff: u8,
    /// How long the acknowledgement of a lone segment waits for company, once data has arrived; no longer
    /// than the round trip, and within the configured bounds.
    pub ack_timeout: Option<Duration>,
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
    /// What it makes of losses and marks.
    pub recovery_phase: RecoveryPhase,
    /// A loss is being repaired: [`RecoveryPhase::Recovery`] or [`RecoveryPhase::Loss`].
    pub in_recovery: bool,
    /// Bytes a second at which data leaves, where the connection is paced.
    pub pacing_rate: Option<u64>,
    /// The largest rate that the application allows, in bytes a second.
    pub max_pacing_rate: Option<u64>,
    /// Bytes a second that the network delivered, by the latest sample.
    pub delivery_rate: Option<u64>,
    /// The application limited the sender in that sample: the network may deliver more.
    pub delivery_rate_app_limited: bool,
    /// Payload bytes of a full segment we send.
    pub send_mss: u32,
    /// Payload bytes of the largest segment received.
    pub receive_mss: u32,
    /// Payload bytes of the largest segment that we told the peer to send.
    pub advertised_mss: u16,
    /// Bytes of the largest packet that the path is known to carry, IP header included. Where packets vanish
    /// segments get smaller than that (RFC 4821): see `send_mss`.
    pub path_mtu: Option<u16>,
    /// Bytes sent, and neither acknowledged nor lost.
    pub in_flight: u32,
    /// Bytes sent and not cumulatively acknowledged, controls included.
    pub unacknowledged: u32,
    /// Bytes of those that have arrived behind a hole, as far as the peer says so.
    pub sacked: u32,
    /// Bytes of those that are considered lost and were not sent again since.
    pub lost: u32,
    /// Bytes of those that were sent more than once.
    pub resent: u32,
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
    /// The most bytes that the application has read in a round trip, which the receive buffer follows.
    pub read_per_round_trip: u64,
    /// Since data was last sent, if any was.
    pub since_data_sent: Option<Duration>,
    /// Since data last arrived, if any did.
    pub since_data_received: Option<Duration>,
    /// Since an acknowledgement last arrived; before the first since the connection began.
    pub since_ack_received: Duration,
    /// Bytes acknowledged by the peer over the connection's life, controls included.
    pub delivered: u64,
    /// Bytes of those that were marked on their way: what the peer tells where feedback is accurate (RFC
    /// 9768), else all that ACKs with an echo were the first to acknowledge.
    pub delivered_ce: u64,
    /// Payload bytes acknowledged in order.
    pub bytes_acknowledged: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Payload bytes sent, those that were sent again counted each time.
    pub bytes_sent: u64,
    /// Segments sent, super-segments counted by what they stand for.
    pub segments_out: u64,
    /// Segments received, counted likewise.
    pub segments_in: u64,
    /// Segments with payload among those sent.
    pub data_segments_out: u64,
    /// Segments with payload among those received.
    pub data_segments_in: u64,
    /// Segments received behind a hole and kept.
    pub out_of_order: u32,
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
    /// Times that the retransmission timer began a recovery, the present one included.
    pub timeout_recoveries: u32,
    /// The time in those, until all that was out had arrived or turned out not to be lost; the present one
    /// included, but not one that the connection did not survive.
    pub timeout_recovery_time: Duration,
    /// Probes of the peer's closed window, or keepalive probes, that are not answered.
    pub probes: u8,
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
    /// How often they have.
    pub reorderings: u32,
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

/// What the sender makes of losses and marks, as Linux's `tcpi_ca_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoveryPhase {
    /// Everything arrives in its order.
    Open,
    /// Something has arrived behind a hole, which does not count as lost (yet).
    Disorder,
    /// The window was reduced for a congestion mark, a round trip ago at most; nothing is lost.
    Cwr,
    /// Fast recovery: something was found lost.
    Recovery,
    /// The retransmission timer has expired.
    Loss,
}

impl Connection {
    fn recovery_phase(&self) -> RecoveryPhase {
        match self.recovery.phase {
            Phase::Fast => RecoveryPhase::Recovery,
            Phase::Loss => RecoveryPhase::Loss,
            Phase::Open if self.ecn.is_reducing(self.una) => RecoveryPhase::Cwr,
            Phase::Open if self.arrived() > 0 || self.recovery.dup_acks > 0 => {
                RecoveryPhase::Disorder
            }
            Phase::Open => RecoveryPhase::Open,
        }
    }

    /// What is known of it, and of its path and settings.
    pub(crate) fn info(
        &self,
        settings: &TcpSettings,
        path_mtu: Option<u16>,
        now: Instant,
    ) -> TcpInfo {
        let since = |at: Instant| now.saturating_since(at);
        TcpInfo {
            state: if self.is_unconfirmed() {
                State::SynReceived
            } else {
                self.state
            },
            rtt: self.rtt.smoothed(),
            rtt_variance: self.rtt.variance(),
            rtt_min: self.rtt.min(),
            receive_rtt: self.receiver.tuning.round_trip(),
            rto: self.rtt.rto(),
            backoff: self.rtt.backoff().max(self.persist_backoff),
            ack_timeout: self.receiver.delayed_ack.timeout(),
            cwnd: self.cwnd(),
            slow_start_threshold: self.congestion.slow_start_threshold(),
            congestion: self.congestion.algorithm(),
            limit: self.limits.current(),
            limited: self.limits.times(now),
            recovery_phase: self.recovery_phase(),
            in_recovery: self.recovery.phase != Phase::Open,
            pacing_rate: self.pacer.rate(),
            max_pacing_rate: settings.max_pacing_rate,
            delivery_rate: self.board.rate.latest.bytes_per_second(),
            delivery_rate_app_limited: self.board.rate.latest.app_limited,
            send_mss: self.mss,
            receive_mss: self.receiver.peer_mss,
            advertised_mss: self.our_mss,
            path_mtu,
            in_flight: self.in_flight(),
            unacknowledged: self.flight_size(),
            sacked: self.arrived(),
            lost: self.board.lost(),
            resent: self.board.resent(),
            send_queue: self.queue.len(),
            unsent: self.unsent_len(),
            send_window: self.wnd,
            receive_window: self.receiver.window(),
            receive_buffer: self.receiver.buffer,
            unread: self.receiver.unread(),
            read_per_round_trip: self.receiver.tuning.most_read(),
            since_data_sent: self.counters.data_sent_at.map(since),
            since_data_received: self.counters.data_received_at.map(since),
            since_ack_received: since(self.heard_at),
            delivered: self.board.delivered(),
            delivered_ce: self.counters.delivered_ce,
            bytes_acknowledged: self.acked_offset,
            bytes_received: self.receiver.consumed + self.receiver.unread() as u64,
            bytes_sent: self.counters.bytes_sent,
            segments_out: self.counters.segments_out,
            segments_in: self.counters.segments_in,
            data_segments_out: self.counters.data_segments_out,
            data_segments_in: self.counters.data_segments_in,
            out_of_order: self.counters.out_of_order,
            retransmits: self.counters.retransmits,
            bytes_retransmitted: self.counters.bytes_retransmitted,
            timeouts: self.counters.timeouts,
            timeout_recoveries: self.counters.timeout_recoveries.count,
            timeout_recovery_time: self.counters.timeout_recoveries.time(now),
            unanswered: self.retries,
            probes: self.probes,
            soft_error: self.soft_error(),
            fast_recoveries: self.counters.fast_recoveries,
            bytes_lost: self.counters.bytes_lost,
            loss_probes: self.counters.loss_probes,
            duplicates_reported: self.counters.duplicates_reported,
            undos: self.counters.undos,
            spurious_timeouts: self.counters.spurious_timeouts,
            reordering_seen: self.recovery.rack.reordering_seen(),
            reorderings: self.recovery.rack.reorderings,
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
