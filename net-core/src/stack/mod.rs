//! The stack: interfaces, sockets and protocols under one owner.

/// A TCP/IP stack.
#[derive(Debug)]
pub struct Stack {}
