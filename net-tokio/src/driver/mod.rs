//! The driver: who runs rounds, and when.
//!
//! A stack is worked on in *rounds*: mail in from the sockets that changed, packets in, timers,
//! packets out, events out to the sockets, and at last, with no lock held, the tasks are woken. The
//! right to run one is taken with one atomic word; its usual owner is the driver's task, and where
//! every device is in memory also the task that has something to send.

mod busy;
mod engine;
mod mail;
mod moving;
mod round;
mod slots;
mod time;
mod warnings;

pub(crate) use engine::Engine;
pub(crate) use mail::{Accepted, ListenerEntry, PacketEntry, TcpEntry, UdpEntry};
pub(crate) use round::{BoundDevice, Core};
pub(crate) use time::Time;

use crate::clock::Alarm;
use crate::error::Ended;
use busy::BusyPoll;
use net_core::{Instant, Stack};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What a stack is assembled from.
pub(crate) struct Parts {
    pub(crate) stack: Stack,
    pub(crate) devices: Vec<BoundDevice>,
    pub(crate) time: Time,
    /// Callers may run rounds, if every device agrees.
    pub(crate) inline_rounds: bool,
    /// How long the driver asks the devices after the last packet; where that is not said, it learns.
    pub(crate) busy_poll: Option<Duration>,
    /// The loopback stack of last resort.
    pub(crate) process_wide: bool,
}

/// The engine of a new stack, and the driver whose future has to be run.
pub(crate) fn start(parts: Parts) -> (Arc<Engine>, Driver) {
    let precise = parts.devices.iter().any(|each| !each.device.inline());
    let busy = match parts.busy_poll {
        Some(time) => BusyPoll::for_time(time),
        // Devices in memory are answered by tasks of this program, which need the core.
        None if precise => BusyPoll::learning(),
        None => BusyPoll::for_time(Duration::ZERO),
    };
    let engine = Arc::new(Engine::new(parts));
    let driver = Driver {
        engine: Arc::clone(&engine),
        precise,
        busy,
    };
    (engine, driver)
}

/// The owner of last resort of the run right.
#[derive(Debug)]
pub(crate) struct Driver {
    engine: Arc<Engine>,
    /// A device needs the runtime's I/O anyway, and packets may be paced by less than tokio's ticks.
    precise: bool,
    busy: BusyPoll,
}

impl Driver {
    /// Runs rounds until the stack has ended. Dropping the future before that fails every socket.
    pub(crate) async fn run(mut self) {
        let mut state = State {
            engine: &self.engine,
            alarm: Alarm::new(self.engine.time().clock(), self.precise),
            busy: &mut self.busy,
            wakes: Vec::new(),
            streak: 0,
        };
        loop {
            match poll_fn(|cx| state.poll(cx)).await {
                Next::HandOver => tokio::task::yield_now().await,
                Next::End(how) => return self.engine.end(how),
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Not the first end where `run` came to its own.
        self.engine.end(if std::thread::panicking() {
            Ended::Panicked
        } else {
            Ended::RuntimeGone
        });
    }
}

/// What the driver does when its poll is ready.
enum Next {
    /// Others get their turn: timers and the host's readiness events.
    HandOver,
    /// The stack is over.
    End(Ended),
}

struct State<'a> {
    engine: &'a Engine,
    alarm: Alarm,
    busy: &'a mut BusyPoll,
    wakes: Vec<Waker>,
    /// Polls in a row that asked for another.
    streak: u32,
}

impl State<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let engine = self.engine;
        engine.kick().register(cx.waker());
        if self.alarm.has_fired(cx) {
            engine.set_armed(Instant::MAX);
        }
        let Some(right) = engine.kick().try_run() else {
            return Poll::Pending;
        };
        let outcome = engine.round(&mut self.wakes);
        if let Some(how) = outcome.ended {
            drop(right);
            return Poll::Ready(Next::End(how));
        }
        // Tasks that were woken together usually write together: one round for all of them.
        let mut again = outcome.more || self.wakes.len() >= 2;
        again |= self.arm(outcome.next, outcome.now, cx);
        let asks = self.busy.goes_on(outcome.traffic, again);
        let again = right.finish(again || asks);
        // A wake may drop a task and its sockets, which ring: the run right is free by now.
        self.wakes.drain(..).for_each(Waker::wake);
        if !again {
            self.streak = 0;
            return Poll::Pending;
        }
        self.streak += 1;
        // What the device has for those who ask is found when the runtime looks.
        if self.streak >= HAND_OVER || asks {
            self.streak = 0;
            return Poll::Ready(Next::HandOver);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sets the timer, but only to an earlier time: one that goes off too early costs one round,
    /// setting it costs as much each time. Whether it is due already.
    fn arm(&mut self, next: Option<Instant>, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.engine.armed() <= now {
            self.engine.set_armed(Instant::MAX);
        }
        let Some(next) = next.filter(|next| *next < self.engine.armed()) else {
            return false;
        };
        self.engine.set_armed(next);
        let deadline = self.engine.time().deadline(next);
        if self.alarm.set(next, now, deadline, cx).is_pending() {
            return false;
        }
        self.engine.set_armed(Instant::MAX);
        true
    }
}

/// Rounds in a row before others get their turn. Self-wakes in between keep the runtime from
/// looking at its timers and at the host's readiness each time.
const HAND_OVER: u32 = 16;
