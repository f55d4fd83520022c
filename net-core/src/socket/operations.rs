//! Sockets that the embedder brings: what a protocol outside of the stack has to be able to do.

use super::Readiness;
use crate::error::SocketError;
use crate::time::Instant;
use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll};

/// The operations of one socket of a [plugged](super::Handler::Plugged) protocol, which the calls of
/// [`Stack`](crate::Stack) lead to.
///
/// What a protocol does not have it leaves out: such calls fail with `Unsupported`. Closing the socket
/// drops the value. The operations run inside the stack, and so must not call into it.
pub trait SocketOps: fmt::Debug + Send {
    /// Gives the socket a local address.
    ///
    /// # Errors
    /// The protocol's.
    fn bind(&mut self, addr: SocketAddr) -> Result<(), SocketError> {
        let _ = addr;
        Err(NOT_THERE)
    }

    /// Connects, or begins to: then `InProgress`.
    ///
    /// # Errors
    /// The protocol's.
    fn connect(&mut self, addr: SocketAddr, now: Instant) -> Result<(), SocketError> {
        let _ = (addr, now);
        Err(NOT_THERE)
    }

    /// Takes connections from now on.
    ///
    /// # Errors
    /// The protocol's.
    fn listen(&mut self, backlog: u32) -> Result<(), SocketError> {
        let _ = backlog;
        Err(NOT_THERE)
    }

    /// Takes the next connection, and its peer's address.
    ///
    /// # Errors
    /// `WouldBlock` while there is none, or the protocol's.
    fn accept(&mut self) -> Result<(Box<dyn SocketOps>, SocketAddr), SocketError> {
        Err(NOT_THERE)
    }

    /// Sends `data`, to `to` or to the connected peer; how many bytes.
    ///
    /// # Errors
    /// `WouldBlock` without room, or the protocol's.
    fn send(&mut self, data: &[u8], to: Option<SocketAddr>) -> Result<usize, SocketError> {
        let _ = (data, to);
        Err(NOT_THERE)
    }

    /// Receives into `buf`; how many bytes, and from whom where the protocol says so.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or the protocol's.
    fn recv(&mut self, buf: &mut [u8]) -> Result<(usize, Option<SocketAddr>), SocketError> {
        let _ = buf;
        Err(NOT_THERE)
    }

    /// Ends one or both directions.
    ///
    /// # Errors
    /// The protocol's.
    fn shutdown(&mut self, how: Shutdown) -> Result<(), SocketError> {
        let _ = how;
        Err(NOT_THERE)
    }

    /// The local address.
    ///
    /// # Errors
    /// The protocol's.
    fn local_addr(&self) -> Result<SocketAddr, SocketError> {
        Err(NOT_THERE)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected`, or the protocol's.
    fn peer_addr(&self) -> Result<SocketAddr, SocketError> {
        Err(NOT_THERE)
    }

    /// Takes the pending error (`SO_ERROR`).
    fn take_error(&mut self) -> Option<SocketError> {
        None
    }

    /// What the socket is ready for, as far as `interest` goes; where that is nothing, the task is to
    /// be woken when it changes. A protocol that never says `WouldBlock` is ready for everything.
    fn poll_ready(&mut self, interest: Readiness, cx: &mut Context<'_>) -> Poll<Readiness> {
        let _ = cx;
        Poll::Ready(interest)
    }
}

/// Which directions [`Stack::shutdown`](crate::Stack::shutdown) ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Receiving (`SHUT_RD`).
    Read,
    /// Sending (`SHUT_WR`).
    Write,
    /// Both (`SHUT_RDWR`).
    Both,
}

impl Shutdown {
    /// Whether receiving ends.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    /// Whether sending ends.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

const NOT_THERE: SocketError = SocketError::Unsupported("the protocol has no such operation");
