//! Accurate feedback of a connection that goes to another stack.

use super::{Accurate, EcnCounts, NOT_ECT, Options};

impl Accurate {
    /// For another stack: bits, and the counters of both directions.
    pub(in crate::tcp) fn freeze(&self) -> (u32, [u32; 8]) {
        let options = match self.options {
            Options::Absent => 0,
            Options::Seen => 1,
            Options::Zeroed => 2,
        };
        let bits = 1
            | u32::from(self.tells_options) << 1
            | u32::from(self.heard) << 2
            | u32::from(self.deaf) << 3
            | options << 4;
        let [a, b, c, d] = self.received.numbers();
        let [e, f, g, h] = self.delivered.numbers();
        (bits, [a, b, c, d, e, f, g, h])
    }

    /// The reverse; `None`: the feedback was not accurate.
    pub(in crate::tcp) fn thaw(bits: u32, [a, b, c, d, e, f, g, h]: [u32; 8]) -> Option<Self> {
        if bits & 1 == 0 {
            return None;
        }
        Some(Self {
            received: EcnCounts::from_numbers([a, b, c, d]),
            delivered: EcnCounts::from_numbers([e, f, g, h]),
            told: a,
            tells_options: bits & 2 != 0,
            heard: bits & 4 != 0,
            deaf: bits & 8 != 0,
            options: match bits >> 4 {
                0 => Options::Absent,
                1 => Options::Seen,
                _ => Options::Zeroed,
            },
            ..Self::new(NOT_ECT)
        })
    }
}
