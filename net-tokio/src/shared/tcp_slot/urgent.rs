//! The mark of urgent data, at which reads end once (RFC 9293 §3.8.5, `sockatmark`).

use super::{Ready, TcpSlot};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

/// Where urgent data stands in the stream. Written by the driver under the lock of the receive queue,
/// before it hands over the bytes around it.
#[derive(Debug)]
pub(super) struct Mark {
    /// Its position; `u64::MAX` where there is none, or it is not known yet.
    at: AtomicU64,
    /// The byte can be taken, or is announced.
    pending: AtomicBool,
}

impl Mark {
    pub(super) fn new() -> Self {
        Self {
            at: AtomicU64::new(u64::MAX),
            pending: AtomicBool::new(false),
        }
    }
}

/// For the application.
impl TcpSlot {
    /// How many of `max` bytes a read gets at once: up to the mark. One that begins there passes it.
    #[inline]
    pub(super) fn until_mark(&self, max: usize) -> usize {
        let left = self
            .mark
            .at
            .load(Ordering::Acquire)
            .saturating_sub(self.consumed());
        match usize::try_from(left) {
            Ok(left) if left > 0 => left.min(max),
            _ => max,
        }
    }

    /// Whether the next byte to be read stands behind the mark.
    pub(crate) fn is_at_mark(&self) -> bool {
        self.mark.at.load(Ordering::Acquire) == self.consumed()
    }

    /// Whether there is urgent data that the reader has not passed.
    pub(crate) fn is_urgent(&self) -> bool {
        let at = self.mark.at.load(Ordering::Acquire);
        self.mark.pending.load(Ordering::Acquire) && self.consumed() <= at
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_over(&self) -> bool {
        let rx = self.rx_state();
        rx.finished || rx.ended
    }

    /// The urgent byte has been taken.
    pub(crate) fn took_urgent(&self) {
        self.mark.pending.store(false, Ordering::Release);
    }
}

/// For the driver.
impl TcpSlot {
    /// Urgent data stands at `mark`, or is announced where that is not known yet; `pending`: its byte
    /// was not taken.
    pub(crate) fn set_urgent(&self, mark: Option<u64>, pending: bool, wakes: &mut Vec<Waker>) {
        {
            let _queue = self.rx.queue.lock();
            self.mark
                .at
                .store(mark.unwrap_or(u64::MAX), Ordering::Release);
            self.mark.pending.store(pending, Ordering::Release);
        }
        if pending {
            self.waiters.wake_all(Ready::PRIORITY, wakes);
        }
    }
}
