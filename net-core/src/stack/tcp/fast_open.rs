//! TCP Fast Open at its two ends (RFC 7413): who gets a cookie and whose is good, and what is remembered of
//! servers. What a connection does in between is in `tcp/fast_open.rs`.

use super::recent::Recent;
use crate::SocketError;
use crate::config::FastOpenConfig;
use crate::socket::{FlowKey, SocketId};
use crate::stack::Stack;
use crate::tcp::connection::{Connection, Negotiated};
use crate::tcp::fast_open::{Ending, FastOpen, Lesson};
use crate::tcp::segment::Segment;
use crate::tcp::socket::{EarlyQueue, Listener, TcpSocket};
use crate::time::{Duration, Instant};
use crate::wire::FastOpenCookie;
use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

/// How long a connection that the peer has reset before its handshake was complete still counts as pending
/// (RFC 7413 §5.1), as in Linux.
const RESET_COUNTS: Duration = Duration::from_secs(60);

/// Doublings of the time for which nothing is put into SYNs.
const MAX_HOLD_OFF: u32 = 6;

/// What a client remembers of servers (RFC 7413 §4.1.3).
#[derive(Debug)]
pub(crate) struct FastOpenPeers {
    /// By our address and the server's.
    cookies: Recent<(IpAddr, IpAddr), Known>,
    /// By our address and the server's with its port.
    failures: Recent<(IpAddr, SocketAddr), Failures>,
}

#[derive(Debug)]
struct Known {
    cookie: FastOpenCookie,
    mss: u16,
}

#[derive(Debug)]
struct Failures {
    /// Since data last came behind a SYN that took some along.
    count: u32,
    /// SYNs are ordinary ones by then.
    until: Instant,
}

/// What a listener makes of the option of a SYN.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answer {
    /// The data is taken, and the connection exists from now on.
    pub(super) open: bool,
    /// The cookie for the SYN-ACK.
    pub(super) cookie: Option<FastOpenCookie>,
}

impl FastOpenPeers {
    pub(crate) const fn new(config: &FastOpenConfig) -> Self {
        Self {
            cookies: Recent::new(config.max_peers),
            failures: Recent::new(config.max_peers),
        }
    }

    fn is_held_off(&mut self, local: IpAddr, remote: SocketAddr, now: Instant) -> bool {
        let failures = self.failures.get_mut(&(local, remote));
        failures.is_some_and(|failures| now < failures.until)
    }

    fn learn(
        &mut self,
        (local, remote): (IpAddr, SocketAddr),
        lesson: Lesson,
        hold_off: Duration,
        now: Instant,
    ) {
        let pair = (local, remote.ip());
        if let Some(cookie) = lesson.cookie {
            let mss = lesson.mss;
            self.cookies.insert(pair, Known { cookie, mss });
        } else if let (Some(true), Some(known)) = (lesson.works, self.cookies.get_mut(&pair)) {
            known.mss = lesson.mss;
        }
        match lesson.works {
            None => {}
            Some(true) => {
                // Whether it is a black hole is not known before there is data.
                if let Some(failures) = self.failures.get_mut(&(local, remote)) {
                    failures.until = failures.until.min(now);
                }
            }
            Some(false) => self.fail((local, remote), hold_off, now),
        }
    }

    fn fail(&mut self, ends: (IpAddr, SocketAddr), hold_off: Duration, now: Instant) {
        let longest = hold_off.saturating_mul(1 << MAX_HOLD_OFF);
        let before = self.failures.get_mut(&ends);
        if before.as_ref().is_some_and(|before| now < before.until) {
            // It was under way when another failed.
            return;
        }
        let count = before
            .filter(|before| now < before.until + longest)
            .map_or(0, |before| before.count);
        let until = now + hold_off.saturating_mul(1 << count.min(MAX_HOLD_OFF));
        let count = count.saturating_add(1);
        self.failures.insert(ends, Failures { count, until });
    }

    /// A connection that was opened fast has brought data.
    pub(super) fn forgive(&mut self, local: IpAddr, remote: SocketAddr) {
        self.failures.remove(&(local, remote));
    }
}

/// The server.
impl Stack {
    /// What a listener makes of the option of a SYN, while its queues have room (§4.2.2).
    pub(super) fn answer_fast_open(
        &mut self,
        id: SocketId,
        segment: &Segment<'_>,
        key: &FlowKey,
        now: Instant,
    ) -> Answer {
        let config = &self.config.tcp.fast_open;
        let Some(shown) = segment.options.fast_open.filter(|_| config.server) else {
            return Answer::default();
        };
        let life = u64::try_from(config.cookie_life.as_millis().max(1)).unwrap_or(u64::MAX);
        let life = now.as_millis() / life;
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return Answer::default();
        };
        let most = socket.settings.fast_open;
        let defers = socket.settings.defer_accept.is_some();
        let Some(listener) = socket.listener_mut().filter(|_| most > 0) else {
            return Answer::default();
        };
        if listener.pending_early(now) >= most {
            // §5.1: all that comes now is an ordinary request.
            self.stats.tcp_fast_open_overflows += 1;
            return Answer::default();
        }
        // There is nothing to hand out yet (TCP_DEFER_ACCEPT).
        let deferred = defers && segment.payload.is_empty();
        let fresh = self.tcp.secrets.fast_open_cookie(key, life);
        let before = || {
            let life = life.checked_sub(1)?;
            Some(self.tcp.secrets.fast_open_cookie(key, life))
        };
        let (current, open) = (shown == fresh, shown == fresh || Some(shown) == before());
        if !open && !shown.is_request() {
            self.stats.tcp_fast_open_refused += 1;
        }
        Answer {
            open: open && !deferred,
            cookie: (!current).then_some(fresh),
        }
    }

    /// A SYN with a good cookie: the connection exists, and its application gets what the SYN brings.
    pub(super) fn open_early(
        &mut self,
        id: SocketId,
        key: FlowKey,
        facts: &Negotiated,
        cookie: Option<FastOpenCookie>,
        segment: &mut Segment<'_>,
        now: Instant,
    ) {
        let window = segment.window;
        let listener = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut);
        let Some(generation) = listener.map(|listener| listener.generation) else {
            return;
        };
        let queue = EarlyQueue {
            listener: id,
            generation,
        };
        let child = self.add_child(id, key, facts.local_mark, |config, settings| {
            Connection::accepted_early(facts, window, queue, cookie, config, settings, now)
        });
        let Some(child) = child else { return };
        if let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) {
            listener.early += 1;
        }
        self.stats.tcp_fast_open_passive += 1;
        self.with_connection(child, now, |connection, cx| {
            connection.take_early_syn(segment, cx);
        });
        self.tell_established(child, now);
        self.tcp_settle(child, now);
        self.changed(id);
    }

    /// A connection is pending no longer. One that the peer has reset counts `until` then (§5.1).
    pub(super) fn early_is_over(&mut self, queue: EarlyQueue, until: Option<Instant>) {
        let socket = self.sockets.tcp_mut(queue.listener);
        let listener = socket.and_then(TcpSocket::listener_mut);
        if let Some(listener) = listener.filter(|it| it.generation == queue.generation) {
            listener.early = listener.early.saturating_sub(1);
            listener.reset_early.extend(until);
        }
    }
}

impl Listener {
    /// Connections whose SYN brought data, and whose handshake is not complete (PendingFastOpenRequests).
    fn pending_early(&mut self, now: Instant) -> u32 {
        while self.reset_early.front().is_some_and(|&until| until <= now) {
            self.reset_early.pop_front();
        }
        let reset = u32::try_from(self.reset_early.len()).unwrap_or(u32::MAX);
        self.early.saturating_add(reset)
    }
}

/// The client.
impl Stack {
    /// What is known for a connection that is to be opened fast, unless that has just failed.
    pub(super) fn fast_open_to(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> Option<Box<FastOpen>> {
        let peers = &mut self.tcp.fast_open;
        if peers.is_held_off(local, remote, now) {
            return None;
        }
        let known = peers.cookies.get_mut(&(local, remote.ip()));
        let known = known.map(|known| (known.cookie, known.mss)).unzip();
        Some(Box::new(FastOpen::client(known.0, known.1.unwrap_or(0))))
    }

    /// Whether sockets may want to open their connections fast.
    pub(super) fn may_fast_open(&self) -> Result<(), SocketError> {
        match self.config.tcp.fast_open.client {
            true => Ok(()),
            false => Err(SocketError::Unsupported(
                "fast open, while the configuration does not allow it to clients",
            )),
        }
    }

    /// The listener's side of the same: whether a socket may take data in SYNs.
    pub(super) fn may_take_early(&self) -> Result<(), SocketError> {
        match self.config.tcp.fast_open.server {
            true => Ok(()),
            false => Err(SocketError::Unsupported(
                "fast open, while the configuration does not allow it to servers",
            )),
        }
    }

    /// Data was taken in a SYN, and three timeouts later nothing has come of it.
    pub(super) fn avoid_black_hole(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.tcp(id) else {
            return;
        };
        let lost = socket.connection().filter(|it| it.fell_into_black_hole());
        let lesson = lost.map(|connection| Lesson {
            cookie: None,
            mss: connection.peer_mss,
            works: Some(false),
        });
        if let (Some(lesson), Some(local), Some(remote)) = (lesson, socket.local, socket.remote) {
            self.learn_of_peer(local.ip(), remote, lesson, now);
        }
    }

    fn learn_of_peer(&mut self, local: IpAddr, remote: SocketAddr, lesson: Lesson, now: Instant) {
        match lesson.works {
            Some(true) => self.stats.tcp_fast_open_active += 1,
            Some(false) => self.stats.tcp_fast_open_failed += 1,
            None => {}
        }
        let hold_off = self.config.tcp.fast_open.hold_off;
        self.tcp
            .fast_open
            .learn((local, remote), lesson, hold_off, now);
    }
}

impl Stack {
    /// The handshake of a connection is complete, or has failed; `cookie` is what the SYN-ACK had. Whether
    /// the connection had existed before.
    pub(super) fn end_fast_open(
        &mut self,
        id: SocketId,
        cookie: Option<FastOpenCookie>,
        now: Instant,
    ) -> bool {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return false;
        };
        let ends = socket.local.zip(socket.remote);
        let Some(connection) = socket.connection_mut() else {
            return false;
        };
        let ending = connection.end_fast_open(cookie);
        if let (true, Some((local, remote))) = (connection.proved_path(), ends) {
            self.tcp.fast_open.forgive(local.ip(), remote);
        }
        match (ending, ends) {
            (Some(Ending::Server { queue, reset }), _) => {
                self.early_is_over(queue, reset.then(|| now + RESET_COUNTS));
                true
            }
            (Some(Ending::Client(lesson)), Some((local, remote))) => {
                self.learn_of_peer(local.ip(), remote, lesson, now);
                false
            }
            _ => false,
        }
    }
}
