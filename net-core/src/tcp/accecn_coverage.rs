//! Whether accurate feedback contradicts itself (RFC 9768 §3.2.3.2.5): the counter of marked bytes has grown,
//! that of marked packets has not, and has not gone round either.
//!
//! That takes certainty about how many packets arrived between two acknowledgements. There is some where
//! both have an option with the counter of marked bytes, and between them nothing happened but that whole
//! segments were acknowledged in order, each for the first time. Everything else makes the next such option
//! a new beginning, without a verdict: small segments, a search for the path's MTU, duplicates, holes (also
//! those that a peer without SACK would not show), retransmissions, acknowledgements that were merged, and what
//! another stack has heard.

use super::accecn::Progress;

/// What has been acknowledged since an option last told the counter of marked bytes; none: that is not
/// certain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Coverage(Option<Since>);

#[derive(Debug, Clone, Copy)]
struct Since {
    /// The peer's counter of marked packets then.
    packets: u32,
    bytes: u32,
    /// No segment was shorter.
    shortest: u32,
}

impl Coverage {
    /// An acknowledgement arrived, of segments of `mss` bytes.
    pub(super) fn add(&mut self, progress: Progress, mss: u32) {
        self.0 = self.0.filter(|_| progress.certain).map(|since| Since {
            bytes: since.bytes.saturating_add(progress.bytes),
            shortest: since.shortest.min(shortest(mss)),
            ..since
        });
    }

    /// If it has told of `marked` more bytes while its counter of packets looks as if it were still at `packets`;
    /// whether both cannot be.
    pub(super) fn refutes(&self, marked: Option<u32>, packets: u32) -> bool {
        let (Some(since), Some(marked)) = (self.0, marked) else {
            return false;
        };
        let few = since.bytes.div_ceil(since.shortest) < FIELD_GOES_ROUND;
        few && (1..=since.bytes).contains(&marked) && since.packets == packets
    }

    /// It had the counter of marked bytes, and that of marked packets is now known to be `packets`.
    pub(super) fn begin(&mut self, progress: Progress, packets: u32, mss: u32) {
        self.0 = progress.certain.then_some(Since {
            packets,
            bytes: 0,
            shortest: shortest(mss),
        });
    }
}

/// What is left of a full segment that also carries as many options as there can be.
fn shortest(mss: u32) -> u32 {
    mss.saturating_sub(MAX_OPTIONS).max(1)
}

/// Marked packets after which the field shows the same.
const FIELD_GOES_ROUND: u32 = 8;

/// Bytes of options in a TCP header (RFC 9293 §3.1).
const MAX_OPTIONS: u32 = 40;
