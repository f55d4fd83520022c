//! What the application does to packet sockets: open, bind, send, close.

use super::Stack;
use crate::buf::{Checksum, TxPacket};
use crate::error::SocketError;
use crate::iface::{IfaceId, IfaceKind};
use crate::packet::{Packet, PacketAddr, PacketKind, PacketSocket};
use crate::qdisc::Owner;
use crate::socket::{Request, SocketId, SocketKind};
use crate::wire::{EtherType, EthernetHeader, ethernet, vlan};
use alloc::boxed::Box;
use bytes::{Buf, Bytes};

impl Stack {
    /// Opens a packet socket for frames of `ethertype` on every interface, until it is
    /// [bound](Packet::bind) to one: it receives a copy of each. [`EtherType::ALL`] hears of every
    /// frame, also of what this host sends; [`EtherType::NONE`] of none before it is bound.
    ///
    /// # Errors
    /// [`TooManySockets`](SocketError::TooManySockets), or another of [`socket`](Self::socket)'s.
    pub fn packet_open(
        &mut self,
        kind: PacketKind,
        ethertype: EtherType,
    ) -> Result<SocketId, SocketError> {
        self.socket(Request::packet(kind, ethertype))
    }

    /// A packet socket to send and receive with; `None` for a stale id or another kind of socket.
    pub fn packet(&mut self, id: SocketId) -> Option<Packet<'_>> {
        self.sockets.packet(id)?;
        Some(Packet::new(self, id))
    }

    pub(super) fn packet_open_socket(
        &mut self,
        kind: PacketKind,
        ethertype: EtherType,
    ) -> Result<SocketId, SocketError> {
        let config = &self.config.udp;
        let socket = PacketSocket::new(kind, ethertype, config.recv_buffer, config.send_buffer);
        let id = self.sockets.insert(SocketKind::Packet(Box::new(socket)))?;
        self.taps.add(ethertype, id);
        Ok(id)
    }

    pub(crate) fn packet_bind(
        &mut self,
        id: SocketId,
        iface: Option<IfaceId>,
        ethertype: EtherType,
    ) -> Result<(), SocketError> {
        if iface.is_some_and(|iface| self.iface(iface).is_none()) {
            return Err(SocketError::NoSuchInterface);
        }
        let socket = self
            .sockets
            .packet_mut(id)
            .ok_or(SocketError::NoSuchSocket)?;
        let before = core::mem::replace(&mut socket.ethertype, ethertype);
        socket.iface = iface;
        self.taps.remove(before, id);
        self.taps.add(ethertype, id);
        Ok(())
    }

    pub(crate) fn packet_promiscuous(
        &mut self,
        id: SocketId,
        iface: IfaceId,
        on: bool,
    ) -> Result<(), SocketError> {
        let slot = self.ifaces.get_mut(iface.index());
        let state = slot.and_then(Option::as_mut);
        let state = state.ok_or(SocketError::NoSuchInterface)?;
        let socket = self
            .sockets
            .packet_mut(id)
            .ok_or(SocketError::NoSuchSocket)?;
        let at = socket.promiscuous.iter().position(|&own| own == iface);
        match (on, at) {
            (true, None) => {
                socket.promiscuous.push(iface);
                state.promiscuous += 1;
            }
            (false, Some(at)) => {
                socket.promiscuous.swap_remove(at);
                state.promiscuous -= 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the socket out of every table.
    pub(super) fn packet_close(&mut self, id: SocketId) {
        let Some(SocketKind::Packet(socket)) = self.remove_socket(id) else {
            return;
        };
        self.taps.remove(socket.ethertype, id);
        for &iface in &socket.promiscuous {
            if let Some(iface) = self.iface_mut(iface) {
                iface.promiscuous -= 1;
            }
        }
        self.memory.release(socket.charged());
    }

    /// See [`Packet::send`].
    pub(crate) fn packet_send(
        &mut self,
        id: SocketId,
        payload: Bytes,
        to: Option<&PacketAddr>,
    ) -> Result<(), SocketError> {
        let socket = self.sockets.packet(id).ok_or(SocketError::NoSuchSocket)?;
        let (kind, own) = (socket.kind, socket.iface);
        let iface = to.map(|to| to.iface).or(own);
        let iface = iface.ok_or(SocketError::NoSuchInterface)?;
        let config = &self
            .iface(iface)
            .ok_or(SocketError::NoSuchInterface)?
            .config;
        let link = Link {
            kind: config.kind,
            mtu: config.mtu.into(),
        };
        let cost = payload.len();
        link.check(kind, &payload)?;
        self.packet_room(id, iface, cost)?;
        let mut packet = self.new_packet();
        if let Err(error) = link.frame(kind, payload, to, &mut packet) {
            self.recycle(packet);
            return Err(error);
        }
        packet.meta.departure = self.clock;
        let owner = Owner::new(id, &packet);
        self.hold(owner);
        self.device_queue(iface, packet, Some(owner));
        Ok(())
    }

    /// Checks that `cost` bytes fit the send buffer, and a packet the queue of the interface; a socket
    /// that is told to wait hears when there is room.
    fn packet_room(
        &mut self,
        id: SocketId,
        iface: IfaceId,
        cost: usize,
    ) -> Result<(), SocketError> {
        let socket = self
            .sockets
            .packet_mut(id)
            .ok_or(SocketError::NoSuchSocket)?;
        if socket.unsent > 0 && socket.unsent + cost > socket.send_buffer {
            socket.blocked = true;
            return Err(SocketError::WouldBlock);
        }
        let slot = self.ifaces.get_mut(iface.index());
        if let Some(iface) = slot.and_then(Option::as_mut)
            && !iface.queue.has_room(1)
        {
            socket.blocked = true;
            iface.blocked.push(id);
            return Err(SocketError::WouldBlock);
        }
        Ok(())
    }

    /// A frame that a socket sent has left, or is dropped; the socket may go on.
    pub(super) fn packet_sent(&mut self, id: SocketId, len: usize) {
        let Some(socket) = self.sockets.packet_mut(id) else {
            return;
        };
        socket.unsent = socket.unsent.saturating_sub(len);
        if socket.unsent <= socket.send_buffer / 2 && core::mem::take(&mut socket.blocked) {
            self.changed(id);
        }
    }
}

/// The link that a frame is for.
#[derive(Debug, Clone, Copy)]
struct Link {
    kind: IfaceKind,
    mtu: usize,
}

impl Link {
    /// Whether the link carries a frame of this length.
    fn check(self, kind: PacketKind, payload: &[u8]) -> Result<(), SocketError> {
        let (least, header) = match (self.kind, kind) {
            (IfaceKind::Ethernet(_), PacketKind::Raw) => {
                let tagged = EthernetHeader::parse(payload)
                    .is_ok_and(|header| header.ethertype == EtherType::VLAN);
                let tag = if tagged { vlan::TAG_LEN } else { 0 };
                (ethernet::HEADER_LEN, ethernet::HEADER_LEN + tag)
            }
            (IfaceKind::Ethernet(_), PacketKind::Cooked) => (0, 0),
            (IfaceKind::PointToPoint | IfaceKind::Loopback, _) => (1, 0),
        };
        if payload.len() < least {
            return Err(SocketError::InvalidInput("a frame has its link's header"));
        }
        if payload.len() > self.mtu + header {
            return Err(SocketError::MessageTooLong);
        }
        Ok(())
    }

    /// Makes `packet` the frame: its headers, as far as they are there, in the head.
    fn frame(
        self,
        kind: PacketKind,
        mut payload: Bytes,
        to: Option<&PacketAddr>,
        packet: &mut TxPacket,
    ) -> Result<(), SocketError> {
        let front = payload.len().min(MAX_FRONT);
        payload.copy_to_slice(packet.head.prepend(front));
        if !payload.is_empty() {
            packet.body.push(payload);
        }
        packet.meta.checksum = Checksum::Verified;
        let IfaceKind::Ethernet(source) = self.kind else {
            return Ok(());
        };
        if kind == PacketKind::Cooked {
            const NO_STATION: SocketError =
                SocketError::InvalidInput("a frame goes to a station: name one");
            let to = to.ok_or(SocketError::DestinationRequired)?;
            let header = EthernetHeader {
                dest: to.dest.ok_or(NO_STATION)?,
                source,
                ethertype: to.ethertype,
            };
            header.emit(&mut packet.head);
        }
        packet.meta.link_len = LINK_LEN;
        Ok(())
    }
}

/// Bytes of the Ethernet header.
const LINK_LEN: u8 = 14;
/// Bytes at the front of a frame that lie where headers do.
const MAX_FRONT: usize = 128;
