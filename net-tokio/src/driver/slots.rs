//! The slots of a stack's sockets.

use super::mail::{ListenerEntry, Mail, PacketEntry, Release, TcpEntry, UdpEntry};
use super::moving::Moving;
use crate::shared::{Fault, ListenerSlot, TcpSlot, UdpSlot};
use net_core::socket::TcpOption;
use net_core::{Instant, SocketError, SocketId, Stack};
use std::sync::Arc;
use std::task::Waker;

/// Every slot by the index of its socket, with room for what a round moves.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Vec<Option<Entry>>,
    dirty: Vec<SocketId>,
    released: Vec<Release>,
    moving: Moving,
}

#[derive(Debug)]
enum Entry {
    Tcp(Arc<TcpEntry>),
    Udp(Arc<UdpEntry>),
    Packet(Arc<PacketEntry>),
    Listener(Arc<ListenerEntry>),
}

impl Slots {
    /// Makes a slot for a connection.
    pub(super) fn add_tcp(&mut self, id: SocketId, connected: bool) -> Arc<TcpEntry> {
        let entry = Arc::new(TcpEntry::new(id, TcpSlot::new(connected)));
        self.put(id, Entry::Tcp(Arc::clone(&entry)));
        entry
    }

    /// Makes a slot for a datagram socket that may have `send_buffer` bytes wait.
    pub(super) fn add_udp(&mut self, id: SocketId, send_buffer: usize) -> Arc<UdpEntry> {
        let entry = Arc::new(UdpEntry::new(id, UdpSlot::new(send_buffer)));
        self.put(id, Entry::Udp(Arc::clone(&entry)));
        entry
    }

    /// Makes a slot for a packet socket.
    pub(super) fn add_packet(&mut self, id: SocketId) -> Arc<PacketEntry> {
        let entry = Arc::new(PacketEntry::new(id, UdpSlot::new(usize::MAX)));
        self.put(id, Entry::Packet(Arc::clone(&entry)));
        entry
    }

    /// Makes a slot for a listener.
    pub(super) fn add_listener(&mut self, id: SocketId) -> Arc<ListenerEntry> {
        let entry = Arc::new(ListenerEntry::new(id, ListenerSlot::new()));
        self.put(id, Entry::Listener(Arc::clone(&entry)));
        entry
    }

    /// Brings in what the applications did.
    pub(super) fn collect(
        &mut self,
        mail: &Mail,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        let mut dirty = std::mem::take(&mut self.dirty);
        mail.dirty.drain(&mut dirty);
        for id in dirty.drain(..) {
            let Some(entry) = find(&self.entries, id) else {
                continue;
            };
            let moving = &mut self.moving;
            let closed = match entry {
                Entry::Tcp(entry) => moving.tcp_in(entry, stack, now),
                Entry::Udp(entry) => moving.udp_in(entry, stack, now, wakes),
                Entry::Packet(entry) => moving.packet_in(entry, stack, now, wakes),
                Entry::Listener(entry) => moving.listener_in(entry, stack, now),
            };
            if closed {
                self.remove(id);
            }
        }
        self.dirty = dirty;

        let mut released = std::mem::take(&mut self.released);
        mail.released.drain(&mut released);
        for release in released.drain(..) {
            self.release(release, stack, now);
        }
        self.released = released;
    }

    /// Hands out what the stack has to tell; whether it may have something to send because of that.
    pub(super) fn deliver(
        &mut self,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        self.moving.acted = false;
        while let Some(event) = stack.poll_event() {
            let id = event.socket;
            // Without a slot it is a `TcpSocket` that is not connected and does not listen yet.
            let Some(entry) = find(&self.entries, id) else {
                continue;
            };
            let moving = &mut self.moving;
            let closed = match entry {
                Entry::Tcp(entry) => {
                    moving.tcp_out(entry, event, stack, now, wakes);
                    false
                }
                Entry::Udp(entry) => moving.udp_event(entry, stack, now, wakes),
                Entry::Packet(entry) => moving.packet_in(entry, stack, now, wakes),
                Entry::Listener(entry) => {
                    let entry = Arc::clone(entry);
                    self.accept(&entry, stack, now, wakes);
                    false
                }
            };
            if closed {
                self.remove(id);
            }
        }
        self.moving.acted || self.moving.has_resets()
    }

    /// Resets connections that were left with unread data; what was written to them before has gone.
    pub(super) fn reset_left(&mut self, stack: &mut Stack, now: Instant) {
        self.moving.reset(stack, now);
    }

    /// Closes every socket; those that are held fail.
    pub(super) fn close_all(&mut self, stack: &mut Stack, now: Instant, wakes: &mut Vec<Waker>) {
        for entry in self.entries.iter().flatten() {
            // What was read is not lost by the end.
            if let Entry::Tcp(entry) = entry
                && let Some(mut tcp) = stack.tcp(entry.id(), now)
            {
                tcp.consume_to(entry.consumed());
            }
            stack.close(entry.id(), now);
        }
        self.fail_all(wakes);
    }

    /// Fails every socket that is held, for good.
    pub(super) fn fail_all(&mut self, wakes: &mut Vec<Waker>) {
        for entry in self.entries.drain(..).flatten() {
            match entry {
                Entry::Tcp(entry) => entry.fail(Fault::Gone, wakes),
                Entry::Udp(entry) => entry.fail(Fault::Gone, wakes),
                Entry::Packet(entry) => entry.fail(Fault::Gone, wakes),
                Entry::Listener(entry) => entry.fail(Fault::Gone, wakes),
            }
        }
    }

    /// Brings in what an application has written, the last byte of which is urgent.
    pub(super) fn push_urgent(&mut self, entry: &TcpEntry, stack: &mut Stack, now: Instant) {
        if self.moving.tcp_in(entry, stack, now) {
            self.remove(entry.id());
        }
        if let Some(mut tcp) = stack.tcp(entry.id(), now) {
            tcp.mark_urgent();
        }
    }

    fn release(&mut self, release: Release, stack: &mut Stack, now: Instant) {
        let id = match release {
            Release::Close(id) => id,
            Release::Abort(id) => {
                stack.abort(id, now);
                id
            }
            Release::Uncork(id) => {
                // One that has ended meanwhile sends nothing, corked or not.
                let _ = stack.set_tcp_option(id, TcpOption::Cork(false), now);
                self.moving.acted = true;
                return;
            }
        };
        stack.close(id, now);
        self.remove(id);
        self.moving.acted = true;
    }

    fn accept(
        &mut self,
        listener: &ListenerEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        while let Ok((id, peer)) = stack.accept_held(listener.id()) {
            let entry = self.add_tcp(id, true);
            self.moving.tcp_accepted(&entry, stack, now, wakes);
            if listener.push((entry, peer), wakes).is_err() {
                self.release(Release::Abort(id), stack, now);
            }
        }
    }

    fn put(&mut self, id: SocketId, entry: Entry) {
        let index = id.index();
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(entry);
    }

    /// Takes a connection and its slot out, as bytes; where that fails both are as they were.
    pub(super) fn freeze(
        &mut self,
        entry: &TcpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> Result<Vec<u8>, SocketError> {
        let frozen = self.moving.freeze(entry, stack, now, wakes)?;
        self.remove(entry.id());
        Ok(frozen)
    }

    /// Takes the slot out of a socket that lives on.
    pub(super) fn detach(&mut self, id: SocketId) {
        self.remove(id);
    }

    fn remove(&mut self, id: SocketId) {
        if let Some(place) = self.entries.get_mut(id.index())
            && place.as_ref().is_some_and(|entry| entry.id() == id)
        {
            *place = None;
        }
    }
}

impl Entry {
    fn id(&self) -> SocketId {
        match self {
            Self::Tcp(entry) => entry.id(),
            Self::Udp(entry) => entry.id(),
            Self::Packet(entry) => entry.id(),
            Self::Listener(entry) => entry.id(),
        }
    }
}

/// The slot of a socket.
#[inline]
fn find(entries: &[Option<Entry>], id: SocketId) -> Option<&Entry> {
    let entry = entries.get(id.index())?.as_ref()?;
    (entry.id() == id).then_some(entry)
}
