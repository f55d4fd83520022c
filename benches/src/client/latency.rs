//! Round-trip times and what to say of them.

use serde::Serialize;
use std::time::Duration;

/// Round-trip times of one measurement.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    nanoseconds: Vec<u32>,
}

impl Latencies {
    /// Notes one round trip; more than 4 s counts as 4 s.
    pub fn record(&mut self, time: Duration) {
        self.nanoseconds
            .push(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Adds those of another connection.
    pub fn merge(&mut self, other: &Self) {
        self.nanoseconds.extend_from_slice(&other.nanoseconds);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.nanoseconds.len()
    }

    /// The median and the 99th percentile.
    #[must_use]
    pub fn percentiles(mut self) -> Percentiles {
        self.nanoseconds.sort_unstable();
        let at = |percent: usize| {
            let index = self.nanoseconds.len().saturating_sub(1) * percent / 100;
            f64::from(self.nanoseconds.get(index).copied().unwrap_or(0)) / 1000.0
        };
        Percentiles {
            p50_us: at(50),
            p99_us: at(99),
        }
    }
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
}
