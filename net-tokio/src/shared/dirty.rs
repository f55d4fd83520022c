//! Which sockets have something for the driver.

use crate::sync::{Arc, AtomicBool, Mutex, Ordering};

/// Something that can be put on a [`DirtyList`]: it carries the flag that says it is there.
pub(crate) trait Dirty {
    /// Set while it is on the list.
    fn dirty(&self) -> &AtomicBool;
}

/// The slots that changed since the driver last looked, each at most once.
#[derive(Debug)]
pub(crate) struct DirtyList<T> {
    slots: Mutex<Vec<Arc<T>>>,
}

impl<T: Dirty> DirtyList<T> {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self {
            slots: Mutex::new(Vec::new()),
        }
    }

    /// Puts `slot` on the list, if it is not there: after changing it and before the kick.
    pub(crate) fn mark(&self, slot: &Arc<T>) {
        if !slot.dirty().swap(true, Ordering::AcqRel) {
            self.slots.lock().push(Arc::clone(slot));
        }
    }

    /// Moves the list to `into`, which has to be empty and gives its room in exchange; only then
    /// look at the slots, so that a change from now on puts them on the list again.
    pub(crate) fn drain(&self, into: &mut Vec<Arc<T>>) {
        debug_assert!(into.is_empty(), "the driver has dealt with the last batch");
        std::mem::swap(&mut *self.slots.lock(), into);
        for slot in into {
            slot.dirty().swap(false, Ordering::AcqRel);
        }
    }
}
