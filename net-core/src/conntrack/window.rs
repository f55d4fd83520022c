//! Which sequence numbers a connection can have next, as somebody in the middle knows.
//!
//! The bounds are those of G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001):
//! no data beyond the window that the receiver has granted, none older than the largest window, and no
//! acknowledgement of what was not sent or is long acknowledged.

use super::Direction;
use super::tcp::Glance;
use crate::tcp::SeqNum;
use crate::wire::TcpFlags;

/// Both directions of a connection.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Windows {
    original: Side,
    reply: Side,
}

/// What one end has sent, and may send.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    /// Behind the last that it has sent.
    end: SeqNum,
    /// Behind the last that it may send: what the other end has granted.
    max_end: SeqNum,
    /// The largest window that it has granted, in bytes; 0 before its first segment.
    max_window: u32,
    /// The scale of its windows, if it has offered one.
    scale: Option<u8>,
    /// What it waits for next, as far as it has said so.
    acked: Option<SeqNum>,
}

impl Windows {
    /// Begins with a first segment.
    pub(crate) fn begin(first: &Glance) -> Self {
        let mut windows = Self {
            original: Side::default(),
            reply: Side::default(),
        };
        windows.restart(Direction::Original, first);
        if !first.flags.contains(TcpFlags::SYN) {
            // Nobody knows the scale of either side: the largest does no harm.
            windows.original.scale = Some(MAX_SCALE);
            windows.reply.scale = Some(MAX_SCALE);
            let window = first.window(MAX_SCALE);
            windows.original.max_window = window;
            windows.original.max_end = first.end() + window;
            windows.reply = Side {
                end: first.ack,
                max_end: first.ack + window,
                max_window: 0,
                ..windows.reply
            };
        }
        windows
    }

    /// Reads so much of it that all of its lines are there.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        let Side {
            end,
            max_end,
            max_window,
            ..
        } = self.reply;
        u64::from(end.get() ^ max_end.get() ^ max_window)
    }

    /// Takes a SYN for the first segment of a direction.
    pub(crate) fn restart(&mut self, direction: Direction, syn: &Glance) {
        let (sender, _) = self.sides(direction);
        *sender = Side {
            end: syn.end(),
            max_end: syn.end(),
            max_window: syn.window(0).max(1),
            scale: syn.offered(),
            acked: None,
        };
    }

    /// Follows a segment, if it is one that can come.
    pub(crate) fn follow(&mut self, direction: Direction, segment: &Glance) -> bool {
        let is_syn = segment.flags.contains(TcpFlags::SYN);
        let scaled = self.original.scale.is_some() && self.reply.scale.is_some();
        let (sender, receiver) = self.sides(direction);
        let scale = sender.scale.filter(|_| scaled && !is_syn).unwrap_or(0);
        let window = segment.window(scale);
        if sender.max_window == 0 {
            sender.begin(segment, window, receiver);
        }
        let has_ack = segment.flags.contains(TcpFlags::ACK);
        let is_reset = segment.flags.contains(TcpFlags::RST);
        // Some resets carry ACK and zero.
        let ack = match segment.ack {
            ack if !has_ack || is_reset && ack.get() == 0 => receiver.end,
            ack => ack,
        };
        let (seq, end) = (segment.seq, segment.end());
        let oldest_ack = sender.max_window.max(MIN_ACK_WINDOW);
        let is_possible = seq.at_or_before(sender.max_end)
            && (end + receiver.max_window).at_or_after(sender.end)
            && ack.at_or_before(receiver.end)
            && (ack + oldest_ack).at_or_after(receiver.end);
        if !is_possible {
            return false;
        }
        sender.max_window = sender.max_window.max(window);
        sender.end = sender.end.max(end);
        if has_ack {
            sender.acked = Some(sender.acked.map_or(ack, |before| before.max(ack)));
            // One byte more than a closed window: a probe.
            receiver.max_end = receiver.max_end.max(ack + window.max(1));
        }
        true
    }

    /// Whether a reset, which fits, is one that its receiver takes (RFC 5961 §3.2): it has the number
    /// that is waited for, or stands behind all that was sent. Others only draw a challenge.
    pub(crate) fn is_taken(&self, direction: Direction, reset: &Glance) -> bool {
        let (sender, receiver) = match direction {
            Direction::Original => (&self.original, &self.reply),
            Direction::Reply => (&self.reply, &self.original),
        };
        reset.seq == sender.end || receiver.acked.is_none_or(|acked| acked == reset.seq)
    }

    const fn sides(&mut self, direction: Direction) -> (&mut Side, &mut Side) {
        match direction {
            Direction::Original => (&mut self.original, &mut self.reply),
            Direction::Reply => (&mut self.reply, &mut self.original),
        }
    }
}

impl Side {
    /// Takes the first segment of this side for what it says.
    fn begin(&mut self, first: &Glance, window: u32, other: &mut Self) {
        self.end = first.end();
        self.max_window = window.max(1);
        if first.flags.contains(TcpFlags::SYN) {
            self.scale = first.offered();
            self.max_end = first.end() + other.max_window;
            if self.scale.is_none() {
                other.scale = None;
            }
        } else {
            self.max_end = self.max_end.max(first.end() + other.max_window);
        }
    }
}

impl Glance {
    /// Behind its last sequence number.
    fn end(&self) -> SeqNum {
        let controls = self.flags & (TcpFlags::SYN | TcpFlags::FIN);
        self.seq + (self.data + controls.bits().count_ones())
    }

    fn window(&self, scale: u8) -> u32 {
        u32::from(self.window) << scale.min(MAX_SCALE)
    }

    fn offered(&self) -> Option<u8> {
        self.scale.map(|scale| scale.min(MAX_SCALE))
    }
}

/// The largest window scale (RFC 7323 §2.3).
const MAX_SCALE: u8 = 14;
/// Acknowledgements may be so much older than the newest data, in bytes, whatever the window.
const MIN_ACK_WINDOW: u32 = 66_000;
