//! Queueing disciplines: what waits in front of a device, and what leaves next.
//!
//! Every interface has one, by default a [`Fifo`] of 1,000 packets. Behind that one TCP does not
//! queue: its sockets are asked for packets when the device has room and take turns with what waits,
//! so no queue stands between a congestion window and the wire. Every other discipline sees all
//! packets while something waits in it; each TCP socket then has a few packets in it at most.
//!
//! The disciplines are those that Linux has under the same names, with the same defaults, and their
//! statistics read as `tc -s qdisc` prints them.

mod any;
mod cake;
mod codel;
mod drops;
mod fifo;
mod flow;
mod flow_queue;
mod fq;
mod fq_codel;
mod netem;
mod pfifo_fast;
mod prio;
mod priomap;
mod stats;
mod tbf;
mod units;

#[cfg(test)]
mod tests;

pub use any::AnyQdisc;
pub use cake::{Cake, CakeAckFilter, CakeConfig, CakeFraming, CakeIsolation, CakeTins};
pub use codel::CodelConfig;
pub use drops::Dropped;
pub use fifo::{Fifo, FifoLimit};
pub use fq::{Fq, FqConfig};
pub use fq_codel::{FqCodel, FqCodelConfig};
pub use netem::{Netem, NetemConfig};
pub use pfifo_fast::PfifoFast;
pub use prio::Prio;
pub use priomap::{Priomap, priority_of_tos};
pub use stats::{QdiscReport, QdiscStats};
pub use tbf::{Tbf, TbfConfig};
pub use units::{Millionths, Rate};

use crate::buf::TxPacket;
use crate::socket::SocketId;
use crate::tcp::transmit_times::SegmentNumber;
use crate::time::Instant;
use crate::udp::WantTimes;
use alloc::boxed::Box;
use core::fmt;

/// A queueing discipline.
///
/// It only moves packets; time is an argument. What it drops goes to a [`Dropped`], from which the
/// stack counts it and gives senders their room back. [`Display`](fmt::Display) writes its parameters
/// as `tc qdisc` does: `limit 1000p`.
pub trait Qdisc: fmt::Debug + fmt::Display + Send {
    /// The name of its kind: `pfifo`.
    fn kind(&self) -> &'static str;

    /// Takes a packet in; it, or another in its place, may end up in `dropped`.
    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant);

    /// The packet that leaves now; `None` where none waits, or none may leave yet.
    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued>;

    /// When to ask again after [`dequeue`](Self::dequeue) gave nothing although packets wait;
    /// `None` where none wait.
    fn next_departure(&self) -> Option<Instant>;

    /// Takes a packet out whether it may leave yet or not, to be moved elsewhere, in an order that
    /// keeps each flow's.
    fn evict(&mut self) -> Option<Queued>;

    /// What it has done, and what waits.
    fn stats(&self) -> QdiscStats;

    /// How many packets wait.
    fn len(&self) -> usize;

    /// Whether none waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets at which senders of datagrams are made to wait rather than lose; `None` where the
    /// discipline wants to choose itself whom it drops.
    fn limit(&self) -> Option<usize> {
        None
    }

    /// Whether a packet that finds it empty may go past it.
    fn may_bypass(&self) -> bool {
        false
    }

    /// Whether super-segments are cut before they come in: what limits a rate wants to see what the
    /// wire sees.
    fn splits(&self) -> bool {
        false
    }

    /// Writes further lines of statistics, each begun with `"\n "`.
    ///
    /// # Errors
    /// That of `f`.
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        Ok(())
    }
}

/// A packet in a queue.
#[derive(Debug)]
pub struct Queued {
    /// The packet, its headers in place.
    pub packet: Box<TxPacket>,
    /// Bytes on the wire: a super-segment counts the headers of every segment.
    pub wire_len: u32,
    /// When it came in.
    pub since: Instant,
    /// Whose room it takes up until it has left.
    pub(crate) owner: Option<Owner>,
}

/// The socket that a packet counts against while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) socket: SocketId,
    /// Bytes of its room that the packet takes up.
    pub(crate) bytes: u32,
    /// Set where the socket wants to know when it leaves.
    pub(crate) timed: Option<Timed>,
}

/// Which of its packets one is to a socket that wants to know when it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    /// A segment by its number.
    Segment(SegmentNumber),
    /// A datagram, or the last part of it.
    Datagram(WantTimes),
}

/// A socket that sends a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) socket: SocketId,
    /// Set where it wants to know when that leaves.
    pub(crate) timed: Option<Timed>,
}

impl Sender {
    /// As the owner of a packet, which takes up room of its size.
    pub(crate) fn owner(self, packet: &TxPacket) -> Owner {
        let Self { socket, timed } = self;
        Owner {
            timed,
            ..Owner::new(socket, packet)
        }
    }
}

impl Owner {
    /// The sender of a packet, which takes up room of its size.
    pub(crate) fn new(socket: SocketId, packet: &TxPacket) -> Self {
        Self {
            socket,
            bytes: u32::try_from(packet.len()).unwrap_or(u32::MAX),
            timed: None,
        }
    }

    /// The same for a packet that does not leave.
    pub(crate) const fn lost(self) -> Self {
        Self {
            timed: None,
            ..self
        }
    }
}

impl Queued {
    /// A packet that comes in now and counts against nobody.
    #[must_use]
    pub fn new(packet: Box<TxPacket>, now: Instant) -> Self {
        Self {
            wire_len: wire_len(&packet),
            packet,
            since: now,
            owner: None,
        }
    }

    /// Packets on the wire that it stands for.
    #[must_use]
    pub fn segments(&self) -> u32 {
        segments(&self.packet)
    }
}

/// Packets on the wire that a packet stands for.
pub(crate) fn segments(packet: &TxPacket) -> u32 {
    packet.meta.gso.map_or(1, |gso| {
        let count = packet.body_len().div_ceil(usize::from(gso.size).max(1));
        u32::try_from(count).unwrap_or(u32::MAX).max(1)
    })
}

/// Bytes on the wire that a packet stands for.
fn wire_len(packet: &TxPacket) -> u32 {
    let mut len = packet.len();
    if packet.meta.gso.is_some() {
        let more = segments(packet) as usize - 1;
        len += more * packet.head.len();
    }
    u32::try_from(len).unwrap_or(u32::MAX)
}
