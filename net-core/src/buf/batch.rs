//! Packets in bunches: what one round of the driver moves.

use super::{RxPacket, TxPacket};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::slice::IterMut;

/// What lies in a batch: something that can be made empty where it is.
trait Slot: Default {
    type Packet;

    /// Drops what it holds, and keeps its room.
    fn reset(&mut self);

    /// Takes the packet out and leaves an empty one.
    fn take(&mut self) -> Self::Packet;
}

impl Slot for RxPacket {
    type Packet = Self;

    fn reset(&mut self) {
        Self::reset(self);
    }

    fn take(&mut self) -> Self {
        mem::take(self)
    }
}

impl Slot for Box<TxPacket> {
    type Packet = TxPacket;

    fn reset(&mut self) {
        TxPacket::reset(self);
    }

    fn take(&mut self) -> TxPacket {
        mem::take(&mut **self)
    }
}

macro_rules! batch {
    ($(#[$doc:meta])* $name:ident, $packet:ty, $slot:ty, $drain:ident) => {
        $(#[$doc])*
        ///
        /// A packet is some hundred bytes large, so it is best built where it stays: the batch keeps
        /// the slots of packets that have left, and [`slot`](Self::slot) hands the next one out
        /// empty.
        #[derive(Debug, Default)]
        pub struct $name {
            /// Those behind `len` are empty.
            slots: Vec<$slot>,
            len: usize,
        }

        impl $name {
            /// An empty batch with room for `capacity` packets.
            #[must_use]
            pub fn with_capacity(capacity: usize) -> Self {
                Self {
                    slots: Vec::with_capacity(capacity),
                    len: 0,
                }
            }

            /// Adds an empty packet behind the others, to be filled in where it is.
            #[inline]
            pub fn slot(&mut self) -> &mut $packet {
                if self.len == self.slots.len() {
                    self.slots.push(<$slot>::default());
                }
                self.len += 1;
                &mut self.slots[self.len - 1]
            }

            /// Adds a packet behind the others.
            pub fn push(&mut self, packet: $packet) {
                *self.slot() = packet;
            }

            /// How many packets it holds.
            #[must_use]
            pub const fn len(&self) -> usize {
                self.len
            }

            /// Whether it holds none.
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.len == 0
            }

            /// The packets, in order.
            #[must_use]
            pub fn packets(&self) -> &[$slot] {
                &self.slots[..self.len]
            }

            /// The packets, in order, to change or reorder.
            pub fn packets_mut(&mut self) -> &mut [$slot] {
                &mut self.slots[..self.len]
            }

            /// Takes every packet out, in order, and keeps the room.
            pub fn drain(&mut self) -> $drain<'_> {
                let len = mem::take(&mut self.len);
                $drain(self.slots[..len].iter_mut())
            }

            /// Keeps the first `len` packets and drops the others.
            pub fn truncate(&mut self, len: usize) {
                if len < self.len {
                    self.slots[len..self.len].iter_mut().for_each(Slot::reset);
                    self.len = len;
                }
            }

            /// Drops the first `count` packets: those that have left.
            ///
            /// # Panics
            /// If there are fewer.
            pub fn drop_front(&mut self, count: usize) {
                assert!(count <= self.len, "drops only what is there");
                self.slots[..self.len].rotate_left(count);
                self.truncate(self.len - count);
            }

            /// Drops every packet and keeps the room.
            pub fn clear(&mut self) {
                self.truncate(0);
            }
        }

        /// The packets of a batch on their way out; those not taken are dropped with it.
        #[derive(Debug)]
        pub struct $drain<'a>(IterMut<'a, $slot>);

        impl Iterator for $drain<'_> {
            type Item = $packet;

            fn next(&mut self) -> Option<$packet> {
                self.0.next().map(Slot::take)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl ExactSizeIterator for $drain<'_> {}

        impl Drop for $drain<'_> {
            fn drop(&mut self) {
                self.0.by_ref().for_each(Slot::reset);
            }
        }
    };
}

batch!(
    /// Received packets on their way into the stack.
    RxBatch,
    RxPacket,
    RxPacket,
    RxDrain
);
batch!(
    /// Packets on their way to a device.
    TxBatch,
    TxPacket,
    Box<TxPacket>,
    TxDrain
);

impl RxBatch {
    /// Keeps the packets for which `keep` says so, in order, and drops the others.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut RxPacket) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            if self.slots.get_mut(at).is_some_and(&mut keep) {
                if kept != at {
                    self.slots.swap(kept, at);
                }
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

impl TxBatch {
    /// Adds the packet in `from` behind the others and leaves an empty one there.
    pub(crate) fn exchange(&mut self, from: &mut Box<TxPacket>) {
        self.slot();
        if let Some(slot) = self.slots.get_mut(self.len - 1) {
            mem::swap(slot, from);
        }
    }
}
