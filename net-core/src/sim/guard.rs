//! A guard against simulations that get nowhere.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Step {
    #[default]
    Nothing,
    /// Packets arrived over the link that leads away from the port with this number.
    Link(usize),
    /// A timer of the node with this number went off.
    Timer(usize),
}

/// Counts steps for each millisecond.
#[derive(Debug)]
pub(super) struct Guard {
    limit: u64,
    millis: u64,
    steps: u64,
    last: [Step; REMEMBERED],
}

impl Guard {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            millis: 0,
            steps: 0,
            last: [Step::Nothing; REMEMBERED],
        }
    }

    /// Counts a step; whether it was one too many.
    pub(super) fn count(&mut self, step: Step, now: Instant) -> bool {
        if now.as_millis() != self.millis {
            self.millis = now.as_millis();
            self.steps = 0;
        }
        let place = usize::try_from(self.steps).unwrap_or(0) % REMEMBERED;
        self.last[place] = step;
        self.steps += 1;
        self.steps > self.limit
    }

    /// Says what has been going on, with the names of nodes.
    pub(super) fn explain<'a>(
        &self,
        now: Instant,
        link: impl Fn(usize) -> (&'a str, &'a str),
        node: impl Fn(usize) -> &'a str,
    ) -> Livelock {
        let mut last = String::new();
        for step in self.last {
            let separator = if last.is_empty() { "" } else { ", " };
            let _ = match step {
                Step::Nothing => Ok(()),
                Step::Link(port) => {
                    let (from, to) = link(port);
                    write!(last, "{separator}packets from {from} to {to}")
                }
                Step::Timer(number) => write!(last, "{separator}a timer of {}", node(number)),
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
