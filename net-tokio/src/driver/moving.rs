//! What goes back and forth between a slot and the stack.

use super::mail::{ListenerEntry, PacketEntry, TcpEntry, UdpEntry};
use crate::shared::{Close, Dirty, Outgoing, Ready, Written};
use net_core::buf::RecvQueue;
use net_core::packet::Frame;
use net_core::socket::{Event, Readiness};
use net_core::tcp::Tcp;
use net_core::udp::Datagram;
use net_core::{Instant, SocketError, SocketId, Stack};
use std::collections::VecDeque;
use std::task::Waker;

/// Room for what a round moves.
#[derive(Debug, Default)]
pub(super) struct Moving {
    written: Written,
    received: RecvQueue,
    datagrams: VecDeque<Datagram>,
    frames: VecDeque<Frame>,
    outgoing: VecDeque<Outgoing>,
    /// Handing out made the stack want to send.
    pub(super) acted: bool,
    /// Connections that were left with unread data, to be reset in the next round.
    resets: Vec<SocketId>,
}

impl Moving {
    /// Brings in what an application did to a connection; whether it is done with it.
    pub(super) fn tcp_in(&mut self, entry: &TcpEntry, stack: &mut Stack, now: Instant) -> bool {
        let id = entry.id();
        entry.clean();
        let drained = entry.drain_tx(&mut self.written);
        let Some(mut tcp) = stack.tcp(id, now) else {
            self.written.clear();
            return drained.close.is_some();
        };
        push(&mut self.written, &mut tcp);
        let consumed = entry.consumed();
        let many = consumed.saturating_sub(tcp.consumed()) > FEW;
        if many || entry.has_passed_mark(consumed) {
            sync_consumed(entry, &mut tcp);
        } else {
            tcp.consume_to(consumed);
        }
        if drained.finish {
            tcp.finish();
        }
        drop(tcp);
        if let Some(close) = drained.close {
            match close {
                // What was written before goes first, as far as there is a window for it: a kernel has sent
                // that when `write` returns.
                Close::Unread => self.resets.push(id),
                Close::Clean => stack.close(id, now),
            }
        }
        drained.close.is_some()
    }

    /// Resets what was left with unread data before the round that has ended.
    pub(super) fn reset(&mut self, stack: &mut Stack, now: Instant) {
        for id in self.resets.drain(..) {
            stack.abort(id, now);
            stack.close(id, now);
        }
    }

    /// Whether there is something to reset.
    pub(super) fn has_resets(&self) -> bool {
        !self.resets.is_empty()
    }

    /// Takes a connection out of the stack as bytes, with all that its slot holds. Where that fails the slot has
    /// it again.
    pub(super) fn freeze(
        &mut self,
        entry: &TcpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> Result<Vec<u8>, SocketError> {
        let id = entry.id();
        self.tcp_in(entry, stack, now);
        entry.take_unread(&mut self.received);
        if let Some(mut tcp) = stack.tcp(id, now) {
            tcp.consume_to(entry.consumed());
            tcp.give_back(&mut self.received);
        }
        let frozen = stack.freeze_tcp(id, now);
        if frozen.is_err() {
            if let Some(mut tcp) = stack.tcp(id, now) {
                mark_urgent(entry, tcp.readiness(), &tcp, wakes);
                tcp.take(&mut self.received);
            }
            entry.fill(&mut self.received, false, wakes);
        }
        frozen
    }

    /// There is news about a datagram socket; whether its application is done with it.
    pub(super) fn udp_event(
        &mut self,
        entry: &UdpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        if entry.has_waiting() {
            self.acted = true;
            return self.udp_in(entry, stack, now, wakes);
        }
        self.udp_out(entry, stack, wakes);
        false
    }

    /// Brings in what an application did to a datagram socket; whether it is done with it.
    pub(super) fn udp_in(
        &mut self,
        entry: &UdpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        entry.clean();
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
        } else {
            self.udp_out(entry, stack, wakes);
        }
        closed
    }

    /// Either side of a packet socket has news: who waits for room tries again, and frames go over as
    /// far as there is room for them. Whether its application is done with it.
    pub(super) fn packet_in(
        &mut self,
        entry: &PacketEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) -> bool {
        entry.clean();
        if entry.drain_tx(&mut self.outgoing, wakes) {
            stack.close(entry.id(), now);
            return true;
        }
        let Some(mut packet) = stack.packet(entry.id()) else {
            return false;
        };
        // Whoever makes room kicks, unless nothing is left behind.
        let room = entry.room(usize::MAX);
        let frames = std::iter::from_fn(|| packet.recv());
        self.frames.extend(frames.take(room));
        if packet.waiting() == 0 {
            entry.room(0);
        }
        entry.fill(&mut self.frames, wakes);
        false
    }

    /// Brings in what an application did to a listener; whether it is done with it.
    pub(super) fn listener_in(
        &self,
        entry: &ListenerEntry,
        stack: &mut Stack,
        now: Instant,
    ) -> bool {
        entry.clean();
        let (released, closed) = entry.take_released();
        stack.release_backlog(entry.id(), released);
        if closed {
            stack.close(entry.id(), now);
        }
        closed
    }

    /// Hands out what has happened to a connection.
    pub(super) fn tcp_out(
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
        let ready = event.ready;
        mark_urgent(entry, ready, &tcp, wakes);
        // Not before: a mark that the reader has passed is none for the connection from then on.
        self.acted |= tcp.consume_to(entry.consumed());
        if ready.intersects(RECEIVED) {
            self.move_received(entry, ready, &mut tcp, wakes);
        }
        grant(entry, &mut tcp, wakes);
        if ready.contains(Readiness::CONNECTED) {
            entry.set_connected(wakes);
        }
        if entry.waiters().is_anybody_there()
            && (tcp.has_transmit_time() || ready.contains(Readiness::HANG_UP))
        {
            entry.waiters().wake_all(Ready::TIMED, wakes);
        }
        fail(entry, ready, &mut tcp, wakes);
    }

    fn udp_out(&mut self, entry: &UdpEntry, stack: &mut Stack, wakes: &mut Vec<Waker>) {
        let Some(mut udp) = stack.udp(entry.id()) else {
            return;
        };
        if let Some(error) = udp.take_error() {
            entry.fail(error.into(), wakes);
        }
        if entry.waiters().is_anybody_there() && udp.has_transmit_time() {
            entry.waiters().wake_all(Ready::TIMED, wakes);
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

    /// Hands out what a new connection has brought along.
    pub(super) fn tcp_accepted(
        &mut self,
        entry: &TcpEntry,
        stack: &mut Stack,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        if let Some(mut tcp) = stack.tcp(entry.id(), now) {
            let ready = tcp.readiness();
            grant(entry, &mut tcp, wakes);
            mark_urgent(entry, ready, &tcp, wakes);
            self.move_received(entry, ready, &mut tcp, wakes);
            fail(entry, ready, &mut tcp, wakes);
        }
    }

    /// Moves received bytes to the reader.
    fn move_received(
        &mut self,
        entry: &TcpEntry,
        ready: Readiness,
        tcp: &mut Tcp<'_>,
        wakes: &mut Vec<Waker>,
    ) {
        let count = tcp.take(&mut self.received);
        // A reset ends the stream too, but as an error.
        let finished = ready.contains(Readiness::PEER_CLOSED) && !ready.contains(Readiness::ERROR);
        entry.fill(&mut self.received, finished, wakes);
        if count as u64 > FEW || !entry.keeps_window_mark(tcp.window_mark(), tcp.consumed()) {
            self.acted |= sync_consumed(entry, tcp);
        }
    }
}

/// Hands a connection what was written, unless it is dead: the event that says so is on its way.
fn push(written: &mut Written, tcp: &mut Tcp<'_>) {
    let mut pieces = written.pieces.drain(..);
    let taken = pieces.try_for_each(|piece| tcp.push(piece));
    drop(pieces);
    if taken.is_ok() && !written.small.is_empty() {
        // Where this fails, it is for the same reason.
        let _ = tcp.push_copy(&written.small);
    }
    written.small.clear();
}

/// Lets the application write on. A writer that waits is woken for a third of the buffer or half of
/// what may be unsent, or when nothing is under way.
fn grant(entry: &TcpEntry, tcp: &mut Tcp<'_>, wakes: &mut Vec<Waker>) {
    let credit = tcp.send_limit();
    let enough = (tcp.send_buffer() / 3).min(tcp.settings().notsent_lowat / 2) as u64;
    if entry.has_enough(credit, enough) {
        return;
    }
    let idle = tcp.acknowledged() == tcp.pushed();
    entry.grant(credit, if idle { 1 } else { enough }, wakes);
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
fn fail(entry: &TcpEntry, ready: Readiness, tcp: &mut Tcp<'_>, wakes: &mut Vec<Waker>) {
    if ready.contains(Readiness::ERROR)
        && let Some(error) = tcp.take_error()
    {
        entry.fail(error.into(), wakes);
    }
}

/// Tells the connection how far the application has read, and the slot when to say so next; whether
/// that made it want to send.
fn sync_consumed(entry: &TcpEntry, tcp: &mut Tcp<'_>) -> bool {
    let mut consumed = entry.consumed();
    let mut acted = false;
    loop {
        acted |= tcp.consume_to(consumed);
        let mark = tcp.window_mark();
        if entry.keeps_window_mark(mark, consumed) {
            return acted;
        }
        let seen = entry.set_window_mark(mark);
        // A reader that passed the mark while it was set may not have kicked.
        if seen < mark || seen == consumed {
            return acted;
        }
        consumed = seen;
    }
}

/// What comes with bytes, or with the end of them.
const RECEIVED: Readiness = Readiness::READABLE
    .union(Readiness::PEER_CLOSED)
    .union(Readiness::HANG_UP)
    .union(Readiness::ERROR);

/// So few bytes move the mark of the window by so little that the last one will do.
const FEW: u64 = 4096;
