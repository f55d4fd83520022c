//! Async sockets over the stack of `net-core`.

#[cfg(not(loom))]
pub mod clock;
#[cfg(not(loom))]
pub mod device;
