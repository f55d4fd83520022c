//! What an operation on a slot tells its caller: ready for what, why it stopped, what the driver
//! has to do about it.

use bitflags::bitflags;
use net_core::SocketError;
use std::task::Waker;

bitflags! {
    /// What a socket is ready for, with the meaning of `tokio::io::Ready`; also what a task is
    /// interested in.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct Ready: u8 {
        /// A read would not block: data, end of stream or an error.
        const READABLE = 1;
        /// A write would not block: room or an error.
        const WRITABLE = 2;
        /// No further data will arrive.
        const READ_CLOSED = 4;
        /// No further data can be sent, whoever closed.
        const WRITE_CLOSED = 8;
        /// An error waits to be taken.
        const ERROR = 16;
        /// Urgent data; so that nobody waits for it for ever, also that the stack is gone.
        const PRIORITY = 32;
        /// A time at which something left waits to be taken; nothing that tokio knows of.
        const TIMED = 64;
    }
}

impl Ready {
    /// Everything that ends the wait of a reader.
    pub(crate) const READ: Self = Self::READABLE.union(Self::READ_CLOSED);
    /// Everything that ends the wait of a writer.
    pub(crate) const WRITE: Self = Self::WRITABLE.union(Self::WRITE_CLOSED);
}

/// Why a socket fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The protocol or the caller: reported once where it is pending.
    Socket(SocketError),
    /// The runtime that drove the stack has ended, or the stack was shut down: stays for ever.
    Gone,
}

impl From<SocketError> for Fault {
    fn from(error: SocketError) -> Self {
        Self::Socket(error)
    }
}

/// Why an operation did not succeed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing to do now. If the caller gave a waker, it is registered.
    WouldBlock,
    /// It failed.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SocketError> for Stop {
    fn from(error: SocketError) -> Self {
        Self::Fault(Fault::Socket(error))
    }
}

/// What the caller of a slot owes the driver afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub(crate) enum Touch {
    /// Nothing.
    None,
    /// Mark the slot dirty: the next round is soon enough, whatever causes it.
    Mark,
    /// Mark the slot dirty, then kick.
    Kick,
}

/// Remembers `waker` in `place`; gives back what was there, to be dropped after unlocking (the
/// last reference to a task may drop the task, and with it sockets).
#[must_use]
pub(super) fn register(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(known) if known.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}
