//! A segment finds its connection, half-open connection, TIME_WAIT entry or listener.

use crate::icmp::IcmpError;
use crate::ip::IpMeta;
use crate::must::must;
use crate::socket::{FlowKey, IpSettings, PathMtuMode, SocketId};
use crate::stack::Stack;
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::tcp::State;
use crate::tcp::connection::Connection;
use crate::tcp::input::Disposition;
use crate::tcp::segment::Segment;
use crate::tcp::socket::Flow;
use crate::time::Instant;
use crate::wire::ip;
use crate::wire::{TcpFlags, TcpHeader};
use core::net::{IpAddr, SocketAddr};

impl Stack {
    /// Takes in a segment whose headers and checksum are good.
    pub(crate) fn tcp_input(
        &mut self,
        mut segment: Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let key = FlowKey::new(local, remote);
        let segment = &mut segment;
        self.stats.tcp_in_segments += u64::from(segment.wire_count());
        match self.tcp.flows.get(&key).copied() {
            Some(Flow::Socket(id)) => self.segment_for_socket(id, segment, local, remote, now),
            Some(Flow::Embryo(index)) => {
                self.segment_for_embryo(index, segment, local, remote, now);
            }
            Some(Flow::TimeWait(index)) => {
                self.segment_for_time_wait(index, segment, local, remote, now);
            }
            // Whoever goes on with it answers.
            Some(Flow::Frozen(_)) => self.stats.count_drop(DropReason::Frozen),
            None => self.segment_for_listener(segment, local, remote, None, now),
        }
    }

    pub(super) fn segment_for_socket(
        &mut self,
        id: SocketId,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let origin = Origin::of(segment);
        let handled = self.with_connection(id, now, |connection, cx| {
            if !cx.settings.ip.takes_from(segment.over) {
                cx.stats.count_drop(DropReason::NoSocket);
                return (Disposition::Keep, false);
            }
            let disposition = connection.handle_segment(segment, cx);
            (disposition, connection.state == State::Closed)
        });
        let (disposition, mut closed) = handled.unwrap_or((Disposition::Keep, true));
        match disposition {
            Disposition::Keep => {}
            Disposition::Reset => self.send_reset(origin, local, remote, now),
            Disposition::Opened => {
                let cookie = segment.options.fast_open.filter(|_| origin.is_syn());
                let existed = self.end_fast_open(id, cookie, now);
                self.learn_of_ecn(id, now);
                if !existed {
                    self.tell_established(id, now);
                }
            }
            Disposition::Closed => {}
            Disposition::TimeWait => {
                self.end_fast_open(id, None, now);
                self.begin_time_wait(id, now);
                // Where there is no room for another.
                closed = true;
            }
        }
        if closed {
            self.tcp_unlink_if_closed(id, now);
        }
        self.tcp_settle(id, now);
    }

    /// RFC 9293 §3.10.7.1: the answer to a segment that belongs nowhere.
    pub(super) fn refuse_segment(
        &mut self,
        origin: Origin,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        self.stats.count_drop(DropReason::NoSocket);
        if origin.flags.contains(TcpFlags::RST) {
            // Never answered: a flood of them must not use up the answers.
            return;
        }
        if self.limits.reset.take(now) {
            self.send_reset(origin, local, remote, now);
        } else {
            self.stats.count_drop(DropReason::RateLimited);
        }
    }

    /// Sends the RST that answers `origin`; never one for a RST.
    pub(super) fn send_reset(
        &mut self,
        origin: Origin,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        if origin.flags.contains(TcpFlags::RST) {
            return;
        }
        let mut header = TcpHeader {
            flags: TcpFlags::RST,
            ..TcpHeader::default()
        };
        if origin.flags.contains(TcpFlags::ACK) {
            header.seq = origin.ack;
        } else {
            header.flags |= TcpFlags::ACK;
            header.ack = origin.end;
        }
        self.stats.tcp_resets_sent += 1;
        self.send_bare(header, local, remote, &IpSettings::of_answer(), now);
    }

    /// Sends a segment without payload that no socket keeps: RST, SYN-ACK, an ACK of TIME_WAIT.
    pub(super) fn send_bare(
        &mut self,
        mut header: TcpHeader,
        local: SocketAddr,
        remote: SocketAddr,
        settings: &IpSettings,
        now: Instant,
    ) {
        let Ok(path) = self.route_for(settings, remote.ip(), Some(local.ip())) else {
            self.stats.count_drop(DropReason::NoRoute);
            return;
        };
        header.source_port = local.port();
        header.dest_port = remote.port();
        let mut packet = self.new_packet();
        header.emit(&mut packet.head);
        self.stats.tcp_out_segments += 1;
        let meta = IpMeta::new(settings, &path, remote.ip(), ip::TCP, self.config.ttl);
        self.ip_output(&path, meta, packet, None, now);
    }

    /// An ICMP error quoted one of our segments (RFC 9293 §3.9.2.2, RFC 5927 §4).
    pub(crate) fn tcp_icmp_error(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        seq: SeqNum,
        error: IcmpError,
        now: Instant,
    ) {
        let flow = self.tcp.flows.get(&FlowKey::new(local, remote)).copied();
        let flow = flow.filter(|_| must("9293 MUST-54"));
        if let Some(Flow::Embryo(index)) = flow
            && error.hard.is_some()
            && self.refuse_embryo(index, seq)
        {
            return;
        }
        let Some(Flow::Socket(id)) = flow else {
            self.stats.count_drop(DropReason::IcmpIrrelevant);
            return;
        };
        let known = self.with_connection(id, now, |connection, cx| {
            if error.hard.is_some() && connection.is_unconfirmed() && seq == connection.iss {
                return Some(State::SynReceived);
            }
            if seq.before(connection.una) || !seq.before(connection.nxt) {
                // Not one of the segments in flight: somebody guesses.
                cx.stats.count_drop(DropReason::IcmpIrrelevant);
                return None;
            }
            Some(connection.state)
        });
        let Some(Some(state)) = known else { return };
        if let Some(mtu) = error.mtu {
            self.tcp_path_mtu(id, mtu, now);
        } else if let Some(reason) = error.hard.or(error.soft) {
            self.with_connection(id, now, |connection, cx| match state {
                // Before the connection exists every error is hard (RFC 5461 §4.1 on what stacks do).
                State::SynSent | State::SynReceived => connection.terminate(Some(reason)),
                _ if !must("9293 MUST-56") => connection.terminate(Some(reason)),
                // Then none is: whoever sees a segment can forge one (RFC 5927 §5.2).
                _ => {
                    connection.soft_error = Some((reason, cx.now));
                    connection.notify = true;
                }
            });
            self.tcp_unlink_if_closed(id, now);
        }
        self.tcp_settle(id, now);
    }

    /// The path takes packets of at most `mtu` bytes (RFC 1191 §6.4, RFC 8201 §5.4): segments get
    /// smaller, for ten minutes at least, and what was too large leaves again at once. A socket that probes its path by itself does
    /// not believe it (RFC 8899 §4.6).
    fn tcp_path_mtu(&mut self, id: SocketId, mtu: u16, now: Instant) {
        let Some(socket) = self.sockets.tcp(id) else {
            return;
        };
        let v6 = socket.is_v6();
        let settings = &socket.settings.ip;
        let Some(path) = &socket.path else { return };
        if settings.path_mtu_to(path.source) == PathMtuMode::Probe {
            self.stats.count_drop(DropReason::IcmpIrrelevant);
            return;
        }
        let floor = if v6 { 1280 } else { 576 };
        let mtu = mtu.max(floor);
        if mtu >= path.mtu {
            return;
        }
        let (link, source) = (path.mtu, path.source);
        self.path_is_narrower(id, mtu, link, source, now);
    }

    /// Packets of a connection have to be smaller from now on, where the own link takes `link` bytes.
    pub(super) fn path_is_narrower(
        &mut self,
        id: SocketId,
        mtu: u16,
        link: u16,
        source: IpAddr,
        now: Instant,
    ) {
        let mss = [mtu, link].map(|mtu| super::path_mss(mtu, source));
        self.with_connection(id, now, |connection: &mut Connection, cx| {
            if connection.hear_path_mss(mtu, mss, cx.config, cx.settings, cx.now) {
                connection.resend_too_big();
            }
        });
    }
}

/// What of a segment its RST needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    flags: TcpFlags,
    ack: SeqNum,
    end: SeqNum,
}

impl Origin {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        Self {
            flags: segment.flags,
            ack: segment.ack,
            end: segment.seq + segment.seq_len(),
        }
    }

    /// Elsewhere the option for fast open means nothing (RFC 7413 §4.1.1).
    const fn is_syn(&self) -> bool {
        self.flags.contains(TcpFlags::SYN)
    }
}
