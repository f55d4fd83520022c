//! Super-segments: packets that stand for many of a flow.
//!
//! Most of the cost of a packet does not depend on its length, so the stack handles up to 64 KiB of
//! a flow as one. Devices that understand this say so in a virtio-net header ([`vnet`]); for the
//! others segments are cut at the last moment ([`gso`]) and merged at the first ([`gro`]). Datagrams that
//! leave one behind another are joined for a device that cuts them ([`Train`]).

pub mod gro;
pub mod gso;
mod train;
pub mod vnet;

pub use train::Train;

#[cfg(test)]
mod tests;
