//! The slots of a stack's sockets, and what goes back and forth between them and the stack.

use super::mail::{ListenerEntry, Mail, PacketEntry, Release, TcpEntry, UdpEntry};
use crate::shared::{Close, Fault, ListenerSlot, Outgoing, TcpSlot, UdpSlot};
use bytes::Bytes;
use net_core::buf::RecvQueue;
use net_core::packet::Frame;
use net_core::socket::{Event, Readiness};
use net_core::tcp::Tcp;
use net_core::udp::Datagram;
use net_core::{Instant, SocketError, SocketId, Stack};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// Every slot by the index of its socket, with room for what a round moves.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Vec<Option<Entry>>,
    dirty_tcp: Vec<Arc<TcpEntry>>,
    dirty_udp: Vec<Arc<UdpEntry>>,
    dirty_packets: Vec<Arc<PacketEntry>>,
    dirty_listeners: Vec<Arc<ListenerEntry>>,
    released: Vec<Release>,
    pieces: Vec<Bytes>,
    received: RecvQueue,
    datagrams: VecDeque<Datagram>,
    frames: VecDeque<Frame>,
    outgoing: VecDeque<Outgoing>,
    /// Handing out made the stack want to send.
    acted: bool,
}

#[derive(Debug, Clone)]
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
        let mut dirty = std::mem::take(&mut self.dirty_tcp);
        mail.tcp.drain(&mut dirty);
        for entry in dirty.drain(..) {
            self.tcp_in(&entry, stack, now);
        }
        self.dirty_tcp = dirty;

        let mut dirty = std::mem::take(&mut self.dirty_udp);
        mail.udp.drain(&mut dirty);
        for entry in dirty.drain(..) {
            self.udp_in(&entry, stack, now, wakes);
        }
        self.dirty_udp = dirty;

        let mut dirty = std::mem::take(&mut self.dirty_packets);
        mail.packets.drain(&mut dirty);
        for entry in dirty.drain(..) {
            self.packet_in(&entry, stack, now, wakes);
        }
        self.dirty_packets = dirty;

        let mut dirty = std::mem::take(&mut self.dirty_listeners);
        mail.listeners.drain(&mut dirty);
        for entry in dirty.drain(..) {
            self.listener_in(&entry, stack, now);
        }
        self.dirty_listeners = dirty;

        std::mem::swap(&mut *mail.released.lock(), &mut self.released);
        for release in std::mem::take(&mut self.released).drain(..) {
            self.release(release, stack, now);
        }
    }

    /// Hands out what the stack has to tell; whether it may have something to send because of that.
    pub(super) fn deliver(
        &mut self,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        self.acted = false;
        while let Some(event) = stack.poll_event() {
            match self.find(event.socket) {
                Some(Entry::Tcp(entry)) => self.tcp_out(&entry, event, stack, now, wakes),
                Some(Entry::Udp(entry)) if entry.has_waiting() => {
                    self.udp_in(&entry, stack, now, wakes);
                    self.acted = true;
                }
                Some(Entry::Udp(entry)) => self.udp_out(&entry, stack, wakes),
                Some(Entry::Packet(entry)) => self.packet_in(&entry, stack, now, wakes),
                Some(Entry::Listener(entry)) => self.accept(&entry, stack, now, wakes),
                // A `TcpSocket` that is not connected and does not listen yet.
                None => {}
            }
        }
        self.acted
    }

    /// Closes every socket; those that are held fail.
    pub(super) fn close_all(&mut self, stack: &mut Stack, now: Instant, wakes: &mut Vec<Waker>) {
        for entry in self.entries.iter().flatten() {
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

    fn tcp_in(&mut self, entry: &TcpEntry, stack: &mut Stack, now: Instant) {
        let id = entry.id();
        let drained = entry.drain_tx(&mut self.pieces);
        let Some(mut tcp) = stack.tcp(id, now) else {
            self.pieces.clear();
            return;
        };
        for piece in self.pieces.drain(..) {
            if tcp.push(piece).is_err() {
                // The connection is dead; the event that says so is on its way.
                break;
            }
        }
        sync_consumed(entry, &mut tcp);
        if drained.finish {
            tcp.finish();
        }
        drop(tcp);
        if let Some(close) = drained.close {
            if close == Close::Unread {
                stack.abort(id, now);
            }
            stack.close(id, now);
            self.remove(id);
        }
    }

    /// Brings in what an application has written, the last byte of which is urgent.
    pub(super) fn push_urgent(&mut self, entry: &TcpEntry, stack: &mut Stack, now: Instant) {
        self.tcp_in(entry, stack, now);
        if let Some(mut tcp) = stack.tcp(entry.id(), now) {
            tcp.mark_urgent();
        }
    }

    fn udp_in(
        &mut self,
        entry: &UdpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        let closed = entry.drain_tx(&mut self.outgoing, wakes);
        if let Some(mut udp) = stack.udp(entry.id()) {
            // An error that is pending is not this datagram's: it must not cost us the datagram.
            if let Some(error) = udp.take_error() {
                entry.fail(error.into(), wakes);
            }
            while let Some((payload, meta)) = self.outgoing.pop_front() {
                match udp.send_with(payload.clone(), &meta) {
                    Ok(()) => {}
                    Err(SocketError::WouldBlock) => {
                        // The event that says there is room again brings us back.
                        self.outgoing.push_front((payload, meta));
                        entry.put_back(&mut self.outgoing);
                    }
                    Err(error) => entry.fail(error.into(), wakes),
                }
            }
        }
        self.outgoing.clear();
        if closed {
            stack.close(entry.id(), now);
            self.remove(entry.id());
        } else {
            self.udp_out(entry, stack, wakes);
        }
    }

    /// Either side of a packet socket has news: who waits for room tries again, and frames go over as
    /// far as there is room for them.
    fn packet_in(
        &mut self,
        entry: &PacketEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        if entry.drain_tx(&mut self.outgoing, wakes) {
            stack.close(entry.id(), now);
            self.remove(entry.id());
            return;
        }
        let Some(mut packet) = stack.packet(entry.id()) else {
            return;
        };
        // Whoever makes room kicks, unless nothing is left behind.
        let room = entry.room(usize::MAX);
        let frames = std::iter::from_fn(|| packet.recv());
        self.frames.extend(frames.take(room));
        if packet.waiting() == 0 {
            entry.room(0);
        }
        entry.fill(&mut self.frames, wakes);
    }

    fn listener_in(&mut self, entry: &ListenerEntry, stack: &mut Stack, now: Instant) {
        let (released, closed) = entry.take_released();
        stack.release_backlog(entry.id(), released);
        if closed {
            stack.close(entry.id(), now);
            self.remove(entry.id());
        }
    }

    fn release(&mut self, release: Release, stack: &mut Stack, now: Instant) {
        let id = match release {
            Release::Close(id) => id,
            Release::Abort(id) => {
                stack.abort(id, now);
                id
            }
        };
        stack.close(id, now);
        self.remove(id);
        self.acted = true;
    }

    fn tcp_out(
        &mut self,
        entry: &TcpEntry,
        event: Event,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        let Some(mut tcp) = stack.tcp(entry.id(), now) else {
            return;
        };
        mark_urgent(entry, event.ready, &tcp, wakes);
        if event.ready.intersects(RECEIVED) {
            self.move_received(entry, &mut tcp, wakes);
        }
        grant(entry, &mut tcp, wakes);
        if event.ready.contains(Readiness::CONNECTED) {
            entry.set_connected(wakes);
        }
        fail(entry, &mut tcp, wakes);
    }

    fn udp_out(&mut self, entry: &UdpEntry, stack: &mut Stack, wakes: &mut Vec<Waker>) {
        let Some(mut udp) = stack.udp(entry.id()) else {
            return;
        };
        if let Some(error) = udp.take_error() {
            entry.fail(error.into(), wakes);
        }
        if !udp.readiness().contains(Readiness::READABLE) {
            return;
        }
        // Whoever makes room kicks, unless nothing is left behind.
        let room = entry.room(usize::MAX);
        if udp.waiting() <= room {
            udp.take(&mut self.datagrams);
        } else {
            self.datagrams
                .extend(std::iter::from_fn(|| udp.recv()).take(room));
        }
        if udp.waiting() == 0 {
            entry.room(0);
        }
        entry.fill(&mut self.datagrams, wakes);
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
            if let Some(mut tcp) = stack.tcp(id, now) {
                grant(&entry, &mut tcp, wakes);
                mark_urgent(&entry, tcp.readiness(), &tcp, wakes);
                self.move_received(&entry, &mut tcp, wakes);
                fail(&entry, &mut tcp, wakes);
            }
            if listener.push((entry, peer), wakes).is_err() {
                self.release(Release::Abort(id), stack, now);
            }
        }
    }

    /// Moves received bytes to the reader.
    fn move_received(&mut self, entry: &TcpEntry, tcp: &mut Tcp<'_>, wakes: &mut Vec<Waker>) {
        tcp.take(&mut self.received);
        // A reset ends the stream too, but as an error.
        let finished = tcp.peer_finished() && tcp.error().is_none();
        entry.fill(&mut self.received, finished, wakes);
        self.acted |= sync_consumed(entry, tcp);
    }

    fn put(&mut self, id: SocketId, entry: Entry) {
        let index = id.index();
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        self.entries[index] = Some(entry);
    }

    fn find(&self, id: SocketId) -> Option<Entry> {
        let entry = self.entries.get(id.index())?.as_ref()?;
        (entry.id() == id).then(|| entry.clone())
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

/// Lets the application write on. A writer that waits is woken for a third of the buffer or half of
/// what may be unsent, or when nothing is under way.
fn grant(entry: &TcpEntry, tcp: &mut Tcp<'_>, wakes: &mut Vec<Waker>) {
    let idle = tcp.acknowledged() == tcp.pushed();
    let wake_free = if idle {
        1
    } else {
        let settings = tcp.settings();
        (tcp.send_buffer() / 3).min(settings.notsent_lowat / 2) as u64
    };
    entry.grant(tcp.send_limit(), wake_free, wakes);
}

/// Tells the slot where urgent data is, before the bytes around it.
fn mark_urgent(entry: &TcpEntry, ready: Readiness, tcp: &Tcp<'_>, wakes: &mut Vec<Waker>) {
    let mark = tcp.urgent_mark();
    let pending = ready.contains(Readiness::URGENT);
    if pending || mark.is_some() {
        entry.set_urgent(mark, pending, wakes);
    }
}

/// Hands a pending error to the application.
fn fail(entry: &TcpEntry, tcp: &mut Tcp<'_>, wakes: &mut Vec<Waker>) {
    if tcp.error().is_some()
        && let Some(error) = tcp.take_error()
    {
        entry.fail(error.into(), wakes);
    }
}

/// Tells the connection how far the application has read, and the slot when to say so next; whether
/// there was anything to tell.
fn sync_consumed(entry: &TcpEntry, tcp: &mut Tcp<'_>) -> bool {
    let mut consumed = entry.consumed();
    let mut told = false;
    loop {
        let news = consumed.saturating_sub(tcp.consumed());
        if news > 0 {
            told = true;
            tcp.consume(usize::try_from(news).unwrap_or(usize::MAX));
        }
        let mark = tcp.window_mark();
        let seen = entry.set_window_mark(mark);
        // A reader that passed the mark while it was set may not have kicked.
        if seen < mark || seen == consumed {
            return told;
        }
        consumed = seen;
    }
}

/// What comes with bytes, or with the end of them.
const RECEIVED: Readiness = Readiness::READABLE
    .union(Readiness::PEER_CLOSED)
    .union(Readiness::HANG_UP)
    .union(Readiness::ERROR);
