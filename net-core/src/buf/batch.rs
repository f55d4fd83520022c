//! Packets in bunches: what one round of the driver moves.

use super::{RxPacket, TxPacket};
use alloc::vec::Vec;

macro_rules! batch {
    ($(#[$doc:meta])* $name:ident, $packet:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            packets: Vec<$packet>,
        }

        impl $name {
            /// An empty batch with room for `capacity` packets.
            #[must_use]
            pub fn with_capacity(capacity: usize) -> Self {
                Self { packets: Vec::with_capacity(capacity) }
            }

            /// Adds a packet behind the others.
            pub fn push(&mut self, packet: $packet) {
                self.packets.push(packet);
            }

            /// How many packets it holds.
            #[must_use]
            pub fn len(&self) -> usize {
                self.packets.len()
            }

            /// Whether it holds none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.packets.is_empty()
            }

            /// The packets, in order.
            #[must_use]
            pub fn packets(&self) -> &[$packet] {
                &self.packets
            }

            /// The packets, in order, to change or reorder.
            pub fn packets_mut(&mut self) -> &mut Vec<$packet> {
                &mut self.packets
            }

            /// Takes every packet out, in order, and keeps the room.
            pub fn drain(&mut self) -> alloc::vec::Drain<'_, $packet> {
                self.packets.drain(..)
            }

            /// Drops every packet and keeps the room.
            pub fn clear(&mut self) {
                self.packets.clear();
            }
        }
    };
}

batch!(
    /// Received packets on their way into the stack.
    RxBatch,
    RxPacket
);
batch!(
    /// Packets on their way to a device.
    TxBatch,
    TxPacket
);
