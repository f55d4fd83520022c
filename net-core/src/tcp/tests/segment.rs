//! A segment as a test writes it down: what is said counts, the rest is usual or does not matter.

use crate::tcp::SeqNum;
use crate::wire::{
    EcnCounters, FastOpenCookie, SackBlocks, TcpFlags, TcpHeader, TcpOptions, UserTimeout,
};
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

pub(super) const SYN: TcpFlags = TcpFlags::SYN;
pub(super) const ACK: TcpFlags = TcpFlags::ACK;
pub(super) const FIN: TcpFlags = TcpFlags::FIN;
pub(super) const RST: TcpFlags = TcpFlags::RST;
pub(super) const ECE: TcpFlags = TcpFlags::ECE;
pub(super) const CWR: TcpFlags = TcpFlags::CWR;
pub(super) const URG: TcpFlags = TcpFlags::URG;
pub(super) const SYN_ACK: TcpFlags = SYN.union(ACK);
pub(super) const FIN_ACK: TcpFlags = FIN.union(ACK);
pub(super) const RST_ACK: TcpFlags = RST.union(ACK);

/// A segment to send, or the description of one to expect. Sequence numbers are relative: 0 is the
/// SYN of whoever sends it, 1 the first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seg {
    pub(super) flags: TcpFlags,
    pub(super) seq: Option<u32>,
    pub(super) ack: Option<u32>,
    pub(super) len: Option<u32>,
    pub(super) window: Option<u16>,
    pub(super) gso: Option<u16>,
    pub(super) push: Option<bool>,
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack_permitted: bool,
    pub(super) timestamps: Option<(u32, u32)>,
    pub(super) sacks: [Option<(u32, u32)>; 4],
    pub(super) no_sacks: bool,
    pub(super) tos: u8,
    pub(super) urgent: Option<u16>,
    pub(super) user_timeout: Option<UserTimeout>,
    pub(super) fast_open: Option<FastOpenCookie>,
    pub(super) accurate_ecn: Option<EcnCounters>,
}

/// A segment with the ACK flag.
pub(super) fn tcp() -> Seg {
    Seg {
        flags: ACK,
        seq: None,
        ack: None,
        len: None,
        window: None,
        gso: None,
        push: None,
        mss: None,
        scale: None,
        sack_permitted: false,
        timestamps: None,
        sacks: [None; 4],
        no_sacks: false,
        tos: 0,
        urgent: None,
        user_timeout: None,
        fast_open: None,
        accurate_ecn: None,
    }
}

/// The SYN of a peer that knows no option but MSS.
pub(super) fn syn() -> Seg {
    tcp().flags(SYN).mss(1460)
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Seg {
    pub(super) fn flags(self, flags: TcpFlags) -> Self {
        Self { flags, ..self }
    }

    pub(super) fn seq(self, seq: u32) -> Self {
        let seq = Some(seq);
        Self { seq, ..self }
    }

    pub(super) fn ack(self, ack: u32) -> Self {
        let ack = Some(ack);
        Self { ack, ..self }
    }

    /// Payload bytes, of the pattern that belongs to their sequence numbers.
    pub(super) fn data(self, len: u32) -> Self {
        let len = Some(len);
        Self { len, ..self }
    }

    /// No payload.
    pub(super) fn bare(self) -> Self {
        self.data(0)
    }

    pub(super) fn window(self, window: u16) -> Self {
        let window = Some(window);
        Self { window, ..self }
    }

    /// The urgent pointer, with its flag.
    pub(super) fn urgent(self, pointer: u16) -> Self {
        let (flags, urgent) = (self.flags | TcpFlags::URG, Some(pointer));
        Self {
            flags,
            urgent,
            ..self
        }
    }

    /// The packet was marked on its way.
    pub(super) fn marked(self) -> Self {
        Self { tos: 3, ..self }
    }

    /// The user timeout option.
    pub(super) fn user_timeout(self, time: Duration) -> Self {
        let user_timeout = UserTimeout::new(time);
        Self {
            user_timeout,
            ..self
        }
    }

    /// The fast open option: a cookie, or the question for one.
    pub(super) fn fast_open(self, cookie: FastOpenCookie) -> Self {
        let fast_open = Some(cookie);
        Self { fast_open, ..self }
    }

    /// The AccECN option.
    pub(super) fn counters(self, counters: EcnCounters) -> Self {
        let accurate_ecn = Some(counters);
        Self {
            accurate_ecn,
            ..self
        }
    }

    /// The ECN field of its packet.
    pub(super) fn ecn(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// A super-segment of segments with so many bytes each.
    pub(super) fn gso(self, size: u16) -> Self {
        let gso = Some(size);
        Self { gso, ..self }
    }

    pub(super) fn push(self, push: bool) -> Self {
        let push = Some(push);
        Self { push, ..self }
    }

    pub(super) fn mss(self, mss: u16) -> Self {
        let mss = Some(mss);
        Self { mss, ..self }
    }

    pub(super) fn scale(self, scale: u8) -> Self {
        let scale = Some(scale);
        Self { scale, ..self }
    }

    pub(super) fn sack_permitted(self) -> Self {
        Self {
            sack_permitted: true,
            ..self
        }
    }

    pub(super) fn timestamps(self, value: u32, echo: u32) -> Self {
        let timestamps = Some((value, echo));
        Self { timestamps, ..self }
    }

    /// SACK blocks, in this order.
    pub(super) fn sacks(mut self, blocks: &[(u32, u32)]) -> Self {
        for (place, &block) in self.sacks.iter_mut().zip(blocks) {
            *place = Some(block);
        }
        self.no_sacks = blocks.is_empty();
        self
    }

    pub(super) fn blocks(&self) -> Vec<(u32, u32)> {
        self.sacks.iter().copied().flatten().collect()
    }

    /// The options to send, SACK blocks counted from `base`.
    pub(super) fn options(&self, base: SeqNum) -> TcpOptions {
        let mut sack = SackBlocks::default();
        for (left, right) in self.blocks() {
            sack.push(base + left, base + right);
        }
        TcpOptions {
            mss: self.mss,
            window_scale: self.scale,
            sack_permitted: self.sack_permitted,
            timestamps: self.timestamps,
            user_timeout: self.user_timeout,
            fast_open: self.fast_open,
            accurate_ecn: self.accurate_ecn,
            sack,
        }
    }
}

/// A segment that the stack has sent.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) header: TcpHeader,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) payload: Vec<u8>,
    pub(super) gso: Option<u16>,
    /// SACK blocks, relative to the peer's SYN.
    pub(super) sacks: Vec<(u32, u32)>,
    /// The ECN bits of the packet.
    pub(super) ecn: u8,
}

impl Seen {
    /// What about it is not as described.
    pub(super) fn differs(&self, wanted: &Seg) -> Option<String> {
        let (header, mut wrong) = (&self.header, Vec::new());
        let mut check = |same: bool, what: String| {
            if !same {
                wrong.push(what);
            }
        };
        let flags = header.flags - TcpFlags::PSH;
        check(flags == wanted.flags, std::format!("flags {flags:?}"));
        let equal = |wanted: Option<u32>, is: u32| wanted.is_none_or(|wanted| wanted == is);
        check(
            equal(wanted.seq, self.seq),
            std::format!("seq {}", self.seq),
        );
        check(
            equal(wanted.ack, self.ack),
            std::format!("ack {}", self.ack),
        );
        let len = u32::try_from(self.payload.len()).unwrap();
        check(equal(wanted.len, len), std::format!("{len} bytes"));
        let window = header.window;
        check(
            wanted.window.is_none_or(|wanted| wanted == window),
            std::format!("window {window}"),
        );
        let pointer = header.urgent;
        check(
            wanted.urgent.is_none_or(|wanted| wanted == pointer),
            std::format!("urgent {pointer}"),
        );
        let push = header.flags.contains(TcpFlags::PSH);
        check(
            wanted.push.is_none_or(|wanted| wanted == push),
            std::format!("push {push}"),
        );
        check(
            wanted.gso.is_none_or(|size| self.gso == Some(size)),
            std::format!("gso {:?}", self.gso),
        );
        let options = &header.options;
        let named = wanted.mss.is_none_or(|mss| options.mss == Some(mss))
            && wanted
                .scale
                .is_none_or(|scale| options.window_scale == Some(scale))
            && (!wanted.sack_permitted || options.sack_permitted)
            && wanted.timestamps.is_none_or(|(value, echo)| {
                options
                    .timestamps
                    .is_some_and(|(v, e)| (value == 0 || v == value) && e == echo)
            });
        check(named, std::format!("{options:?}"));
        let told = options.user_timeout;
        check(
            wanted.user_timeout.is_none_or(|time| told == Some(time)),
            std::format!("{told:?}"),
        );
        let cookie = options.fast_open;
        check(
            wanted.fast_open.is_none() || wanted.fast_open == cookie,
            std::format!("{cookie:?}"),
        );
        let blocks = wanted.blocks();
        let sacked = (blocks.is_empty() && !wanted.no_sacks) || blocks == self.sacks;
        check(sacked, std::format!("sacks {:?}", self.sacks));
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

impl core::fmt::Debug for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            seq, ack, header, ..
        } = self;
        let (flags, len) = (header.flags, self.payload.len());
        write!(
            f,
            "{flags:?} seq {seq} ack {ack} len {len} window {}",
            header.window
        )
    }
}
