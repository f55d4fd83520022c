//! What must hold however tasks interleave: loom tries all ways within its bound, the standard
//! library many, with larger numbers.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p net-tokio --lib --release` runs the first kind.

mod kick;
mod sockets;
mod stream;

#[cfg(not(loom))]
pub(super) use {futures::executor::block_on, std::thread};
#[cfg(loom)]
pub(super) use {loom::future::block_on, loom::thread};

use super::{Dirty, DirtyList, Kick, Touch};
use crate::sync::Arc;
use std::task::Waker;

/// Runs `body` in every interleaving with at most two preemptions, or often.
pub(super) fn explore(body: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(2);
        builder.check(body);
    }
    #[cfg(not(loom))]
    for _ in 0..200 {
        body();
    }
}

/// `small` under loom, `large` otherwise.
pub(super) const fn scaled(small: usize, large: usize) -> usize {
    if cfg!(loom) { small } else { large }
}

/// Does what a [`Touch`] asks for, as the sockets do.
fn pay<T: Dirty>(touch: Touch, slot: &Arc<T>, dirty: &DirtyList<Arc<T>>, kick: &Kick) {
    if touch != Touch::None {
        dirty.mark(&**slot, Arc::clone(slot));
    }
    if touch == Touch::Kick && !kick.is_scheduled() {
        kick.kick();
    }
}

fn wake(wakes: Vec<Waker>) {
    wakes.into_iter().for_each(Waker::wake);
}
