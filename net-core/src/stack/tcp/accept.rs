//! Passive opens: the SYN at its beginning, and the accept queue at its end. What is between them is in
//! [`embryo`](super::embryo).

use super::path_mss;
use super::segments::Origin;
use crate::SocketError;
use crate::config::TcpConfig;
use crate::socket::{FlowKey, SocketId, SocketKind, TcpSettings, present};
use crate::stack::{Stack, TcpTables};
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::tcp::accecn;
use crate::tcp::connection::{Connection, Negotiated};
use crate::tcp::ecn::Agreement;
use crate::tcp::segment::Segment;
use crate::tcp::socket::{Flow, Role, TcpSocket};
use crate::tcp::syn_options::default_mss;
use crate::tcp::syn_options::{initial_window, window_scale};
use crate::time::Instant;
use crate::wire::{FastOpenCookie, TcpFlags, TcpHeader, TcpOptions};
use alloc::boxed::Box;
use core::net::SocketAddr;

/// Distance of a new ISS from the last number of an earlier connection, which may have sent faster
/// than the ISS clock ticks (RFC 6191 §2): more than an unscaled window.
const ISS_GAP: u32 = 0x1_0000;

/// A connection to be made of a completed handshake.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) listener: SocketId,
    pub(super) key: FlowKey,
    pub(super) facts: Negotiated,
    /// When the SYN-ACK left, if it left once.
    pub(super) sent_at: Option<Instant>,
    /// How often it left again for want of an answer.
    pub(super) retries: u8,
}

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
        let bound = segment.given_to.unwrap_or(local);
        let listener = ports.lookup(bound, segment.over, || flows.hash(&key));
        let listener = listener
            .filter(|&id| self.is_listening(id) && self.may_take(id, local, segment.given_to));
        let Some(listener) = listener else {
            self.refuse_segment(Origin::of(segment), local, remote, now);
            return;
        };
        if segment.has(TcpFlags::RST) {
            self.stats.count_drop(DropReason::BadFlags);
        } else if segment.has(TcpFlags::ACK) {
            if !self.take_cookie(listener, segment, key, now) {
                self.refuse_segment(Origin::of(segment), local, remote, now);
            }
        } else if segment.has(TcpFlags::SYN) {
            self.take_syn(listener, segment, key, beyond, now);
        } else {
            self.stats.count_drop(DropReason::BadFlags);
        }
    }

    pub(super) fn is_listening(&self, id: SocketId) -> bool {
        self.sockets
            .tcp(id)
            .is_some_and(|socket| matches!(socket.role, Role::Listener(_)))
    }

    /// A SYN for a listener: a half-open connection, if its queues have room.
    pub(super) fn take_syn(
        &mut self,
        id: SocketId,
        segment: &mut Segment<'_>,
        key: FlowKey,
        beyond: Option<SeqNum>,
        now: Instant,
    ) {
        let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) else {
            return;
        };
        let (full, flooded) = (listener.is_full(), listener.is_flooded());
        let flooded = flooded || self.tcp.embryos.len() >= self.config.tcp.max_half_open;
        let cookie = Self::may_send_cookie(&self.config.tcp, flooded);
        let refused = if full {
            Some(DropReason::AcceptQueueFull)
        } else if flooded && !cookie {
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
        let iss = self.tcp.secrets.isn(&key, now);
        let iss = beyond.map_or(iss, |last| iss.max(last + ISS_GAP));
        let Some(facts) = self.facts_of_syn(id, &key, iss, segment.seq, segment) else {
            return;
        };
        if cookie {
            self.send_cookie(id, &key, facts, now);
            return;
        }
        let answer = self.answer_fast_open(id, segment, &key, now);
        if answer.open {
            self.open_early(id, key, &facts, answer.cookie, segment, now);
        } else {
            let index = self.add_embryo(id, key, facts, now);
            self.answer_embryo(index, answer.cookie, now);
        }
    }

    /// What a connection to a listener will be like, by the options of a `segment` of the peer's.
    pub(super) fn facts_of_syn(
        &self,
        id: SocketId,
        key: &FlowKey,
        iss: SeqNum,
        irs: SeqNum,
        segment: &Segment<'_>,
    ) -> Option<Negotiated> {
        let settings = &self.sockets.tcp(id)?.settings;
        let (local, remote) = (key.local(), key.remote());
        let limit = settings.max_segment.unwrap_or(u16::MAX);
        let is_plain = self.check_source(&settings.ip, local.ip()).is_ok();
        let local_mark = if is_plain { 0 } else { segment.mark };
        let ip = settings.ip.to_answer(local_mark);
        let mtu = self
            .route_for(&ip, remote.ip(), Some(local.ip()))
            .map_or(576, |path| path.mtu);
        let (config, options) = (&self.config.tcp, &segment.options);
        Some(Negotiated {
            iss,
            irs,
            peer_mss: options
                .mss
                .unwrap_or(default_mss(remote.is_ipv6()))
                .max(config.min_segment),
            our_mss: path_mss(mtu, remote.ip()).min(limit),
            our_scale: window_scale(settings.largest_recv_buffer(config)),
            peer_scale: options.window_scale.filter(|_| config.window_scaling),
            sack: options.sack_permitted && config.sack,
            ecn: Agreement::with_syn(
                segment,
                settings.wants_ecn(config),
                settings.wants_accurate_ecn(config),
            ),
            ts_recent: options
                .timestamps
                .filter(|_| config.timestamps)
                .map(|(value, _)| value),
            ts_offset: self.tcp.secrets.timestamp_offset(key, config),
            local_mark,
        })
    }

    /// The connection comes into being, and takes in the segment that completed its handshake;
    /// whether there was memory and a route for it.
    pub(super) fn create_child(
        &mut self,
        made: &Child,
        segment: &mut Segment<'_>,
        now: Instant,
    ) -> bool {
        let mark = made.facts.local_mark;
        let child = self.add_child(made.listener, made.key, mark, |config, settings| {
            let (sent_at, retries) = (made.sent_at, made.retries);
            Connection::accepted(&made.facts, sent_at, retries, config, settings, now)
        });
        let Some(child) = child else {
            return false;
        };
        let (local, remote) = (made.key.local(), made.key.remote());
        self.segment_for_socket(child, segment, local, remote, now);
        self.changed(made.listener);
        true
    }

    /// Puts a socket with the connection that `make` makes into the accept queue of a listener, if there is
    /// memory and a route for it.
    pub(super) fn add_child(
        &mut self,
        id: SocketId,
        key: FlowKey,
        local_mark: u32,
        make: impl FnOnce(&TcpConfig, &TcpSettings) -> Connection,
    ) -> Option<SocketId> {
        let (local, remote) = (key.local(), key.remote());
        let socket = self.sockets.tcp(id)?;
        let (family, mut settings) = (socket.family, socket.settings.clone());
        settings.ip = settings.ip.to_answer(local_mark);
        let Ok(path) = self.route_for(&settings.ip, remote.ip(), Some(local.ip())) else {
            self.stats.count_drop(DropReason::NoRoute);
            return None;
        };
        let connection = make(&self.config.tcp, &settings);
        let mut child = TcpSocket::new(family, &self.config);
        child.settings = settings;
        child.local = Some(local);
        child.remote = Some(remote);
        child.linked = true;
        child.path = Some(path);
        child.role = Role::Connection(Box::new(connection));
        let (reuse, transparent) = (child.settings.reuse_address, child.settings.ip.transparent);
        let Ok(child) = self.sockets.insert(SocketKind::Tcp(Box::new(child))) else {
            self.stats.count_drop(DropReason::NoMemory);
            return None;
        };
        self.sockets.note_transparent(child, transparent);
        self.tcp.ports.hold(local, reuse);
        self.tcp.flows.insert(key, Flow::Socket(child));
        self.stats.tcp_passive_opens += 1;
        if let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) {
            listener.ready.push_back(child);
        }
        Some(child)
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

    /// Sends a SYN-ACK that tells `facts`, `clock` as its timestamp, and a fast open `cookie`.
    pub(super) fn send_syn_ack(
        &mut self,
        listener: SocketId,
        key: &FlowKey,
        facts: &Negotiated,
        clock: Option<u32>,
        cookie: Option<FastOpenCookie>,
        now: Instant,
    ) {
        let Some(socket) = self.sockets.tcp(listener) else {
            return;
        };
        let settings = &socket.settings;
        let options = TcpOptions {
            mss: Some(facts.our_mss),
            window_scale: facts.peer_scale.map(|_| facts.our_scale),
            sack_permitted: facts.sack,
            timestamps: clock.zip(facts.ts_recent),
            fast_open: cookie,
            accurate_ecn: facts.ecn.tells.then(accecn::initial_counters),
            ..TcpOptions::default()
        };
        let header = TcpHeader {
            seq: facts.iss,
            ack: facts.irs + 1,
            flags: SYN_ACK | facts.ecn.flags(),
            window: u16::try_from(initial_window(settings)).unwrap_or(u16::MAX),
            options,
            ..TcpHeader::default()
        };
        let granted = facts.ecn.flags() != TcpFlags::empty();
        let capable = granted && settings.marks_control(&self.config.tcp);
        let mut settings = settings.ip.to_answer(facts.local_mark);
        if capable {
            settings.make_capable();
        }
        self.send_bare(header, key.local(), key.remote(), &settings, now);
    }
}
