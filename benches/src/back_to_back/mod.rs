//! Two stacks joined in memory on one thread: protocol work alone, without device or scheduler.
//!
//! Both rows keep the same rules: MTU 1500, no packet over 1,500 bytes on the link, each summed in
//! full by its sender and verified by its receiver, and the application copies every byte in and
//! out.

pub mod ours;
pub mod smoltcp;

/// Bytes that the application copies in or out at once.
pub const PIECE: usize = 64 * 1024;
/// Largest packet on the link.
pub const MTU: u16 = 1500;
/// Packets that one stack sends before the other has its turn.
pub const ROUND: usize = 64;
