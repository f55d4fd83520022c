//! The letter box: where sockets put what the next round has to look at.

use crate::shared::{Dirty, DirtyList, Handover, ListenerSlot, TcpSlot, Touch, UdpSlot};
use net_core::SocketId;
use net_core::packet::Frame;
use net_core::udp::Datagram;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

/// A slot with the socket that it belongs to.
#[derive(Debug)]
pub(crate) struct Keyed<S> {
    id: SocketId,
    slot: S,
}

/// A connection's slot.
pub(crate) type TcpEntry = Keyed<TcpSlot>;
/// A datagram socket's slot.
pub(crate) type UdpEntry = Keyed<UdpSlot<Datagram>>;
/// A packet socket's slot. Nothing that is sent goes through it.
pub(crate) type PacketEntry = Keyed<UdpSlot<Frame>>;
/// A listener's slot; a connection comes with its peer's address.
pub(crate) type ListenerEntry = Keyed<ListenerSlot<Accepted>>;
/// What `accept` returns.
pub(crate) type Accepted = (Arc<TcpEntry>, SocketAddr);

impl<S> Keyed<S> {
    pub(super) fn new(id: SocketId, slot: S) -> Self {
        Self { id, slot }
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }
}

impl<S> Deref for Keyed<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.slot
    }
}

/// What came in since the last round.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(super) dirty: DirtyList<SocketId>,
    pub(super) released: Handover<Release>,
}

/// What is let go of by a drop, which waits for no round, where no slot speaks for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Release {
    /// A socket that was never used, or is finished.
    Close(SocketId),
    /// A connection that nobody accepted: its peer has to get a RST.
    Abort(SocketId),
    /// The partial segments that a connection held back.
    Uncork(SocketId),
}

impl Mail {
    pub(super) fn new() -> Self {
        Self {
            dirty: DirtyList::new(),
            released: Handover::new(),
        }
    }

    pub(super) fn release(&self, what: Release) {
        self.released.push(what);
    }

    /// Does what `touch` asks for, except ringing; whether to ring.
    pub(super) fn post<S: Dirty>(&self, entry: &Keyed<S>, touch: Touch) -> bool {
        if touch != Touch::None {
            self.dirty.mark(&entry.slot, entry.id);
        }
        touch == Touch::Kick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_little() {
        assert!(size_of::<crate::TcpStream>() <= 16);
        assert!(size_of::<TcpEntry>() <= 512);
    }
}
