//! Who moves time on.
//!
//! tokio's paused clock jumps to the next timer when nothing is left to do, in steps of a
//! millisecond. The director comes before that: it moves the clock to each arrival of a packet and
//! to each deadline of a stack, at its own nanosecond, and lets tokio do the jumps in between.

use super::error::Cause;
use super::world::World;
use crate::clock::Clock;
use net_core::time::{Duration, Instant};
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::{Sleep, advance, sleep_until};

/// Moves time on for as long as it is polled.
pub(super) struct Director {
    world: Arc<World>,
    clock: Clock,
    limit: Instant,
    sleep: Pin<Box<Sleep>>,
    wakes: Vec<Waker>,
}

impl Director {
    /// A director for a clock that shows a whole millisecond, until it is `limit`.
    pub(super) fn new(world: Arc<World>, clock: Clock, limit: Instant) -> Self {
        Self {
            world,
            sleep: Box::pin(sleep_until(clock.deadline(limit))),
            clock,
            limit,
            wakes: Vec::new(),
        }
    }

    /// Moves time on; returns only where that has to end.
    pub(super) async fn run(mut self) -> Cause {
        loop {
            poll_fn(|cx| self.poll_idle(cx)).await;
            let now = self.clock.now();
            if now >= self.limit {
                return Cause::TooLong;
            }
            let next = self.world.state().next();
            if next.is_some_and(|at| at <= now) {
                if let Err(livelock) = self.catch_up(now) {
                    return livelock;
                }
                continue;
            }
            // Until the next tick no timer of tokio's can fire.
            let tick = next_tick(now);
            match next {
                Some(at) if at <= tick => {
                    advance(at.saturating_since(now)).await;
                    if let Err(livelock) = self.catch_up(at) {
                        return livelock;
                    }
                }
                // From between two ticks tokio would jump past the next one.
                _ if !is_tick(now) => advance(tick.saturating_since(now)).await,
                at => self.settle(at.unwrap_or(self.limit)),
            }
        }
    }

    /// Ready when nothing but time can bring the programs on.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Only its registration counts: it limits the runtime's next jump.
        let _ = self.sleep.as_mut().poll(cx);
        let mut state = self.world.state();
        if std::mem::take(&mut state.idle) {
            return Poll::Ready(());
        }
        state.director = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Does what is due, and wakes who has to know.
    fn catch_up(&mut self, now: Instant) -> Result<(), Cause> {
        let outcome = self.world.state().run(now, &mut self.wakes);
        self.wakes.drain(..).for_each(Waker::wake);
        outcome.map_err(Cause::Livelock)
    }

    /// Lets the runtime jump to its next timer, which is at the last tick before `at` or earlier.
    fn settle(&mut self, at: Instant) {
        let at = at.min(self.limit);
        let tick = Instant::from_millis(at.as_millis());
        self.sleep.as_mut().reset(self.clock.deadline(tick));
        self.world.state().settled = true;
    }
}

fn is_tick(now: Instant) -> bool {
    Instant::from_millis(now.as_millis()) == now
}

fn next_tick(now: Instant) -> Instant {
    Instant::from_millis(now.as_millis()) + TICK
}

/// How finely tokio's timers tell time.
const TICK: Duration = Duration::from_millis(1);
