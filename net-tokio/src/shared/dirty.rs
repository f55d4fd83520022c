//! Which sockets have something for the driver.

use crate::sync::{AtomicBool, Mutex, Ordering};

/// Something that can be put on a [`DirtyList`]: it carries the flag that says it is there.
pub(crate) trait Dirty {
    /// Set while it is on the list.
    fn dirty(&self) -> &AtomicBool;

    /// Takes note that it has been taken off the list; only then look at it, so that a change from
    /// now on puts it there again.
    fn clean(&self) {
        self.dirty().swap(false, Ordering::AcqRel);
    }
}

/// What changed since the driver last looked, by key, each at most once.
#[derive(Debug)]
pub(crate) struct DirtyList<K> {
    keys: Mutex<Vec<K>>,
}

impl<K> DirtyList<K> {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self {
            keys: Mutex::new(Vec::new()),
        }
    }

    /// Puts the key of `slot` on the list, if it is not there: after changing the slot and before the
    /// kick.
    pub(crate) fn mark(&self, slot: &impl Dirty, key: K) {
        if !slot.dirty().swap(true, Ordering::AcqRel) {
            self.keys.lock().push(key);
        }
    }

    /// Moves the list to `into`, which has to be empty and gives its room in exchange; each slot is to
    /// be [cleaned](Dirty::clean).
    pub(crate) fn drain(&self, into: &mut Vec<K>) {
        debug_assert!(into.is_empty(), "the driver has dealt with the last batch");
        std::mem::swap(&mut *self.keys.lock(), into);
    }
}
