//! What runs on a simulated host.

use crate::socket::{Event, SocketId};
use crate::stack::Stack;
use crate::time::Instant;

/// The applications of one host, driven by events: they never wait.
///
/// `()` does nothing; events then wait in the stack for whoever polls them.
pub trait Application {
    /// A socket has changed.
    fn handle_event(&mut self, event: Event, stack: &mut Stack, now: Instant);

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, stack: &mut Stack, now: Instant);

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether events are for it at all.
    fn takes_events(&self) -> bool {
        true
    }

    /// The connections whose course is of interest, each with a number of its own that never comes
    /// to mean another one.
    fn watched(&self, each: &mut dyn FnMut(u32, SocketId)) {
        let _ = each;
    }
}

impl Application for () {
    fn handle_event(&mut self, _event: Event, _stack: &mut Stack, _now: Instant) {}

    fn handle_timeout(&mut self, _stack: &mut Stack, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn takes_events(&self) -> bool {
        false
    }
}
