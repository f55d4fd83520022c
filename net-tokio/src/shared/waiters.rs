//! Any number of tasks that wait at one socket.

use super::Ready;
use crate::sync::{AtomicBool, Mutex, Ordering};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The tasks inside futures such as `readable()`, `ready()` and `accept()`, first come first served.
///
/// (`poll_read`, `poll_write` and `poll_accept` remember one waker each, in the slots themselves.)
///
/// The protocol that loses no wake: a waiter registers, *then* looks at the slot under its queue
/// lock; the driver changes the slot under that lock, *then* looks whether anybody waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Whether the list has an entry; changed under its lock.
    waiting: AtomicBool,
    /// Allocated by the first waiter.
    list: Mutex<Option<Box<List>>>,
}

impl Waiters {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Waits until `attempt` gives something; it is tried at once and after each wake for
    /// `interest`. Dropped after it was woken, it hands the wake on to the next waiter.
    pub(crate) async fn wait<R>(
        &self,
        interest: Ready,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> R {
        let mut waiter = None;
        poll_fn(move |context| {
            // Whoever gets it at once needs no place in line.
            if waiter.is_none()
                && let Some(outcome) = attempt()
            {
                return Poll::Ready(outcome);
            }
            let waiter = waiter.get_or_insert_with(|| Waiter::new(self, interest));
            waiter.poll(context.waker(), &mut attempt)
        })
        .await
    }

    /// Whether anybody waits. Who does not see a waiter here changed the slot before that looked at it.
    pub(crate) fn is_anybody_there(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Collects the wakers of all who are interested in one of `ready`.
    pub(crate) fn wake_all(&self, ready: Ready, wakes: &mut Vec<Waker>) {
        self.wake_some(usize::MAX, ready, wakes);
    }

    /// Collects the wakers of the first `count` who are interested in one of `ready`.
    pub(crate) fn wake_some(&self, count: usize, ready: Ready, wakes: &mut Vec<Waker>) {
        if !self.is_anybody_there() {
            return;
        }
        let mut list = self.list.lock();
        let Some(list) = list.as_mut() else { return };
        let mut first = 0;
        for _ in 0..count {
            let rest = list.queue.range(first..);
            let Some(offset) = rest
                .into_iter()
                .position(|entry| entry.interest.intersects(ready))
            else {
                break;
            };
            first += offset;
            wakes.extend(list.queue.remove(first).map(|entry| entry.waker));
        }
        self.waiting
            .store(!list.queue.is_empty(), Ordering::Relaxed);
    }

    /// Takes the first waiter that is interested in one of `ready` off the list.
    fn next(&self, ready: Ready) -> Option<Waker> {
        if !self.is_anybody_there() {
            return None;
        }
        let mut list = self.list.lock();
        let queue = &mut list.as_mut()?.queue;
        let index = queue
            .iter()
            .position(|entry| entry.interest.intersects(ready))?;
        let entry = queue.remove(index)?;
        self.waiting.store(!queue.is_empty(), Ordering::Relaxed);
        Some(entry.waker)
    }
}

/// One task's place in the line.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiters: &'a Waiters,
    interest: Ready,
    /// Its place; kept when it was woken for nothing.
    ticket: Option<u64>,
    /// Whether it has put itself on the list since it last took itself off.
    listed: bool,
}

impl<'a> Waiter<'a> {
    /// Not in line yet.
    pub(crate) fn new(waiters: &'a Waiters, interest: Ready) -> Self {
        Self {
            waiters,
            interest,
            ticket: None,
            listed: false,
        }
    }

    /// One poll of a future that waits for `attempt` to give something.
    ///
    /// It is off the list during the first attempt, so a wake that comes then goes to another.
    pub(crate) fn poll<R>(
        &mut self,
        waker: &Waker,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        self.leave();
        if let Some(outcome) = attempt() {
            return Poll::Ready(outcome);
        }
        self.enter(waker);
        match attempt() {
            Some(outcome) => {
                self.leave_or_hand_on();
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }

    fn enter(&mut self, waker: &Waker) {
        let mut list = self.waiters.list.lock();
        let list = list.get_or_insert_default();
        let ticket = *self.ticket.get_or_insert_with(|| {
            list.next_ticket += 1;
            list.next_ticket
        });
        let place = list.queue.partition_point(|entry| entry.ticket < ticket);
        list.queue.insert(
            place,
            Entry {
                ticket,
                interest: self.interest,
                waker: waker.clone(),
            },
        );
        self.waiters.waiting.store(true, Ordering::Relaxed);
        self.listed = true;
    }

    /// Takes itself off the list; `false` if it was on it and a wake has taken it off before.
    fn leave(&mut self) -> bool {
        let Some(ticket) = self.ticket.filter(|_| std::mem::take(&mut self.listed)) else {
            return true;
        };
        let mut list = self.waiters.list.lock();
        let Some(inner) = list.as_mut() else {
            return false;
        };
        let queue = &mut inner.queue;
        let Ok(place) = queue.binary_search_by_key(&ticket, |entry| entry.ticket) else {
            return false;
        };
        let entry = queue.remove(place);
        let empty = queue.is_empty();
        if empty && queue.capacity() > SPARE {
            *queue = VecDeque::new();
        }
        self.waiters.waiting.store(!empty, Ordering::Relaxed);
        drop(list);
        drop(entry);
        true
    }

    /// Leaves; a wake that was meant for it but not used goes to the next in line.
    fn leave_or_hand_on(&mut self) {
        if !self.leave()
            && let Some(next) = self.waiters.next(self.interest)
        {
            next.wake();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.leave_or_hand_on();
    }
}

#[derive(Debug, Default)]
struct List {
    next_ticket: u64,
    /// By ticket, ascending.
    queue: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    interest: Ready,
    waker: Waker,
}

/// Room for waiters that is kept when nobody waits.
const SPARE: usize = 16;
