//! Super-segments: packets that stand for many of a flow.
//!
//! Most of the cost of a packet does not depend on its length, so the stack handles up to 64 KiB of
//! a flow as one. Devices that understand this say so in a virtio-net header ([`vnet`]); for the
//! others segments are cut at the last moment ([`gso`]) and merged at the first ([`gro`]).

pub mod gro;
pub mod gso;
pub mod vnet;

#[cfg(test)]
mod tests;
