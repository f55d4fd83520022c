//! The send half: the application writes, the driver drains.

use super::{Drained, Fault, Ready, Stop, TcpSlot, Touch, Written, register};
use crate::shared::ChunkPool;
use crate::shared::chunk_pool::{MAX_CHUNK, Source};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use bytes::{Bytes, BytesMut};
use net_core::SocketError;
use smallvec::SmallVec;
use std::io::IoSlice;
use std::task::{Poll, Waker};

#[derive(Debug)]
pub(super) struct TxHalf {
    queue: Mutex<TxQueue>,
    /// Stream position up to which the application has written; written under the lock.
    written: AtomicU64,
    /// Stream position up to which it may write; written by the driver under the lock.
    credit: AtomicU64,
    /// The active open has succeeded; set under the lock.
    connected: AtomicBool,
}

#[derive(Debug, Default)]
struct TxQueue {
    pieces: Vec<Bytes>,
    /// Small writes, one behind the other; behind `pieces`. Its room serves again.
    open: BytesMut,
    /// The task in `poll_write`, `poll_write_ready` or `poll_connect`.
    writer: Option<Waker>,
    /// The application has shut down sending.
    finish: bool,
    /// The connection is dead.
    ended: bool,
    /// The application is done with the socket.
    closed: bool,
}

/// The send half at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct TxState {
    pub(super) free: u64,
    pub(super) finish: bool,
    pub(super) ended: bool,
}

impl TxHalf {
    pub(super) fn new(connected: bool) -> Self {
        Self {
            queue: Mutex::new(TxQueue::default()),
            written: AtomicU64::new(0),
            credit: AtomicU64::new(0),
            connected: AtomicBool::new(connected),
        }
    }

    fn free(&self) -> u64 {
        let credit = self.credit.load(Ordering::Acquire);
        credit.saturating_sub(self.written.load(Ordering::Relaxed))
    }
}

/// For the application.
impl TcpSlot {
    /// Copies as much of `data` as there is credit for; returns how much. On [`Stop::WouldBlock`]
    /// `waker` is remembered, if given.
    pub(crate) fn write(
        &self,
        data: &[u8],
        pool: &ChunkPool,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        self.write_vectored(&[IoSlice::new(data)], pool, waker)
    }

    /// The same with data in several slices.
    pub(crate) fn write_vectored(
        &self,
        slices: &[IoSlice<'_>],
        pool: &ChunkPool,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total == 0 {
            self.write_nothing(waker)?;
            return Ok((0, Touch::None));
        }
        let mut source = Source::new(slices);
        if total > SMALL {
            return self.write_large(&mut source, total, pool, waker);
        }
        self.put(total, waker, |queue, len| {
            queue.join(&mut source, len);
            len
        })
    }

    /// Copies before it takes the lock, and keeps as much of it as there is credit for then.
    fn write_large(
        &self,
        source: &mut Source<'_>,
        total: usize,
        pool: &ChunkPool,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        let mut copied = 0;
        let mut chunks: SmallVec<[Bytes; 4]> = SmallVec::new();
        loop {
            let room = usize::try_from(self.tx.free()).unwrap_or(usize::MAX);
            let wanted = total.min(room);
            while copied < wanted {
                let chunk = pool.copy(source, MAX_CHUNK.min(wanted - copied));
                copied += chunk.len();
                chunks.push(chunk);
            }
            // Where credit has come since, another look finds it.
            let (len, touch) = self.put(total, waker, |queue, room| {
                queue.append(&mut chunks, room.min(copied))
            })?;
            if len > 0 {
                return Ok((len, touch));
            }
        }
    }

    /// Takes as much off the front of `data` as there is credit for, without copying (but for less
    /// than 512 bytes); returns how much. As [`write`](Self::write) otherwise.
    pub(crate) fn push_bytes(
        &self,
        data: &mut Bytes,
        pool: &ChunkPool,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        if data.len() < ZERO_COPY {
            let (len, touch) = self.write(data, pool, waker)?;
            drop(data.split_to(len));
            return Ok((len, touch));
        }
        self.put(data.len(), waker, |queue, len| {
            queue.close_open();
            queue.pieces.push(data.split_to(len));
            len
        })
    }

    /// Lets `put` put up to so many bytes into the queue, which is as much of `wanted` as there is credit
    /// for, and say how many; on [`Stop::WouldBlock`] `waker` is remembered, if given.
    fn put(
        &self,
        wanted: usize,
        waker: Option<&Waker>,
        put: impl FnOnce(&mut TxQueue, usize) -> usize,
    ) -> Result<(usize, Touch), Stop> {
        // Dropped when the lock is free.
        let _old;
        let mut queue = self.tx.queue.lock();
        if queue.is_over() {
            return Err(self.write_fault(queue));
        }
        let free = usize::try_from(self.tx.free()).unwrap_or(usize::MAX);
        if free == 0 {
            _old = waker.and_then(|waker| register(&mut queue.writer, waker));
            return Err(Stop::WouldBlock);
        }
        let idle = queue.is_empty();
        let len = put(&mut queue, free.min(wanted));
        let written = self.tx.written.load(Ordering::Relaxed) + len as u64;
        self.tx.written.store(written, Ordering::Relaxed);
        let touch = if idle { Touch::Kick } else { Touch::None };
        Ok((len, touch))
    }

    /// A write of no bytes: it waits and fails like any other.
    fn write_nothing(&self, waker: Option<&Waker>) -> Result<(), Stop> {
        self.put(0, waker, |_, _| 0).map(drop)
    }

    /// Waits until a write would not block.
    pub(crate) fn poll_writable(&self, waker: &Waker) -> Poll<()> {
        let old;
        {
            let mut queue = self.tx.queue.lock();
            if self.tx.free() > 0 || queue.is_over() {
                return Poll::Ready(());
            }
            old = register(&mut queue.writer, waker);
        }
        drop(old);
        Poll::Pending
    }

    /// No more data will be written: FIN follows what has been. Writers that wait fail.
    pub(crate) fn shutdown_write(&self) -> Touch {
        let writer = {
            let mut queue = self.tx.queue.lock();
            if std::mem::replace(&mut queue.finish, true) {
                return Touch::None;
            }
            queue.writer.take()
        };
        let mut wakes = Vec::from_iter(writer);
        self.waiters.wake_all(Ready::WRITE, &mut wakes);
        wakes.into_iter().for_each(Waker::wake);
        Touch::Kick
    }

    /// Why nothing can be written any more.
    fn write_fault(&self, queue: MutexGuard<'_, TxQueue>) -> Stop {
        drop(queue);
        let fault = self.take_error();
        Stop::Fault(fault.unwrap_or(Fault::Socket(SocketError::BrokenPipe)))
    }

    pub(super) fn poll_connected(&self, waker: &Waker) -> Poll<bool> {
        let old;
        {
            let mut queue = self.tx.queue.lock();
            if queue.ended || self.tx.connected.load(Ordering::Relaxed) {
                return Poll::Ready(!queue.ended);
            }
            old = register(&mut queue.writer, waker);
        }
        drop(old);
        Poll::Pending
    }

    pub(super) fn close_tx(&self) {
        let _writer = {
            let mut queue = self.tx.queue.lock();
            queue.closed = true;
            queue.writer.take()
        };
    }
}

/// For the driver.
impl TcpSlot {
    /// The connection has got so many bytes already, before anybody could write.
    pub(crate) fn count_written(&self, len: usize) {
        let _queue = self.tx.queue.lock();
        let written = self.tx.written.load(Ordering::Relaxed) + len as u64;
        self.tx.written.store(written, Ordering::Relaxed);
    }

    /// Moves everything that was written to `into`, which has to be empty.
    pub(crate) fn drain_tx(&self, into: &mut Written) -> Drained {
        debug_assert!(into.small.is_empty(), "small bytes come last");
        let (finish, closed) = {
            let mut queue = self.tx.queue.lock();
            if queue.pieces.is_empty() && queue.open.len() <= COPIED {
                into.small.extend_from_slice(&queue.open);
                queue.open.clear();
            } else {
                queue.close_open();
                into.pieces.append(&mut queue.pieces);
                if queue.pieces.capacity() > SPARE_PIECES {
                    queue.pieces = Vec::new();
                }
            }
            (queue.finish, queue.closed)
        };
        Drained {
            finish,
            close: closed.then(|| self.unread_at_close()),
        }
    }

    /// Whether [`grant`](Self::grant) can wait: the application has at least `enough` bytes of credit
    /// left, and up to `credit` it would be less than `enough` more. One that uses up what it has is
    /// heard of again when those bytes are acknowledged.
    pub(crate) fn has_enough(&self, credit: u64, enough: u64) -> bool {
        let granted = self.tx.credit.load(Ordering::Relaxed);
        let left = granted.saturating_sub(self.tx.written.load(Ordering::Relaxed));
        credit <= granted || (left > 0 && left >= enough && credit - granted < enough)
    }

    /// Allows the application to write up to stream position `credit`.
    ///
    /// Writers that have used up their credit get more, and are woken, only when at least
    /// `wake_free` bytes of it are free: a third of the send buffer, or 1 when the connection has
    /// nothing left to send and acknowledge.
    pub(crate) fn grant(&self, credit: u64, wake_free: u64, wakes: &mut Vec<Waker>) {
        {
            let mut queue = self.tx.queue.lock();
            let written = self.tx.written.load(Ordering::Relaxed);
            let granted = self.tx.credit.load(Ordering::Relaxed);
            let used_up = granted <= written;
            if credit <= granted || (used_up && credit < written.saturating_add(wake_free.max(1))) {
                return;
            }
            self.tx.credit.store(credit, Ordering::Release);
            if !used_up {
                return;
            }
            wakes.extend(queue.writer.take());
        }
        self.waiters.wake_all(Ready::WRITABLE, wakes);
    }

    /// The active open has succeeded; [`grant`](Self::grant) comes first.
    pub(crate) fn set_connected(&self, wakes: &mut Vec<Waker>) {
        if self.tx.connected.load(Ordering::Relaxed) {
            return;
        }
        {
            let mut queue = self.tx.queue.lock();
            self.tx.connected.store(true, Ordering::Relaxed);
            wakes.extend(queue.writer.take());
        }
        self.waiters.wake_all(Ready::WRITABLE, wakes);
    }

    /// Stream position up to which the application has written.
    pub(crate) fn written(&self) -> u64 {
        self.tx.written.load(Ordering::Acquire)
    }

    pub(super) fn tx_state(&self) -> TxState {
        let queue = self.tx.queue.lock();
        TxState {
            free: self.tx.free(),
            finish: queue.finish,
            ended: queue.ended,
        }
    }

    pub(super) fn end_tx(&self, wakes: &mut Vec<Waker>) {
        let _unsent = {
            let mut queue = self.tx.queue.lock();
            queue.ended = true;
            wakes.extend(queue.writer.take());
            (
                std::mem::take(&mut queue.pieces),
                std::mem::take(&mut queue.open),
            )
        };
    }
}

impl TxQueue {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.open.is_empty()
    }

    /// Nothing that is written now would be sent.
    fn is_over(&self) -> bool {
        self.finish || self.ended || self.closed
    }

    /// Copies a small write behind what is there.
    fn join(&mut self, source: &mut Source<'_>, len: usize) {
        if self.open.capacity() - self.open.len() < len && !self.open.try_reclaim(len) {
            let size = if self.is_empty() { FIRST_CHUNK } else { SMALL };
            self.close_open();
            self.open = BytesMut::with_capacity(size.max(len));
        }
        source.copy(len, |piece| self.open.extend_from_slice(piece));
    }

    /// Moves the first `len` bytes of `chunks` behind what is there.
    fn append(&mut self, chunks: &mut SmallVec<[Bytes; 4]>, len: usize) -> usize {
        self.close_open();
        let mut left = len;
        while left > 0
            && let Some(chunk) = chunks.first_mut()
        {
            if chunk.len() <= left {
                left -= chunk.len();
                self.pieces.push(chunks.remove(0));
            } else {
                self.pieces.push(chunk.split_to(left));
                left = 0;
            }
        }
        len - left
    }

    fn close_open(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push(self.open.split().freeze());
        }
    }
}

/// Writes of up to so many bytes share chunks, of so many bytes where others wait.
const SMALL: usize = 1024;
/// Room for small writes where none wait.
const FIRST_CHUNK: usize = 64;
/// So few bytes are copied on rather than handed over in the memory that they lie in.
const COPIED: usize = 256;
/// `Bytes` shorter than this are copied.
const ZERO_COPY: usize = 512;
/// Room for pieces that a drained queue keeps.
const SPARE_PIECES: usize = 32;
