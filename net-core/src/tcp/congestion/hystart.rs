//! HyStart++ (RFC 9406): the first slow start ends when the round trip grows, before the queue
//! overflows; and in case that was noise, a slower growth in between finds out.
//!
//! Rounds are those of delivery: one ends when something is acknowledged that left after it began.

use super::AckSample;
use crate::time::Duration;

/// MIN_RTT_THRESH, MAX_RTT_THRESH, MIN_RTT_DIVISOR (§4.3).
const MIN_RTT_THRESHOLD: Duration = Duration::from_millis(4);
const MAX_RTT_THRESHOLD: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
/// N_RTT_SAMPLE.
const RTT_SAMPLES: u32 = 8;
/// CSS_GROWTH_DIVISOR, CSS_ROUNDS.
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

/// The detector of one connection's first slow start.
#[derive(Debug, Clone)]
pub(super) struct HyStart {
    /// The round ends when something is acknowledged that left after so much was delivered.
    round_end: u64,
    /// lastRoundMinRTT, currentRoundMinRTT; `MAX`: Infinity.
    last_min: Duration,
    current_min: Duration,
    /// rttSampleCount.
    samples: u32,
    css: Option<ConservativeSlowStart>,
}

/// Conservative Slow Start.
#[derive(Debug, Clone)]
struct ConservativeSlowStart {
    /// cssBaselineMinRtt.
    baseline: Duration,
    rounds: u8,
}

/// How the window goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// By so many bytes.
    Grow(u32),
    /// Slow start is over.
    Exit,
}

/// What an acknowledgement in slow start does to the window, with HyStart++ in the first one: later ones
/// know where to end. The bytes that the window has grown by.
pub(super) fn slow_start(
    hystart: Option<&mut HyStart>,
    sample: &AckSample,
    cwnd: &mut u32,
    ssthresh: &mut u32,
) -> u32 {
    let room = ssthresh.saturating_sub(*cwnd);
    let widens = sample.window_used && !sample.in_recovery;
    let most = if widens {
        sample.slow_start.min(room)
    } else {
        0
    };
    let growth = match hystart.filter(|_| *ssthresh == u32::MAX) {
        None => most,
        Some(hystart) => match hystart.on_ack(sample, most) {
            Growth::Grow(bytes) => bytes,
            Growth::Exit => {
                *ssthresh = *cwnd;
                0
            }
        },
    };
    *cwnd = cwnd.saturating_add(growth);
    growth
}

impl HyStart {
    pub(super) fn new() -> Self {
        Self {
            round_end: 0,
            last_min: Duration::MAX,
            current_min: Duration::MAX,
            samples: 0,
            css: None,
        }
    }

    /// An acknowledgement in slow start, which would let the window grow by `growth` (§4.2).
    fn on_ack(&mut self, sample: &AckSample, growth: u32) -> Growth {
        if sample.rate.prior_delivered >= self.round_end {
            self.round_end = sample.delivered;
            self.begin_round();
            if let Some(css) = &mut self.css {
                css.rounds += 1;
                if css.rounds >= CSS_ROUNDS {
                    return Growth::Exit;
                }
            }
        }
        if let Some(rtt) = sample.rtt {
            self.current_min = self.current_min.min(rtt);
            self.samples += 1;
        }
        let measured = self.samples >= RTT_SAMPLES && self.current_min < Duration::MAX;
        match &self.css {
            Some(css) if measured && self.current_min < css.baseline => self.css = None,
            None if measured && self.has_grown() => {
                self.css = Some(ConservativeSlowStart {
                    baseline: self.current_min,
                    rounds: 0,
                });
            }
            _ => {}
        }
        Growth::Grow(match self.css {
            Some(_) => growth / CSS_GROWTH_DIVISOR,
            None => growth,
        })
    }

    fn begin_round(&mut self) {
        self.last_min = self.current_min;
        self.current_min = Duration::MAX;
        self.samples = 0;
    }

    /// Whether this round's round trips are longer than the last one's by the threshold.
    fn has_grown(&self) -> bool {
        if self.last_min == Duration::MAX {
            return false;
        }
        let threshold =
            (self.last_min / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESHOLD, MAX_RTT_THRESHOLD);
        self.current_min >= self.last_min + threshold
    }
}
