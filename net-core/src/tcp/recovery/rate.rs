//! How fast the network delivers: draft-ietf-ccwg-bbr §4.1 (before it
//! draft-cheng-iccrg-delivery-rate-estimation), whose names the fields have.

use super::delivery::Delivery;
use super::sent::Transmission;
use crate::time::{Duration, Instant};

/// The connection's side of the estimate (the `C.*` variables).
#[derive(Debug, Default)]
pub(crate) struct DeliveryRate {
    /// Bytes delivered over the connection's life.
    pub(crate) delivered: u64,
    /// When `delivered` last grew.
    delivered_at: Instant,
    /// When the newest delivered transmission left: the send interval of what leaves now begins
    /// there.
    first_sent_at: Instant,
    /// Bytes declared lost over the connection's life.
    pub(crate) lost: u64,
    /// What leaves is limited by the application until this much is delivered; 0: it is not.
    app_limited_until: u64,
    /// And by a congestion control that keeps the rate low on purpose.
    held_back_until: u64,
    /// Samples do not tell what the application has limited
    /// ([`TcpConfig::app_limited_samples`](crate::config::TcpConfig::app_limited_samples)).
    pub(crate) hides_app_limit: bool,
    /// The latest sample that spans a time.
    pub(crate) latest: RateSample,
}

/// What one acknowledgement says of the rate of delivery (the `RS.*` variables).
#[derive(Debug, Clone, Copy, Default)]
pub struct RateSample {
    /// Bytes delivered between the two moments that the sample spans.
    pub delivered: u64,
    /// Bytes that had been delivered when the newest acknowledged transmission left.
    pub prior_delivered: u64,
    /// The longer of the time it took to send them and to have them acknowledged; zero: no sample.
    pub interval: Duration,
    /// Bytes in flight when that transmission left, itself included.
    pub tx_in_flight: u32,
    /// Bytes declared lost between the two moments.
    pub lost: u64,
    /// The application, not the network, limited the sender.
    pub app_limited: bool,
}

impl DeliveryRate {
    /// What leaves now, with `in_flight` bytes in flight before it.
    pub(super) fn transmit(&mut self, len: u32, in_flight: u32, now: Instant) -> Transmission {
        if in_flight == 0 {
            // Both intervals begin anew after idle time.
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        Transmission {
            sent_at: now,
            first_sent_at: self.first_sent_at,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            lost: self.lost,
            in_flight: in_flight.saturating_add(len),
            app_limited: self.held_back_until > 0
                || self.app_limited_until > 0 && !self.hides_app_limit,
            joined: false,
        }
    }

    /// `bytes` have arrived.
    pub(super) fn on_delivered(&mut self, bytes: u32, now: Instant) {
        self.delivered += u64::from(bytes);
        self.delivered_at = now;
    }

    /// Whether what leaves now counts as limited by the application.
    pub(crate) const fn is_app_limited(&self) -> bool {
        self.app_limited_until > 0 || self.held_back_until > 0
    }

    /// The application has nothing to send although the network would take more: samples of what
    /// is in flight, and of what follows until that is delivered, say little.
    pub(crate) fn mark_app_limited(&mut self, in_flight: u32) {
        self.app_limited_until = self.delivered_with(in_flight);
    }

    /// So do those of a rate that is kept low on purpose.
    pub(crate) fn mark_held_back(&mut self, in_flight: u32) {
        self.held_back_until = self.delivered_with(in_flight);
    }

    /// What will have been delivered when `in_flight` has; never 0.
    fn delivered_with(&self, in_flight: u32) -> u64 {
        (self.delivered + u64::from(in_flight)).max(1)
    }

    /// The sample of an acknowledgement; `rtt_min`, in ns: over a shorter time than the smallest
    /// round trip no rate can be measured.
    pub(crate) fn sample(&mut self, delivery: &Delivery, rtt_min: u64) -> RateSample {
        for until in [&mut self.app_limited_until, &mut self.held_back_until] {
            if self.delivered > *until {
                *until = 0;
            }
        }
        let Some(newest) = delivery.newest() else {
            return RateSample::default();
        };
        self.first_sent_at = newest.sent_at;
        let sending = newest.sent_at.nanos_since(newest.first_sent_at);
        let acknowledging = self.delivered_at.nanos_since(newest.delivered_at);
        let mut interval = sending.max(acknowledging);
        if interval < rtt_min {
            interval = 0;
        }
        let sample = RateSample {
            delivered: self.delivered - newest.delivered,
            prior_delivered: newest.delivered,
            interval: Duration::from_nanos(interval),
            tx_in_flight: newest.in_flight,
            // Less where what was lost has turned out not to be.
            lost: self.lost.saturating_sub(newest.lost),
            app_limited: newest.app_limited,
        };
        if interval > 0 {
            self.latest = sample;
        }
        sample
    }
}

impl RateSample {
    /// The rate in bytes a second, if the sample is one.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        let nanos = u64::try_from(self.interval.as_nanos()).ok()?;
        let bytes = u128::from(self.delivered) * 1_000_000_000;
        u64::try_from(bytes.checked_div(u128::from(nanos))?).ok()
    }
}
