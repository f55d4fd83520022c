//! What the director and the devices of simulated hosts share.

use crate::device::register;
use net_core::buf::{RxBatch, TxBatch};
use net_core::sim::{Fabric, Guard, Livelock, PortId, Step};
use net_core::time::Instant;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// The network between the hosts, and who waits for it. One thread uses it; the lock is for types
/// that have to be able to move.
#[derive(Debug)]
pub(super) struct World {
    state: Mutex<State>,
}

/// What changes about a [`World`].
#[derive(Debug)]
pub(super) struct State {
    pub(super) fabric: Fabric,
    /// By port.
    waiting: Vec<Waiting>,
    /// Wakes that drivers asked for, by time.
    alarms: BTreeMap<(Instant, PortId), Waker>,
    guard: Guard,
    /// The runtime has nothing to do.
    pub(super) idle: bool,
    /// The director has left it to the runtime to move time on.
    pub(super) settled: bool,
    pub(super) director: Option<Waker>,
}

/// The driver of a host at one of its ports.
#[derive(Debug, Default)]
struct Waiting {
    waker: Option<Waker>,
    alarm: Option<Instant>,
}

impl World {
    pub(super) fn new(fabric: Fabric) -> Self {
        Self {
            state: Mutex::new(State {
                fabric,
                waiting: Vec::new(),
                alarms: BTreeMap::new(),
                guard: Guard::new(Guard::LIMIT),
                idle: false,
                settled: false,
                director: None,
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runtime has nothing left to do. Unless the director has said that it may, it must not
    /// move time on by itself: the director is woken for that.
    pub(super) fn on_park(&self) {
        let mut state = self.state();
        let director = if std::mem::take(&mut state.settled) {
            None
        } else {
            state.idle = true;
            state.director.take()
        };
        drop(state);
        if let Some(director) = director {
            director.wake();
        }
    }
}

impl State {
    /// When the network or a driver has something to do next.
    pub(super) fn next(&mut self) -> Option<Instant> {
        let alarm = self.alarms.first_key_value().map(|((at, _), _)| *at);
        self.fabric.poll_timeout().into_iter().chain(alarm).min()
    }

    /// Moves what is due, and collects who has to know.
    pub(super) fn run(&mut self, now: Instant, wakes: &mut Vec<Waker>) -> Result<(), Livelock> {
        while let Some(port) = self.fabric.step(now) {
            self.guard.count(Step::Link(port), &self.fabric, now)?;
        }
        while let Some(port) = self.fabric.poll_ready() {
            let waiting = self.waiting.get_mut(port.index());
            wakes.extend(waiting.and_then(|waiting| waiting.waker.take()));
        }
        while let Some(entry) = self.alarms.first_entry()
            && entry.key().0 <= now
        {
            let ((_, port), waker) = entry.remove_entry();
            self.waiting_at(port).alarm = None;
            let node = self.fabric.node(port);
            self.guard.count(Step::Timer(node), &self.fabric, now)?;
            wakes.push(waker);
        }
        Ok(())
    }

    pub(super) fn receive(
        &mut self,
        port: PortId,
        batch: &mut RxBatch,
        budget: usize,
        cx: &Context<'_>,
    ) -> usize {
        let count = self.fabric.receive(port, batch, budget);
        if count == 0 {
            register(&mut self.waiting_at(port).waker, cx);
        }
        count
    }

    pub(super) fn transmit(
        &mut self,
        port: PortId,
        batch: &mut TxBatch,
        now: Instant,
        cx: &Context<'_>,
    ) -> bool {
        let all = self.fabric.transmit(port, batch, now);
        if !all {
            register(&mut self.waiting_at(port).waker, cx);
        }
        all
    }

    /// Wakes the driver at a port at a time, and no longer at the one before.
    pub(super) fn wake_at(&mut self, port: PortId, at: Instant, cx: &Context<'_>) {
        let before = self.waiting_at(port).alarm.replace(at);
        if before == Some(at) {
            return;
        }
        let waker = before.and_then(|before| self.alarms.remove(&(before, port)));
        let waker = waker
            .filter(|waker| waker.will_wake(cx.waker()))
            .unwrap_or_else(|| cx.waker().clone());
        self.alarms.insert((at, port), waker);
    }

    /// The driver at a port is gone.
    pub(super) fn close(&mut self, port: PortId) {
        let gone = std::mem::take(self.waiting_at(port));
        if let Some(at) = gone.alarm {
            self.alarms.remove(&(at, port));
        }
        self.fabric.close(port);
    }

    fn waiting_at(&mut self, port: PortId) -> &mut Waiting {
        let index = port.index();
        if self.waiting.len() <= index {
            self.waiting.resize_with(index + 1, Waiting::default);
        }
        &mut self.waiting[index]
    }
}
