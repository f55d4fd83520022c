//! How a connection comes to be: from our SYN or from the peer's acceptance, and what the handshake
//! settles.

use super::accecn;
use super::congestion::{Congestion, CongestionControl, Established};
use super::connection::{Connection, Context};
use super::context::{Counters, Negotiated};
use super::ecn::{Agreement, Ecn};
use super::limits::Limits;
use super::mtu_probe::MtuSearch;
use super::output::Ports;
use super::pacing::Pacer;
use super::paws::Paws;
use super::receiver::Receiver;
use super::recovery::{Delivery, LossRecovery, Scoreboard};
use super::rtt::RttEstimator;
use super::segment::Segment;
use super::send_queue::SendQueue;
use super::syn_options::{default_mss, initial_window, shifts, window_scale};
use super::urgent::Urgent;
use super::user_timeout::UserTimeouts;
use super::{SeqNum, State};
use crate::buf::TxPacket;
use crate::config::TcpConfig;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::time::Instant;
use crate::wire::ip::ECN_CE;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};

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
            our_scale: window_scale(settings.largest_recv_buffer(config)),
            peer_scale: None,
            sack: false,
            ecn: Agreement::default(),
            ts_recent: None,
            ts_offset,
            local_mark: 0,
        };
        let mut connection = Self::new(&negotiated, config, settings, now);
        connection.state = State::SynSent;
        connection.syn_due = true;
        // It runs from now on, lest a device that never takes the SYN leave connect() hanging.
        connection.retransmit_at = now + connection.rtt.rto();
        connection
    }

    /// A passive open whose handshake is complete but for processing the final ACK. `sent_at` is
    /// when the SYN-ACK left, if it left once; `retries`, how often it left again for want of one.
    pub(crate) fn accepted(
        negotiated: &Negotiated,
        sent_at: Option<Instant>,
        retries: u8,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let mut connection = Self::new(negotiated, config, settings, now);
        connection.retries = retries;
        connection.state = State::SynReceived;
        connection.passive = true;
        connection.nxt = negotiated.iss + 1;
        let (syn, end) = (negotiated.iss, negotiated.iss + 1);
        connection
            .board
            .on_sent(syn, end, 0, sent_at.unwrap_or(now));
        if sent_at.is_none() {
            // Karn: its round trip is ambiguous.
            connection.board.on_resent(syn, end, 0, now);
        }
        connection.wl1 = negotiated.irs;
        connection.receiver.edge = connection.receiver.nxt + initial_window(settings);
        connection
    }

    pub(super) fn new(
        facts: &Negotiated,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let (receive_scale, scale) = shifts(facts);
        let mut connection = Self {
            state: State::Closed,
            passive: false,
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
            push_end: facts.iss,
            congestion: Congestion::new(settings.congestion, 536, config, 0),
            rtt: RttEstimator::new(config),
            recovery: LossRecovery::new(facts.iss),
            pacer: Pacer::default(),
            validation: None,
            mtu: MtuSearch::default(),
            challenges_full_at: now,
            stalled_since: Instant::MAX,
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
            paws: Paws::new(facts.ts_recent.unwrap_or_default(), now),
            ts_offset: facts.ts_offset,
            last_ack_sent: facts.irs + 1,
            syn_due: false,
            fast_open: None,
            retries: 0,
            probes: 0,
            probe_due: false,
            force_partial: false,
            uncorked: None,
            retransmit_at: Instant::MAX,
            persist_at: Instant::MAX,
            persist_backoff: 0,
            keepalive_at: Instant::MAX,
            cork_at: Instant::MAX,
            give_up_at: Instant::MAX,
            user_timeouts: UserTimeouts::default(),
            urgent: Urgent::default(),
            transmit_times: None,
            heard_at: now,
            waiting_since: now,
            sent_at: now,
            error: None,
            soft_error: None,
            orphan: false,
            notify: false,
            counters: Counters::default(),
            limits: Limits::new(now),
            max_burst: u32::MAX,
        };
        connection.receiver.reports_duplicates = facts.sack && config.recovery.dsack;
        connection.board.rate.hides_app_limit = !config.app_limited_samples;
        connection.settle_mss(facts.our_mss, config, settings);
        connection
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
        self.ecn.agree(facts.ecn);
        self.ts_recent = facts.ts_recent;
        self.ts_recent_at = now;
        self.paws = Paws::new(facts.ts_recent.unwrap_or_default(), now);
        let receive_scale;
        (receive_scale, self.scale) = shifts(facts);
        let our_mss = u32::from(self.our_mss);
        self.receiver = Receiver::new(facts.irs, settings.recv_buffer, receive_scale, our_mss);
        self.receiver.edge = self.receiver.nxt + initial_window(settings);
        self.receiver.reports_duplicates = facts.sack && config.recovery.dsack;
        self.last_ack_sent = self.receiver.nxt;
        self.wl1 = facts.irs;
        self.settle_mss(self.our_mss, config, settings);
    }

    /// Builds our SYN, or the SYN-ACK of a simultaneous open or of a connection that was opened fast.
    pub(super) fn emit_syn(&mut self, ports: Ports, cx: &mut Context<'_>, out: &mut TxPacket) {
        self.syn_due = false;
        let acks = self.state != State::SynSent;
        let early = acks && self.is_unconfirmed();
        let mut options = self.options_of_syn(acks, cx);
        let mut len = 0;
        if acks && self.retries == 0 && self.ecn.accurate.is_some() {
            options.accurate_ecn = Some(accecn::initial_counters());
        }
        if early {
            options.fast_open = self.on_early_syn_ack(cx.now);
        } else if !acks
            && let Some((option, data)) = self.fast_open_request(options.emitted_len(), cx)
        {
            options.fast_open = Some(option);
            len = if data > 0 { self.fill(0, data, out) } else { 0 };
            self.count_data(len, 1, cx.now);
            self.note_segment(0, len, cx.now);
        }
        if !early {
            self.note_syn_sent(len, cx.now);
        }
        if !acks || self.retransmit_at == Instant::MAX {
            // The answer to a repeated SYN puts nothing off (R2 of RFC 9293 §3.8.3).
            self.restart_retransmit_timer(cx);
        }
        let window = if early {
            self.receiver.window()
        } else {
            initial_window(cx.settings)
        };
        let flags = self.flags_of_syn(acks, cx);
        if !acks && flags.contains(TcpFlags::ECE) && cx.settings.marks_control(cx.config) {
            self.ecn.on_capable_syn();
        }
        let header = TcpHeader {
            seq: self.iss,
            ack: if acks {
                self.receiver.nxt
            } else {
                SeqNum::default()
            },
            flags,
            window: u16::try_from(window).unwrap_or(u16::MAX),
            options,
            ..self.header(ports)
        };
        if acks {
            self.on_ack_sent();
        }
        cx.stats.tcp_out_segments += 1;
        header.emit(&mut out.head);
    }

    /// The options of our SYN, or of our SYN-ACK.
    fn options_of_syn(&self, acks: bool, cx: &Context<'_>) -> TcpOptions {
        let config = cx.config;
        TcpOptions {
            mss: must("9293 MUST-14").then_some(self.our_mss),
            window_scale: (config.window_scaling
                && (!acks || self.scale > 0 || self.receiver.scale > 0))
                .then_some(self.our_scale),
            sack_permitted: if acks { self.sack } else { config.sack },
            timestamps: (if acks {
                self.ts_recent.is_some()
            } else {
                config.timestamps
            })
            .then(|| (self.timestamp(cx.now), self.ts_recent.unwrap_or(0))),
            ..TcpOptions::default()
        }
    }

    fn flags_of_syn(&mut self, acks: bool, cx: &Context<'_>) -> TcpFlags {
        if acks {
            let granted = self.ecn.syn_ack_flags(self.retries, cx.config.ecn_fallback);
            TcpFlags::SYN | TcpFlags::ACK | granted
        } else if self.retries >= self.ecn_syns(cx) {
            // A path that eats such SYNs gets an ordinary one next (RFC 3168 §6.1.1.1).
            TcpFlags::SYN
        } else if cx.settings.wants_accurate_ecn(cx.config) {
            TcpFlags::SYN | accecn::ALL
        } else {
            TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR
        }
    }

    /// How many SYNs ask for explicit congestion notification, the others not: one for classic feedback (RFC
    /// 3168 §6.1.1.1), two for accurate (RFC 9768 §3.1.4.1).
    fn ecn_syns(&self, cx: &Context<'_>) -> u8 {
        if self.ecn.silent {
            return 0;
        }
        let classic = cx.settings.wants_ecn(cx.config);
        if classic && !cx.config.ecn_fallback {
            return u8::MAX;
        }
        u8::from(classic) + u8::from(cx.settings.wants_accurate_ecn(cx.config))
    }

    /// Our SYN leaves with `len` bytes of data, or again without.
    fn note_syn_sent(&mut self, len: u32, now: Instant) {
        if self.nxt == self.iss {
            self.nxt = self.iss + 1 + len;
            self.board.on_sent(self.iss, self.nxt, 0, now);
            self.waiting_since = now;
        } else {
            self.board.mark_all_lost();
            self.board.on_resent(self.iss, self.iss + 1, 0, now);
        }
    }

    /// Our SYN is acknowledged by `segment`.
    pub(super) fn acknowledge_syn(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        let mut delivery = Delivery::new(self.retransmission_test(segment), cx.now);
        self.board.acknowledge(self.iss + 1, &mut delivery);
        self.una = self.iss + 1;
        self.measure_round_trip(self.echo(segment), &delivery, cx.now);
        self.recovery.rack.on_delivery(&delivery);
        self.settle_handshake(self.retries, segment, cx);
        self.retransmit_at = Instant::MAX;
        let asking = self.ecn_syns(cx);
        let asked = (asking > 0 && !self.passive).then_some(self.retries < asking);
        self.ecn.on_syn_answered(asked);
        if self.fast_open.is_some() {
            self.settle_syn_data(segment, cx);
        }
    }

    /// Our SYN, or SYN-ACK, is acknowledged by `segment` after so many `timeouts`.
    pub(super) fn settle_handshake(
        &mut self,
        timeouts: u8,
        segment: &Segment<'_>,
        cx: &Context<'_>,
    ) {
        self.counters.timeout_recoveries.end(cx.now);
        if timeouts > 0 {
            // RFC 6298 §5.7.
            self.rtt.fall_back();
        }
        if timeouts > 1 {
            // RFC 5681 §3.1, where RFC 6928 §2 forgives the first.
            self.congestion.limit_window(self.mss);
        }
        if self.ecn.accurate.is_some() {
            self.begin_accurate_feedback(segment, cx);
        }
    }

    /// Accurate feedback of the handshake's own packets (RFC 9768 §3.2.2.1). Who has answered a SYN is a
    /// server to it, also in a simultaneous open.
    fn begin_accurate_feedback(&mut self, segment: &Segment<'_>, cx: &Context<'_>) {
        let marked = if self.passive || self.state == State::SynReceived {
            self.ecn.on_third_ack(segment)
        } else {
            if let Some(accurate) = &mut self.ecn.accurate {
                accurate.on_syn_ack(segment);
                accurate.count_bytes(segment);
                accurate.hear_first_option(segment.options.accurate_ecn);
            }
            // The answer is an ACK of its own, even where there is data to send.
            self.receiver.duplicate_acks = self.receiver.duplicate_acks.max(1);
            accecn::granted(segment.flags) == Some(ECN_CE)
        };
        if marked {
            self.congestion.on_ecn(0, cx.now);
        }
    }

    /// What the peer's SYN, or its SYN-ACK, settles.
    pub(super) fn facts_of_syn(&self, segment: &Segment<'_>, cx: &Context<'_>) -> Negotiated {
        let (options, config) = (&segment.options, cx.config);
        // A SYN-ACK grants nothing that our SYN did not ask for.
        let asked = !(self.ecn.silent && segment.has(TcpFlags::ACK));
        Negotiated {
            iss: self.iss,
            irs: segment.seq,
            peer_mss: options
                .mss
                .unwrap_or(default_mss(cx.v6))
                .max(config.min_segment),
            our_mss: self.our_mss,
            peer_scale: options.window_scale.filter(|_| config.window_scaling),
            sack: options.sack_permitted && config.sack,
            ecn: Agreement::with_syn_ack(
                segment,
                asked && cx.settings.wants_ecn(config),
                asked && cx.settings.wants_accurate_ecn(config),
                self.retries >= self.ecn_syns(cx),
            ),
            our_scale: self.our_scale,
            ts_recent: options
                .timestamps
                .filter(|_| config.timestamps)
                .map(|(value, _)| value),
            ts_offset: self.ts_offset,
            local_mark: 0,
        }
    }

    /// The handshake is complete.
    pub(crate) fn establish(&mut self, cx: &Context<'_>) {
        self.state = if self.fin_queued {
            State::FinWait1
        } else {
            State::Established
        };
        self.retries = 0;
        self.notify = true;
        self.user_timeouts.announce(cx.config, cx.settings);
        self.arm_keepalive(cx.settings, cx.now);
        self.begin_congestion_control(cx);
    }

    /// Congestion control begins, with what the handshake has told, or without where another stack had it.
    pub(super) fn begin_congestion_control(&mut self, cx: &Context<'_>) {
        let facts = Established {
            srtt: self.rtt.smoothed(),
            sack: self.sack,
        };
        self.congestion.on_established(&facts, cx.now);
        self.settle_validation(cx);
        self.settle_pacing(cx);
    }
}
