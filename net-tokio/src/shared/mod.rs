//! Everything that two tasks touch: the driver on one side, the tasks that own sockets on the other.
//!
//! Each socket has a slot. The driver moves data between the slot and the stack once a round, the
//! application moves data between the slot and its buffers whenever it likes; neither waits for the
//! other. The rules that hold everywhere in here:
//!
//! - A *queue* lock is shared with the driver and held for moves of pointers, and for copies of our own
//!   of what is so small that a second lock would cost more. A *user* lock serialises the readers of a
//!   socket and covers their copies; the driver never takes it. Order: user before queue before the
//!   pending error.
//! - Nobody is woken, and no waker or payload of a stranger is dropped, under a lock: the driver
//!   collects wakers in a `Vec` and wakes them when it holds nothing any more.
//! - Positions in a byte stream are absolute (`u64` from the first byte on), so two sides compare
//!   them without agreeing on a moment.
//!
//! All of it is written against the `sync` module, so that loom can explore it.

#![forbid(unsafe_code)]

mod chunk_pool;
mod dirty;
mod handover;
mod kick;
mod listener_slot;
#[cfg(test)]
mod models;
mod ready;
mod tcp_slot;
mod turn;
mod udp_slot;
mod waiters;

pub(crate) use chunk_pool::ChunkPool;
pub(crate) use dirty::{Dirty, DirtyList};
pub(crate) use handover::Handover;
pub(crate) use kick::{Kick, RunRight};
pub(crate) use listener_slot::ListenerSlot;
pub(crate) use ready::{Fault, Ready, Stop, Touch};
pub(crate) use tcp_slot::{Close, TcpSlot, Written};
pub(crate) use turn::Turn;
pub(crate) use udp_slot::{Caller, Outgoing, UdpSlot};
pub(crate) use waiters::Waiters;
