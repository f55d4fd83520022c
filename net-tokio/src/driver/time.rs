//! Which clock a stack follows.

use crate::clock::Clock;
use net_core::Instant;
use std::time;
use tokio::time::Instant as TokioInstant;

/// The stack's clock: that of its runtime, which a test may pause, or the host's for a stack that
/// is driven by a thread of its own and used from runtimes whose clocks may disagree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    /// What devices count by.
    clock: Clock,
    real: Option<time::Instant>,
}

impl Time {
    /// The clock of the runtime that this is called in.
    pub(crate) fn of_runtime() -> Self {
        Self {
            clock: Clock::new(),
            real: None,
        }
    }

    /// The host's clock.
    pub(crate) fn real() -> Self {
        Self {
            clock: Clock::new(),
            real: Some(time::Instant::now()),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        match self.real {
            Some(origin) => Instant::ZERO + origin.elapsed(),
            None => self.clock.now(),
        }
    }

    /// When to wake up for what is due at `at`.
    pub(crate) fn deadline(&self, at: Instant) -> TokioInstant {
        match self.real {
            Some(_) => TokioInstant::now() + at.saturating_since(self.now()).min(FAR),
            None => self.clock.deadline(at),
        }
    }

    /// The clock for devices.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }
}

/// Whether the clock of the current runtime stands still.
pub(crate) fn is_paused() -> bool {
    let (shown, began) = (TokioInstant::now(), time::Instant::now());
    while began.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    TokioInstant::now() == shown
}

/// The longest sleep to ask for; the driver looks again after it.
const FAR: time::Duration = time::Duration::from_secs(365 * 86_400);
