//! Async sockets over the stack of `net-core`.

mod shared;
mod sync;
