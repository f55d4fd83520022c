//! One flow through one bottleneck with a drop-tail queue, for the tests of algorithms that model the path.

use super::{AckSample, CongestionControl, Established, LossSample, LostTransmission, RateSample};
use crate::time::{Duration, Instant};
use core::fmt::Debug;
use std::collections::VecDeque;
use std::vec::Vec;

/// An algorithm whose states a test looks at.
pub(super) trait Watched: CongestionControl {
    /// What the flow is doing.
    type State: Copy + PartialEq + Debug;

    /// At the beginning of a connection with segments of [`MSS`] bytes.
    fn begin() -> Self;
    fn state(&self) -> Self::State;
}

pub(super) const MSS: u32 = 1000;
/// 50 Mbit/s.
pub(super) const RATE: u64 = 6_250_000;
pub(super) const RTT: Duration = Duration::from_millis(40);
/// 250 segments.
pub(super) const BDP: u32 = 250_000;

/// A segment on its way, and what the sender noted when it left.
#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    sent_at: Instant,
    first_sent_at: Instant,
    delivered: u64,
    delivered_at: Instant,
    lost_before: u64,
    in_flight: u32,
    app_limited: bool,
    /// When its acknowledgement, or that of what is behind its loss, arrives.
    told_at: Instant,
    lost: bool,
}

/// One flow through one bottleneck.
#[derive(Debug)]
pub(super) struct Path<C: Watched> {
    pub(super) control: C,
    pub(super) now: Instant,
    pub(super) rate: u64,
    pub(super) buffer: u32,
    /// Every so many-th segment is lost.
    pub(super) loses: Option<u64>,
    /// The application gives no more than so many bytes a second.
    pub(super) offered: Option<u64>,
    busy_until: Instant,
    flight: VecDeque<Segment>,
    pub(super) in_flight: u32,
    sent: u64,
    pub(super) delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    pub(super) lost: u64,
    /// Of that what no acknowledgement has told of yet.
    untold: u32,
    app_limited_until: u64,
    next_send: Instant,
    limited_at: u64,
    recover: Option<u64>,
    pub(super) largest_queue: u32,
    /// Every state the flow went through, and when.
    pub(super) history: Vec<(Instant, C::State)>,
}

impl<C: Watched> Path<C> {
    pub(super) fn new(buffer: u32) -> Self {
        let mut control = C::begin();
        let now = Instant::from_millis(1000);
        let facts = Established {
            srtt: Some(RTT),
            sack: true,
        };
        control.on_established(&facts, now);
        let history = std::vec![(now, control.state())];
        Self {
            control,
            now,
            rate: RATE,
            buffer,
            loses: None,
            offered: None,
            busy_until: now,
            flight: VecDeque::new(),
            in_flight: 0,
            sent: 0,
            delivered: 0,
            delivered_at: now,
            first_sent_at: now,
            lost: 0,
            untold: 0,
            app_limited_until: 0,
            next_send: now,
            limited_at: 0,
            recover: None,
            largest_queue: 0,
            history,
        }
    }

    /// Time passes; how many bytes were delivered in it.
    pub(super) fn runs(&mut self, time: Duration) -> u64 {
        let (until, before) = (self.now + time, self.delivered);
        loop {
            let told = self
                .flight
                .front()
                .map_or(Instant::MAX, |next| next.told_at);
            let room = self.in_flight + MSS <= self.control.window();
            if !room {
                self.limited_at = self.sent;
            }
            let sends = if room {
                self.next_send.max(self.now)
            } else {
                Instant::MAX
            };
            if told.min(sends) > until {
                self.now = until;
                return self.delivered - before;
            }
            self.now = told.min(sends);
            if told <= sends {
                self.hears();
            } else {
                self.sends();
            }
        }
    }

    fn sends(&mut self) {
        if self.in_flight == 0 {
            self.control
                .on_restart(self.app_limited_until > 0, self.now);
            (self.first_sent_at, self.delivered_at) = (self.now, self.now);
        }
        self.in_flight += MSS;
        let rate = self.control.pacing_rate().unwrap();
        let mut step = u64::from(MSS) * 1_000_000_000 / rate;
        if let Some(offered) = self.offered {
            step = step.max(u64::from(MSS) * 1_000_000_000 / offered);
            self.app_limited_until = self.delivered + u64::from(self.in_flight);
        }
        self.next_send = self.now + Duration::from_nanos(step);
        let wait = self.busy_until.saturating_since(self.now).as_nanos();
        let queue = u32::try_from(wait * u128::from(self.rate) / 1_000_000_000).unwrap();
        let lost = queue + MSS > self.buffer
            || self
                .loses
                .is_some_and(|every| self.sent % every == every - 1);
        if !lost {
            self.largest_queue = self.largest_queue.max(queue);
            let service = u64::from(MSS) * 1_000_000_000 / self.rate;
            self.busy_until = self.busy_until.max(self.now) + Duration::from_nanos(service);
        }
        self.flight.push_back(Segment {
            number: self.sent,
            sent_at: self.now,
            first_sent_at: self.first_sent_at,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            lost_before: self.lost,
            in_flight: self.in_flight,
            app_limited: self.app_limited_until > 0,
            told_at: self.busy_until.max(self.now) + RTT,
            lost,
        });
        self.sent += 1;
    }

    fn hears(&mut self) {
        let segment = self.flight.pop_front().unwrap();
        let in_recovery = self.recover.is_some();
        self.in_flight -= MSS;
        if segment.lost {
            self.loses_one(&segment);
            return;
        }
        self.delivered += u64::from(MSS);
        self.delivered_at = self.now;
        if self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
        if self
            .recover
            .is_some_and(|recover| segment.number >= recover)
        {
            self.recover = None;
            self.control.on_recovered(self.now);
        }
        self.first_sent_at = segment.sent_at;
        let sending = segment.sent_at.saturating_since(segment.first_sent_at);
        let acknowledging = self.now.saturating_since(segment.delivered_at);
        let sample = AckSample {
            acked: MSS,
            lost: core::mem::take(&mut self.untold),
            delivered: self.delivered,
            rate: RateSample {
                delivered: self.delivered - segment.delivered,
                prior_delivered: segment.delivered,
                interval: sending.max(acknowledging),
                tx_in_flight: segment.in_flight,
                lost: self.lost - segment.lost_before,
                app_limited: segment.app_limited,
            },
            rtt: Some(self.now.saturating_since(segment.sent_at)),
            in_flight: self.in_flight + MSS,
            in_flight_now: self.in_flight,
            cwnd_limited: segment.number < self.limited_at,
            in_recovery,
            ..AckSample::default()
        };
        self.control.on_ack(&sample, self.now);
        if self.control.holds_back() {
            self.app_limited_until = self.delivered + u64::from(self.in_flight);
        }
        if self
            .history
            .last()
            .is_none_or(|last| last.1 != self.control.state())
        {
            self.history.push((self.now, self.control.state()));
        }
    }

    fn loses_one(&mut self, segment: &Segment) {
        self.lost += u64::from(MSS);
        self.untold += MSS;
        let sample = LossSample {
            bytes: MSS,
            delivered: self.delivered,
            sent: Some(LostTransmission {
                tx_in_flight: segment.in_flight,
                lost: self.lost - segment.lost_before,
                app_limited: segment.app_limited,
            }),
        };
        self.control.on_lost(&sample, self.now);
        if self.recover.is_none() {
            self.recover = Some(self.sent);
            self.control.remember(self.in_flight);
            self.control.on_loss(self.in_flight, self.now);
        }
    }

    /// How often the flow came to `state`.
    pub(super) fn visits(&self, state: C::State) -> usize {
        self.history.iter().filter(|entry| entry.1 == state).count()
    }
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
