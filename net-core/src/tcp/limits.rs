//! What keeps a connection from sending more, and for how long each did.

use super::SeqNum;
use super::connection::{Connection, Context};
use super::recovery::Phase;
use crate::time::{Duration, Instant};

/// What a connection would need to send more.
///
/// Linux tells three of these apart (`tcpi_busy_time`, `tcpi_rwnd_limited`, `tcpi_sndbuf_limited`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Limit {
    /// The application: it has written nothing more.
    #[default]
    Application,
    /// A larger congestion window.
    CongestionWindow,
    /// A larger window of the peer.
    ReceiveWindow,
    /// A larger send buffer: everything in it is under way, and the application cannot add to it.
    SendBuffer,
    /// Its turn by the pacing rate.
    Pacing,
    /// The repair of a loss to be over.
    Recovery,
    /// Room at the device, or the end of a wait that the application chose (Nagle's rule, cork).
    Device,
}

impl Limit {
    /// Every limit, in the order of [`LimitedTime`]'s fields.
    pub const ALL: [Self; 7] = [
        Self::Application,
        Self::CongestionWindow,
        Self::ReceiveWindow,
        Self::SendBuffer,
        Self::Pacing,
        Self::Recovery,
        Self::Device,
    ];

    /// A short name for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::CongestionWindow => "cwnd",
            Self::ReceiveWindow => "rwnd",
            Self::SendBuffer => "sndbuf",
            Self::Pacing => "pacing",
            Self::Recovery => "recovery",
            Self::Device => "device",
        }
    }
}

/// How long a connection was held up by each [`Limit`]; together the age of the connection.
///
/// Kept in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitedTime([u64; Limit::ALL.len()]);

impl LimitedTime {
    /// How long `limit` held the connection up.
    #[must_use]
    pub const fn by(&self, limit: Limit) -> Duration {
        Duration::from_nanos(self.0[limit as usize])
    }

    fn add(&mut self, limit: Limit, since: Instant, now: Instant) {
        self.0[limit as usize] += now.as_nanos().saturating_sub(since.as_nanos());
    }
}

/// The books of one connection.
#[derive(Debug)]
pub(crate) struct Limits {
    now: Limit,
    since: Instant,
    times: LimitedTime,
    /// The congestion window kept something from leaving when SND.NXT was this.
    window_full: Option<SeqNum>,
}

impl Limits {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            now: Limit::default(),
            since: now,
            times: LimitedTime::default(),
            window_full: None,
        }
    }

    /// From `now` on it is this limit.
    pub(crate) fn update(&mut self, limit: Limit, now: Instant) {
        if limit != self.now {
            self.times.add(self.now, self.since, now);
            self.now = limit;
            self.since = now;
        }
    }

    /// Whether the congestion window kept something from leaving in the round trip that ends with the
    /// acknowledgement of what is in front of `una`.
    pub(crate) fn window_was_full(&mut self, una: SeqNum) -> bool {
        self.window_full = self.window_full.filter(|&nxt| una.at_or_before(nxt));
        self.window_full.is_some()
    }

    pub(crate) const fn current(&self) -> Limit {
        self.now
    }

    /// The times up to `now`.
    pub(crate) fn times(&self, now: Instant) -> LimitedTime {
        let mut times = self.times;
        times.add(self.now, self.since, now);
        times
    }
}

impl Connection {
    /// Everything that may leave now has left: notes why there is no more. Sending costs nothing for it.
    pub(crate) fn note_limit(&mut self, cx: &Context<'_>) {
        let mut limit = self.limit(cx);
        if limit == Limit::CongestionWindow {
            self.limits.window_full = Some(self.nxt);
        }
        if self.recovery.phase != Phase::Open {
            limit = Limit::Recovery;
        }
        self.limits.update(limit, cx.now);
    }

    fn limit(&self, cx: &Context<'_>) -> Limit {
        let unsent = self.unsent_len();
        if unsent == 0 {
            let full = self.queue.len() >= self.send_buffer(cx.settings);
            return if full && !self.send_closed() {
                Limit::SendBuffer
            } else {
                Limit::Application
            };
        }
        let next = self
            .segment_size()
            .min(u32::try_from(unsent).unwrap_or(u32::MAX));
        if self.flight_size().saturating_add(next) > self.wnd {
            Limit::ReceiveWindow
        } else if self.congestion_room() < next {
            // Whether or not it would also have to wait for its turn.
            Limit::CongestionWindow
        } else if self.pacer.holds(cx.now) || self.pacer.is_paused(cx.now) {
            Limit::Pacing
        } else {
            Limit::Device
        }
    }
}
