//! The receive half: the driver fills, the application reads.

use super::{Close, Ready, Stop, TcpSlot, Touch, register};
use crate::sync::{AtomicU64, Mutex, Ordering};
use bytes::Bytes;
use net_core::buf::{RecvQueue, in_parts};
use std::task::{Poll, Waker};

#[derive(Debug)]
pub(super) struct RxHalf {
    /// Taken over from the queue by the readers, and read from.
    user: Mutex<RecvQueue>,
    pub(super) queue: Mutex<RxQueue>,
    /// Stream position up to which the driver has filled; written under the queue lock.
    filled: AtomicU64,
    /// Stream position up to which the application has read; written under the queue lock.
    consumed: AtomicU64,
    /// Stream position from which on `consumed` matters to the driver.
    window_mark: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct RxQueue {
    arrived: RecvQueue,
    /// The task in `poll_read`, `poll_peek` or `poll_read_ready`.
    reader: Option<Waker>,
    /// FIN came in order.
    finished: bool,
    /// The connection is dead.
    ended: bool,
    /// The application is done with the socket.
    closed: bool,
    /// There were unread bytes at close, or bytes came later.
    unread: bool,
}

/// What a reader that looks into the queue finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refill {
    Data,
    Nothing,
    Finished,
    Ended,
}

impl RxQueue {
    fn refill(&self) -> Refill {
        if !self.arrived.is_empty() {
            Refill::Data
        } else if self.finished {
            Refill::Finished
        } else if self.ended {
            Refill::Ended
        } else {
            Refill::Nothing
        }
    }
}

/// The receive half at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RxState {
    pub(super) readable: bool,
    pub(super) finished: bool,
    pub(super) ended: bool,
}

impl RxHalf {
    pub(super) fn new() -> Self {
        Self {
            user: Mutex::new(RecvQueue::default()),
            queue: Mutex::new(RxQueue::default()),
            filled: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
            window_mark: AtomicU64::new(u64::MAX),
        }
    }

    /// Bytes that are there and were not read; exact under either lock for its side.
    fn available(&self) -> u64 {
        let filled = self.filled.load(Ordering::Acquire);
        filled.saturating_sub(self.consumed.load(Ordering::Acquire))
    }

    /// Remembers that `count` more bytes were read; the caller holds the queue lock.
    fn consume(&self, count: usize) -> Touch {
        if count == 0 {
            return Touch::None;
        }
        let consumed = self.consumed.load(Ordering::Relaxed) + count as u64;
        self.consumed.store(consumed, Ordering::Release);
        // A mark that is seen too late is one that came earlier in the stream: see `set_window_mark`.
        if consumed >= self.window_mark.load(Ordering::Relaxed) {
            Touch::Kick
        } else {
            Touch::None
        }
    }
}

/// For the application.
impl TcpSlot {
    /// Copies up to `buf.len()` bytes out; `Ok((0, _))` is the end of the stream, or an empty `buf`
    /// where a read of more would not block. On [`Stop::WouldBlock`] `waker` is remembered, if given.
    pub(crate) fn read(
        &self,
        buf: &mut [u8],
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        let mut done = 0;
        self.read_by(buf.len(), waker, |bytes| {
            buf[done..done + bytes.len()].copy_from_slice(bytes);
            done += bytes.len();
        })
    }

    /// As [`read_with`](Self::read_with), by a `sink` that runs nobody else's code: it may run under the
    /// queue lock.
    pub(crate) fn read_by(
        &self,
        max: usize,
        waker: Option<&Waker>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(usize, Touch), Stop> {
        if max > 0
            && self.recv_lowat() == 1
            && let Some(done) = self.read_few(max, &mut sink)
        {
            return Ok(done);
        }
        self.read_with(max, waker, sink)
    }

    /// Hands up to `max` bytes to `sink`, in order, in pieces of any size; as [`read`](Self::read)
    /// otherwise. `sink` runs under the user lock and must not use this half.
    pub(crate) fn read_with(
        &self,
        max: usize,
        waker: Option<&Waker>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(usize, Touch), Stop> {
        if max == 0 {
            return Ok((self.read_nothing(waker)?, Touch::None));
        }
        self.check_lowat(waker)?;
        if self.is_spent() && self.look(waker) == Refill::Nothing {
            return Err(Stop::WouldBlock);
        }
        let mut user = self.rx.user.lock();
        let most = self.until_mark(max);
        let mut done = move_out(&mut user, most, &mut sink);
        if done < most {
            let refill = self.refill(&mut user, waker.filter(|_| done == 0));
            if done == 0 && !self.has_data(refill)? {
                return Ok((0, Touch::None));
            }
            // The mark comes before the bytes.
            let most = self.until_mark(max);
            done += move_out(&mut user, most.saturating_sub(done), &mut sink);
        }
        Ok((done, self.consume(done)))
    }

    /// Remembers that `count` more bytes were read.
    fn consume(&self, count: usize) -> Touch {
        let _queue = self.rx.queue.lock();
        self.rx.consume(count)
    }

    /// The same where only a few bytes have arrived, copied out of their packets, and no reader has any of
    /// them: they are read where they are.
    fn read_few(&self, max: usize, sink: &mut impl FnMut(&[u8])) -> Option<(usize, Touch)> {
        if !(1..=FEW).contains(&self.rx.available()) {
            return None;
        }
        let mut queue = self.rx.queue.lock();
        let alone = self.rx.available() == queue.arrived.len() as u64;
        if !alone || queue.arrived.is_empty() || !queue.arrived.is_copied() {
            return None;
        }
        let done = move_out(&mut queue.arrived, self.until_mark(max), sink);
        if queue.arrived.is_bulky() {
            self.bulky.store(true, Ordering::Relaxed);
        }
        Some((done, self.rx.consume(done)))
    }

    /// Copies up to `buf.len()` bytes without removing them; as [`read`](Self::read) otherwise.
    pub(crate) fn peek(&self, buf: &mut [u8], waker: Option<&Waker>) -> Result<usize, Stop> {
        if buf.is_empty() {
            return self.read_nothing(waker);
        }
        self.check_lowat(waker)?;
        let mut user = self.rx.user.lock();
        if user.len() < buf.len() {
            let nothing = user.is_empty();
            let refill = self.refill(&mut user, waker.filter(|_| nothing));
            if nothing && !self.has_data(refill)? {
                return Ok(0);
            }
        }
        let most = self.until_mark(buf.len());
        Ok(user.peek(0, &mut buf[..most]))
    }

    /// Takes up to `max` bytes without copying; empty at the end of the stream. As
    /// [`read`](Self::read) otherwise.
    pub(crate) fn read_chunk(
        &self,
        max: usize,
        waker: Option<&Waker>,
    ) -> Result<(Bytes, Touch), Stop> {
        self.check_lowat(waker)?;
        let mut user = self.rx.user.lock();
        if max > 0 && user.is_empty() {
            let refill = self.refill(&mut user, waker);
            if !self.has_data(refill)? {
                return Ok((Bytes::new(), Touch::None));
            }
        }
        let bytes = user.take(self.until_mark(max)).unwrap_or_default();
        let touch = self.consume(bytes.len());
        Ok((bytes, touch))
    }

    /// Waits until a read would not block.
    pub(crate) fn poll_readable(&self, waker: &Waker) -> Poll<()> {
        match self.look(Some(waker)) {
            Refill::Nothing => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// A read of no bytes, which waits and fails like any other.
    fn read_nothing(&self, waker: Option<&Waker>) -> Result<usize, Stop> {
        self.has_data(self.look(waker)).map(|_| 0)
    }

    /// What a reader finds who waits for as many bytes as the socket is set to.
    fn found(&self, queue: &RxQueue) -> Refill {
        let available = self.rx.available();
        let over = queue.finished || queue.ended;
        if available >= self.recv_lowat() || (over && available > 0) {
            Refill::Data
        } else if queue.finished {
            Refill::Finished
        } else if queue.ended {
            Refill::Ended
        } else {
            Refill::Nothing
        }
    }

    /// A read by who wants more than one byte at a time waits for so many.
    fn check_lowat(&self, waker: Option<&Waker>) -> Result<(), Stop> {
        if self.recv_lowat() > 1 && self.look(waker) == Refill::Nothing {
            return Err(Stop::WouldBlock);
        }
        Ok(())
    }

    /// Whether everything was read that will ever come.
    pub(crate) fn is_drained(&self) -> bool {
        let found = self.found(&self.rx.queue.lock());
        matches!(found, Refill::Finished | Refill::Ended)
    }

    /// How many bytes have to be there for the socket to be readable (`SO_RCVLOWAT`).
    pub(crate) fn recv_lowat(&self) -> u64 {
        self.lowat.load(Ordering::Relaxed).into()
    }

    /// Sets how many bytes have to be there for the socket to be readable; collects those whom that
    /// wakes.
    pub(crate) fn set_recv_lowat(&self, bytes: u32, wakes: &mut Vec<Waker>) {
        {
            let mut queue = self.rx.queue.lock();
            self.lowat.store(bytes.max(1), Ordering::Relaxed);
            if self.found(&queue) == Refill::Nothing {
                return;
            }
            wakes.extend(queue.reader.take());
        }
        self.waiters.wake_all(Ready::READ, wakes);
    }

    /// Whether nothing seems to have come since everything was read, and no memory is to be given back.
    fn is_spent(&self) -> bool {
        self.rx.available() == 0 && !self.bulky.load(Ordering::Relaxed)
    }

    /// What a read would find; remembers `waker` if that is nothing.
    fn look(&self, waker: Option<&Waker>) -> Refill {
        let old;
        {
            let mut queue = self.rx.queue.lock();
            let found = self.found(&queue);
            if found != Refill::Nothing {
                return found;
            }
            old = waker.and_then(|waker| register(&mut queue.reader, waker));
        }
        drop(old);
        Refill::Nothing
    }

    /// Moves what has arrived into `user`; remembers `waker` if nothing has and something may.
    fn refill(&self, user: &mut RecvQueue, waker: Option<&Waker>) -> Refill {
        let mut arrived = None;
        let old;
        let refill = {
            let mut queue = self.rx.queue.lock();
            let refill = queue.refill();
            old = match (refill, waker) {
                (Refill::Nothing, Some(waker)) => register(&mut queue.reader, waker),
                _ => None,
            };
            if refill == Refill::Nothing {
                queue.arrived.clear();
            } else if user.is_empty() {
                // A swap keeps the room of both; only a peek at more than is here has to append.
                std::mem::swap(&mut queue.arrived, user);
                if user.is_bulky() {
                    self.bulky.store(true, Ordering::Relaxed);
                }
            } else {
                arrived = Some(std::mem::take(&mut queue.arrived));
            }
            refill
        };
        drop(old);
        if let Some(mut arrived) = arrived {
            user.append(&mut arrived);
            if user.is_bulky() {
                self.bulky.store(true, Ordering::Relaxed);
            }
        }
        if refill == Refill::Nothing && user.is_empty() {
            user.clear();
            self.bulky.store(false, Ordering::Relaxed);
        }
        refill
    }

    /// For a reader that has nothing yet: data after all (`true`), the end (`false`), or a reason
    /// to stop.
    fn has_data(&self, refill: Refill) -> Result<bool, Stop> {
        match refill {
            Refill::Data => Ok(true),
            Refill::Nothing => Err(Stop::WouldBlock),
            Refill::Finished => Ok(false),
            Refill::Ended => match self.take_error() {
                Some(fault) => Err(Stop::Fault(fault)),
                None => Ok(false),
            },
        }
    }

    pub(super) fn close_rx(&self) {
        let mut arrived = RecvQueue::default();
        let (_user, _reader) = {
            let mut user = self.rx.user.lock();
            let mut queue = self.rx.queue.lock();
            queue.closed = true;
            queue.unread |= self.rx.available() > 0;
            std::mem::swap(&mut queue.arrived, &mut arrived);
            (std::mem::take(&mut *user), queue.reader.take())
        };
    }
}

/// For the driver.
impl TcpSlot {
    /// Moves all of `from` to the reader; `finished` says that FIN has come behind it.
    pub(crate) fn fill(&self, from: &mut RecvQueue, finished: bool, wakes: &mut Vec<Waker>) {
        let enough = {
            let mut queue = self.rx.queue.lock();
            if from.is_empty() && queue.finished == finished {
                return;
            }
            queue.finished |= finished;
            if queue.closed {
                queue.unread |= !from.is_empty();
            } else {
                let filled = self.rx.filled.load(Ordering::Relaxed) + from.len() as u64;
                self.rx.filled.store(filled, Ordering::Release);
                queue.arrived.append(from);
            }
            let enough = self.found(&queue) != Refill::Nothing;
            if enough {
                wakes.extend(queue.reader.take());
            }
            enough
        };
        if !from.is_empty() {
            from.clear();
        }
        if enough {
            self.waiters.wake_all(Ready::READ, wakes);
        }
    }

    /// Moves what was filled in and not read to `into`, which has to be empty, as if it had never been filled
    /// in: nobody reads meanwhile.
    pub(crate) fn take_unread(&self, into: &mut RecvQueue) {
        let mut user = self.rx.user.lock();
        let mut queue = self.rx.queue.lock();
        into.append(&mut user);
        into.append(&mut queue.arrived);
        let filled = self.rx.filled.load(Ordering::Relaxed) - into.len() as u64;
        self.rx.filled.store(filled, Ordering::Release);
    }

    /// Stream position up to which the application has read.
    pub(crate) fn consumed(&self) -> u64 {
        self.rx.consumed.load(Ordering::Acquire)
    }

    /// Whether the mark that is set will do in place of `mark`, where the application was seen to have
    /// read up to `consumed`: it comes no later, and not before half of the way.
    pub(crate) fn keeps_window_mark(&self, mark: u64, consumed: u64) -> bool {
        let old = self.rx.window_mark.load(Ordering::Relaxed);
        old <= mark && old > consumed + mark.saturating_sub(consumed) / 2
    }

    /// Asks to be kicked when the application has read up to `mark`, and returns up to where it has
    /// read now: a position of `mark` or beyond may or may not have caused a kick.
    ///
    /// A reader that still sees the last mark where the new one comes later kicks once too often. One
    /// that comes earlier is set under the lock under which readers say what they have read: they see it,
    /// or this sees that.
    #[must_use]
    pub(crate) fn set_window_mark(&self, mark: u64) -> u64 {
        let earlier = mark < self.rx.window_mark.load(Ordering::Relaxed);
        let queue = earlier.then(|| self.rx.queue.lock());
        self.rx.window_mark.store(mark, Ordering::Relaxed);
        drop(queue);
        self.consumed()
    }

    /// Whether a reader that has read up to `consumed` is at the mark, so that it would kick each time.
    pub(crate) fn has_passed_mark(&self, consumed: u64) -> bool {
        consumed >= self.rx.window_mark.load(Ordering::Relaxed)
    }

    pub(super) fn rx_state(&self) -> RxState {
        let queue = self.rx.queue.lock();
        RxState {
            readable: self.found(&queue) != Refill::Nothing,
            finished: queue.finished,
            ended: queue.ended,
        }
    }

    pub(super) fn end_rx(&self, wakes: &mut Vec<Waker>) {
        let mut queue = self.rx.queue.lock();
        queue.ended = true;
        wakes.extend(queue.reader.take());
    }

    pub(super) fn unread_at_close(&self) -> Close {
        if self.rx.queue.lock().unread {
            Close::Unread
        } else {
            Close::Clean
        }
    }
}

/// Hands up to `max` bytes of `queue` to `sink`; how many.
fn move_out(queue: &mut RecvQueue, max: usize, sink: &mut impl FnMut(&[u8])) -> usize {
    let mut done = 0;
    while done < max {
        let front = queue.front();
        let piece = front.get(..max - done).unwrap_or(front);
        if piece.is_empty() {
            break;
        }
        let len = piece.len();
        in_parts(piece).for_each(&mut *sink);
        queue.discard(len);
        done += len;
    }
    done
}

/// So few bytes are copied under the queue lock, which costs less than a second lock. More lie mostly in the
/// memory that they came in.
const FEW: u64 = 1000;
