//! Pacing: data leaves spread over the round trip instead of in bursts at the device's rate.
//!
//! The rate is the congestion control's own where it has one, else it follows the window as in
//! Linux: twice cwnd in an SRTT while slow start doubles the window, 1.2 times cwnd later, so that
//! pacing never is what keeps the window from being used. A super-segment is at most what the rate
//! lets out in a millisecond, or what an algorithm that sets the rate wants to leave at once.
//! Acknowledgements, probes and the first flight, whose rate nobody knows, are not paced. A connection
//! that is not paced pays for two comparisons.

use super::congestion::CongestionControl;
use super::connection::{Connection, Context};
use crate::time::{Duration, Instant};

/// When the next data may leave, and how much of it at once.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// The connection is paced.
    on: bool,
    /// Bytes of payload a second; 0: not known yet, nothing is held back.
    rate: u64,
    /// Most bytes of one super-segment.
    pub(crate) quantum: u32,
    /// When the next data may leave.
    next_at: Instant,
    /// When what is held back may leave; `Instant::MAX`: nothing is.
    pub(crate) wake_at: Instant,
    /// No new data leaves before, because of marks.
    paused_until: Instant,
    /// By how much what was held back left late and what followed has not made up for.
    owed: Duration,
}

/// Above this share of ssthresh the window grows too slowly to need twice its rate (Linux).
const SLOW_START_SHARE: u32 = 2;
/// The most that is made up for: what a super-segment takes at most, and what a timer's tick may take.
const MOST_OWED: Duration = Duration::from_millis(1);
/// Waits for marks double so often at most.
const MOST_DOUBLINGS: u8 = 16;
/// The rate in percent of cwnd / SRTT, in slow start and later.
const SLOW_START_PERCENT: u64 = 200;
const AVOIDANCE_PERCENT: u64 = 120;

impl Default for Pacer {
    fn default() -> Self {
        Self {
            on: false,
            rate: 0,
            quantum: u32::MAX,
            next_at: Instant::ZERO,
            wake_at: Instant::MAX,
            paused_until: Instant::ZERO,
            owed: Duration::ZERO,
        }
    }
}

impl Pacer {
    /// Whether data has to wait.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        self.next_at > now
    }

    /// Bytes a second, where the connection is paced and a rate is known.
    pub(crate) fn rate(&self) -> Option<u64> {
        (self.rate > 0).then_some(self.rate)
    }

    /// The rate becomes so many bytes a second.
    fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
        self.quantum = u32::try_from(rate / 1000).unwrap_or(u32::MAX).max(1);
    }

    /// Whether new data has to wait because of marks, whether or not the connection is paced.
    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until > now
    }

    /// What was held back is let out, if its time has come: later than it could have left, where the timer
    /// was late.
    pub(crate) fn release(&mut self, now: Instant) {
        if self.wake_at <= now {
            let late = now.saturating_since(self.wake_at);
            self.owed = (self.owed + late).min(MOST_OWED);
            self.wake_at = Instant::MAX;
        }
    }

    /// `bytes` leave. A sender that comes late makes up for it at no more than twice the rate, so that a
    /// timer's delays do not add up; idle time, which is nobody's delay, it makes up for by half a step, so
    /// that it does not become a burst.
    fn on_sent(&mut self, bytes: u32, now: Instant) {
        let Some(nanos) = (u64::from(bytes) * 1_000_000_000).checked_div(self.rate) else {
            return;
        };
        self.release(now);
        let late = now.saturating_since(self.next_at);
        let delay = Duration::from_nanos(nanos);
        let sooner = late.max(self.owed).min(delay / 2);
        self.owed = self.owed.saturating_sub(sooner);
        self.next_at = now + (delay - sooner);
    }
}

impl Connection {
    /// Finds out whether the connection is to be paced; with the handshake, and when options change.
    pub(crate) fn settle_pacing(&mut self, cx: &Context<'_>) {
        let wanted = cx.config.pacing
            || cx.settings.max_pacing_rate.is_some()
            || self.congestion.pacing_rate().is_some();
        if wanted {
            self.pacer.on = true;
            self.update_pacing(cx);
        } else {
            self.pacer = Pacer::default();
        }
    }

    /// Lets the rate follow what an acknowledgement has changed.
    pub(crate) fn update_pacing(&mut self, cx: &Context<'_>) {
        if !self.pacer.on {
            return;
        }
        let most = cx.settings.max_pacing_rate.unwrap_or(u64::MAX);
        if let Some(rate) = self.wanted_rate() {
            self.pacer.set_rate(rate.min(most).max(1));
            if rate <= most {
                self.pacer.quantum = self.pacer.quantum.max(self.congestion.least_burst());
            }
        } else if most < u64::MAX {
            self.pacer.set_rate(most.max(1));
        }
        if !cx.config.segment_autosizing {
            self.pacer.quantum = u32::MAX;
        }
    }

    fn wanted_rate(&self) -> Option<u64> {
        if let Some(rate) = self.congestion.pacing_rate() {
            return Some(rate);
        }
        let srtt = u64::try_from(self.rtt.smoothed()?.as_nanos()).unwrap_or(u64::MAX);
        let window = self.congestion.window();
        let percent = if window < self.congestion.slow_start_threshold() / SLOW_START_SHARE {
            SLOW_START_PERCENT
        } else {
            AVOIDANCE_PERCENT
        };
        let window = u128::from(window.max(self.in_flight()));
        let rate = window * u128::from(percent * 10_000_000) / u128::from(srtt.max(1));
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }

    /// Something is about to leave, and nothing is in flight.
    pub(crate) fn begin_flight(&mut self, cx: &Context<'_>) {
        let idle = cx.now.saturating_since(self.sent_at);
        if self.validation.is_some() {
            self.validate_after_pause(cx);
        } else if cx.config.slow_start_after_idle && idle > self.rtt.rto() {
            let periods = idle.as_nanos() / self.rtt.rto().as_nanos().max(1);
            let initial = self.mss.saturating_mul(cx.config.initial_window);
            let periods = u32::try_from(periods).unwrap_or(u32::MAX);
            self.congestion.on_idle(periods, initial);
            self.sent_at = cx.now;
        }
        if self.pacer.on {
            let app_limited = self.board.rate.is_app_limited();
            self.congestion.on_restart(app_limited, cx.now);
            self.update_pacing(cx);
        }
    }

    /// A mark was echoed with a window of one segment, which cannot be reduced: the next one leaves when the
    /// retransmission timer would expire, twice as late after each further mark in a row (RFC 3168 §6.1.2,
    /// RFC 9438 §4.6). That timer is put off until then, and what is found lost otherwise is repaired; a loss
    /// probe would be new data.
    pub(crate) fn pause_for_mark(&mut self, marks_in_row: u8, cx: &Context<'_>) {
        let doublings = u32::from(marks_in_row.min(MOST_DOUBLINGS));
        let wait = self.rtt.rto().saturating_mul(1 << doublings);
        let until = cx.now + wait.min(cx.config.rto_max);
        self.pacer.paused_until = self.pacer.paused_until.max(until);
        self.pacer.owed = Duration::ZERO;
        if self.retransmit_at != Instant::MAX {
            self.retransmit_at = self.next_timeout(cx.now);
        }
        (self.recovery.probe.at, self.recovery.probe.due) = (Instant::MAX, false);
    }

    /// When the retransmission timer expires if it is started now.
    pub(crate) fn next_timeout(&self, now: Instant) -> Instant {
        (now + self.rtt.rto()).max(self.pacer.paused_until)
    }

    /// `bytes` of payload leave, new or again.
    pub(crate) fn pace(&mut self, bytes: u32, now: Instant) {
        // Of what was delivered one unit is the SYN: until there is more, this is the first flight.
        if self.pacer.on && self.board.delivered() > 1 {
            self.pacer.on_sent(bytes, now);
        }
    }

    /// Sets the timer for what pacing holds back.
    pub(crate) fn arm_pacing(&mut self, cx: &Context<'_>) {
        let (holds, paused) = (self.pacer.holds(cx.now), self.pacer.is_paused(cx.now));
        if !self.pacer.on && !paused {
            return;
        }
        self.pacer.wake_at = if !(holds || paused) || !self.state.is_synchronised() {
            Instant::MAX
        } else if holds && self.next_retransmit().is_some() {
            self.pacer.next_at
        } else if self.next_data(cx).is_some() {
            self.pacer.next_at.max(self.pacer.paused_until)
        } else {
            Instant::MAX
        };
    }
}
