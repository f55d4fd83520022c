//! Explicit congestion notification (RFC 3168 §6.1): both halves of one connection.

use super::SeqNum;
use super::segment::Segment;
use crate::must::must;
use crate::wire::TcpFlags;

/// What a connection remembers of congestion marks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ecn {
    /// Both sides agreed in the handshake.
    pub(crate) on: bool,
    /// A mark has arrived, and the sender has not said CWR since: our ACKs carry ECE.
    pub(crate) echo: bool,
    /// The window was reduced for an echo; the next new data says so.
    tell_reduced: bool,
    /// One reduction for a window of data: echoes that acknowledge less than this are old news.
    reduced_until: SeqNum,
    /// The packet just built carries new data, so it may be marked on its way.
    capable: bool,
    /// Something that left as ECN-capable has arrived.
    passes: bool,
    /// Nothing that left as ECN-capable has arrived, but a timeout has: the path may eat it.
    eaten: bool,
}

impl Ecn {
    pub(crate) fn new(on: bool, iss: SeqNum) -> Self {
        Self {
            on,
            reduced_until: iss,
            ..Self::default()
        }
    }

    /// Whether a SYN asks for it.
    pub(crate) fn is_asked(segment: &Segment<'_>) -> bool {
        segment.has(TcpFlags::ECE | TcpFlags::CWR)
    }

    /// Whether a SYN-ACK grants it.
    pub(crate) fn is_granted(segment: &Segment<'_>) -> bool {
        segment.has(TcpFlags::ACK | TcpFlags::ECE) && !segment.has(TcpFlags::CWR)
    }

    /// Data arrived (§6.1.3); whether it is to be acknowledged at once. `per_packet`: what is echoed is
    /// the mark of the latest packet (RFC 8257 §3.2).
    pub(crate) fn on_data(&mut self, segment: &Segment<'_>, per_packet: bool) -> bool {
        if !self.on {
            return false;
        }
        let before = self.echo;
        let reduced = segment.has(TcpFlags::CWR) || !must("3168 MUST 6.1.1.4");
        self.echo &= !(per_packet || reduced);
        self.echo |= segment.congestion_experienced;
        per_packet && self.echo != before
    }

    /// Whether an ACK echoes a mark.
    pub(crate) fn is_echoed(&self, segment: &Segment<'_>) -> bool {
        self.on && segment.has(TcpFlags::ECE)
    }

    /// Data that was sent once has arrived.
    pub(crate) fn on_delivered(&mut self) {
        self.passes = true;
    }

    /// A retransmission timeout: if nothing that could be marked has ever arrived, what follows leaves
    /// as ordinary packets, like all that is sent again. (RFC 3168 §6.1.1.1 knows of paths that eat
    /// SYNs; others eat packets.)
    pub(crate) fn on_timeout(&mut self) {
        self.eaten = self.on && !self.passes;
    }

    /// An ACK arrived, with `nxt` as SND.NXT; whether the window is to be reduced (§6.1.2).
    pub(crate) fn on_ack(&mut self, segment: &Segment<'_>, nxt: SeqNum) -> bool {
        let news = self.on && segment.has(TcpFlags::ECE) && segment.ack.after(self.reduced_until);
        if news {
            self.reduced_until = nxt;
            self.tell_reduced = true;
        }
        news
    }

    /// New data leaves; whether it says CWR. Retransmissions are never marked (§6.1.5).
    pub(crate) fn on_new_data(&mut self) -> bool {
        self.capable = self.on && !self.eaten;
        core::mem::take(&mut self.tell_reduced)
    }

    /// Whether the packet just built is to be sent as ECN-capable.
    pub(crate) fn take_capable(&mut self) -> bool {
        core::mem::take(&mut self.capable) || self.on && !must("3168 MUST 6.1.5.1")
    }
}
