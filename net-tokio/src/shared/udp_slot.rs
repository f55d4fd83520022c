//! The place where a datagram socket's application and its driver meet.

mod queues;

use super::ready::{Fault, Ready, Stop, Touch, register};
use super::{Dirty, Waiters};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use bytes::Bytes;
use net_core::udp::SendMeta;
use queues::{RxQueue, TxQueue, take_front};
use std::collections::VecDeque;
use std::iter;
use std::task::{Poll, Waker};

/// A datagram socket as the application sees it; `D` is a received datagram.
///
/// A pending error is reported once, by whichever operation comes next, before data; see [`Caller`].
/// The slot holds at most [`BATCH`] datagrams that no reader has taken over; the others stay in the
/// stack, where the socket's receive buffer bounds them.
#[derive(Debug)]
pub(crate) struct UdpSlot<D> {
    /// Taken over from the queue by the readers.
    user: Mutex<VecDeque<D>>,
    rx: Mutex<RxQueue<D>>,
    tx: Mutex<TxQueue>,
    /// Datagrams in `user` and `rx`.
    unread: AtomicUsize,
    /// Whether there are datagrams in `tx`; written under its lock.
    waiting: AtomicBool,
    fault: Mutex<Option<Fault>>,
    /// Whether `fault` is set.
    faulty: AtomicBool,
    waiters: Waiters,
    dirty: AtomicBool,
}

/// Who wants to receive.
///
/// An error alone is an answer to futures only. As with epoll, what polls or tries is told of
/// datagrams, and of an error together with them; otherwise the next to send is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// A future that [`UdpSlot::waiters`] wake.
    Future,
    /// A task that polls, to be woken by this.
    Poll(&'a Waker),
    /// Nobody waits.
    Try,
}

/// A datagram, or several, on the way to the driver: payload, and how it is to leave.
pub(crate) type Outgoing = (Bytes, SendMeta);

impl<D> UdpSlot<D> {
    /// An idle socket that lets `send_buffer` bytes wait for the driver.
    pub(crate) fn new(send_buffer: usize) -> Self {
        Self {
            user: Mutex::new(VecDeque::new()),
            rx: Mutex::new(RxQueue {
                arrived: VecDeque::new(),
                reader: None,
                left: false,
            }),
            tx: Mutex::new(TxQueue {
                datagrams: VecDeque::new(),
                bytes: 0,
                limit: send_buffer,
                writer: None,
                vetted: None,
                closed: false,
            }),
            unread: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            fault: Mutex::new(None),
            faulty: AtomicBool::new(false),
            waiters: Waiters::new(),
            dirty: AtomicBool::new(false),
        }
    }

    /// Tasks in `readable()`, `recv_from()` and the like.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// What the socket is ready for now.
    pub(crate) fn readiness(&self) -> Ready {
        // Under the queue locks, as `Waiters` demands.
        let (data, faulty) = {
            let _rx = self.rx.lock();
            let faulty = self.faulty.load(Ordering::Acquire);
            (self.unread.load(Ordering::Acquire) > 0, faulty)
        };
        let gone = faulty && self.is_gone();
        let writable = faulty || self.tx.lock().has_room();
        let mut ready = Ready::empty();
        ready.set(Ready::READABLE, data || gone);
        ready.set(Ready::WRITABLE, writable);
        ready.set(Ready::ERROR, faulty);
        ready.set(Ready::PRIORITY, gone);
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

    /// Whether the error stays for ever.
    fn is_gone(&self) -> bool {
        *self.fault.lock() == Some(Fault::Gone)
    }

    /// Takes the pending error, if there is one (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<Fault> {
        if !self.faulty.load(Ordering::Acquire) {
            return None;
        }
        let mut place = self.fault.lock();
        match *place {
            Some(Fault::Gone) => Some(Fault::Gone),
            _ => {
                self.faulty.store(false, Ordering::Release);
                place.take()
            }
        }
    }
}

/// For the application.
impl<D> UdpSlot<D> {
    /// Takes the oldest datagram.
    pub(crate) fn recv(&self, caller: Caller<'_>) -> Result<(D, Touch), Stop> {
        let mut user = self.user.lock();
        let touch = self.refill(&mut user, caller)?;
        let datagram = user.pop_front().ok_or(Stop::WouldBlock)?;
        self.unread.fetch_sub(1, Ordering::AcqRel);
        Ok((datagram, touch))
    }

    /// Takes up to `limit` datagrams, at least 1, behind those of `into`; how many. It is fewer only where
    /// the slot is empty then.
    pub(crate) fn recv_many(
        &self,
        caller: Caller<'_>,
        into: &mut Vec<D>,
        limit: usize,
    ) -> Result<(usize, Touch), Stop> {
        let mut user = self.user.lock();
        let mut touch = self.refill(&mut user, caller)?;
        let before = into.len();
        into.extend(take_front(&mut user, limit));
        if user.is_empty() {
            let mut rx = self.rx.lock();
            let count = into.len() - before;
            let rest = take_front(&mut rx.arrived, limit - count);
            if rest.len() > 0 {
                into.extend(rest);
                if std::mem::take(&mut rx.left) {
                    touch = Touch::Kick;
                }
            }
        }
        let count = into.len() - before;
        self.unread.fetch_sub(count, Ordering::AcqRel);
        Ok((count, touch))
    }

    /// Lets `look` see the oldest datagram without taking it; as [`recv`](Self::recv) otherwise.
    /// `look` runs under the user lock and must not use this half.
    pub(crate) fn peek<R>(
        &self,
        caller: Caller<'_>,
        look: impl FnOnce(&D) -> R,
    ) -> Result<(R, Touch), Stop> {
        let mut user = self.user.lock();
        let touch = self.refill(&mut user, caller)?;
        let datagram = user.front().ok_or(Stop::WouldBlock)?;
        Ok((look(datagram), touch))
    }

    /// Takes the oldest datagram if it is `wanted`.
    #[cfg(feature = "quinn")]
    pub(crate) fn recv_if(
        &self,
        wanted: impl FnOnce(&D) -> bool,
    ) -> Result<(Option<D>, Touch), Stop> {
        let mut user = self.user.lock();
        let touch = self.refill(&mut user, Caller::Try)?;
        let datagram = match user.front() {
            Some(datagram) if wanted(datagram) => user.pop_front(),
            _ => None,
        };
        let taken = usize::from(datagram.is_some());
        self.unread.fetch_sub(taken, Ordering::AcqRel);
        Ok((datagram, touch))
    }

    /// Waits until there is a datagram.
    pub(crate) fn poll_readable(&self, waker: &Waker) -> Poll<()> {
        let old;
        {
            let mut rx = self.rx.lock();
            if self.unread.load(Ordering::Acquire) > 0 || self.concerns(Caller::Poll(waker)) {
                return Poll::Ready(());
            }
            old = register(&mut rx.reader, waker);
        }
        drop(old);
        Poll::Pending
    }

    /// Queues a datagram. Without room for it: [`Stop::WouldBlock`], and `waker` is remembered, if
    /// given. Copy the payload only after [`can_send`](Self::can_send).
    pub(crate) fn send(
        &self,
        payload: Bytes,
        meta: SendMeta,
        waker: Option<&Waker>,
    ) -> Result<Touch, Stop> {
        let (_, touch) = self.send_many(&mut iter::once((payload, meta)), waker)?;
        Ok(touch)
    }

    /// Queues datagrams, there being one at least, as far as there is room for them; how many. Without any
    /// as [`send`](Self::send).
    pub(crate) fn send_many(
        &self,
        datagrams: &mut impl Iterator<Item = Outgoing>,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        self.can_send(waker)?;
        let mut tx = self.tx.lock();
        let idle = tx.datagrams.is_empty();
        let mut count = 0;
        while count == 0 || tx.has_room() {
            let Some((payload, meta)) = datagrams.next() else {
                break;
            };
            tx.bytes += payload.len() + OVERHEAD;
            tx.datagrams.push_back((payload, meta));
            count += 1;
        }
        self.waiting.store(true, Ordering::Release);
        Ok((count, if idle { Touch::Kick } else { Touch::None }))
    }

    /// How many payloads of these lengths there would be room for now; the first always counts.
    pub(crate) fn fits(&self, lens: impl Iterator<Item = usize>) -> usize {
        let tx = self.tx.lock();
        let (mut bytes, limit) = (tx.bytes, tx.limit);
        drop(tx);
        let mut count = 0;
        for len in lens {
            if count > 0 && bytes >= limit {
                break;
            }
            bytes += len + OVERHEAD;
            count += 1;
        }
        count
    }

    /// Whether a datagram can be queued now; takes the pending error otherwise, or remembers `waker`.
    pub(crate) fn can_send(&self, waker: Option<&Waker>) -> Result<(), Stop> {
        loop {
            if let Some(fault) = self.take_error() {
                return Err(Stop::Fault(fault));
            }
            if !self.has_waiting() {
                return Ok(());
            }
            let old;
            {
                let mut tx = self.tx.lock();
                if tx.has_room() {
                    return Ok(());
                }
                if self.faulty.load(Ordering::Acquire) {
                    continue;
                }
                old = waker.and_then(|waker| register(&mut tx.writer, waker));
            }
            drop(old);
            return Err(Stop::WouldBlock);
        }
    }

    /// Waits until a send would not block.
    pub(crate) fn poll_writable(&self, waker: &Waker) -> Poll<()> {
        let old;
        {
            let mut tx = self.tx.lock();
            if self.faulty.load(Ordering::Acquire) || tx.has_room() {
                return Poll::Ready(());
            }
            old = register(&mut tx.writer, waker);
        }
        drop(old);
        Poll::Pending
    }

    /// Done with the socket: what was sent is still delivered, what was received is dropped.
    pub(crate) fn close(&self) -> Touch {
        let _received = std::mem::take(&mut *self.user.lock());
        let _arrived = {
            let mut rx = self.rx.lock();
            (std::mem::take(&mut rx.arrived), rx.reader.take())
        };
        let _writer = {
            let mut tx = self.tx.lock();
            tx.closed = true;
            tx.writer.take()
        };
        Touch::Kick
    }

    /// Makes sure that `user` has a datagram.
    fn refill(&self, user: &mut VecDeque<D>, caller: Caller<'_>) -> Result<Touch, Stop> {
        loop {
            let told = self.unread.load(Ordering::Acquire) > 0 || self.concerns(caller);
            if told && let Some(fault) = self.take_error() {
                return Err(Stop::Fault(fault));
            }
            if !user.is_empty() {
                return Ok(Touch::None);
            }
            let old;
            {
                let mut rx = self.rx.lock();
                if !rx.arrived.is_empty() {
                    std::mem::swap(&mut rx.arrived, user);
                    let left = std::mem::take(&mut rx.left);
                    return Ok(if left { Touch::Kick } else { Touch::None });
                }
                if self.concerns(caller) {
                    continue;
                }
                old = match caller {
                    Caller::Poll(waker) => register(&mut rx.reader, waker),
                    Caller::Future | Caller::Try => None,
                };
            }
            drop(old);
            return Err(Stop::WouldBlock);
        }
    }

    /// Whether an error is pending that is an answer to `caller` without any datagram.
    fn concerns(&self, caller: Caller<'_>) -> bool {
        self.faulty.load(Ordering::Acquire) && (matches!(caller, Caller::Future) || self.is_gone())
    }
}

/// For the driver.
impl<D> UdpSlot<D> {
    /// How many of `wanted` datagrams there is room for. If there is less, the reader that makes
    /// room kicks.
    pub(crate) fn room(&self, wanted: usize) -> usize {
        let mut rx = self.rx.lock();
        let room = BATCH.saturating_sub(rx.arrived.len());
        rx.left = room < wanted;
        room.min(wanted)
    }

    /// Moves all of `from` to the readers.
    pub(crate) fn fill(&self, from: &mut VecDeque<D>, wakes: &mut Vec<Waker>) {
        if from.is_empty() {
            return;
        }
        {
            let mut rx = self.rx.lock();
            self.unread.fetch_add(from.len(), Ordering::AcqRel);
            rx.arrived.append(from);
            wakes.extend(rx.reader.take());
        }
        self.waiters.wake_all(Ready::READABLE, wakes);
    }

    /// Moves all that was sent behind what is in `into`; `true`: the application is done with the
    /// socket.
    pub(crate) fn drain_tx(&self, into: &mut VecDeque<Outgoing>, wakes: &mut Vec<Waker>) -> bool {
        let closed = {
            let mut tx = self.tx.lock();
            into.append(&mut tx.datagrams);
            tx.bytes = 0;
            self.waiting.store(false, Ordering::Release);
            wakes.extend(tx.writer.take());
            tx.closed
        };
        self.waiters.wake_all(Ready::WRITABLE, wakes);
        closed
    }

    /// Puts back in front what found no room in the stack; `rest` is empty afterwards.
    pub(crate) fn put_back(&self, rest: &mut VecDeque<Outgoing>) {
        let mut tx = self.tx.lock();
        let cost = |(payload, _): &Outgoing| payload.len() + OVERHEAD;
        tx.bytes += rest.iter().map(cost).sum::<usize>();
        rest.append(&mut tx.datagrams);
        std::mem::swap(&mut tx.datagrams, rest);
        self.waiting
            .store(!tx.datagrams.is_empty(), Ordering::Release);
    }

    /// Whether datagrams wait to be drained.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether the stack has said that datagrams can leave as `meta` says, and nothing about this socket
    /// has changed since.
    pub(crate) fn is_vetted(&self, meta: SendMeta) -> bool {
        self.tx.lock().vetted == Some(meta)
    }

    /// The stack says that datagrams can leave as `meta` says.
    pub(crate) fn vet(&self, meta: SendMeta) {
        self.tx.lock().vetted = Some(meta);
    }

    /// The stack has to say again where datagrams can go.
    pub(crate) fn unvet(&self) {
        self.tx.lock().vetted = None;
    }

    /// The most bytes that may wait for the driver (`SO_SNDBUF`).
    pub(crate) fn set_send_buffer(&self, bytes: usize) {
        self.tx.lock().limit = bytes;
    }

    /// Sets the pending error; everybody to whom it is an answer is woken.
    pub(crate) fn fail(&self, fault: Fault, wakes: &mut Vec<Waker>) {
        self.unvet();
        let mut place = self.fault.lock();
        if *place != Some(Fault::Gone) {
            *place = Some(fault);
        }
        self.faulty.store(true, Ordering::Release);
        drop(place);
        if fault == Fault::Gone {
            wakes.extend(self.rx.lock().reader.take());
            self.waiters.wake_all(Ready::all(), wakes);
        } else {
            // A future that looks at the queue under its lock sees the error from here on.
            drop(self.rx.lock());
            self.waiters.wake_all(Ready::ERROR | Ready::WRITE, wakes);
        }
        wakes.extend(self.tx.lock().writer.take());
    }
}

impl<D> Dirty for UdpSlot<D> {
    fn dirty(&self) -> &AtomicBool {
        &self.dirty
    }
}

/// Datagrams that wait in a slot until a reader takes them over.
pub(crate) const BATCH: usize = 64;
/// What a datagram counts beside its payload, in bytes.
const OVERHEAD: usize = 64;

#[cfg(all(test, not(loom)))]
mod tests;
