//! Loss detection and recovery: what is lost, how much may be sent to repair it, and whether it was
//! all a mistake.
//!
//! | question | file | RFC |
//! | --- | --- | --- |
//! | **where a loss is detected** | [`detect`] | all of them, in order |
//! | what was sent, and what became of it | [`sack`], of [`sent`], [`resent`] and [`ranges`] | 2018, 6675 |
//! | what an acknowledgement brought | [`delivery`], and its rate [`rate`] | |
//! | lost by time | [`rack`] | 8985 §6 |
//! | the end of a flight | [`tlp`] | 8985 §7 |
//! | what is sent again, and when | [`resend`] | 8985 §7.3, 3042 |
//! | begin and end of a recovery, its undoing | [`episode`] | 6582, 6675, 4015 |
//! | how much leaves during fast recovery | [`prr`] | 9937 |
//! | spurious timeouts | [`frto`] | 5682 |
//! | spurious recoveries by timestamp and duplicate report | [`undo`] | 3522, 2883 |
//!
//! An acknowledgement comes in through [`ack`](super::ack), time through [`timers`](super::timers).

mod delivery;
mod detect;
mod episode;
mod frto;
mod prr;
mod rack;
mod ranges;
mod rate;
mod resend;
mod resent;
mod sack;
#[cfg(test)]
mod sack_tests;
mod sent;
mod tlp;
mod undo;

use super::SeqNum;
use crate::time::Instant;
use frto::Frto;
use prr::Prr;
use rack::Rack;
use tlp::LossProbe;
use undo::Undo;

pub(crate) use delivery::{Delivery, RetransmissionTest};
pub use rate::RateSample;
pub(crate) use sack::Scoreboard;

/// How far loss recovery has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nothing is known to be lost.
    #[default]
    Open,
    /// Fast recovery (RFC 6582, RFC 6675).
    Fast,
    /// After a retransmission timeout.
    Loss,
}

/// What a connection knows of losses beside its [`Scoreboard`].
#[derive(Debug, Default)]
pub(crate) struct LossRecovery {
    pub(crate) phase: Phase,
    /// `recover` of RFC 6582, RecoveryPoint of RFC 6675: SND.NXT when recovery last began. It ends
    /// when this is acknowledged.
    pub(crate) recover: SeqNum,
    /// Duplicate acknowledgements in a row (RFC 5681 §2, with selective ones RFC 6675 §2).
    pub(crate) dup_acks: u32,
    /// Without selective acknowledgements: bytes that the duplicates stand for.
    pub(crate) arrived: u32,
    /// Bytes by which SND.UNA advanced last (RFC 6582 §4.1).
    last_advance: u32,
    /// The next retransmission may leave whatever the window: recovery begins, or an
    /// acknowledgement has shown another hole.
    pub(crate) resend_due: bool,
    /// SND.UNA when the retransmission timer last expired.
    timed_out: SeqNum,
    /// When the window was last reduced for a loss.
    reduced_at: Instant,
    /// SND.NXT then, or when the retransmission timer last expired: what lies behind it is the next window of
    /// data (RFC 5681 §4.3).
    next_window: SeqNum,
    /// Some of that was found lost in the recovery from a timeout, which has to end before another begins (RFC
    /// 6675 §5.1): FlightSize when the first of it was.
    lost_behind_timeout: Option<u32>,
    pub(crate) rack: Rack,
    pub(crate) probe: LossProbe,
    pub(crate) prr: Prr,
    pub(crate) frto: Frto,
    pub(crate) undo: Undo,
    /// After a spurious timeout: data behind this was unsent when it occurred (RFC 4015 §3.1
    /// step 11).
    pub(crate) adapt_behind: Option<SeqNum>,
}

/// What an acknowledgement is to loss recovery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    /// SEG.ACK.
    pub(crate) number: SeqNum,
    /// Bytes by which SND.UNA advanced.
    pub(crate) advanced: u32,
    /// RFC 5681 §2, or with selective acknowledgements RFC 6675 §2: it counts towards DupThresh.
    pub(crate) duplicate: bool,
    /// The range that the peer reports to have received twice (RFC 2883).
    pub(crate) dsack: Option<(SeqNum, SeqNum)>,
    /// It repeats SEG.ACK and brings nothing: neither data nor a window nor selective
    /// acknowledgements.
    pub(crate) bare: bool,
    /// DeliveredData of RFC 9937: bytes that it says have arrived.
    pub(crate) delivered: u32,
    /// The timestamp that it echoes, on our clock without its offset.
    pub(crate) echo: Option<u32>,
    /// It echoes a congestion mark, for the first time in a window of data.
    pub(crate) marked: bool,
    /// It echoes a congestion mark.
    pub(crate) echoes_mark: bool,
    /// Bytes that were marked, where the feedback is accurate.
    pub(crate) marked_bytes: Option<u32>,
}

impl Ack {
    pub(crate) const fn advances(&self) -> bool {
        self.advanced > 0
    }

    /// Bytes that it says were delivered with a mark: all, where the feedback is not accurate.
    pub(crate) fn bytes_marked(&self) -> u32 {
        match self.marked_bytes {
            Some(bytes) => bytes.min(self.delivered),
            None if self.echoes_mark => self.delivered,
            None => 0,
        }
    }
}

impl LossRecovery {
    /// What a connection that begins with `iss` knows: nothing.
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self {
            recover: iss,
            ..Self::default()
        }
    }

    /// Bytes were sent for the first time; SND.NXT is `nxt` behind them.
    pub(crate) fn on_sent(&mut self, bytes: u32, nxt: SeqNum) {
        if self.phase != Phase::Open {
            self.prr.on_sent(bytes);
            self.frto.on_sent(bytes);
        }
        if self.probe.due {
            self.probe.on_sent(nxt, false);
        }
    }

    /// Bytes up to `end` were sent again.
    pub(crate) fn on_resent(&mut self, bytes: u32, end: SeqNum, nxt: SeqNum, now: Instant) {
        self.resend_due = false;
        self.prr.on_sent(bytes);
        self.undo.on_resent(bytes, end, now);
        if self.probe.due {
            self.probe.on_sent(nxt, true);
        }
    }
}
