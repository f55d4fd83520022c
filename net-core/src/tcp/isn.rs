//! Initial sequence numbers (RFC 6528) and timestamp offsets, both keyed by the stack's secret.

use super::SeqNum;
use crate::seed::{Key, Seed};
use crate::socket::FlowKey;
use crate::time::Instant;

/// The secrets of TCP's numbers.
#[derive(Debug)]
pub(crate) struct Secrets {
    isn: Key,
    timestamps: Key,
}

impl Secrets {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            isn: seed.key("tcp isn"),
            timestamps: seed.key("tcp timestamps"),
        }
    }

    /// ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M ticking every 4 µs.
    pub(crate) fn isn(&self, key: &FlowKey, now: Instant) -> SeqNum {
        #[expect(clippy::cast_possible_truncation, reason = "both wrap at 32 bits")]
        let number =
            (self.isn.prf(key.as_bytes()) as u32).wrapping_add((now.as_micros() / 4) as u32);
        SeqNum::new(number)
    }

    /// The offset of our timestamps towards one peer: the same for all ports, so that a reused
    /// port's timestamps go on rising (RFC 7323 §5.4, RFC 6191).
    pub(crate) fn timestamp_offset(&self, key: &FlowKey) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        {
            self.timestamps.prf(key.address_bytes()) as u32
        }
    }
}
