//! The letter box: where sockets put what the next round has to look at.

use crate::shared::{Dirty, DirtyList, ListenerSlot, TcpSlot, Touch, UdpSlot};
use crate::sync::{AtomicBool, Mutex};
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

impl<S: Dirty> Dirty for Keyed<S> {
    fn dirty(&self) -> &AtomicBool {
        self.slot.dirty()
    }
}

/// What came in since the last round.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(super) tcp: DirtyList<TcpEntry>,
    pub(super) udp: DirtyList<UdpEntry>,
    pub(super) packets: DirtyList<PacketEntry>,
    pub(super) listeners: DirtyList<ListenerEntry>,
    pub(super) released: Mutex<Vec<Release>>,
}

/// A socket that nobody holds any more, and that no slot speaks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Release {
    /// Never used, or finished.
    Close(SocketId),
    /// A connection that nobody accepted: its peer has to get a RST.
    Abort(SocketId),
}

impl Mail {
    pub(super) fn new() -> Self {
        Self {
            tcp: DirtyList::new(),
            udp: DirtyList::new(),
            packets: DirtyList::new(),
            listeners: DirtyList::new(),
            released: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn release(&self, what: Release) {
        self.released.lock().push(what);
    }
}

/// A kind of slot, and its list in the letter box.
pub(crate) trait Posted: Dirty + Sized {
    /// The list for slots of this kind.
    fn list(mail: &Mail) -> &DirtyList<Self>;

    /// Does what `touch` asks for, except ringing; whether to ring.
    fn post(this: &Arc<Self>, mail: &Mail, touch: Touch) -> bool {
        if touch != Touch::None {
            Self::list(mail).mark(this);
        }
        touch == Touch::Kick
    }
}

impl Posted for TcpEntry {
    fn list(mail: &Mail) -> &DirtyList<Self> {
        &mail.tcp
    }
}

impl Posted for UdpEntry {
    fn list(mail: &Mail) -> &DirtyList<Self> {
        &mail.udp
    }
}

impl Posted for PacketEntry {
    fn list(mail: &Mail) -> &DirtyList<Self> {
        &mail.packets
    }
}

impl Posted for ListenerEntry {
    fn list(mail: &Mail) -> &DirtyList<Self> {
        &mail.listeners
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
