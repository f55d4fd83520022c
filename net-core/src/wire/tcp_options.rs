//! TCP options (RFC 9293 §3.2, RFC 7323, RFC 2018, RFC 5482, RFC 7413, RFC 9768).

use super::ecn_counters::{EcnCounters, EcnOrder};
use super::fast_open::FastOpenCookie;
use crate::buf::HeadBuf;
use crate::must::must;
use crate::tcp::SeqNum;
use crate::time::Duration;
use core::num::NonZeroU16;

/// The largest window scale (RFC 7323 §2.3); more is taken for it.
pub const MAX_WINDOW_SCALE: u8 = 14;

/// Bytes that the options of one segment may take.
pub const MAX_LEN: usize = 40;

pub(crate) const END: u8 = 0;
pub(crate) const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
pub(crate) const SACK: u8 = 5;
pub(crate) const TIMESTAMPS: u8 = 8;
const USER_TIMEOUT: u8 = 28;
const FAST_OPEN: u8 = 34;
const ACC_ECN_0: u8 = 172;
const ACC_ECN_1: u8 = 174;

/// The options that the stack knows. Others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Maximum segment size, on a SYN.
    pub mss: Option<u16>,
    /// Window scale, 0–14, on a SYN.
    pub window_scale: Option<u8>,
    /// SACK permitted, on a SYN.
    pub sack_permitted: bool,
    /// Timestamps: value and echo reply.
    pub timestamps: Option<(u32, u32)>,
    /// User timeout.
    pub user_timeout: Option<UserTimeout>,
    /// Fast open cookie, or the question for one, on a SYN.
    pub fast_open: Option<FastOpenCookie>,
    /// What has arrived with which congestion mark.
    pub accurate_ecn: Option<EcnCounters>,
    /// Selective acknowledgements.
    pub sack: SackBlocks,
}

/// Up to four blocks of sequence space: first byte, and the one behind the last.
#[derive(Clone, Copy, Default)]
pub struct SackBlocks {
    blocks: [(SeqNum, SeqNum); Self::MAX],
    len: u8,
}

/// A user timeout as the option carries it (RFC 5482 §3.3): so many seconds, or with the highest bit
/// minutes. What has no time in it is reserved (§3.4) and does not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserTimeout(NonZeroU16);

impl UserTimeout {
    const MINUTES: u16 = 0x8000;

    /// The option for a timeout, rounded up to what it can say: seconds up to nine hours, minutes
    /// up to 22 days; `None` for no time at all.
    #[must_use]
    pub fn new(timeout: Duration) -> Option<Self> {
        let seconds = timeout.as_millis().div_ceil(1000);
        let field = match u16::try_from(seconds) {
            Ok(seconds) if seconds < Self::MINUTES => seconds,
            _ => {
                let minutes = u16::try_from(seconds.div_ceil(60)).unwrap_or(u16::MAX);
                Self::MINUTES | minutes.min(Self::MINUTES - 1)
            }
        };
        NonZeroU16::new(field).map(Self)
    }

    /// The timeout; `None` where the field is the reserved zero minutes.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        let field = self.0.get();
        let time = u64::from(field & !Self::MINUTES);
        let unit = if field & Self::MINUTES == 0 { 1 } else { 60 };
        (time > 0).then(|| Duration::from_secs(time * unit))
    }
}

impl TcpOptions {
    /// Reads the options between the fixed header and the payload.
    ///
    /// Unknown options are skipped, known ones with a wrong length ignored; one whose length is
    /// impossible ends the list.
    #[inline]
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        // What nearly every segment of a connection carries, and nothing else.
        if let [NOP, NOP, TIMESTAMPS, 10, rest @ ..] = bytes
            && let &[v0, v1, v2, v3, e0, e1, e2, e3] = rest
        {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            let echo = u32::from_be_bytes([e0, e1, e2, e3]);
            options.timestamps = Some((value, echo));
            return options;
        }
        options.parse_list(bytes);
        options
    }

    fn parse_list(&mut self, mut bytes: &[u8]) {
        loop {
            match bytes {
                [] | [END, ..] => return,
                [NOP, rest @ ..] => bytes = rest,
                [kind, len, ..] => {
                    let len = usize::from(*len);
                    let Some(data) = bytes.get(2..len) else {
                        return;
                    };
                    self.take(*kind, data);
                    bytes = bytes.get(len..).unwrap_or_default();
                }
                [_] => return,
            }
        }
    }

    fn take(&mut self, kind: u8, data: &[u8]) {
        match (kind, data) {
            (MSS, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (WINDOW_SCALE, &[shift]) if must("7323 MUST 2.3.7") => {
                self.window_scale = Some(shift.min(MAX_WINDOW_SCALE));
            }
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                self.timestamps = Some((value, echo));
            }
            (USER_TIMEOUT, &[a, b]) => {
                self.user_timeout = NonZeroU16::new(u16::from_be_bytes([a, b])).map(UserTimeout);
            }
            (FAST_OPEN, cookie) => self.fast_open = FastOpenCookie::new(cookie),
            (ACC_ECN_0, data) => {
                self.accurate_ecn = Some(EcnCounters::parse(EcnOrder::Ect0First, data));
            }
            (ACC_ECN_1, data) => {
                self.accurate_ecn = Some(EcnCounters::parse(EcnOrder::Ect1First, data));
            }
            (SACK, data) => {
                let (blocks, rest) = data.as_chunks::<8>();
                if rest.is_empty() && !blocks.is_empty() {
                    self.sack = SackBlocks::default();
                    for &[a, b, c, d, e, f, g, h] in blocks {
                        self.sack.push(
                            SeqNum::new(u32::from_be_bytes([a, b, c, d])),
                            SeqNum::new(u32::from_be_bytes([e, f, g, h])),
                        );
                    }
                }
            }
            _ => {}
        }
    }

    /// Bytes that [`emit`](Self::emit) writes, a multiple of 4 up to 40.
    #[must_use]
    pub fn emitted_len(&self) -> usize {
        let len = self.len_before_sack();
        match self.sack_fitting(len) {
            0 => len,
            count => len + 4 + 8 * count,
        }
    }

    /// Prepends the options in the order that Linux uses, padded with NOPs to whole words; how many
    /// bytes that were. A cookie, counters and SACK blocks that do not fit are left out.
    pub fn emit(&self, head: &mut HeadBuf) -> usize {
        let len = self.len_before_sack();
        let blocks = self
            .sack
            .as_slice()
            .get(..self.sack_fitting(len))
            .unwrap_or_default();
        for (start, end) in blocks.iter().rev() {
            prepend(head, end.get().to_be_bytes());
            prepend(head, start.get().to_be_bytes());
        }
        let mut sack_len = 0;
        if !blocks.is_empty() {
            sack_len = 4 + 8 * blocks.len();
            let option = u8::try_from(sack_len - 2).unwrap_or(0);
            prepend(head, [NOP, NOP, SACK, option]);
        }
        if let Some(counters) = &self.counters_fitting() {
            prepend_counters(head, counters);
        }
        if let Some(cookie) = &self.cookie_fitting() {
            prepend_cookie(head, cookie);
        }
        if let Some(UserTimeout(field)) = self.user_timeout {
            let [high, low] = field.get().to_be_bytes();
            prepend(head, [USER_TIMEOUT, 4, high, low]);
        }
        if let Some(shift) = self.window_scale {
            prepend(head, [NOP, WINDOW_SCALE, 3, shift.min(MAX_WINDOW_SCALE)]);
        }
        if let Some((value, echo)) = self.timestamps {
            prepend(head, echo.to_be_bytes());
            prepend(head, value.to_be_bytes());
            let padding = if self.sack_permitted {
                [SACK_PERMITTED, 2]
            } else {
                [NOP, NOP]
            };
            prepend(head, [TIMESTAMPS, 10]);
            prepend(head, padding);
        } else if self.sack_permitted {
            prepend(head, [NOP, NOP, SACK_PERMITTED, 2]);
        }
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            prepend(head, [MSS, 4, high, low]);
        }
        len + sack_len
    }

    fn len_before_sack(&self) -> usize {
        let counters = self.counters_fitting();
        let counters = counters.map_or(0, |told| EcnCounters::padded_len(told.fields().len()));
        self.len_before_counters() + counters
    }

    /// The counters, where there is room for them.
    fn counters_fitting(&self) -> Option<EcnCounters> {
        self.accurate_ecn.filter(|told| {
            let len = EcnCounters::padded_len(told.fields().len());
            self.len_before_counters() + len <= MAX_LEN
        })
    }

    fn len_before_counters(&self) -> usize {
        let cookie = self.cookie_fitting();
        self.len_before_cookie() + cookie.map_or(0, |cookie| cookie.padded_len())
    }

    /// The cookie, where there is room for it.
    fn cookie_fitting(&self) -> Option<FastOpenCookie> {
        self.fast_open
            .filter(|cookie| cookie.fits_behind(self.len_before_cookie()))
    }

    fn len_before_cookie(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let scale = if self.window_scale.is_some() { 4 } else { 0 };
        let times = match (self.timestamps.is_some(), self.sack_permitted) {
            (true, _) => 12,
            (false, true) => 4,
            (false, false) => 0,
        };
        let user_timeout = if self.user_timeout.is_some() { 4 } else { 0 };
        mss + scale + times + user_timeout
    }

    /// How many SACK blocks fit behind `len` bytes of other options.
    fn sack_fitting(&self, len: usize) -> usize {
        let room = MAX_LEN.saturating_sub(len + 4) / 8;
        self.sack.len().min(room)
    }
}

impl SackBlocks {
    /// How many fit a segment without other options.
    pub const MAX: usize = 4;

    /// Adds a block; `false` if there is no room.
    pub fn push(&mut self, start: SeqNum, end: SeqNum) -> bool {
        let Some(block) = self.blocks.get_mut(usize::from(self.len)) else {
            return false;
        };
        *block = (start, end);
        self.len += 1;
        true
    }

    /// The blocks in the order of the option.
    #[must_use]
    pub fn as_slice(&self) -> &[(SeqNum, SeqNum)] {
        self.blocks.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The blocks in the order of the option.
    pub fn iter(&self) -> impl Iterator<Item = (SeqNum, SeqNum)> + '_ {
        self.as_slice().iter().copied()
    }

    /// The first block, if it reports data that has arrived twice (RFC 2883 §4): it lies in front of
    /// `ack`, which is the same segment's acknowledgement, or within the second.
    #[must_use]
    pub fn duplicate(&self, ack: SeqNum) -> Option<(SeqNum, SeqNum)> {
        let &(left, right) = self.as_slice().first()?;
        let within =
            |&(start, end): &(SeqNum, SeqNum)| left.at_or_after(start) && right.at_or_before(end);
        let twice = left.before(ack) || self.as_slice().get(1).is_some_and(within);
        twice.then_some((left, right))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl PartialEq for SackBlocks {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SackBlocks {}

impl core::fmt::Debug for SackBlocks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// The option with padding behind it.
fn prepend_counters(head: &mut HeadBuf, told: &EcnCounters) {
    let fields = told.fields();
    let len = 2 + 3 * fields.len();
    for _ in len..len.next_multiple_of(4) {
        prepend(head, [NOP]);
    }
    for &field in fields.iter().rev() {
        prepend(head, field);
    }
    let kind = match told.order() {
        EcnOrder::Ect0First => ACC_ECN_0,
        EcnOrder::Ect1First => ACC_ECN_1,
    };
    prepend(head, [kind, u8::try_from(len).unwrap_or(0)]);
}

/// The option with padding behind it.
fn prepend_cookie(head: &mut HeadBuf, cookie: &FastOpenCookie) {
    let bytes = cookie.as_slice();
    if !(bytes.len() + 2).is_multiple_of(4) {
        prepend(head, [NOP, NOP]);
    }
    head.prepend(bytes.len()).copy_from_slice(bytes);
    prepend(
        head,
        [FAST_OPEN, u8::try_from(bytes.len() + 2).unwrap_or(0)],
    );
}

fn prepend<const N: usize>(head: &mut HeadBuf, bytes: [u8; N]) {
    head.prepend(N).copy_from_slice(&bytes);
}
