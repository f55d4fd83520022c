//! Passive opens: from the SYN over the half-open connection to the accept queue.

use super::path_mss;
use super::segments::Origin;
use crate::SocketError;
use crate::config::TcpConfig;
use crate::socket::{FlowKey, SocketId, SocketKind, TcpSettings, present};
use crate::stack::{Stack, TcpTables, TimerKey};
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::tcp::connection::{Connection, Negotiated, timestamp};
use crate::tcp::ecn::Ecn;
use crate::tcp::input::default_mss;
use crate::tcp::open::{initial_window, window_scale};
use crate::tcp::segment::Segment;
use crate::tcp::socket::{Embryo, Flow, Role, TcpSocket};
use crate::time::{Duration, Instant};
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};
use alloc::boxed::Box;
use core::net::SocketAddr;

/// Distance of a new ISS from the last number of an earlier connection, which may have sent faster
/// than the ISS clock ticks (RFC 6191 §2): more than an unscaled window.
const ISS_GAP: u32 = 0x1_0000;

const SYN_ACK: TcpFlags = TcpFlags::SYN.union(TcpFlags::ACK);

impl Stack {
    /// RFC 9293 §3.10.7.2, LISTEN; or CLOSED where nobody listens. `beyond` is SND.NXT of an earlier
    /// connection with the same four-tuple.
    pub(super) fn segment_for_listener(
        &mut self,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        beyond: Option<SeqNum>,
        now: Instant,
    ) {
        let key = FlowKey::new(local, remote);
        let TcpTables { flows, ports, .. } = &self.tcp;
        let listener = ports.lookup(local, segment.over, || flows.hash(&key));
        let Some(listener) = listener.filter(|&id| self.is_listening(id)) else {
            self.refuse_segment(Origin::of(segment), local, remote, now);
            return;
        };
        if segment.has(TcpFlags::RST) {
            self.stats.count_drop(DropReason::BadFlags);
        } else if segment.has(TcpFlags::ACK) {
            self.refuse_segment(Origin::of(segment), local, remote, now);
        } else if segment.has(TcpFlags::SYN) {
            self.take_syn(listener, segment, key, beyond, now);
        } else {
            self.stats.count_drop(DropReason::BadFlags);
        }
    }

    fn is_listening(&self, id: SocketId) -> bool {
        self.sockets
            .tcp(id)
            .is_some_and(|socket| matches!(socket.role, Role::Listener(_)))
    }

    /// A SYN for a listener: a half-open connection, if its queues have room.
    pub(super) fn take_syn(
        &mut self,
        id: SocketId,
        segment: &Segment<'_>,
        key: FlowKey,
        beyond: Option<SeqNum>,
        now: Instant,
    ) {
        let (local, remote) = (key.local(), key.remote());
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        let limit = socket.settings.max_segment.unwrap_or(u16::MAX);
        let our_scale = window_scale(socket.settings.recv_buffer);
        let settings = socket.settings.ip;
        let Some(listener) = socket.listener_mut() else {
            return;
        };
        let refused = if listener.is_full() {
            Some(DropReason::AcceptQueueFull)
        } else if listener.is_flooded() || self.tcp.embryos.len() >= self.config.tcp.max_half_open {
            Some(DropReason::SynQueueFull)
        } else if self.memory.is_spent() {
            Some(DropReason::NoMemory)
        } else {
            None
        };
        if let Some(reason) = refused {
            self.stats.count_drop(reason);
            return;
        }
        listener.half_open += 1;
        let mtu = self
            .route_for(&settings, remote.ip(), Some(local.ip()))
            .map_or(576, |path| path.mtu);
        let (config, options) = (&self.config.tcp, &segment.options);
        let iss = self.tcp.secrets.isn(&key, now);
        let facts = Negotiated {
            iss: beyond.map_or(iss, |last| iss.max(last + ISS_GAP)),
            irs: segment.seq,
            peer_mss: options
                .mss
                .unwrap_or(default_mss(remote.is_ipv6()))
                .max(config.min_segment),
            our_mss: path_mss(mtu, remote.ip()).min(limit),
            our_scale,
            peer_scale: options.window_scale.filter(|_| config.window_scaling),
            sack: options.sack_permitted && config.sack,
            ecn: config.ecn && Ecn::is_asked(segment),
            ts_recent: options
                .timestamps
                .filter(|_| config.timestamps)
                .map(|(value, _)| value),
            ts_offset: self.tcp.secrets.timestamp_offset(&key),
        };
        let entry = self.tcp.embryos.vacant_entry();
        let index = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let timer = self
            .wheel
            .insert(TimerKey::Embryo(index), now + config.rto_initial);
        entry.insert(Embryo {
            key,
            listener: id,
            facts,
            retries: 0,
            deferred: false,
            timer,
            sent_at: Some(now),
        });
        self.tcp.flows.insert(key, Flow::Embryo(index));
        self.send_syn_ack(index, local, remote, now);
    }

    /// A segment for a half-open connection (RFC 9293 §3.10.7.4, SYN-RECEIVED).
    pub(super) fn segment_for_embryo(
        &mut self,
        index: u32,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let listener = self
            .tcp
            .embryos
            .get(index as usize)
            .map(|embryo| embryo.listener);
        if listener.is_none_or(|listener| !self.is_listening(listener)) {
            // Its listener is gone; another may be there by now.
            self.drop_embryo(index);
            self.segment_for_listener(segment, local, remote, None, now);
            return;
        }
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        let facts = embryo.facts;
        let next = facts.irs + 1;
        if segment.has(TcpFlags::RST) {
            if segment.seq == next {
                self.drop_embryo(index);
            } else {
                self.stats.count_drop(DropReason::OutOfWindow);
            }
            return;
        }
        if segment.has(TcpFlags::SYN) {
            if segment.seq == facts.irs {
                // Our SYN-ACK was lost, or is late.
                embryo.sent_at = None;
                self.send_syn_ack(index, local, remote, now);
            } else {
                self.stats.count_drop(DropReason::ChallengeAck);
            }
            return;
        }
        if !segment.has(TcpFlags::ACK) {
            self.stats.count_drop(DropReason::BadFlags);
            return;
        }
        if segment.ack != facts.iss + 1 {
            self.stats.count_drop(DropReason::BadAck);
            self.send_reset(Origin::of(segment), local, remote, now);
            return;
        }
        if let (Some(recent), Some((value, _))) = (facts.ts_recent, segment.options.timestamps)
            && value.wrapping_sub(recent).cast_signed() < 0
        {
            self.stats.count_drop(DropReason::Paws);
            return;
        }
        let listener = embryo.listener;
        let window = self
            .sockets
            .tcp(listener)
            .map_or(0, |socket| initial_window(&socket.settings));
        if segment.seq.before(next) || segment.seq.distance_from(next) >= window.max(1) {
            self.stats.count_drop(DropReason::OutOfWindow);
            return;
        }
        self.complete_handshake(index, segment, local, remote, now);
    }

    /// The final ACK: the connection comes into being, if the accept queue has room.
    fn complete_handshake(
        &mut self,
        index: u32,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        let (id, facts, key) = (embryo.listener, embryo.facts, embryo.key);
        let (sent_at, retries) = (embryo.sent_at, embryo.retries);
        let Some(socket) = self
            .sockets
            .tcp_mut(id)
            .filter(|s| matches!(s.role, Role::Listener(_)))
        else {
            self.drop_embryo(index);
            self.refuse_segment(Origin::of(segment), local, remote, now);
            return;
        };
        let (family, settings) = (socket.family, socket.settings.clone());
        if embryo.retries < deferrals(&settings, &self.config.tcp) && segment.seq_len() == 0 {
            embryo.deferred = true;
            self.stats.count_drop(DropReason::Deferred);
            return;
        }
        if socket
            .listener_mut()
            .is_some_and(|listener| listener.is_full())
        {
            // The ACK is as if lost; the SYN-ACK's timer will ask for it again.
            self.stats.count_drop(DropReason::AcceptQueueFull);
            return;
        }
        let Ok(path) = self.route_for(&settings.ip, remote.ip(), Some(local.ip())) else {
            self.stats.count_drop(DropReason::NoRoute);
            return;
        };
        let config = &self.config.tcp;
        let connection = Connection::accepted(&facts, sent_at, retries, config, &settings, now);
        let mut child = TcpSocket::new(family, &self.config);
        child.settings = settings;
        child.local = Some(local);
        child.remote = Some(remote);
        child.linked = true;
        child.path = Some(path);
        child.role = Role::Connection(Box::new(connection));
        let reuse = child.settings.reuse_address;
        let Ok(child) = self.sockets.insert(SocketKind::Tcp(Box::new(child))) else {
            self.stats.count_drop(DropReason::NoMemory);
            return;
        };
        self.drop_embryo(index);
        self.tcp.ports.hold(local, reuse);
        self.tcp.flows.insert(key, Flow::Socket(child));
        self.stats.tcp_passive_opens += 1;
        if let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) {
            listener.ready.push_back(child);
        }
        self.segment_for_socket(child, segment, local, remote, now);
        self.changed(id);
    }

    /// Takes the oldest connection out of the accept queue. With `held` its place stays taken
    /// until [`tcp_release_backlog`](Self::tcp_release_backlog).
    pub(crate) fn tcp_accept(
        &mut self,
        id: SocketId,
        held: bool,
    ) -> Result<(SocketId, SocketAddr), SocketError> {
        let socket = self.sockets.tcp_mut(id).ok_or(SocketError::NoSuchSocket)?;
        let family = socket.family;
        let listener = socket
            .listener_mut()
            .ok_or(SocketError::InvalidInput("only a listening socket accepts"))?;
        let child = listener.ready.pop_front().ok_or(SocketError::WouldBlock)?;
        listener.held += u32::from(held);
        let remote = self.sockets.tcp(child).and_then(|child| child.remote);
        let remote = remote.ok_or(SocketError::ConnectionAborted)?;
        self.changed(child);
        Ok((child, present(remote, family)))
    }

    pub(crate) fn tcp_release_backlog(&mut self, id: SocketId, count: u32) {
        if let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) {
            listener.held = listener.held.saturating_sub(count);
        }
    }

    fn send_syn_ack(&mut self, index: u32, local: SocketAddr, remote: SocketAddr, now: Instant) {
        let Some(embryo) = self.tcp.embryos.get(index as usize) else {
            return;
        };
        let facts = embryo.facts;
        let Some(socket) = self.sockets.tcp(embryo.listener) else {
            return;
        };
        let settings = &socket.settings;
        let options = TcpOptions {
            mss: Some(facts.our_mss),
            window_scale: facts.peer_scale.map(|_| facts.our_scale),
            sack_permitted: facts.sack,
            timestamps: facts
                .ts_recent
                .map(|recent| (timestamp(now, facts.ts_offset), recent)),
            ..TcpOptions::default()
        };
        let header = TcpHeader {
            seq: facts.iss,
            ack: facts.irs + 1,
            flags: if facts.ecn {
                SYN_ACK | TcpFlags::ECE
            } else {
                SYN_ACK
            },
            window: u16::try_from(initial_window(settings)).unwrap_or(u16::MAX),
            options,
            ..TcpHeader::default()
        };
        let settings = settings.ip;
        self.send_bare(header, local, remote, &settings, now);
    }

    /// The SYN-ACK was not answered.
    pub(crate) fn embryo_timeout(&mut self, index: u32, now: Instant) {
        let (retries, initial, max) = (
            self.config.tcp.syn_ack_retries,
            self.config.tcp.rto_initial,
            self.config.tcp.rto_max,
        );
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        embryo.retries += 1;
        let (count, key, deferred) = (embryo.retries, embryo.key, embryo.deferred);
        let listener = self.sockets.tcp(embryo.listener);
        let Some(listener) = listener.filter(|s| matches!(s.role, Role::Listener(_))) else {
            self.drop_embryo(index);
            return;
        };
        let deferrals = deferrals(&listener.settings, &self.config.tcp);
        if count > retries.max(deferrals) {
            self.drop_embryo(index);
            return;
        }
        let wait = initial.saturating_mul(1 << count.min(16)).min(max);
        embryo.timer = self.wheel.insert(TimerKey::Embryo(index), now + wait);
        // A peer that has answered and has nothing to say yet is left alone; at the end of the time
        // it is asked once more.
        if !deferred || count >= deferrals {
            embryo.sent_at = None;
            self.stats.tcp_retransmits += 1;
            self.send_syn_ack(index, key.local(), key.remote(), now);
        }
    }

    fn drop_embryo(&mut self, index: u32) {
        let Some(embryo) = self.tcp.embryos.try_remove(index as usize) else {
            return;
        };
        self.wheel.cancel(embryo.timer);
        self.tcp.flows.remove(&embryo.key);
        if let Some(listener) = self
            .sockets
            .tcp_mut(embryo.listener)
            .and_then(TcpSocket::listener_mut)
        {
            listener.half_open = listener.half_open.saturating_sub(1);
        }
    }
}

/// How many times the SYN-ACK's timer goes off before a listener stops waiting for data.
fn deferrals(settings: &TcpSettings, config: &TcpConfig) -> u8 {
    let Some(time) = settings.defer_accept else {
        return 0;
    };
    let mut passed = Duration::ZERO;
    for count in 0..MAX_DEFERRALS {
        if passed >= time {
            return count;
        }
        let wait = config.rto_initial.saturating_mul(1 << count);
        passed += wait.min(config.rto_max);
    }
    MAX_DEFERRALS
}

/// The most that Linux allows: with the timer's usual times, 8 minutes and a half.
const MAX_DEFERRALS: u8 = 8;
