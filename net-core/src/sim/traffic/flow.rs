//! A flow: what it is to be, and what came of it at both ends.

use crate::SocketError;
use crate::socket::{SocketId, TcpOption};
use crate::tcp::TcpInfo;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A stream of bytes to send over a connection of its own.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Where to.
    pub to: SocketAddr,
    /// When the connection is opened.
    pub start: Instant,
    /// How much; `None`: without end.
    pub bytes: Option<u64>,
    /// Options of its socket.
    pub options: Vec<TcpOption>,
}

impl Flow {
    /// A flow of `bytes` bytes that begins at once.
    #[must_use]
    pub const fn of(bytes: u64, to: SocketAddr) -> Self {
        Self {
            to,
            start: Instant::ZERO,
            bytes: Some(bytes),
            options: Vec::new(),
        }
    }

    /// A flow without end that begins at once.
    #[must_use]
    pub const fn endless(to: SocketAddr) -> Self {
        Self {
            to,
            start: Instant::ZERO,
            bytes: None,
            options: Vec::new(),
        }
    }

    /// The same with another start.
    #[must_use]
    pub const fn starting(mut self, start: Instant) -> Self {
        self.start = start;
        self
    }

    /// The same with another option of its socket.
    #[must_use]
    pub fn with(mut self, option: TcpOption) -> Self {
        self.options.push(option);
        self
    }
}

/// A flow at its sender.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// When it began.
    pub started: Instant,
    /// Its own address, once it has one.
    pub local: Option<SocketAddr>,
    /// When the handshake was complete.
    pub connected: Option<Instant>,
    /// When the receiver had read everything and closed.
    pub ended: Option<Instant>,
    /// What ended it too early.
    pub error: Option<SocketError>,
    /// The connection as it was before its end.
    pub info: Option<TcpInfo>,
    /// Bytes left to hand over to TCP; `None`: without end.
    pub(super) left: Option<u64>,
    pub(super) finished: bool,
    pub(super) socket: Option<SocketId>,
}

impl Sent {
    pub(super) const fn new(started: Instant) -> Self {
        Self {
            started,
            local: None,
            connected: None,
            ended: None,
            error: None,
            info: None,
            left: None,
            finished: false,
            socket: None,
        }
    }

    /// The socket, while it is open.
    #[must_use]
    pub const fn socket(&self) -> Option<SocketId> {
        self.socket
    }

    /// From the beginning of the handshake until the receiver had everything and its own end came
    /// back.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.ended?.saturating_since(self.started))
    }
}

/// A flow at its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// When the application got the connection.
    pub accepted: Instant,
    /// Bytes read.
    pub bytes: u64,
    /// When the last of them was read.
    pub last: Instant,
    /// When the end of the stream was read.
    pub finished: Option<Instant>,
    /// What ended it too early.
    pub error: Option<SocketError>,
}
