//! Explicit congestion notification (RFC 3168 §6.1): both halves of one connection. What accurate feedback
//! (RFC 9768) does in its place is in [`accecn`](super::accecn).

use super::SeqNum;
use super::accecn::{self, Accurate, NOT_ECT, Progress};
use super::segment::Segment;
use crate::must::must;
use crate::wire::TcpFlags;
use crate::wire::ip::ECN_CE;
use alloc::boxed::Box;

/// The numbers that a connection leaves to another stack.
pub(crate) const FROZEN: usize = 9;

/// How a connection hears of congestion marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EcnFeedback {
    /// Not at all: packets are not ECN-capable.
    #[default]
    None,
    /// Once in a round trip (RFC 3168).
    Classic,
    /// Of each packet (RFC 9768).
    Accurate,
}

/// What the handshake settled of explicit congestion notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Agreement {
    pub(crate) feedback: EcnFeedback,
    /// The ECN field of the peer's latest SYN or SYN-ACK.
    pub(crate) codepoint: u8,
    /// What we send is not ECN-capable all the same: a SYN or SYN-ACK said that it would not be, or the
    /// field does not arrive as it was.
    pub(crate) ordinary: bool,
    /// The SYN-ACK has the counters of accurate feedback.
    pub(crate) tells: bool,
}

/// What an ACK tells of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// For the first time in a window of data, so that the window is to be reduced (RFC 3168 §6.1.2).
    pub(crate) reduce: bool,
    /// There are some.
    pub(crate) echoed: bool,
    /// How many bytes were marked, if that is known.
    pub(crate) bytes: Option<u32>,
}

/// What a connection remembers of congestion marks.
#[derive(Debug, Default)]
pub(crate) struct Ecn {
    /// Both sides agreed in the handshake.
    pub(crate) on: bool,
    /// A mark has arrived, and the sender has not said CWR since: our ACKs carry ECE.
    pub(crate) echo: bool,
    /// The window was reduced for an echo; the next new data says so.
    tell_reduced: bool,
    /// One reduction for a window of data: echoes that acknowledge less than this are old news.
    reduced_until: SeqNum,
    /// The window was reduced, and nothing behind that is acknowledged.
    reducing: bool,
    /// Marks in a row that were echoed while the window was one segment.
    pub(crate) marks_in_row: u8,
    /// The packet just built carries new data, so it may be marked on its way.
    capable: bool,
    /// One has left that was.
    capable_sent: bool,
    /// Something that left as ECN-capable has arrived.
    passes: bool,
    /// Nothing that left as ECN-capable has arrived, but a timeout has: the path may eat it.
    eaten: bool,
    /// Nothing that we send is ECN-capable (see [`Agreement::ordinary`]).
    ordinary: bool,
    /// Our SYNs ask for nothing: those that did came to nothing before.
    pub(crate) silent: bool,
    /// Whether a SYN that asked was answered, or not before another that did not.
    passed: Option<bool>,
    /// Where both sides speak it.
    pub(crate) accurate: Option<Box<Accurate>>,
}

impl Agreement {
    /// What a listener grants to a SYN, if it wants to grant `classic` or `accurate` feedback.
    pub(crate) fn with_syn(segment: &Segment<'_>, classic: bool, accurate: bool) -> Self {
        let feedback = if accurate && accecn::is_asked(segment.flags) {
            EcnFeedback::Accurate
        } else if classic && segment.has(TcpFlags::ECE | TcpFlags::CWR) {
            EcnFeedback::Classic
        } else {
            EcnFeedback::None
        };
        Self {
            feedback,
            codepoint: segment.ecn,
            ..Self::default()
        }
    }

    /// What a SYN-ACK grants, if our SYN asked for `classic` or `accurate` feedback. `silent`: a later one
    /// asked for nothing. The SYN of a simultaneous open is answered as by a listener (RFC 9768 §3.1.2).
    pub(crate) fn with_syn_ack(
        segment: &Segment<'_>,
        classic: bool,
        accurate: bool,
        silent: bool,
    ) -> Self {
        if !segment.has(TcpFlags::ACK) {
            return Self {
                ordinary: silent,
                ..Self::with_syn(segment, classic, accurate)
            };
        }
        let mut agreed = Self {
            codepoint: segment.ecn,
            ..Self::default()
        };
        let granted = accecn::granted(segment.flags).filter(|_| accurate);
        if let Some(arrived) = granted {
            agreed.feedback = EcnFeedback::Accurate;
            // RFC 9768 §3.2.2.3: our SYN had left as not ECN-capable.
            agreed.ordinary = arrived != NOT_ECT;
        } else if classic && segment.has(TcpFlags::ECE) && !segment.has(TcpFlags::CWR) {
            agreed.feedback = EcnFeedback::Classic;
            // RFC 3168 §6.1.1: the peer may send packets that can be marked; we may not.
            agreed.ordinary = silent;
        }
        agreed
    }

    /// The peer's SYN has come again; `false`: it asks for something else, which RFC 9768 §3.1.5 answers
    /// with a RST.
    pub(crate) fn on_repeated_syn(&mut self, segment: &Segment<'_>, accurate: bool) -> bool {
        let flags = segment.flags & accecn::ALL;
        let classic = flags == TcpFlags::ECE | TcpFlags::CWR;
        match self.feedback {
            EcnFeedback::None => {}
            EcnFeedback::Classic if accurate && accecn::is_asked(flags) => return false,
            // RFC 3168 §6.1.1: a SYN that does not ask any more is not granted anything. Should the peer have
            // heard the first answer, marks are echoed all the same (RFC 9768 §3.1.5).
            EcnFeedback::Classic if !segment.has(TcpFlags::ECE | TcpFlags::CWR) => {
                self.ordinary = true;
                if !must("9768 MUST 3.1.5.1") {
                    self.feedback = EcnFeedback::None;
                }
            }
            EcnFeedback::Classic => {}
            EcnFeedback::Accurate if classic => return false,
            EcnFeedback::Accurate => {
                self.codepoint = segment.ecn;
                self.ordinary |= flags.is_empty();
            }
        }
        true
    }

    /// The flags of a SYN-ACK.
    pub(crate) fn flags(&self) -> TcpFlags {
        match self.feedback {
            EcnFeedback::Classic if !self.ordinary => TcpFlags::ECE,
            EcnFeedback::None | EcnFeedback::Classic => TcpFlags::empty(),
            EcnFeedback::Accurate => accecn::handshake_flags(self.codepoint),
        }
    }
}

impl Ecn {
    pub(crate) fn new(agreed: Agreement, iss: SeqNum) -> Self {
        let mut ecn = Self {
            reduced_until: iss,
            ..Self::default()
        };
        ecn.agree(agreed);
        ecn
    }

    /// The handshake has settled it.
    pub(crate) fn agree(&mut self, agreed: Agreement) {
        self.on = agreed.feedback != EcnFeedback::None;
        self.ordinary = agreed.ordinary;
        let accurate = agreed.feedback == EcnFeedback::Accurate;
        self.accurate = accurate.then(|| Box::new(Accurate::new(agreed.codepoint)));
    }

    /// How we hear of marks.
    pub(crate) const fn feedback(&self) -> EcnFeedback {
        match (self.on, &self.accurate) {
            (false, _) => EcnFeedback::None,
            (true, None) => EcnFeedback::Classic,
            (true, Some(_)) => EcnFeedback::Accurate,
        }
    }

    /// What was agreed.
    fn agreement(&self) -> Agreement {
        Agreement {
            feedback: self.feedback(),
            codepoint: self.accurate.as_ref().map_or(NOT_ECT, |it| it.handshake),
            ordinary: self.ordinary,
            tells: false,
        }
    }

    /// The flags of the SYN-ACK of a connection that exists already, which has left again so often.
    /// Without `fallback` it goes on granting.
    pub(crate) fn syn_ack_flags(&mut self, retries: u8, fallback: bool) -> TcpFlags {
        if fallback && retries > 1 && self.accurate.is_some() {
            // RFC 9768 §3.1.5, §3.2.3.2.2: they may be what the path eats.
            self.ordinary = true;
            return TcpFlags::empty();
        }
        self.agreement().flags()
    }

    /// The SYN of such a connection has come again; `false`: the answer is a RST
    /// ([`Agreement::on_repeated_syn`]).
    pub(crate) fn on_repeated_syn(&mut self, segment: &Segment<'_>, accurate: bool) -> bool {
        let mut agreed = self.agreement();
        let goes_on = agreed.on_repeated_syn(segment, accurate);
        self.on = agreed.feedback != EcnFeedback::None;
        self.ordinary = agreed.ordinary;
        if let Some(accurate) = &mut self.accurate {
            accurate.handshake = agreed.codepoint;
        }
        goes_on
    }

    /// The SYN-ACK of a simultaneous open, where our own has granted what the peer's SYN asked for. With
    /// classic feedback its flags are no echo.
    pub(crate) fn on_crossing_syn_ack(&mut self, segment: &mut Segment<'_>) {
        if self.accurate.is_none() {
            self.ordinary |= !segment.has(TcpFlags::ECE);
            segment.flags.remove(TcpFlags::ECE | TcpFlags::CWR);
        }
    }

    /// For a stack that goes on with the connection: what is agreed, and where the counters are.
    pub(crate) fn freeze(&self) -> [u32; FROZEN] {
        let classic = self.on && self.accurate.is_none();
        let mut bits = u32::from(classic);
        bits |= u32::from(self.echo) << 1;
        bits |= u32::from(self.ordinary || self.eaten) << 2;
        let accurate = self.accurate.as_deref();
        let (more, counters) = accurate.map_or_else(Default::default, Accurate::freeze);
        bits |= more << 3;
        let mut out = [bits; FROZEN];
        out[1..].copy_from_slice(&counters);
        out
    }

    /// The reverse, whatever the numbers are, for a connection whose SND.UNA is `una`.
    pub(crate) fn thaw(frozen: &[u32; FROZEN], una: SeqNum) -> Self {
        let [bits, counters @ ..] = *frozen;
        let accurate = Accurate::thaw(bits >> 3, counters);
        Self {
            on: bits & 1 != 0 || accurate.is_some(),
            echo: bits & 0b011 == 0b011 && accurate.is_none(),
            ordinary: bits & 0b100 != 0,
            // As far as anybody knows.
            capable_sent: true,
            reduced_until: una,
            accurate: accurate.map(Box::new),
            ..Self::default()
        }
    }

    /// Data arrived (§6.1.3); whether it is to be acknowledged at once. `per_packet`: what is echoed is
    /// the mark of the latest packet (RFC 8257 §3.2).
    pub(crate) fn on_data(&mut self, segment: &Segment<'_>, per_packet: bool) -> bool {
        if !self.on || self.accurate.is_some() {
            return false;
        }
        let before = self.echo;
        let reduced = segment.has(TcpFlags::CWR) || !must("3168 MUST 6.1.1.4");
        self.echo &= !(per_packet || reduced);
        self.echo |= segment.ecn == ECN_CE;
        per_packet && self.echo != before
    }

    /// An acceptable segment arrived; whether accurate feedback wants it acknowledged at once.
    pub(crate) fn on_segment(&mut self, segment: &Segment<'_>) -> bool {
        let accurate = self.accurate.as_deref_mut();
        accurate.is_some_and(|accurate| accurate.on_segment(segment))
    }

    /// The ACK of our SYN-ACK; whether that was marked on its way (RFC 9768 §3.2.2.1).
    pub(crate) fn on_third_ack(&mut self, segment: &Segment<'_>) -> bool {
        let Some(accurate) = self.accurate.as_deref_mut() else {
            return false;
        };
        if !segment.payload.is_empty() || !segment.options.sack.is_empty() {
            return false;
        }
        let arrived = accurate.on_third_ack(segment.flags);
        // §3.2.2.3: it had left as not ECN-capable.
        self.ordinary |= arrived != Some(NOT_ECT);
        arrived == Some(ECN_CE)
    }

    /// The SYN-ACK once more: the ACK that answers it tells how it has arrived (RFC 9768 §3.2.2.1).
    pub(crate) fn on_repeated_syn_ack(&mut self, segment: &Segment<'_>) {
        if let Some(accurate) = self.accurate.as_deref_mut()
            && accecn::granted(segment.flags).is_some()
        {
            accurate.on_syn_ack(segment);
        }
    }

    /// Our SYN is answered; whether it was one of those that asked, if any did.
    pub(crate) fn on_syn_answered(&mut self, asked: Option<bool>) {
        self.passed = asked;
    }

    /// The same, for the stack, once.
    pub(crate) fn take_passed(&mut self) -> Option<bool> {
        self.passed.take()
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
        if let (true, Some(accurate)) = (self.eaten, &mut self.accurate) {
            accurate.on_timeout();
        }
    }

    /// An ACK arrived that has moved SND.UNA to `una` and tells that `progress` has arrived, in segments of
    /// `mss` bytes (§6.1.2).
    #[inline]
    pub(crate) fn on_ack(
        &mut self,
        segment: &Segment<'_>,
        progress: Progress,
        (una, nxt): (SeqNum, SeqNum),
        mss: u32,
    ) -> Marks {
        if !self.on {
            return Marks::default();
        }
        self.reducing &= una.before(self.reduced_until);
        let mut marks = Marks::default();
        if let Some(accurate) = self.accurate.as_deref_mut() {
            if segment.ack.before(una) {
                // It has been superseded (RFC 9768 §3.2.2.2).
                return marks;
            }
            let Some(news) = accurate.on_ack(segment, progress, mss) else {
                self.ordinary = true;
                return marks;
            };
            // RFC 9768 §3.2.3.2.5: what is told of still counts.
            self.ordinary |= news.mangled && must("9768 MUST 3.2.3.2.5.2");
            marks.echoed = news.packets > 0 || news.bytes > 0;
            marks.bytes = Some(news.bytes);
        } else {
            // Of what could not be marked there is no echo.
            marks.echoed = segment.has(TcpFlags::ECE) && self.capable_sent;
        }
        marks.reduce = marks.echoed && segment.ack.after(self.reduced_until);
        if marks.reduce {
            self.reduced_until = nxt;
            // RFC 9768 §3.1.5: accurate feedback knows no CWR.
            self.tell_reduced = self.accurate.is_none();
        }
        marks
    }

    /// The window is reduced for the marks that were told of.
    pub(crate) fn on_reduced(&mut self) {
        self.reducing = true;
    }

    /// Whether it was reduced for a mark less than a round trip ago, SND.UNA being `una`.
    pub(crate) fn is_reducing(&self, una: SeqNum) -> bool {
        self.reducing && una.before(self.reduced_until)
    }

    /// New data leaves; whether it says CWR. Retransmissions are never marked (§6.1.5).
    pub(crate) fn on_new_data(&mut self) -> bool {
        self.capable = self.on && !self.eaten && !self.ordinary;
        core::mem::take(&mut self.tell_reduced)
    }

    /// A SYN leaves that can be marked (RFC 8257 §3.6).
    pub(crate) fn on_capable_syn(&mut self) {
        self.capable = true;
    }

    /// Whether the packet just built is to be sent as ECN-capable; `control`: also one without new data. With
    /// accurate feedback that would have ACKs of ACKs taken for duplicates (RFC 9768 §3.2.2.5.1).
    pub(crate) fn take_capable(&mut self, control: bool) -> bool {
        let control = control && self.accurate.is_none() && !self.eaten && !self.ordinary;
        let control = control || !must("3168 MUST 6.1.5.1");
        let capable = core::mem::take(&mut self.capable) || self.on && control;
        self.capable_sent |= capable;
        capable
    }
}
