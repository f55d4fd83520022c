//! The place where a listener's accepted connections wait.

use super::ready::{Fault, Ready, Stop, Touch, register};
use super::{Dirty, Waiters};
use crate::sync::{AtomicBool, Mutex};
use std::collections::VecDeque;
use std::task::Waker;

/// The accept queue as the application sees it; `T` is what `accept` returns.
///
/// A connection in here still holds its place in the backlog of the stack; the driver releases it
/// when it learns from [`take_released`](Self::take_released) that it was accepted. That needs no
/// wake ([`Touch::Mark`]): whatever would use the place causes a round, and a round begins with the
/// dirty slots.
#[derive(Debug)]
pub(crate) struct ListenerSlot<T> {
    queue: Mutex<AcceptQueue<T>>,
    waiters: Waiters,
    dirty: AtomicBool,
}

#[derive(Debug)]
struct AcceptQueue<T> {
    ready: VecDeque<T>,
    /// Accepted since the driver last asked.
    released: u32,
    /// The task in `poll_accept`.
    acceptor: Option<Waker>,
    fault: Option<Fault>,
    closed: bool,
}

impl<T> ListenerSlot<T> {
    /// A listener without connections.
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::new(AcceptQueue {
                ready: VecDeque::new(),
                released: 0,
                acceptor: None,
                fault: None,
                closed: false,
            }),
            waiters: Waiters::new(),
            dirty: AtomicBool::new(false),
        }
    }

    /// Takes the oldest connection. On [`Stop::WouldBlock`] `waker` is remembered, if given.
    pub(crate) fn accept(&self, waker: Option<&Waker>) -> Result<(T, Touch), Stop> {
        let old;
        {
            let mut queue = self.queue.lock();
            if let Some(connection) = queue.ready.pop_front() {
                queue.released += 1;
                return Ok((connection, Touch::Mark));
            }
            if let Some(fault) = queue.fault {
                return Err(Stop::Fault(fault));
            }
            old = waker.and_then(|waker| register(&mut queue.acceptor, waker));
        }
        drop(old);
        Err(Stop::WouldBlock)
    }

    /// Waits for a connection (cancel safe). Of many tasks one is woken for each connection, first
    /// come first served.
    pub(crate) async fn accepted(&self) -> Result<(T, Touch), Fault> {
        self.waiters
            .wait(Ready::READABLE, || match self.accept(None) {
                Ok(accepted) => Some(Ok(accepted)),
                Err(Stop::WouldBlock) => None,
                Err(Stop::Fault(fault)) => Some(Err(fault)),
            })
            .await
    }

    /// Waits until there is a connection to accept; it may be another's by the next call.
    pub(crate) async fn acceptable(&self) -> Result<(), Fault> {
        self.waiters
            .wait(Ready::READABLE, || {
                let queue = self.queue.lock();
                match queue.fault {
                    _ if !queue.ready.is_empty() => Some(Ok(())),
                    Some(fault) => Some(Err(fault)),
                    None => None,
                }
            })
            .await
    }

    /// Application: done with the listener. The connections that nobody accepted are the caller's,
    /// to be dropped (which resets them).
    pub(crate) fn close(&self) -> (VecDeque<T>, Touch) {
        let (ready, _acceptor) = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            (std::mem::take(&mut queue.ready), queue.acceptor.take())
        };
        (ready, Touch::Kick)
    }

    /// Driver: adds a connection; gives it back if the application is done with the listener.
    pub(crate) fn push(&self, connection: T, wakes: &mut Vec<Waker>) -> Result<(), T> {
        {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(connection);
            }
            queue.ready.push_back(connection);
            wakes.extend(queue.acceptor.take());
        }
        self.waiters.wake_some(1, Ready::READABLE, wakes);
        Ok(())
    }

    /// Driver: how many connections were accepted since the last call, and whether the application
    /// is done with the listener.
    pub(crate) fn take_released(&self) -> (u32, bool) {
        let mut queue = self.queue.lock();
        (std::mem::take(&mut queue.released), queue.closed)
    }

    /// Driver: no connection will come any more; those that are here can still be accepted.
    pub(crate) fn fail(&self, fault: Fault, wakes: &mut Vec<Waker>) {
        {
            let mut queue = self.queue.lock();
            queue.fault = Some(fault);
            wakes.extend(queue.acceptor.take());
        }
        self.waiters.wake_all(Ready::all(), wakes);
    }
}

impl<T> Dirty for ListenerSlot<T> {
    fn dirty(&self) -> &AtomicBool {
        &self.dirty
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::ListenerSlot;
    use crate::shared::{Fault, Stop};
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn of_fifty_acceptors_one_is_woken_for_each_connection() {
        let listener = ListenerSlot::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut acceptors: Vec<_> = (0..50).map(|_| Box::pin(listener.accepted())).collect();
        for acceptor in &mut acceptors {
            assert!(acceptor.as_mut().poll(&mut context).is_pending());
        }
        for connection in 0..3 {
            let mut wakes = Vec::new();
            listener.push(connection, &mut wakes).unwrap();
            assert_eq!(wakes.len(), 1);
        }
        // First come first served, whoever polls first.
        for acceptor in acceptors.iter_mut().take(3) {
            let Poll::Ready(Ok(_)) = acceptor.as_mut().poll(&mut context) else {
                panic!("a connection is there");
            };
        }
        assert_eq!(listener.accept(None).err(), Some(Stop::WouldBlock));
        assert_eq!(listener.take_released(), (3, false));
    }

    #[test]
    fn connections_can_be_accepted_after_the_end_of_the_driver() {
        let listener = ListenerSlot::new();
        listener.push(1, &mut Vec::new()).unwrap();
        listener.fail(Fault::Gone, &mut Vec::new());
        assert_eq!(listener.accept(None).map(|(n, _)| n), Ok(1));
        assert_eq!(listener.accept(None).err(), Some(Stop::Fault(Fault::Gone)));
    }
}
