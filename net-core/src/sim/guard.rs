//! A guard against simulations that get nowhere.

use super::fabric::{Fabric, NodeId, PortId};
use crate::time::Instant;
use alloc::string::String;
use core::fmt::Write as _;
use thiserror::Error;

/// A simulation has done a great many things in very little time, and would never end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the simulation does not get on: {steps} steps at {at:?}, the last of them {last}")]
#[non_exhaustive]
pub struct Livelock {
    /// When it stuck.
    pub at: Instant,
    /// Steps that it took within one millisecond.
    pub steps: u64,
    /// The last few, in words.
    pub last: String,
}

/// What a step of a simulation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Packets arrived over the link that leads away from this port.
    Link(PortId),
    /// A timer of this node went off.
    Timer(NodeId),
}

/// Counts the steps of a simulation within each millisecond, so that one that gets nowhere ends.
#[derive(Debug)]
pub struct Guard {
    limit: u64,
    millis: u64,
    steps: u64,
    last: [Option<Step>; REMEMBERED],
}

impl Guard {
    /// Steps that a millisecond may take, unless said otherwise: as many as it has nanoseconds.
    pub const LIMIT: u64 = 1_000_000;

    /// A guard that lets `limit` steps pass within a millisecond.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self {
            limit,
            millis: 0,
            steps: 0,
            last: [None; REMEMBERED],
        }
    }

    /// Counts a step in `fabric`.
    ///
    /// # Errors
    /// [`Livelock`] where it is one too many.
    pub fn count(&mut self, step: Step, fabric: &Fabric, now: Instant) -> Result<(), Livelock> {
        if now.as_millis() != self.millis {
            self.millis = now.as_millis();
            self.steps = 0;
        }
        self.steps += 1;
        self.last.rotate_left(1);
        self.last[REMEMBERED - 1] = Some(step);
        if self.steps > self.limit {
            return Err(self.explain(fabric, now));
        }
        Ok(())
    }

    fn explain(&self, fabric: &Fabric, now: Instant) -> Livelock {
        let mut last = String::new();
        for step in self.last.into_iter().flatten() {
            let separator = if last.is_empty() { "" } else { ", " };
            let _ = match step {
                Step::Link(port) => {
                    let [from, to] = [port, port.peer()].map(|end| fabric.name(fabric.node(end)));
                    write!(last, "{separator}packets from {from} to {to}")
                }
                Step::Timer(node) => write!(last, "{separator}a timer of {}", fabric.name(node)),
            };
        }
        Livelock {
            at: now,
            steps: self.steps,
            last,
        }
    }
}

/// Steps of which the last few are told.
const REMEMBERED: usize = 4;
