//! What tasks let go of, for the driver to see to.

use crate::sync::Mutex;

/// Things that tasks hand over to the driver, which takes all of them at once, in the order in which each
/// task has handed its own over.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    items: Mutex<Vec<T>>,
}

impl<T> Handover<T> {
    /// With nothing in it.
    pub(crate) fn new() -> Self {
        Self {
            items: Mutex::new(Vec::new()),
        }
    }

    /// Adds `item`: before the kick.
    pub(crate) fn push(&self, item: T) {
        self.items.lock().push(item);
    }

    /// Moves all to `into`, which has to be empty and gives its room in exchange.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        debug_assert!(into.is_empty(), "the driver has dealt with the last batch");
        std::mem::swap(&mut *self.items.lock(), into);
    }
}
