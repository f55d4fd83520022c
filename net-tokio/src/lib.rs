//! Async sockets over the stack of `net-core`.
