//! What a connection sends next, and the segment for it.

use super::accecn;
use super::connection::{Connection, Context};
use super::mtu_probe::MtuProbe;
use super::{SeqNum, State};
use crate::buf::{Gso, GsoKind, SMALL_PAYLOAD, TxPacket};
use crate::must::must;
use crate::time::Instant;
use crate::wire::tcp_options::MAX_LEN;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};

/// Largest IP packet; a super-segment stays below it with all its headers.
const MAX_PACKET: u32 = 65_535;

/// Headers of the largest kind: IPv4 and TCP with all their options.
const MAX_HEADERS: u32 = 120;

/// SACK blocks that fit beside timestamps, and without them.
const SACKS_WITH_TIMESTAMPS: usize = 3;
const SACKS: usize = 4;

/// The next thing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Our SYN, with ACK where the peer's has come (which may have brought data, RFC 7413).
    Syn,
    /// Bytes of the queue that are considered lost.
    Retransmit { start: SeqNum, end: SeqNum },
    /// New bytes of the queue, and FIN behind them if so.
    Data { len: u32, fin: bool },
    /// New bytes in one segment that is larger than usual, to see whether the path carries it.
    MtuProbe { len: u32 },
    /// A probe of the window or of the peer's life.
    Probe,
    /// An acknowledgement alone.
    Ack,
}

/// Addresses and ports do not concern a connection; its owner fills them in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) local: u16,
    pub(crate) remote: u16,
}

impl Connection {
    /// Whether there may be something to send. `false` is certain; `true` may turn out to be held
    /// back by a window or by Nagle's rule when the connection's turn comes.
    pub(crate) fn may_transmit(&self) -> bool {
        let over = matches!(self.state, State::Closed | State::Listen | State::TimeWait);
        let due = self.receiver.ack_now || self.syn_due || self.probe_due;
        let fin_due = self.fin_queued && !self.fin_sent;
        !over
            && (due
                || self.owes_bare_acks()
                || self.sack && self.receiver.islands.has_news()
                || self.board.lost() > 0
                || self.recovery.probe.due
                || fin_due
                || self.unsent_len() > 0)
    }

    /// Builds the next segment in the empty packet `out`: TCP header (checksum open) and payload.
    /// Whether there is one to send.
    pub(crate) fn poll_transmit(
        &mut self,
        ports: Ports,
        cx: &mut Context<'_>,
        out: &mut TxPacket,
    ) -> bool {
        self.forget_told_mtu(cx);
        if self.una == self.nxt && self.unsent_len() > 0 {
            self.begin_flight(cx);
        }
        let Some(next) = self.next(cx) else {
            self.note_limit(cx);
            return false;
        };
        match next {
            Next::Syn => self.emit_syn(ports, cx, out),
            Next::Retransmit { start, end } => self.emit_again(start, end, ports, cx, out),
            Next::Data { len, fin } => self.emit_data(len, fin, ports, cx, out),
            Next::MtuProbe { len } => self.emit_mtu_probe(len, ports, cx, out),
            Next::Probe => self.emit_probe(ports, cx, out),
            Next::Ack => self.emit_ack(ports, cx, out),
        }
        self.counters.segments_out += 1;
        true
    }

    fn next(&self, cx: &Context<'_>) -> Option<Next> {
        match self.state {
            State::Closed | State::Listen | State::TimeWait => return None,
            State::SynSent | State::SynReceived => {
                if self.syn_due {
                    return Some(Next::Syn);
                }
                let ack = self.state == State::SynReceived && self.receiver.ack_now;
                return ack.then_some(Next::Ack);
            }
            _ => {}
        }
        if self.syn_due {
            return Some(Next::Syn);
        }
        if self.owes_bare_acks() {
            return Some(Next::Ack);
        }
        if self.recovery.probe.due
            && let Some(probe) = self.next_loss_probe()
        {
            return Some(probe);
        }
        let data = if self.pacer.holds(cx.now) {
            None
        } else {
            self.next_retransmit().or_else(|| self.next_new_data(cx))
        };
        data.or_else(|| self.probe_due.then_some(Next::Probe))
            .or_else(|| self.owes_ack().then_some(Next::Ack))
    }

    fn next_new_data(&self, cx: &Context<'_>) -> Option<Next> {
        if self.pacer.is_paused(cx.now) {
            return None;
        }
        match self.next_mtu_probe(cx) {
            MtuProbe::No => self.next_data(cx),
            MtuProbe::Wait => None,
            MtuProbe::Send(len) => Some(Next::MtuProbe { len }),
        }
    }

    /// Whether there are acknowledgements to send whose options leave no room for data.
    const fn owes_bare_acks(&self) -> bool {
        self.receiver.owes_bare_acks() || self.user_timeouts.due.is_some()
    }

    /// Whether an acknowledgement is due: for what has arrived, or because not all of it has been
    /// told of.
    pub(super) fn owes_ack(&self) -> bool {
        self.receiver.ack_now || self.sack && self.receiver.islands.has_news()
    }

    pub(super) fn next_data(&self, cx: &Context<'_>) -> Option<Next> {
        if self.fin_sent {
            return None;
        }
        let unsent = u32::try_from(self.unsent_len()).unwrap_or(u32::MAX);
        let grows = unsent < self.segment_size() && !self.fin_queued;
        if unsent > 0 && grows && self.board.is_crowded() {
            // So many small segments are under way that this one waits for others to join it.
            return None;
        }
        let usable = (self.una + self.wnd).distance_from(self.nxt);
        let congestion_room = self.room_for_new_data(cx);
        let size = self.segment_size();
        let mut allowed = unsent.min(usable).min(congestion_room);
        if allowed > size {
            allowed = allowed.min(self.max_super());
        }
        let uncorked = self.uncorked_len();
        let mut len = allowed;
        if len < unsent {
            // Not the end of the data: whole segments only (sender's silly-window avoidance,
            // RFC 9293 §3.8.6.2.1), unless the window never was larger.
            let whole = self.whole_segments(len);
            let half_of_largest = len > 0 && usable <= congestion_room && len >= self.max_wnd / 2;
            let forced = half_of_largest || self.force_partial && usable > 0;
            if whole > 0 || must("9293 MUST-38") && !forced {
                len = whole;
            }
        } else if !self.may_send_tail(unsent, cx) {
            len = self.whole_segments(len);
        }
        if len < uncorked && uncorked <= allowed {
            len = uncorked;
        }
        let fin = self.fin_queued && len == unsent && usable > len;
        (len > 0 || fin).then_some(Next::Data { len, fin })
    }

    /// Whether the last, partial segment may leave: Nagle's rule (RFC 9293 §3.7.4, with
    /// Minshall's variant) and cork.
    pub(super) fn may_send_tail(&self, unsent: u32, cx: &Context<'_>) -> bool {
        let size = self.segment_size();
        let whole = unsent >= size && unsent.is_multiple_of(size);
        if whole || self.fin_queued || self.force_partial {
            return true;
        }
        if cx.settings.cork || self.more {
            return false;
        }
        cx.settings.nodelay && must("9293 MUST-17") || self.small_end.at_or_before(self.una)
    }

    /// Payload of a full segment sent now: the MSS, less the SACK blocks that the segment carries
    /// while data is missing on the other direction (RFC 6691 §3 on options and the MSS).
    pub(crate) fn segment_size(&self) -> u32 {
        let blocks = self.receiver.islands.count().min(self.sack_room());
        let options = if self.sack && blocks > 0 {
            4 + 8 * blocks
        } else {
            0
        };
        let options = match &self.ecn.accurate {
            None => options,
            Some(accurate) => options + accurate.option_len(self.option_room() - options),
        };
        self.mss
            .saturating_sub(u32::try_from(options).unwrap_or(0))
            .max(1)
    }

    /// Bytes of options that fit into a header beside the timestamps.
    const fn option_room(&self) -> usize {
        if self.ts_recent.is_some() {
            MAX_LEN - 12
        } else {
            MAX_LEN
        }
    }

    /// SACK blocks that fit into a header beside the timestamps.
    const fn sack_room(&self) -> usize {
        if self.ts_recent.is_some() {
            SACKS_WITH_TIMESTAMPS
        } else {
            SACKS
        }
    }

    pub(super) fn whole_segments(&self, len: u32) -> u32 {
        let size = self.segment_size();
        if len < size { 0 } else { len - len % size }
    }

    /// Payload of the largest super-segment.
    pub(super) fn max_super(&self) -> u32 {
        let cwr = self.ecn.accurate.as_ref().is_some_and(|it| it.has_cwr());
        if self.urgent.is_sending() || cwr {
            // Each segment has its own urgent pointer; and who cuts super-segments clears CWR in all but
            // the first, where it is part of a counter.
            return self.segment_size();
        }
        let most = (MAX_PACKET - MAX_HEADERS).min(self.pacer.quantum);
        self.whole_segments(most.min(self.max_burst))
            .max(self.segment_size())
    }

    pub(super) fn emit_data(
        &mut self,
        len: u32,
        fin: bool,
        ports: Ports,
        cx: &mut Context<'_>,
        out: &mut TxPacket,
    ) {
        let offset = self.sent_len();
        let mut got = self.fill(offset, len, out);
        if got < len && got > self.segment_size() {
            // Eight pieces did not reach: leave the rest to the next segment, in whole ones.
            let keep = self.whole_segments(got);
            cut_body(out, keep as usize);
            got = keep;
        }
        let fin = fin && got == len;
        let start = self.nxt;
        let end = start + got + u32::from(fin);
        let drained = offset + got as usize == self.queue.len();
        let in_flight = self.in_flight();
        if self.una == self.nxt {
            self.waiting_since = cx.now;
        }
        self.board.on_sent(start, end, in_flight, cx.now);
        self.nxt = end;
        self.fin_sent |= fin;
        let size = self.segment_size();
        if got < size || !got.is_multiple_of(size) {
            self.small_end = end;
        }
        // Also where a sender always has more: a receiver need not wait for a whole window.
        let push = drained || end.distance_from(self.push_end) > self.max_wnd / 2;
        if push {
            self.push_end = end;
        }
        if drained {
            self.cork_at = Instant::MAX;
            self.note_limit(cx);
        }
        self.force_partial = false;
        self.uncorked = self.uncorked.filter(|&until| end.before(until));
        self.receiver.delayed_ack.on_data_sent(cx.now);
        let half = cx.settings.notsent_lowat / 2;
        let unsent = self.unsent_len();
        if unsent <= half && unsent + got as usize > half {
            // The writer may have been held back by what was unsent.
            self.notify = true;
        }
        let reduced = self.ecn.on_new_data();
        self.finish_data(out, start, got, fin, push, reduced, ports, cx);
        self.note_segment(offset, got, cx.now);
        self.on_new_data_sent(end.distance_from(start), cx);
    }

    fn emit_again(
        &mut self,
        start: SeqNum,
        end: SeqNum,
        ports: Ports,
        cx: &mut Context<'_>,
        out: &mut TxPacket,
    ) {
        let fin_seq = self.fin_seq();
        let holds_fin = self.fin_sent && end.after(fin_seq);
        let data_end = if holds_fin { fin_seq } else { end };
        let len = data_end.distance_from(start);
        let offset = start.distance_from(self.una) as usize;
        let got = self.fill(offset, len, out);
        let fin = holds_fin && got == len;
        let end = start + got + u32::from(fin);
        let in_flight = self.in_flight();
        self.board.on_resent(start, end, in_flight, cx.now);
        self.on_data_resent(start, end, cx);
        self.counters.retransmits += 1;
        self.counters.bytes_retransmitted += u64::from(got);
        cx.stats.tcp_retransmits += u64::from(got.div_ceil(self.segment_size()).max(1));
        let push = offset + got as usize == self.queue.len();
        self.finish_data(out, start, got, fin, push, false, ports, cx);
        self.note_segment(offset, got, cx.now);
    }

    /// Puts up to `len` bytes of the queue, from `offset` on, into a packet; how many there was room
    /// for.
    pub(super) fn fill(&mut self, offset: usize, len: u32, out: &mut TxPacket) -> u32 {
        if len as usize <= SMALL_PAYLOAD && self.queue.copy(offset, out.head.prepend(len as usize))
        {
            return len;
        }
        out.head.clear();
        let got = self.queue.slice(offset, len as usize, &mut out.body);
        u32::try_from(got).unwrap_or(u32::MAX)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one header, used twice"
    )]
    fn finish_data(
        &mut self,
        out: &mut TxPacket,
        seq: SeqNum,
        len: u32,
        fin: bool,
        push: bool,
        reduced: bool,
        ports: Ports,
        cx: &mut Context<'_>,
    ) {
        let mut flags = TcpFlags::ACK;
        flags.set(TcpFlags::FIN, fin);
        flags.set(TcpFlags::PSH, push && len > 0 && must("9293 MUST-61"));
        flags.set(TcpFlags::CWR, reduced);
        // As it was decided on: the header may use up an option that is due.
        let size = self.segment_size();
        let header = self.data_header(seq, flags, ports, cx);
        header.emit(&mut out.head);
        let mut segments = 1;
        if len > size {
            segments = len.div_ceil(size);
            let size = u16::try_from(size).unwrap_or(u16::MAX);
            let kind = if cx.v6 { GsoKind::Tcp6 } else { GsoKind::Tcp4 };
            out.meta.gso = Some(Gso {
                kind,
                size,
                ecn: reduced,
            });
        }
        cx.stats.tcp_out_segments += u64::from(segments);
        self.count_data(len, segments, cx.now);
        if self.retransmit_at == Instant::MAX {
            self.retransmit_at = cx.now + self.rtt.rto();
        }
        self.persist_at = Instant::MAX;
        self.pace(len, cx.now);
        self.sent_at = cx.now;
        self.on_ack_sent();
    }

    /// `len` bytes of the stream leave in so many `segments`, of which one is counted where all are.
    pub(super) fn count_data(&mut self, len: u32, segments: u32, now: Instant) {
        self.counters.segments_out += u64::from(segments - 1);
        if len > 0 {
            self.counters.data_segments_out += u64::from(segments);
            self.counters.bytes_sent += u64::from(len);
            self.counters.data_sent_at = Some(now);
        }
    }

    /// A segment just below the window: the peer must answer with its ACK and window, as to any
    /// unacceptable segment (RFC 9293 §3.8.6.1, §3.8.4).
    fn emit_probe(&mut self, ports: Ports, cx: &mut Context<'_>, out: &mut TxPacket) {
        self.probe_due = false;
        cx.stats.tcp_probes += 1;
        cx.stats.tcp_out_segments += 1;
        let header = self.data_header(self.una - 1, TcpFlags::ACK, ports, cx);
        header.emit(&mut out.head);
    }

    fn emit_ack(&mut self, ports: Ports, cx: &mut Context<'_>, out: &mut TxPacket) {
        cx.stats.tcp_out_segments += 1;
        let repeat = self.receiver.duplicate_acks.saturating_sub(1);
        let mut header = self.data_header(self.nxt, TcpFlags::ACK, ports, cx);
        header.options.user_timeout = self.user_timeouts.due.take();
        if header.options.sack.is_empty()
            && let Some(accurate) = &mut self.ecn.accurate
            && let Some(answer) = accurate.take_answer()
        {
            header.flags = (header.flags - accecn::ALL) | answer;
        }
        self.on_ack_sent();
        self.receiver.duplicate_acks = repeat;
        header.emit(&mut out.head);
    }

    pub(super) fn on_ack_sent(&mut self) {
        self.receiver.on_ack_sent();
        self.last_ack_sent = self.receiver.nxt;
    }

    /// The header of everything after the handshake.
    fn data_header(
        &mut self,
        seq: SeqNum,
        flags: TcpFlags,
        ports: Ports,
        cx: &Context<'_>,
    ) -> TcpHeader {
        let timestamps = self
            .ts_recent
            .filter(|_| must("7323 MUST 3.2.3"))
            .map(|recent| (self.timestamp(cx.now), recent));
        let room = self.sack_room();
        let mut options = TcpOptions {
            timestamps,
            ..TcpOptions::default()
        };
        let permitted = self.sack || !must("2018 MUST 4.1");
        // They would make duplicates of ACKs of ACKs (RFC 9768 §3.2.2.5.1).
        let acks_acks = self.receiver.acks_acks && must("9768 MUST 3.2.2.5.1.5");
        if permitted && self.receiver.has_blocks() && !acks_acks {
            options.sack = self.receiver.take_blocks(room);
        }
        let flags = if self.ecn.echo {
            flags | TcpFlags::ECE
        } else if let Some(accurate) = &mut self.ecn.accurate {
            options.accurate_ecn = accurate.take_option(MAX_LEN - options.emitted_len());
            flags | accurate.flags()
        } else {
            flags
        };
        let window = self.receiver.advertise();
        let urgent = self.urgent.pointer(seq);
        let urg = urgent.map_or(TcpFlags::empty(), |_| TcpFlags::URG);
        TcpHeader {
            seq,
            ack: self.receiver.nxt,
            flags: flags | urg,
            window,
            urgent: urgent.unwrap_or(0),
            options,
            ..self.header(ports)
        }
    }

    pub(super) fn header(&self, ports: Ports) -> TcpHeader {
        TcpHeader {
            source_port: ports.local,
            dest_port: ports.remote,
            ..TcpHeader::default()
        }
    }
}

/// Keeps the first `keep` bytes of the body.
fn cut_body(packet: &mut TxPacket, keep: usize) {
    let mut left = keep;
    packet.body.retain(|piece| {
        let part = piece.len().min(left);
        piece.truncate(part);
        left -= part;
        part > 0
    });
}
