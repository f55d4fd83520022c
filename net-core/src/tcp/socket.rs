//! A TCP socket.

/// What the stack keeps for each TCP socket.
#[derive(Debug)]
pub(crate) struct TcpSocket {}
