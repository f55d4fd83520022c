//! The lock around the stack, fair between rounds and control calls.

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// A mutex whose regular user, which locks it again and again, lets others in between.
///
/// With a bare mutex a driver that unlocks and locks every 50 µs keeps a waiter out for tens of
/// milliseconds. Here everybody passes a gate first and gives it back when inside: a
/// [control call](Self::control) waits for the current round while it holds the gate, so the next
/// round waits at the gate until the control call is inside.
#[derive(Debug, Default)]
pub(crate) struct Turn<T> {
    gate: Mutex<()>,
    /// How many are at the gate, or pass it.
    waiting: AtomicUsize,
    inner: Mutex<T>,
}

impl<T> Turn<T> {
    /// A lock around `inner`.
    pub(crate) fn new(inner: T) -> Self {
        Self {
            gate: Mutex::new(()),
            waiting: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        }
    }

    /// Waits for the end of the current round at most (bind, connect, options, routes …).
    pub(crate) fn control(&self) -> MutexGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let gate = self.gate.lock();
        let inner = self.inner.lock();
        drop(gate);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        inner
    }

    /// For a round of the driver: waits for control calls that are inside or at the gate.
    pub(crate) fn round(&self) -> MutexGuard<'_, T> {
        self.control()
    }

    /// For a round in a task that must not wait: `None` while anybody is inside or at the gate.
    pub(crate) fn try_round(&self) -> Option<MutexGuard<'_, T>> {
        // What is seen of the waiting need not be the latest: they get in when this one leaves.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.inner.try_lock()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Turn;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn a_control_call_gets_in_before_the_next_round() {
        let turn = Arc::new(Turn::new(0));
        let round = turn.round();
        let control = {
            let turn = Arc::clone(&turn);
            thread::spawn(move || *turn.control() += 1)
        };
        while turn.gate.try_lock().is_some() {
            thread::yield_now();
        }
        assert!(turn.try_round().is_none());
        drop(round);
        assert_eq!(*turn.round(), 1);
        control.join().expect("control call runs");
    }
}
