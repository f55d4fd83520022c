//! Packets and the memory they live in.
//!
//! A received packet is a frame with optional pieces behind it; a packet to send is a small head of
//! headers with slices of the application's data behind it. No payload byte is moved between the
//! two ends of the stack.

mod batch;
mod copy;
pub mod crossing;
mod head;
mod packet;
mod pool;
mod recv_queue;
mod rest;

#[cfg(test)]
mod tests;

pub use batch::{RxBatch, RxDrain, TxBatch, TxDrain};
pub use copy::in_parts;
pub(crate) use copy::{copy, copy_of};
pub use head::HeadBuf;
pub(crate) use head::SMALL_PAYLOAD;
pub use packet::{Checksum, Chunk, Gso, GsoKind, RxMeta, RxPacket, TxMeta, TxPacket};
pub use pool::Pool;
pub use recv_queue::RecvQueue;
pub(crate) use recv_queue::is_wasteful;
pub(crate) use rest::Rest;
