//! Who runs the next round, and who has to be woken for it.

use super::ready::register;
use crate::sync::{AtomicU32, Mutex, Ordering};
use std::task::Waker;

/// NAPI's SCHED/MISSED protocol in one atomic word.
///
/// Two bits: a round is *asked for*, a round *runs*. Asking while one runs is what NAPI calls
/// MISSED: the runner learns of it when it [finishes](RunRight::finish) and sees to another round.
/// So of any number of tasks that kick, at most one per round has to wake the driver, and no kick
/// is lost.
///
/// The driver's poll: [`register`](Self::register) its waker, [`try_run`](Self::try_run), one
/// round, [`finish`](RunRight::finish); if that says `true`, wake itself and return `Pending`.
/// A task with something for the driver: put it where the driver looks (slot, dirty list), then
/// [`kick`](Self::kick).
#[derive(Debug, Default)]
pub(crate) struct Kick {
    word: AtomicU32,
    driver: Mutex<Option<Waker>>,
}

impl Kick {
    /// Nothing asked for, nothing running.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Asks for a round and wakes the driver if that is this caller's part.
    pub(crate) fn kick(&self) {
        if self.schedule() {
            self.wake_driver();
        }
    }

    /// Asks for a round. `true`: the caller has to [wake the driver](Self::wake_driver) (or to run
    /// the round itself); `false`: somebody else has to already.
    ///
    /// What the caller wrote before is seen by the round that follows.
    #[must_use]
    pub(crate) fn schedule(&self) -> bool {
        self.word.fetch_or(SCHED, Ordering::AcqRel) & (SCHED | RUNNING) == 0
    }

    /// Whether a round is asked for that has not begun. It will see what the caller wrote before, if that
    /// went through a lock or a swap that the round makes use of too: had it done so already, the caller
    /// would see that the round has begun.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.word.load(Ordering::Acquire) & SCHED != 0
    }

    /// The right to run one round, for the driver or a task that runs it inline. `None`: another
    /// has it, and will see to a further round when it finishes.
    #[must_use]
    pub(crate) fn try_run(&self) -> Option<RunRight<'_>> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = if word & RUNNING == 0 {
                RUNNING
            } else {
                RUNNING | SCHED
            };
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if word & RUNNING == 0 => return Some(RunRight { kick: self }),
                Ok(_) => return None,
                Err(now) => word = now,
            }
        }
    }

    /// Remembers whom to wake; the driver calls this at the start of every poll.
    pub(crate) fn register(&self, waker: &Waker) {
        let old = register(&mut self.driver.lock(), waker);
        drop(old);
    }

    /// Wakes the driver, once for each time it registered.
    pub(crate) fn wake_driver(&self) {
        let driver = self.driver.lock().take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// The right to run one round over the stack and its devices.
///
/// Dropped without [`finish`](Self::finish) (a round panicked) it asks for another round and wakes
/// the driver.
#[derive(Debug)]
#[must_use]
pub(crate) struct RunRight<'a> {
    kick: &'a Kick,
}

impl RunRight<'_> {
    /// Ends the round. `again`: the runner itself knows of more to do.
    ///
    /// `true`: another round is due, and the caller has to see to it: the driver wakes itself, a
    /// task runs again or calls [`Kick::wake_driver`].
    #[must_use]
    pub(crate) fn finish(self, again: bool) -> bool {
        let kick = self.kick;
        std::mem::forget(self);
        kick.release(again)
    }
}

impl Drop for RunRight<'_> {
    fn drop(&mut self) {
        self.kick.release(true);
        self.kick.wake_driver();
    }
}

impl Kick {
    fn release(&self, again: bool) -> bool {
        if again {
            self.word.swap(SCHED, Ordering::AcqRel);
            return true;
        }
        self.word.fetch_and(!RUNNING, Ordering::AcqRel) & SCHED != 0
    }
}

/// A round is asked for; while one runs: another one (NAPI's MISSED).
const SCHED: u32 = 1;
/// Somebody holds the run right.
const RUNNING: u32 = 2;
