//! The clock that a stack is driven by.

mod alarm;

pub use alarm::Alarm;

use net_core::time::{Duration, Instant};
use tokio::time::Instant as TokioInstant;

/// Turns tokio's clock into the stack's nanoseconds.
///
/// It follows `tokio::time::pause`, so that virtual time works, and starts at zero where it was
/// made, so that a test under virtual time sees the same instants in every run. Copies share the
/// origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: TokioInstant,
}

impl Clock {
    /// A clock that shows [`Instant::ZERO`] now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: TokioInstant::now(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.instant(TokioInstant::now())
    }

    /// What this clock shows at `at`; [`Instant::ZERO`] for everything before its origin.
    #[must_use]
    pub fn instant(&self, at: TokioInstant) -> Instant {
        Instant::ZERO + at.saturating_duration_since(self.origin)
    }

    /// When this clock shows `at`: to sleep until then. What is centuries away comes out as one
    /// century.
    #[must_use]
    pub fn deadline(&self, at: Instant) -> TokioInstant {
        let since = at.saturating_since(Instant::ZERO);
        self.origin
            .checked_add(since)
            .unwrap_or_else(|| self.origin + CENTURY)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
