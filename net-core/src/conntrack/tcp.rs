//! TCP as somebody in the middle sees it: the states of a connection.

use super::Direction;
use super::window::Windows;
use crate::tcp::SeqNum;
use crate::wire::{TcpFlags, TcpHeader, tcp};

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpState {
    /// Somebody has sent a SYN.
    SynSent,
    /// It has been answered.
    SynReceived,
    /// Both ends know.
    Established,
    /// One end has closed.
    FinWait,
    /// The other end has acknowledged that.
    CloseWait,
    /// Both ends have closed.
    LastAck,
    /// Both have acknowledged.
    TimeWait,
    /// It has been reset.
    Close,
}

impl TcpState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
        }
    }

    /// Whether little is lost when such a connection is forgotten.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::TimeWait | Self::Close | Self::LastAck)
    }
}

/// A connection. Its state is in front, beside what every flow has.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct TcpTrack {
    pub(crate) state: TcpState,
    /// Who has closed first.
    first_fin: Option<Direction>,
    windows: Windows,
}

/// What a segment is to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// A part of it.
    Fits,
    /// It does not fit.
    Invalid,
    /// The connection is over, and this begins another one of the same ports.
    BeginsAnew,
}

/// A segment as far as it matters here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Glance {
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: TcpFlags,
    /// Not scaled.
    pub(crate) window: u16,
    /// The scale that a SYN offers.
    pub(crate) scale: Option<u8>,
    /// Bytes of data; of a super-segment all of it.
    pub(crate) data: u32,
}

impl Glance {
    /// Looks at a segment of so many bytes that begins so; `None` if its header is broken.
    #[inline]
    pub(crate) fn of(segment: &[u8], len: usize) -> Option<Self> {
        let fixed: &[u8; tcp::MIN_HEADER_LEN] = segment.first_chunk()?;
        let &[_, _, _, _, a, b, c, d, e, f, g, h, offset, flags, i, j, ..] = fixed;
        let header_len = usize::from(offset >> 4) * 4;
        if header_len < tcp::MIN_HEADER_LEN {
            return None;
        }
        let flags = TcpFlags::from_bits_truncate(flags.into());
        let mut scale = None;
        if flags.contains(TcpFlags::SYN) {
            scale = TcpHeader::parse(segment).ok()?.options.window_scale;
        }
        Some(Self {
            seq: SeqNum::new(u32::from_be_bytes([a, b, c, d])),
            ack: SeqNum::new(u32::from_be_bytes([e, f, g, h])),
            flags,
            window: u16::from_be_bytes([i, j]),
            scale,
            data: u32::try_from(len.checked_sub(header_len)?).ok()?,
        })
    }
}

const CONTROLS: TcpFlags = TcpFlags::SYN
    .union(TcpFlags::FIN)
    .union(TcpFlags::RST)
    .union(TcpFlags::ACK);

impl TcpTrack {
    /// The connection that a segment begins; `None` if it can begin none.
    pub(crate) fn begin(segment: &Glance, loose: bool) -> Option<Self> {
        let controls = segment.flags & CONTROLS;
        let state = if controls == TcpFlags::SYN {
            TcpState::SynSent
        } else if !loose
            || !is_sound(controls)
            || controls.intersects(TcpFlags::SYN | TcpFlags::RST | TcpFlags::FIN)
        {
            return None;
        } else {
            TcpState::Established
        };
        Some(Self {
            state,
            windows: Windows::begin(segment),
            first_fin: None,
        })
    }

    /// Reads something of what only connections have.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        self.windows.touch()
    }

    /// Follows a segment.
    pub(crate) fn follow(&mut self, direction: Direction, segment: &Glance) -> Fit {
        let controls = segment.flags & CONTROLS;
        if !is_sound(controls) {
            return Fit::Invalid;
        }
        if controls == TcpFlags::SYN {
            return self.follow_syn(direction, segment);
        }
        if controls.contains(TcpFlags::SYN) && direction == Direction::Original {
            // Only the answer to a simultaneous SYN (RFC 9293 §3.5, figure 8).
            if !matches!(self.state, TcpState::SynSent | TcpState::SynReceived) {
                return Fit::Invalid;
            }
        }
        if controls.contains(TcpFlags::RST) && !self.windows.is_taken(direction, segment) {
            // It changes nothing for its receiver, and so nothing here.
            let mut copy = self.windows;
            return match copy.follow(direction, segment) {
                true => Fit::Fits,
                false => Fit::Invalid,
            };
        }
        if !self.windows.follow(direction, segment) {
            return Fit::Invalid;
        }
        self.state = self.after(direction, controls);
        Fit::Fits
    }

    fn follow_syn(&mut self, direction: Direction, segment: &Glance) -> Fit {
        match self.state {
            TcpState::TimeWait | TcpState::Close => return Fit::BeginsAnew,
            TcpState::SynSent => self.windows.restart(direction, segment),
            // The answer to it, a challenge (RFC 5961 §4), is followed; it changes nothing.
            _ => {}
        }
        Fit::Fits
    }

    /// The state behind a segment that fits.
    fn after(&mut self, direction: Direction, controls: TcpFlags) -> TcpState {
        use TcpState::{
            Close, CloseWait, Established, FinWait, LastAck, SynReceived, SynSent, TimeWait,
        };
        if controls.contains(TcpFlags::RST) {
            return Close;
        }
        if controls.contains(TcpFlags::SYN) {
            return match self.state {
                SynSent => SynReceived,
                state => state,
            };
        }
        let is_first = self.first_fin == Some(direction);
        if controls.contains(TcpFlags::FIN) {
            return match self.state {
                SynSent | SynReceived | Established => {
                    self.first_fin = Some(direction);
                    FinWait
                }
                FinWait | CloseWait if !is_first => LastAck,
                state => state,
            };
        }
        match self.state {
            SynReceived if direction == Direction::Original => Established,
            FinWait if !is_first => CloseWait,
            LastAck if is_first => TimeWait,
            state => state,
        }
    }
}

/// Whether control bits can occur together.
fn is_sound(controls: TcpFlags) -> bool {
    let one = controls & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
    match one.bits().count_ones() {
        // Only SYN and RST may come without an acknowledgement (RFC 9293 §3.10.7.4).
        0 => controls.contains(TcpFlags::ACK),
        1 => !one.contains(TcpFlags::FIN) || controls.contains(TcpFlags::ACK),
        _ => false,
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
