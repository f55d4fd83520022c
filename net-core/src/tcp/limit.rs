//! What keeps a connection from sending more, and for how long it has (Linux's `tcp_chrono`, with
//! more distinctions).
//!
//! It is found out when a socket has nothing (more) to send, so sending costs nothing for it.

use super::connection::{Connection, Context};
use super::recovery::Phase;
use crate::time::{Duration, Instant};

/// What keeps a connection from sending more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Limit {
    /// The application has given nothing more, or what it gave waits for company (Nagle, cork).
    #[default]
    Application,
    /// The congestion window.
    CongestionWindow,
    /// The window that the peer advertises.
    PeerWindow,
    /// The send buffer is full of what is on its way.
    SendBuffer,
    /// The pacing rate.
    Pacing,
    /// A loss is being repaired.
    Recovery,
}

/// How long each [`Limit`] has kept a connection from sending, over its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LimitTimes {
    /// By [`Limit::Application`], idle time included.
    pub application: Duration,
    /// By [`Limit::CongestionWindow`].
    pub congestion_window: Duration,
    /// By [`Limit::PeerWindow`].
    pub peer_window: Duration,
    /// By [`Limit::SendBuffer`].
    pub send_buffer: Duration,
    /// By [`Limit::Pacing`].
    pub pacing: Duration,
    /// By [`Limit::Recovery`].
    pub recovery: Duration,
}

impl LimitTimes {
    fn of(&mut self, limit: Limit) -> &mut Duration {
        match limit {
            Limit::Application => &mut self.application,
            Limit::CongestionWindow => &mut self.congestion_window,
            Limit::PeerWindow => &mut self.peer_window,
            Limit::SendBuffer => &mut self.send_buffer,
            Limit::Pacing => &mut self.pacing,
            Limit::Recovery => &mut self.recovery,
        }
    }
}

/// The clock of one connection.
#[derive(Debug)]
pub(crate) struct LimitClock {
    pub(crate) current: Limit,
    since: Instant,
    times: LimitTimes,
}

impl LimitClock {
    /// A connection is made: so far the application wants nothing.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            current: Limit::default(),
            since: now,
            times: LimitTimes::default(),
        }
    }

    /// From now on it is `limit`.
    fn switch(&mut self, limit: Limit, now: Instant) {
        if limit != self.current {
            *self.times.of(self.current) += now.saturating_since(self.since);
            self.current = limit;
            self.since = now;
        }
    }

    /// The times, with the present one up to `now`.
    pub(crate) fn times(&self, now: Instant) -> LimitTimes {
        let mut times = self.times;
        *times.of(self.current) += now.saturating_since(self.since);
        times
    }
}

impl Connection {
    /// Everything that may leave now has left: notes why there is no more.
    pub(crate) fn note_limit(&mut self, cx: &Context<'_>) {
        let limit = self.limit(cx);
        self.limit.switch(limit, cx.now);
    }

    fn limit(&self, cx: &Context<'_>) -> Limit {
        if self.recovery.phase != Phase::Open {
            return Limit::Recovery;
        }
        let unsent = u32::try_from(self.unsent_len()).unwrap_or(u32::MAX);
        if unsent == 0 {
            return if self.queue.len() >= cx.settings.send_buffer {
                Limit::SendBuffer
            } else {
                Limit::Application
            };
        }
        if self.pacer.holds(cx.now) {
            return Limit::Pacing;
        }
        let size = self.segment_size().min(unsent);
        let usable = (self.una + self.wnd).distance_from(self.nxt);
        if usable < size {
            Limit::PeerWindow
        } else if self.congestion_room() < size {
            Limit::CongestionWindow
        } else {
            Limit::Application
        }
    }
}
