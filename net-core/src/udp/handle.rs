//! A UDP socket in the application's hands.

use super::{Datagram, DatagramSocket, DatagramTime, Outgoing, QueuedError, SendMeta};
use crate::error::SocketError;
use crate::socket::{Readiness, SocketId, UdpSettings};
use crate::stack::Stack;
use alloc::collections::VecDeque;
use bytes::Bytes;
use core::net::SocketAddr;

/// A UDP socket of a [`Stack`], or a ping or raw socket, to send and receive with.
///
/// ```
/// use net_core::socket::Family;
/// use net_core::{Config, Instant, Seed, SocketError, Stack};
/// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// let id = stack.udp_open(Family::V4)?;
/// let mut udp = stack.udp(id).ok_or(SocketError::NoSuchSocket)?;
/// assert!(udp.recv().is_none());
/// assert_eq!(
///     udp.send("hello".into(), None),
///     Err(SocketError::DestinationRequired),
/// );
/// # Ok::<(), SocketError>(())
/// ```
#[derive(Debug)]
pub struct Udp<'a> {
    stack: &'a mut Stack,
    id: SocketId,
}

impl<'a> Udp<'a> {
    pub(crate) const fn new(stack: &'a mut Stack, id: SocketId) -> Self {
        Self { stack, id }
    }

    /// Sends one datagram, to `to` or to the connected peer. A socket without a local address gets
    /// one.
    ///
    /// # Errors
    /// `WouldBlock` while the send buffer or the interface's queue is full; `DestinationRequired`;
    /// `MessageTooLong` above 65,507 bytes (65,527 over IPv6), or above the MTU if the socket forbids
    /// fragments ([`PathMtuMode`](crate::socket::PathMtuMode));
    /// `PermissionDenied` for a broadcast address without the option; a pending error; and what
    /// routing says.
    pub fn send(&mut self, payload: Bytes, to: Option<SocketAddr>) -> Result<(), SocketError> {
        self.send_with(payload, &to.into())
    }

    /// As [`send_with`](Self::send_with) with a payload that is copied: cheaper where it is small.
    ///
    /// # Errors
    /// As for [`send_with`](Self::send_with).
    pub fn send_copied(&mut self, payload: &[u8], meta: &SendMeta) -> Result<(), SocketError> {
        self.stack
            .udp_send(self.id, Outgoing::Copied(payload), meta)
    }

    /// As [`send`](Self::send), in the way that `meta` says: with other header fields than the
    /// socket's, or as several datagrams.
    ///
    /// # Errors
    /// As for [`send`](Self::send); `InvalidInput` for segments of no bytes or too many of them, or
    /// for the time of an acknowledgement; `AddressNotAvailable` for a source that is not ours, and
    /// `PermissionDenied` for another port than the socket's, if it is not transparent;
    /// `NoSuchInterface`, and `InvalidInput` for another interface than the one that the socket is bound to,
    /// or that the scope of the destination names.
    pub fn send_with(&mut self, payload: Bytes, meta: &SendMeta) -> Result<(), SocketError> {
        self.stack
            .udp_send(self.id, Outgoing::Shared(payload), meta)
    }

    /// Whether a payload of `len` bytes can go where `meta` says at all.
    ///
    /// # Errors
    /// Those of [`send_with`](Self::send_with) that do not pass: the destination's and
    /// `MessageTooLong`.
    pub fn check(&mut self, len: usize, meta: &SendMeta) -> Result<(), SocketError> {
        self.stack.udp_check(self.id, len, meta).map(drop)
    }

    /// Takes the next datagram.
    pub fn recv(&mut self) -> Option<Datagram> {
        let (datagram, cost) = self.stack.sockets.udp_mut(self.id)?.pop()?;
        self.stack.memory.release(cost);
        Some(datagram)
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.stack
            .sockets
            .udp(self.id)
            .map_or(0, DatagramSocket::waiting)
    }

    /// Moves every waiting datagram behind those of `into`.
    pub fn take(&mut self, into: &mut VecDeque<Datagram>) {
        if let Some(socket) = self.stack.sockets.udp_mut(self.id) {
            let cost = socket.drain(into);
            self.stack.memory.release(cost);
        }
    }

    /// The pending error.
    #[must_use]
    pub fn error(&self) -> Option<SocketError> {
        self.stack.sockets.udp(self.id)?.error
    }

    /// Takes the pending error.
    pub fn take_error(&mut self) -> Option<SocketError> {
        self.stack.sockets.udp_mut(self.id)?.take_error()
    }

    /// Takes the oldest ICMP error about a datagram sent, if the socket keeps them
    /// ([`recv_errors`](UdpSettings::recv_errors)).
    pub fn recv_error(&mut self) -> Option<QueuedError> {
        let (error, cost) = self.stack.sockets.udp_mut(self.id)?.errors.pop()?;
        self.stack.memory.release(cost);
        Some(error)
    }

    /// Takes the oldest of the times that were asked for when datagrams were sent
    /// ([`SendMeta::times`]). An event tells that there are new ones; beyond 192 that wait they are lost.
    pub fn transmit_time(&mut self) -> Option<DatagramTime> {
        self.stack.sockets.udp_mut(self.id)?.times.pop()
    }

    /// Whether [`transmit_time`](Self::transmit_time) has one.
    #[must_use]
    pub fn has_transmit_time(&self) -> bool {
        let socket = self.stack.sockets.udp(self.id);
        socket.is_some_and(|socket| !socket.times.is_empty())
    }

    /// The local address; `None` while the socket has none.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        let socket = self.stack.sockets.udp(self.id)?;
        socket.bound.map(|_| socket.local_addr())
    }

    /// The peer's address; `None` while the socket is not connected.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stack.sockets.udp(self.id)?.peer_addr()
    }

    /// What the socket is ready for.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.stack.readiness(self.id)
    }

    /// The options.
    ///
    /// # Errors
    /// `NoSuchSocket`.
    pub fn settings(&self) -> Result<&UdpSettings, SocketError> {
        self.stack.udp_settings(self.id)
    }
}
