//! A packet socket in the application's hands.

use super::{Frame, FrameFilter, FrameView, PacketAddr, PacketCounters, PacketSocket};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::socket::{Readiness, SocketId};
use crate::stack::Stack;
use crate::wire::EtherType;
use bytes::Bytes;

/// A packet socket of a [`Stack`], to send and receive frames with.
///
/// ```
/// use net_core::packet::PacketKind;
/// use net_core::wire::EtherType;
/// use net_core::{Config, Instant, Seed, SocketError, Stack};
/// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// let id = stack.packet_open(PacketKind::Raw, EtherType::ALL)?;
/// let mut packet = stack.packet(id).ok_or(SocketError::NoSuchSocket)?;
/// // Only what is for this host, and of that no more than the headers.
/// packet.set_filter(|frame| match frame.class {
///     net_core::packet::FrameClass::Host => 64,
///     _ => 0,
/// });
/// assert!(packet.recv().is_none());
/// # Ok::<(), SocketError>(())
/// ```
#[derive(Debug)]
pub struct Packet<'a> {
    stack: &'a mut Stack,
    id: SocketId,
}

impl<'a> Packet<'a> {
    pub(crate) const fn new(stack: &'a mut Stack, id: SocketId) -> Self {
        Self { stack, id }
    }

    /// Hears from now on of frames of `ethertype` on `iface`, or on every interface; and sends over
    /// `iface` where nothing else is said. The frames that wait stay.
    ///
    /// # Errors
    /// `NoSuchInterface`.
    pub fn bind(
        &mut self,
        iface: Option<IfaceId>,
        ethertype: EtherType,
    ) -> Result<(), SocketError> {
        self.stack.packet_bind(self.id, iface, ethertype)
    }

    /// Sends a frame: a raw socket from the link's header on, a cooked one what is to follow it. `to`
    /// may be left out by a raw socket that is bound to an interface.
    ///
    /// # Errors
    /// `WouldBlock` while the send buffer or the interface's queue is full; `MessageTooLong` above the
    /// MTU and the link's header; `InvalidInput` for a frame without a whole header, or no station on
    /// a link that has stations; `NoSuchInterface`.
    pub fn send(&mut self, payload: Bytes, to: Option<&PacketAddr>) -> Result<(), SocketError> {
        self.stack.packet_send(self.id, payload, to)
    }

    /// Takes the next frame.
    pub fn recv(&mut self) -> Option<Frame> {
        let (frame, cost) = self.socket_mut()?.pop()?;
        self.stack.memory.release(cost);
        Some(frame)
    }

    /// How many frames wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.socket().map_or(0, PacketSocket::waiting)
    }

    /// Lets `filter` say how many bytes of each frame the socket gets; 0 leaves the frame out. It runs
    /// inside the stack, and must not call into it.
    pub fn set_filter(&mut self, filter: impl FnMut(&FrameView<'_>) -> usize + Send + 'static) {
        if let Some(socket) = self.socket_mut() {
            socket.filter = Some(FrameFilter::new(filter));
        }
    }

    /// Takes the filter out.
    pub fn clear_filter(&mut self) {
        if let Some(socket) = self.socket_mut() {
            socket.filter = None;
        }
    }

    /// Shows packet sockets also the frames of an interface that are for other stations
    /// (`PACKET_MR_PROMISC`), until every socket that asked for it takes that back or is closed. Which
    /// of them reach this host is up to the device.
    ///
    /// # Errors
    /// `NoSuchInterface`.
    pub fn set_promiscuous(&mut self, iface: IfaceId, on: bool) -> Result<(), SocketError> {
        self.stack.packet_promiscuous(self.id, iface, on)
    }

    /// How many frames it has got, and how many not.
    #[must_use]
    pub fn counters(&self) -> PacketCounters {
        self.socket()
            .map_or_else(PacketCounters::default, |socket| socket.counters)
    }

    /// The most bytes of memory that unread frames may pin (`SO_RCVBUF`, not doubled).
    pub fn set_recv_buffer(&mut self, bytes: usize) {
        if let Some(socket) = self.socket_mut() {
            socket.recv_buffer = bytes;
        }
    }

    /// What the socket is ready for.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.stack.readiness(self.id)
    }

    fn socket(&self) -> Option<&PacketSocket> {
        self.stack.sockets.packet(self.id)
    }

    fn socket_mut(&mut self) -> Option<&mut PacketSocket> {
        self.stack.sockets.packet_mut(self.id)
    }
}
