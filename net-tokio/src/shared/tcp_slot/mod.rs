//! The place where a TCP connection's application and its driver meet.

mod rx;
mod tx;
mod urgent;

use super::ready::{Fault, Ready, Stop, Touch, register};
use super::{Dirty, Waiters};
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering};
use bytes::Bytes;
use net_core::SocketError;
use rx::RxHalf;
use std::task::{Poll, Waker};
use tx::TxHalf;
use urgent::Mark;

/// A connection, from the first SYN on, as the application sees it.
///
/// The two halves are independent: each has a queue lock that it shares with the driver, and the
/// receive half a user lock for its callers. Reads return data first, then a pending error once, then
/// end of stream; writes return a pending error once, then [`BrokenPipe`](SocketError::BrokenPipe).
///
/// What the driver does with it in a round, under the lock of the stack:
/// 1. if the slot is dirty: [`drain_tx`](Self::drain_tx) and push what was written;
///    [`consumed`](Self::consumed), tell the connection, then, where a new mark is due,
///    [`set_window_mark`](Self::set_window_mark), and again if that returns more;
/// 2. if the connection has an event: [`fill`](Self::fill), [`grant`](Self::grant),
///    [`set_connected`](Self::set_connected), [`fail`](Self::fail);
/// 3. when the lock of the stack is released: wake what those have collected.
#[derive(Debug)]
pub(crate) struct TcpSlot {
    rx: RxHalf,
    tx: TxHalf,
    mark: Mark,
    waiters: Waiters,
    /// The pending error. Boxed because it is rare and a slot is many.
    fault: Mutex<Option<Box<Fault>>>,
    dirty: AtomicBool,
    /// A reader that finds nothing has memory to give back.
    bulky: AtomicBool,
    /// Bytes that make it readable (`SO_RCVLOWAT`); written under the lock of the receive queue.
    lowat: AtomicU32,
    /// The connection has been dissolved, and its socket lives on without the slot.
    detached: AtomicBool,
}

/// What an application has written, in order: first the pieces, then the small bytes.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) pieces: Vec<Bytes>,
    /// So few that they are copied on, after which their room serves again.
    pub(crate) small: Vec<u8>,
}

impl Written {
    /// Drops everything, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.small.clear();
    }
}

/// What [`TcpSlot::drain_tx`] found beside data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained {
    /// The application has shut down sending: FIN after all that was drained up to now.
    pub(crate) finish: bool,
    /// The application is done with the socket.
    pub(crate) close: Option<Close>,
}

/// How a connection was left by the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// It had read everything that was moved into the slot.
    Clean,
    /// Bytes in the slot were never read, or came later: the peer has to get a RST.
    Unread,
}

impl TcpSlot {
    /// A slot for a connection that is being opened (`connected` false: writers wait) or was
    /// accepted.
    pub(crate) fn new(connected: bool) -> Self {
        Self {
            rx: RxHalf::new(),
            tx: TxHalf::new(connected),
            mark: Mark::new(),
            waiters: Waiters::new(),
            fault: Mutex::new(None),
            dirty: AtomicBool::new(false),
            bulky: AtomicBool::new(false),
            lowat: AtomicU32::new(1),
            detached: AtomicBool::new(false),
        }
    }

    /// Tasks in `readable()`, `writable()` and `ready()`.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// What the socket is ready for now.
    pub(crate) fn readiness(&self) -> Ready {
        let (rx, tx) = (self.rx_state(), self.tx_state());
        let mut ready = Ready::empty();
        ready.set(Ready::READABLE, rx.readable);
        ready.set(Ready::READ_CLOSED, rx.finished || rx.ended);
        ready.set(Ready::WRITABLE, tx.free > 0 || tx.finish || tx.ended);
        ready.set(Ready::WRITE_CLOSED, tx.ended || (tx.finish && rx.finished));
        let fault = self.fault.lock();
        ready.set(Ready::ERROR, fault.is_some());
        let gone = fault.as_deref() == Some(&Fault::Gone);
        ready.set(Ready::PRIORITY, gone || self.is_urgent());
        ready
    }

    /// Waits for one of `interest` (cancel safe).
    pub(crate) async fn ready(&self, interest: Ready) -> Ready {
        self.waiters
            .wait(interest, || {
                let ready = self.readiness() & interest;
                (!ready.is_empty()).then_some(ready)
            })
            .await
    }

    /// Takes the pending error, if there is one (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<Fault> {
        let mut place = self.fault.lock();
        match place.as_deref() {
            Some(Fault::Gone) => Some(Fault::Gone),
            Some(Fault::Socket(_)) => place.take().map(|fault| *fault),
            None => None,
        }
    }

    /// The outcome of an active open: `Pending` until the connection is established or has failed.
    pub(crate) fn poll_connect(&self, waker: &Waker) -> Poll<Result<(), Fault>> {
        self.poll_connected(waker).map(|connected| {
            if connected {
                Ok(())
            } else {
                Err(self.connect_fault())
            }
        })
    }

    fn connect_fault(&self) -> Fault {
        self.take_error()
            .unwrap_or(Fault::Socket(SocketError::ConnectionAborted))
    }

    /// Application: done with the socket. What it has written is still delivered, unless data that
    /// it has not read make the connection end with a reset.
    pub(crate) fn close(&self) -> Touch {
        self.close_rx();
        self.close_tx();
        match self.detached.load(Ordering::Relaxed) {
            true => Touch::None,
            false => Touch::Kick,
        }
    }

    /// The socket is somebody else's from now on: closing the slot says nothing about it.
    pub(crate) fn detach(&self) {
        self.detached.store(true, Ordering::Relaxed);
    }

    /// Driver: the connection is dead, or the driver is. Data already here can still be read;
    /// everybody who waits is woken.
    pub(crate) fn fail(&self, fault: Fault, wakes: &mut Vec<Waker>) {
        let mut place = self.fault.lock();
        if place.as_deref() != Some(&Fault::Gone) {
            *place = Some(Box::new(fault));
        }
        drop(place);
        self.end_rx(wakes);
        self.end_tx(wakes);
        self.waiters.wake_all(Ready::all(), wakes);
    }
}

impl Dirty for TcpSlot {
    fn dirty(&self) -> &AtomicBool {
        &self.dirty
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
