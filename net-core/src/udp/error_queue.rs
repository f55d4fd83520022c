//! What ICMP errors said about the datagrams of a socket, until the application asks.

use crate::error::SocketError;
use alloc::collections::VecDeque;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// An ICMP error about a datagram that a socket sent (`IP_RECVERR`, `struct sock_extended_err`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedError {
    /// What it means.
    pub error: SocketError,
    /// Type of the ICMP message.
    pub kind: u8,
    /// Code of the ICMP message.
    pub code: u8,
    /// How large packets may be, where that is what it says.
    pub mtu: Option<u16>,
    /// The router or host that sent it.
    pub reporter: IpAddr,
    /// Where the datagram was to go; with port 0 if not over UDP.
    pub dest: SocketAddr,
    /// What the message quotes of the datagram's payload: of a ping or raw socket's, from the byte
    /// behind the IP header on.
    pub payload: Bytes,
}

/// The errors that wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ErrorQueue {
    errors: VecDeque<QueuedError>,
    charged: usize,
}

impl ErrorQueue {
    /// Errors that wait at most; later ones are dropped.
    const MAX: usize = 64;
    /// Memory that one costs beside its payload.
    const OVERHEAD: usize = 128;

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there is room for another.
    pub(crate) fn has_room(&self) -> bool {
        self.errors.len() < Self::MAX
    }

    /// Memory that keeping an error costs.
    pub(crate) const fn cost(error: &QueuedError) -> usize {
        error.payload.len() + Self::OVERHEAD
    }

    /// Puts an error behind the others.
    pub(crate) fn push(&mut self, error: QueuedError) {
        self.charged += Self::cost(&error);
        self.errors.push_back(error);
    }

    /// Takes the oldest, and what it was charged.
    pub(crate) fn pop(&mut self) -> Option<(QueuedError, usize)> {
        let error = self.errors.pop_front()?;
        let cost = Self::cost(&error);
        self.charged -= cost;
        Some((error, cost))
    }

    /// Memory that all of them cost.
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }
}
