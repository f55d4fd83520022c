//! The send half: the application writes, the driver drains.

use super::{Drained, Fault, Ready, Stop, TcpSlot, Touch, register};
use crate::shared::ChunkPool;
use crate::shared::chunk_pool::{MAX_CHUNK, Source};
use crate::sync::{AtomicU64, Mutex, Ordering};
use bytes::{Bytes, BytesMut};
use net_core::SocketError;
use std::io::IoSlice;
use std::task::{Poll, Waker};

#[derive(Debug)]
pub(super) struct TxHalf {
    /// Room for small writes: the rest of a chunk whose front is in the queue or under way.
    user: Mutex<BytesMut>,
    queue: Mutex<TxQueue>,
    /// Stream position up to which the application has written; written under both locks.
    written: AtomicU64,
    /// Stream position up to which it may write; written by the driver under the queue lock.
    credit: AtomicU64,
}

#[derive(Debug, Default)]
struct TxQueue {
    pieces: Vec<Bytes>,
    /// Small writes, joined while they lie together; behind `pieces`.
    open: BytesMut,
    /// The task in `poll_write`, `poll_write_ready` or `poll_connect`.
    writer: Option<Waker>,
    connected: bool,
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
            user: Mutex::new(BytesMut::new()),
            queue: Mutex::new(TxQueue {
                connected,
                ..TxQueue::default()
            }),
            written: AtomicU64::new(0),
            credit: AtomicU64::new(0),
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
        let mut spare = self.tx.user.lock();
        let len = self.room(total, waker)?;
        let mut source = Source::new(slices);
        if len <= SMALL {
            let first = self.tx.written.load(Ordering::Relaxed) == 0;
            let part = append(&mut spare, &mut source, len, first);
            return Ok((len, self.enqueue(Piece::Small(part))?));
        }
        let (mut done, mut touch) = (0, Touch::None);
        while done < len {
            let bytes = pool.copy(&mut source, MAX_CHUNK.min(len - done));
            done += bytes.len();
            touch = touch.max(self.enqueue(Piece::Large(bytes))?);
        }
        Ok((len, touch))
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
        let _user = self.tx.user.lock();
        let len = self.room(data.len(), waker)?;
        let touch = self.enqueue(Piece::Large(data.split_to(len)))?;
        Ok((len, touch))
    }

    /// A write of no bytes: it waits and fails like any other.
    fn write_nothing(&self, waker: Option<&Waker>) -> Result<(), Stop> {
        self.room(1, waker)?;
        let queue = self.tx.queue.lock();
        if queue.finish || queue.ended {
            drop(queue);
            return Err(self.write_fault());
        }
        Ok(())
    }

    /// Waits until a write would not block.
    pub(crate) fn poll_writable(&self, waker: &Waker) -> Poll<()> {
        let old;
        {
            let mut queue = self.tx.queue.lock();
            if self.tx.free() > 0 || queue.finish || queue.ended {
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

    /// How much of `wanted` there is credit for; the caller holds the user lock, so it stays.
    fn room(&self, wanted: usize, waker: Option<&Waker>) -> Result<usize, Stop> {
        let mut free = self.tx.free();
        if free == 0 {
            let old;
            {
                let mut queue = self.tx.queue.lock();
                if queue.finish || queue.ended {
                    drop(queue);
                    return Err(self.write_fault());
                }
                free = self.tx.free();
                old = match waker {
                    Some(waker) if free == 0 => register(&mut queue.writer, waker),
                    _ => None,
                };
            }
            drop(old);
            if free == 0 {
                return Err(Stop::WouldBlock);
            }
        }
        Ok(usize::try_from(free).unwrap_or(usize::MAX).min(wanted))
    }

    /// Puts what was written into the queue; the caller holds the user lock.
    fn enqueue(&self, piece: Piece) -> Result<Touch, Stop> {
        let mut queue = self.tx.queue.lock();
        if queue.finish || queue.ended || queue.closed {
            drop(queue);
            return Err(self.write_fault());
        }
        let idle = queue.pieces.is_empty() && queue.open.is_empty();
        let written = self.tx.written.load(Ordering::Relaxed) + piece.len() as u64;
        match piece {
            Piece::Small(part) => queue.join(part),
            Piece::Large(bytes) => {
                queue.close_open();
                queue.pieces.push(bytes);
            }
        }
        self.tx.written.store(written, Ordering::Relaxed);
        Ok(if idle { Touch::Kick } else { Touch::None })
    }

    fn write_fault(&self) -> Stop {
        let fault = self.take_error();
        Stop::Fault(fault.unwrap_or(Fault::Socket(SocketError::BrokenPipe)))
    }

    pub(super) fn poll_connected(&self, waker: &Waker) -> Poll<bool> {
        let old;
        {
            let mut queue = self.tx.queue.lock();
            if queue.ended || queue.connected {
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
        let _user = self.tx.user.lock();
        let _queue = self.tx.queue.lock();
        let written = self.tx.written.load(Ordering::Relaxed) + len as u64;
        self.tx.written.store(written, Ordering::Relaxed);
    }

    /// Moves everything that was written behind what is in `into`.
    pub(crate) fn drain_tx(&self, into: &mut Vec<Bytes>) -> Drained {
        let (finish, closed) = {
            let mut queue = self.tx.queue.lock();
            into.append(&mut queue.pieces);
            if queue.pieces.capacity() > SPARE_PIECES {
                queue.pieces = Vec::new();
            }
            if !queue.open.is_empty() {
                into.push(std::mem::take(&mut queue.open).freeze());
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
        {
            let mut queue = self.tx.queue.lock();
            if std::mem::replace(&mut queue.connected, true) {
                return;
            }
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
    /// Puts a small write behind what is there.
    fn join(&mut self, part: BytesMut) {
        if self.open.as_ptr_range().end != part.as_ptr() {
            self.close_open();
        }
        // No copy: `part` begins in the same chunk where `open` ends.
        self.open.unsplit(part);
    }

    fn close_open(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push(std::mem::take(&mut self.open).freeze());
        }
    }
}

/// A part of what was written.
enum Piece {
    Small(BytesMut),
    Large(Bytes),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Small(part) => part.len(),
            Self::Large(bytes) => bytes.len(),
        }
    }
}

/// Copies a small write to the front of `spare` and splits it off. A chunk whose parts are all gone
/// is used again.
fn append(spare: &mut BytesMut, source: &mut Source<'_>, len: usize, first: bool) -> BytesMut {
    if !spare.try_reclaim(len) {
        let size = if first { FIRST_CHUNK.max(len) } else { SMALL };
        *spare = BytesMut::with_capacity(size);
    }
    source.copy(len, |piece| spare.extend_from_slice(piece));
    spare.split()
}

/// Writes of up to so many bytes share chunks of so many bytes.
const SMALL: usize = 1024;
/// The first chunk for small writes.
const FIRST_CHUNK: usize = 256;
/// `Bytes` shorter than this are copied.
const ZERO_COPY: usize = 512;
/// Room for pieces that a drained queue keeps.
const SPARE_PIECES: usize = 32;
