//! What a task waits for and what a slot is ready for, each in the other's terms.

use crate::shared::Ready as SlotReady;
use tokio::io::{Interest, Ready};

/// What a task is interested in, in the slot's terms.
pub(crate) fn slot_ready(interest: Interest) -> SlotReady {
    let mut ready = SlotReady::empty();
    ready.set(SlotReady::READ, interest.is_readable());
    ready.set(SlotReady::WRITE, interest.is_writable());
    ready.set(SlotReady::ERROR, interest.is_error());
    #[cfg(any(target_os = "linux", target_os = "android"))]
    ready.set(SlotReady::PRIORITY, interest.is_priority());
    ready
}

/// What a slot is ready for, in tokio's terms.
pub(crate) fn tokio_ready(ready: SlotReady) -> Ready {
    let bits = [
        (SlotReady::READABLE, Ready::READABLE),
        (SlotReady::WRITABLE, Ready::WRITABLE),
        (SlotReady::READ_CLOSED, Ready::READ_CLOSED),
        (SlotReady::WRITE_CLOSED, Ready::WRITE_CLOSED),
        (SlotReady::ERROR, Ready::ERROR),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        (SlotReady::PRIORITY, Ready::PRIORITY),
    ];
    bits.into_iter()
        .filter(|(bit, _)| ready.contains(*bit))
        .fold(Ready::EMPTY, |all, (_, bit)| all | bit)
}
