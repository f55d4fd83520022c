//! F-RTO (RFC 5682): whether a retransmission timeout was spurious, judged by what the first two
//! acknowledgements behind it bring. The basic algorithm (§2.1), and the one that makes use of
//! selective acknowledgements (§3.1), under their step numbers.

use crate::tcp::SeqNum;

/// How far the algorithm has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Frto {
    /// It does not run: no timeout, or a conventional recovery from one.
    #[default]
    Off,
    /// Step 2: the first segment was sent again; its acknowledgement is awaited. Nothing else is
    /// sent again meanwhile.
    Repaired,
    /// Step 3: new data was sent in place of retransmissions; so many bytes more of it may be.
    Probing {
        /// New data that may still be sent.
        room: u32,
    },
}

/// What an acknowledgement means for F-RTO.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AckAfterTimeout {
    /// SND.UNA behind it, and whether it advanced.
    pub(crate) una: SeqNum,
    pub(crate) advances: bool,
    /// SND.UNA lies behind all that was sent again.
    pub(crate) covers_resent: bool,
    /// A duplicate acknowledgement.
    pub(crate) duplicate: bool,
    /// It acknowledges something for the first time.
    pub(crate) delivers: bool,
    /// It acknowledges something that was sent after the timeout.
    pub(crate) beyond_recover: bool,
    /// Selective acknowledgements are in use.
    pub(crate) sack: bool,
    /// SND.NXT.
    pub(crate) nxt: SeqNum,
    /// New data is there to be sent and the peer's window takes it.
    pub(crate) can_send_new: bool,
    pub(crate) mss: u32,
}

/// What follows from an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Wait,
    /// New data is to be sent; what it brings will tell.
    Probe,
    /// The timeout was right: conventional recovery, with a window of at most so many segments.
    Genuine(u32),
    /// The timeout was spurious.
    Spurious,
}

impl Frto {
    /// New data that it wants to be sent now.
    pub(crate) const fn room(self) -> u32 {
        match self {
            Self::Probing { room } => room,
            _ => 0,
        }
    }

    /// New data leaves.
    pub(crate) fn on_sent(&mut self, bytes: u32) {
        if let Self::Probing { room } = self {
            *room = room.saturating_sub(bytes);
        }
    }

    /// An acknowledgement has arrived.
    pub(crate) fn on_ack(&mut self, ack: &AckAfterTimeout) -> Verdict {
        let verdict = match self {
            Self::Off => Verdict::Wait,
            Self::Repaired => Self::first(ack),
            Self::Probing { .. } => Self::second(ack),
        };
        match verdict {
            Verdict::Wait => {}
            Verdict::Probe => *self = Self::Probing { room: 2 * ack.mss },
            Verdict::Genuine(_) | Verdict::Spurious => *self = Self::Off,
        }
        verdict
    }

    /// Step 2.
    fn first(ack: &AckAfterTimeout) -> Verdict {
        if !ack.advances {
            // With selective acknowledgements duplicates are waited out.
            return if ack.duplicate && !ack.sack {
                Verdict::Genuine(u32::MAX)
            } else {
                Verdict::Wait
            };
        }
        if ack.una == ack.nxt || !ack.covers_resent || !ack.can_send_new {
            // (a), or nothing new to send.
            Verdict::Genuine(2)
        } else {
            // (b)
            Verdict::Probe
        }
    }

    /// Step 3.
    fn second(ack: &AckAfterTimeout) -> Verdict {
        if !ack.advances && !ack.duplicate {
            return Verdict::Wait;
        }
        let brings_old = ack.delivers && (ack.advances || ack.sack);
        if ack.beyond_recover || !brings_old {
            // (a)
            Verdict::Genuine(3)
        } else {
            // (b): that was sent before the timeout, so the timer was too early.
            Verdict::Spurious
        }
    }
}
