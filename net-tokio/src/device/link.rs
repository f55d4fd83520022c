//! One direction of an in-memory link, shared by its two ends, and who waits at them.

use crate::clock::Clock;
use net_core::seed::Seed;
use net_core::sim::{self, LinkConfig, LinkCounters};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// What happened in one direction of a link; a handle that outlives the device's owner.
#[derive(Debug, Clone)]
pub struct LinkStats {
    pub(super) link: Arc<Link>,
}

impl LinkStats {
    /// The counters as they are now.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        *self.link.state().link.counters()
    }
}

/// One direction, shared by both ends.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: LinkConfig,
    pub(super) clock: Clock,
    state: Mutex<LinkState>,
}

/// What changes about a [`Link`].
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) link: sim::Link,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Link {
    pub(super) fn new(config: LinkConfig, seed: Seed, name: &'static str, clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::new(LinkState {
                link: sim::Link::new(config.clone(), seed.rng(name)),
                reader: None,
                writer: None,
            }),
            config,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
