//! Accurate ECN feedback (RFC 9768): how many packets and bytes have arrived with which mark, told in each
//! segment by three bits of the header (ACE) and, where there is room, by an option.

mod frozen;

use super::accecn_coverage::Coverage;
use super::segment::Segment;
use crate::must::must;
use crate::wire::ip::ECN_CE;
use crate::wire::{EcnCounters, EcnOrder, TcpFlags};

/// Codepoints of the IP header's ECN field.
pub(super) const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;

/// Where the counter of packets begins on both sides (§3.2.1); and those of bytes with ECT.
const FIRST_PACKETS: u32 = 5;
const FIRST_BYTES: u32 = 1;

/// Counters of the option have 24 bits.
const FIELD: u32 = 0xff_ffff;

/// The average length of ACKs is a fixed-point fraction of this.
const STRETCH: u32 = 16;

/// Segments that an ACK tells of where acknowledgements are not thinned out, at most: more than "well below
/// 8" (appendix A.2.1), as in Linux.
const DENSE: u32 = 4;

/// Segments of a client that carry the option whatever has arrived: the end of the handshake and the first
/// data (§3.2.3.2.1).
const TESTS: u8 = 2;

/// What a host knows of what has arrived at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EcnCounts {
    /// Packets that were marked with Congestion Experienced.
    pub ce_packets: u32,
    /// Payload bytes in them.
    pub ce_bytes: u32,
    /// Payload bytes in packets with ECT(0).
    pub ect0_bytes: u32,
    /// Payload bytes in packets with ECT(1).
    pub ect1_bytes: u32,
}

impl EcnCounts {
    const fn numbers(self) -> [u32; 4] {
        let Self {
            ce_packets,
            ce_bytes,
            ect0_bytes,
            ect1_bytes,
        } = self;
        [ce_packets, ce_bytes, ect0_bytes, ect1_bytes]
    }

    const fn from_numbers([ce_packets, ce_bytes, ect0_bytes, ect1_bytes]: [u32; 4]) -> Self {
        Self {
            ce_packets,
            ce_bytes,
            ect0_bytes,
            ect1_bytes,
        }
    }
}

/// What accurate feedback has told, for [`TcpInfo`](super::TcpInfo).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccurateEcnInfo {
    /// Of the peer's packets.
    pub received: EcnCounts,
    /// Of ours, as the peer says.
    pub delivered: EcnCounts,
    /// The peer's options arrive.
    pub options_seen: bool,
}

/// One connection's accurate feedback.
#[derive(Debug)]
pub(crate) struct Accurate {
    /// r.cep, r.ceb, r.e0b, r.e1b without where they begin.
    received: EcnCounts,
    /// s.cep, s.ceb, s.e0b, s.e1b, likewise.
    delivered: EcnCounts,
    /// r.cep when it was told last.
    told: u32,
    /// The latest packet was marked.
    last_marked: bool,
    /// A counter of bytes has grown since the latest segment.
    news: bool,
    /// Segments that carry the option in any case.
    tests: u8,
    /// Options are sent.
    tells_options: bool,
    options: Options,
    /// The ECN field of the peer's SYN or SYN-ACK; a client's first ACK tells it.
    pub(super) handshake: u8,
    /// The next bare ACK answers a SYN-ACK (§3.2.2.1).
    answers_syn_ack: bool,
    /// The ACE field of the segment at hand is not a counter.
    special: bool,
    /// The first feedback has come.
    heard: bool,
    /// The peer's counter of packets means nothing (§3.2.2.1, §3.2.2.4).
    deaf: bool,
    /// Marked bytes that were counted without an option; the next one tells of them, too.
    estimated: u32,
    /// How many segments an ACK tells of, on average, in [`STRETCH`]s; 0: none has come.
    stretch: u32,
    coverage: Coverage,
}

/// What an ACK says has arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// It is known to be newer than others.
    pub(crate) newer: bool,
    /// Bytes that had not been acknowledged before, selectively or not.
    pub(crate) bytes: u32,
    /// They came in order, in whole segments that had been sent once, and nothing behind them has come.
    pub(crate) certain: bool,
}

/// What is known of the options that the peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Options {
    /// None has come.
    Absent,
    Seen,
    /// One came with counters that were zeroed on the way (§3.2.3.2.4).
    Zeroed,
}

/// New marks that an acknowledgement tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NewMarks {
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
    /// Both cannot be: something on the way changes the feedback.
    pub(crate) mangled: bool,
}

/// The three flags.
pub(crate) const ALL: TcpFlags = TcpFlags::AE.union(TcpFlags::CWR).union(TcpFlags::ECE);

/// What the flags of a SYN ask for, where it is not classic ECN or none: accurate feedback, also by
/// combinations that nobody uses yet (§3.1.3).
pub(crate) fn is_asked(flags: TcpFlags) -> bool {
    let flags = flags & ALL;
    !flags.is_empty() && flags != TcpFlags::CWR | TcpFlags::ECE
}

/// The codepoint of our SYN when it arrived, if a SYN-ACK with these flags grants accurate feedback
/// (§3.1.2, table 2).
pub(crate) fn granted(flags: TcpFlags) -> Option<u8> {
    match ace(flags) {
        // The reserved combination is taken for a SYN that arrived as it left (§3.1.3).
        0b010 | 0b101 => Some(NOT_ECT),
        0b011 => Some(ECT_1),
        0b100 => Some(ECT_0),
        0b110 => Some(ECN_CE),
        _ => None,
    }
}

/// The flags that tell the codepoint with which a SYN, or a SYN-ACK, has arrived.
pub(crate) fn handshake_flags(codepoint: u8) -> TcpFlags {
    match codepoint {
        ECT_1 => TcpFlags::CWR | TcpFlags::ECE,
        ECT_0 => TcpFlags::AE,
        ECN_CE => TcpFlags::AE | TcpFlags::CWR,
        _ => TcpFlags::CWR,
    }
}

/// The three flags as a number.
fn ace(flags: TcpFlags) -> u8 {
    let bit = |flag, value| if flags.contains(flag) { value } else { 0 };
    bit(TcpFlags::AE, 4) | bit(TcpFlags::CWR, 2) | bit(TcpFlags::ECE, 1)
}

/// The initial counters, as many as are to be told, for a SYN-ACK.
pub(crate) fn initial_counters() -> EcnCounters {
    EcnCounters::new(EcnOrder::Ect0First, &[FIRST_BYTES, 0, FIRST_BYTES])
}

impl Accurate {
    /// Accurate feedback with a peer whose SYN or SYN-ACK arrived with `handshake` in its ECN field.
    pub(super) fn new(handshake: u8) -> Self {
        Self {
            received: EcnCounts::default(),
            delivered: EcnCounts::default(),
            told: 0,
            last_marked: false,
            news: false,
            tests: 0,
            tells_options: true,
            options: Options::Absent,
            handshake,
            answers_syn_ack: false,
            special: false,
            heard: false,
            deaf: false,
            estimated: 0,
            stretch: 0,
            coverage: Coverage::default(),
        }
    }

    /// The peer's SYN-ACK has come; whether with a congestion mark, which counts once (§3.2.2.2).
    pub(super) fn on_syn_ack(&mut self, segment: &Segment<'_>) {
        self.answers_syn_ack = true;
        self.handshake = segment.ecn;
        if segment.ecn == ECN_CE {
            self.received.ce_packets = self.received.ce_packets.max(1);
        }
    }

    /// An acceptable segment arrived (§3.2); whether it is to be acknowledged at once (§3.2.2.5.1).
    pub(super) fn on_segment(&mut self, segment: &Segment<'_>) -> bool {
        self.count_bytes(segment);
        let (bytes, marked) = (segment.payload.len(), segment.ecn == ECN_CE);
        let counts = &mut self.received;
        if marked {
            let packets = segment.wire_count() * u32::from(must("9768 MUST 3.2.1"));
            counts.ce_packets = counts.ce_packets.wrapping_add(packets);
        }
        let before = core::mem::replace(&mut self.last_marked, marked);
        let changed = marked && !before && bytes > 0;
        let untold = counts.ce_packets.wrapping_sub(self.told);
        changed || untold >= if bytes > 0 { 2 } else { 3 }
    }

    /// Counts the data of a segment by how it arrived (§3.2), all of it: what its packet has brought.
    pub(super) fn count_bytes(&mut self, segment: &Segment<'_>) {
        let (bytes, counts) = (segment.payload.arrived(), &mut self.received);
        let counter = match segment.ecn {
            ECT_1 => &mut counts.ect1_bytes,
            ECT_0 => &mut counts.ect0_bytes,
            ECN_CE => &mut counts.ce_bytes,
            _ => return,
        };
        *counter = counter.wrapping_add(bytes);
        self.news |= bytes > 0;
    }

    /// The flags of a bare ACK that answers a SYN-ACK.
    pub(super) fn take_answer(&mut self) -> Option<TcpFlags> {
        core::mem::take(&mut self.answers_syn_ack).then(|| handshake_flags(self.handshake))
    }

    /// The ACE flags of the next segment.
    pub(super) fn flags(&mut self) -> TcpFlags {
        self.told = self.received.ce_packets;
        let counter = self.counter();
        let mut flags = TcpFlags::empty();
        flags.set(TcpFlags::AE, counter & 4 != 0);
        flags.set(TcpFlags::CWR, counter & 2 != 0);
        flags.set(TcpFlags::ECE, counter & 1 != 0);
        flags
    }

    const fn counter(&self) -> u32 {
        self.received.ce_packets.wrapping_add(FIRST_PACKETS)
    }

    /// The flags that we send have CWR set, which whoever cuts super-segments may take for RFC 3168's.
    pub(super) const fn has_cwr(&self) -> bool {
        self.counter() & 2 != 0
    }

    /// How many counters the next option has to tell, if one is due (§3.2.3.3).
    fn due(&self) -> Option<usize> {
        if !self.tells_options || !self.news && self.tests == 0 {
            return None;
        }
        let EcnCounts {
            ce_bytes,
            ect0_bytes,
            ect1_bytes,
            ..
        } = self.received;
        Some(match (ect0_bytes, ce_bytes, ect1_bytes) {
            (1.., _, 1..) => 3,
            (_, 1.., _) => 2,
            _ => 1,
        })
    }

    /// Bytes of the next option, if one is due and `room` is enough for what it has to tell.
    pub(super) fn option_len(&self, room: usize) -> usize {
        self.due()
            .map(EcnCounters::padded_len)
            .filter(|&len| len <= room)
            .unwrap_or(0)
    }

    /// The option of a segment that has room for it.
    pub(super) fn take_option(&mut self, room: usize) -> Option<EcnCounters> {
        let count = self
            .due()
            .filter(|&count| EcnCounters::padded_len(count) <= room)?;
        self.tests = self.tests.saturating_sub(1);
        self.news = false;
        let EcnCounts {
            ce_bytes: ce,
            ect0_bytes,
            ect1_bytes,
            ..
        } = self.received;
        let ect0 = ect0_bytes.wrapping_add(FIRST_BYTES);
        let ect1 = ect1_bytes.wrapping_add(FIRST_BYTES);
        let (order, counters) = if ect0_bytes == 0 && ect1_bytes > 0 {
            (EcnOrder::Ect1First, [ect1, ce, ect0])
        } else {
            (EcnOrder::Ect0First, [ect0, ce, ect1])
        };
        Some(EcnCounters::new(order, &counters[..count]))
    }

    /// A timeout, and nothing that we have sent has arrived: perhaps the path eats options (§3.2.3.2.2).
    pub(super) fn on_timeout(&mut self) {
        self.tells_options = false;
    }

    /// The first ACK of a passive open, bare (§3.2.2.1, table 4): the codepoint with which our SYN-ACK had
    /// arrived; `None`: the peer does not take part.
    pub(super) fn on_third_ack(&mut self, flags: TcpFlags) -> Option<u8> {
        (self.special, self.heard) = (true, true);
        match ace(flags) {
            0b000 => {
                self.deaf = true;
                None
            }
            0b011 => Some(ECT_1),
            0b100 => Some(ECT_0),
            0b110 => {
                self.delivered.ce_packets = 1;
                Some(ECN_CE)
            }
            _ => Some(NOT_ECT),
        }
    }

    /// An acknowledgement that is not older than others: the marks that it tells of (§3.2.2.2, §3.2.3.1).
    /// `None`: the peer's counter is not to be believed.
    ///
    /// One that acknowledges nothing new may be older than it looks, and its counters with it; a later one
    /// tells what they have told.
    pub(super) fn on_ack(
        &mut self,
        segment: &Segment<'_>,
        progress: Progress,
        mss: u32,
    ) -> Option<NewMarks> {
        let told = segment.options.accurate_ecn;
        let first = !core::mem::replace(&mut self.heard, true);
        if let Some(told) = &told {
            self.hear_option(told);
        }
        let option = told.filter(|_| self.options == Options::Seen && progress.newer);
        let bytes = option.map(|told| self.take_counters(&told));
        if core::mem::take(&mut self.special) || self.deaf {
            return Some(NewMarks::default()).filter(|_| !self.deaf);
        }
        let counter = ace(segment.flags);
        if first && counter == 0 {
            // §3.2.2.4: zeroed on the way, or a peer that gives no feedback.
            self.deaf = true;
            return None;
        }
        self.coverage.add(progress, mss);
        if !progress.newer {
            return Some(NewMarks::default());
        }
        let marked = bytes.filter(|_| option.is_some_and(|told| told.ce().is_some()));
        let bytes = bytes.map(|bytes| bytes.saturating_sub(core::mem::take(&mut self.estimated)));
        let known = self.delivered.ce_packets.wrapping_add(FIRST_PACKETS);
        let least = u32::from(counter).wrapping_sub(known) & 7;
        let segments = progress.bytes.div_ceil(mss.max(1));
        let dense = self.note_stretch(segments);
        let mangled = least == 0 && self.coverage.refutes(marked, self.delivered.ce_packets);
        let packets = match bytes {
            Some(_) if mangled => 0,
            Some(0) => least,
            Some(bytes) => {
                let needed = bytes.div_ceil(mss.max(1)).min(segments);
                least + needed.saturating_sub(least).next_multiple_of(8)
            }
            // §3.2.2.5.2: the safest likely case. All but so many were marked that the field fits.
            None if segments > 7 && dense => segments - (segments.wrapping_sub(least) & 7),
            None => least,
        };
        self.delivered.ce_packets = self.delivered.ce_packets.wrapping_add(packets);
        let bytes = bytes.unwrap_or_else(|| {
            let estimate = packets.saturating_mul(mss).min(progress.bytes);
            self.estimated = self.estimated.saturating_add(estimate);
            estimate
        });
        if marked.is_some() {
            let ce_packets = self.delivered.ce_packets;
            self.coverage.begin(progress, ce_packets, mss);
        }
        Some(NewMarks {
            packets,
            bytes,
            mangled,
        })
    }

    /// An ACK tells of so many segments; whether one of many is a sign that others were lost. Where all are
    /// such, the peer, or somebody on the way, thins them out (appendix A.2.1).
    fn note_stretch(&mut self, segments: u32) -> bool {
        if segments > 0 {
            let latest = segments.min(u32::from(u16::MAX)) * STRETCH;
            self.stretch = match self.stretch {
                0 => latest,
                average => average - average / 16 + latest / 16,
            };
        }
        self.stretch <= DENSE * STRETCH
    }

    /// §3.2.3.2.4: the first option must not have been zeroed.
    fn hear_option(&mut self, told: &EcnCounters) {
        if self.options == Options::Absent {
            let zeroed = told.ect0() == Some(0) || told.ect1() == Some(0);
            self.options = if zeroed {
                Options::Zeroed
            } else {
                Options::Seen
            };
        }
    }

    /// The first SYN-ACK's option, if it had one; ours are tried from now on.
    pub(super) fn hear_first_option(&mut self, told: Option<EcnCounters>) {
        self.tests = TESTS;
        if let Some(told) = told {
            self.hear_option(&told);
        }
    }

    /// Follows the peer's counters of bytes; by how much that of marked ones has grown.
    fn take_counters(&mut self, told: &EcnCounters) -> u32 {
        let grow = |counter: &mut u32, first: u32, told: Option<u32>| {
            let Some(told) = told else { return 0 };
            let news = told.wrapping_sub(counter.wrapping_add(first)) & FIELD;
            *counter = counter.wrapping_add(news);
            news
        };
        let counts = &mut self.delivered;
        grow(&mut counts.ect0_bytes, FIRST_BYTES, told.ect0());
        grow(&mut counts.ect1_bytes, FIRST_BYTES, told.ect1());
        grow(&mut counts.ce_bytes, 0, told.ce())
    }

    pub(super) const fn info(&self) -> AccurateEcnInfo {
        AccurateEcnInfo {
            received: self.received,
            delivered: self.delivered,
            options_seen: matches!(self.options, Options::Seen),
        }
    }
}
