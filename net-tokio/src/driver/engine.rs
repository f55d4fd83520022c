//! What the driver, the handles and the sockets of a stack share.

use super::mail::{Keyed, Mail, Release};
use super::round::{BoundDevice, Core, Outcome};
use super::{Parts, Time, time};
use crate::error::{self, Ended};
use crate::shared::{ChunkPool, Dirty, Fault, Kick, RunRight, Stop, Touch, Turn};
use crate::sync::MutexGuard;
use net_core::socket::Operation;
use net_core::{Instant, SocketError, SocketId, Stack};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;

/// A stack with its lock, its doorbell and its letter box.
pub(crate) struct Engine {
    bell: Arc<Doorbell>,
    core: Turn<Core>,
    mail: Mail,
    pool: ChunkPool,
    time: Time,
    /// When the driver's timer goes off, in nanoseconds of the stack's clock; `u64::MAX` when it
    /// is off. What is due later needs no attention.
    armed: AtomicU64,
    /// Tasks may run rounds.
    inline: AtomicBool,
    process_wide: bool,
    /// A policy has a say in what sockets do.
    policed: bool,
    /// The most bytes of payload that fit a datagram on every interface, over IPv6 too.
    fits_everywhere: AtomicUsize,
    /// Nobody holds a handle or a socket any more.
    abandoned: AtomicBool,
    ended: OnceLock<Ended>,
    /// Its devices are gone, too.
    is_over: AtomicBool,
    end: Notify,
    #[cfg(test)]
    looks: AtomicUsize,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        let bell = Arc::new(Doorbell { kick: Kick::new() });
        let waker = Waker::from(Arc::clone(&bell));
        let inline = parts.inline_rounds && parts.devices.iter().all(|each| each.device.inline());
        let policed = parts.stack.has_policy();
        let fits_everywhere = fits_everywhere(&parts.stack);
        let mut devices = parts.devices;
        for each in &mut devices {
            each.device.attach(parts.time.clock());
        }
        Self {
            bell,
            core: Turn::new(Core::new(parts.stack, devices, waker, parts.time.now())),
            mail: Mail::new(),
            pool: ChunkPool::new(),
            time: parts.time,
            armed: AtomicU64::new(u64::MAX),
            inline: AtomicBool::new(inline),
            process_wide: parts.process_wide,
            policed,
            fits_everywhere: AtomicUsize::new(fits_everywhere),
            abandoned: AtomicBool::new(false),
            ended: OnceLock::new(),
            is_over: AtomicBool::new(false),
            end: Notify::new(),
            #[cfg(test)]
            looks: AtomicUsize::new(0),
        }
    }

    /// Does something to the stack that sends nothing: waits for the round that runs, at most. It sees
    /// what the caller did to other sockets before: one that was dropped is closed by then.
    ///
    /// # Errors
    /// When the stack has ended.
    pub(crate) fn control<R>(
        &self,
        f: impl FnOnce(&mut Core, Instant) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        let mut core = self.core.control();
        if core.last_call.is_some() || self.ended.get().is_some() {
            return Err(self.gone());
        }
        let now = core.tick(self.time.now());
        let mut wakes = Vec::new();
        core.collect(&self.mail, now, &mut wakes);
        let result = f(&mut core, now);
        drop(core);
        wakes.into_iter().for_each(Waker::wake);
        result.map_err(error::to_io)
    }

    /// As [`control`](Self::control), followed by a round, for what may send packets.
    ///
    /// # Errors
    /// When the stack has ended.
    pub(crate) fn act<R>(
        &self,
        f: impl FnOnce(&mut Core, Instant) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        let result = self.control(f);
        self.ring();
        result
    }

    /// As [`control`](Self::control), but only if nobody works on the stack now, and without a look
    /// at the clock: for the stack it is still the time of the latest round.
    pub(crate) fn try_control<R>(&self, f: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let mut core = self.core.try_round()?;
        if core.last_call.is_some() || self.ended.get().is_some() {
            return None;
        }
        Some(f(&mut core))
    }

    /// Whether a policy has a say.
    #[inline]
    pub(crate) fn is_policed(&self) -> bool {
        self.policed
    }

    /// Asks the policy, if there is one, which means to wait for the round that runs.
    #[inline]
    pub(crate) fn permit(&self, operation: &Operation) -> Result<(), SocketError> {
        if !self.policed {
            return Ok(());
        }
        self.core.control().stack_mut().permit(operation)
    }

    /// As [`permit`](Self::permit) for one operation after the other, with one wait: the first that the policy
    /// minds, and what it says.
    pub(crate) fn permit_each(
        &self,
        operations: impl Iterator<Item = Operation>,
    ) -> Option<(usize, SocketError)> {
        if !self.policed {
            return None;
        }
        let mut core = self.core.control();
        let stack = core.stack_mut();
        let mut refusals = operations
            .enumerate()
            .filter_map(|(at, operation)| Some((at, stack.permit(&operation).err()?)));
        refusals.next()
    }

    /// Takes a device in whose interface the stack knows already.
    pub(crate) fn add_device(&self, core: &mut Core, mut bound: BoundDevice) {
        bound.device.attach(self.time.clock());
        if !bound.device.inline() {
            self.inline.store(false, Ordering::Relaxed);
        }
        let fits = fits_everywhere(core.stack());
        self.fits_everywhere.store(fits, Ordering::Relaxed);
        core.add_device(bound);
    }

    /// Looks at the stack, also after its end.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Core) -> R) -> R {
        let core = self.core.control();
        #[cfg(test)]
        self.looks.fetch_add(1, Ordering::Relaxed);
        f(&core)
    }

    /// Looks again and again, as long as something is found. Between two looks a round may run, and others have
    /// their say.
    pub(crate) fn look_on<'a, T>(
        &'a self,
        mut find: impl FnMut(&Stack) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        std::iter::from_fn(move || self.look(|core| find(core.stack())))
    }

    /// How often somebody has looked.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    /// Says that the letter box has something: a round by the caller, or a wake of the driver.
    pub(crate) fn ring(&self) {
        if !self.inline.load(Ordering::Relaxed) {
            // Where the driver has been asked already, it finds this too.
            if !self.bell.kick.is_scheduled() {
                self.bell.kick.kick();
            }
        } else if let Some(right) = self.take_right() {
            self.run_inline(right);
        }
    }

    /// What `attempt` comes to. Where it would have to wait for a round that the driver was woken for and has not
    /// begun, the caller runs that itself, once, and tries again.
    pub(crate) fn attempt<R>(
        &self,
        mut attempt: impl FnMut() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        match attempt() {
            Err(Stop::WouldBlock) if self.serve_if_due() => attempt(),
            done => done,
        }
    }

    /// Runs a round that is asked for and not begun, where tasks may; whether it did.
    fn serve_if_due(&self) -> bool {
        if !self.inline.load(Ordering::Relaxed) || !self.bell.kick.is_scheduled() {
            return false;
        }
        let right = self.take_right();
        right.map(|right| self.run_inline(right)).is_some()
    }

    /// Sees to what an operation on a slot asks for.
    pub(crate) fn post<S: Dirty>(&self, slot: &Keyed<S>, touch: Touch) {
        if self.mail.post(slot, touch) {
            self.ring();
        }
    }

    /// Pays what an operation on a slot owes the driver, and turns its failure into the host's error.
    pub(crate) fn finish<S: Dirty, R>(
        &self,
        slot: &Keyed<S>,
        done: Result<(R, Touch), Stop>,
    ) -> io::Result<R> {
        match done {
            Ok((result, touch)) => {
                self.post(slot, touch);
                Ok(result)
            }
            Err(stop) => Err(self.explain_stop(stop)),
        }
    }

    /// Lets go of a socket that has no slot.
    pub(crate) fn release(&self, id: SocketId) {
        self.mail.release(Release::Close(id));
        self.ring();
    }

    /// Has a connection send what its cork holds back.
    pub(crate) fn uncork(&self, id: SocketId) {
        self.mail.release(Release::Uncork(id));
        self.ring();
    }

    /// Resets a connection that nobody accepted; the caller rings.
    pub(crate) fn refuse(&self, id: SocketId) {
        self.mail.release(Release::Abort(id));
    }

    /// Payload bytes of a datagram that is too long for no interface.
    pub(crate) fn fits_everywhere(&self) -> usize {
        self.fits_everywhere.load(Ordering::Relaxed)
    }

    /// Memory for what is written.
    pub(crate) fn pool(&self) -> &ChunkPool {
        &self.pool
    }

    /// The error of every socket of a stack that has ended.
    pub(crate) fn gone(&self) -> io::Error {
        error::ended(self.ended.get().copied().unwrap_or(Ended::ShutDown))
    }

    /// Why an operation on a slot failed.
    pub(crate) fn explain(&self, fault: Fault) -> io::Error {
        match fault {
            Fault::Socket(error) => error::to_io(error),
            Fault::Gone => self.gone(),
        }
    }

    /// Why an operation on a slot stopped, where that is an answer.
    pub(crate) fn explain_stop(&self, stop: Stop) -> io::Error {
        match stop {
            Stop::WouldBlock => io::ErrorKind::WouldBlock.into(),
            Stop::Fault(fault) => self.explain(fault),
        }
    }

    /// Begins the end; see [`Net::shutdown`](crate::Net::shutdown).
    pub(crate) fn shutdown(&self, limit: Duration) {
        let mut wakes = Vec::new();
        let mut core = self.core.control();
        if self.ended.get().is_some() {
            return;
        }
        let now = core.tick(self.time.now());
        core.close_all(&self.mail, now + limit, now, &mut wakes);
        drop(core);
        wakes.into_iter().for_each(Waker::wake);
        self.bell.kick.kick();
    }

    /// Nobody is left to use the stack: it ends when it has delivered what was written.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.bell.kick.kick();
    }

    /// Waits for the end, that of the devices included: what a capture has in its buffer is written by then.
    pub(crate) async fn ended(&self) {
        let end = self.end.notified();
        if !self.is_over.load(Ordering::Acquire) {
            end.await;
        }
    }

    pub(crate) fn is_process_wide(&self) -> bool {
        self.process_wide
    }

    /// The end: every socket fails from now on. Only the first one counts.
    pub(super) fn end(&self, how: Ended) {
        if self.ended.set(how).is_err() {
            return;
        }
        let mut wakes = Vec::new();
        let mut core = self.core.control();
        core.fail_all(&mut wakes);
        if how == Ended::ShutDown {
            core.cease_advertising();
        }
        let devices = core.take_devices();
        drop(core);
        drop(devices);
        self.is_over.store(true, Ordering::Release);
        wakes.into_iter().for_each(Waker::wake);
        self.end.notify_waiters();
    }

    pub(super) fn kick(&self) -> &Kick {
        &self.bell.kick
    }

    pub(super) fn time(&self) -> Time {
        self.time
    }

    pub(super) fn armed(&self) -> Instant {
        Instant::from_nanos(self.armed.load(Ordering::Relaxed))
    }

    pub(super) fn set_armed(&self, at: Instant) {
        self.armed.store(at.as_nanos(), Ordering::Relaxed);
    }

    /// One round, for the holder of the run right.
    pub(super) fn round(&self, wakes: &mut Vec<Waker>) -> Outcome {
        self.round_of(&mut self.core.round(), wakes)
    }

    fn round_of(&self, core: &mut Core, wakes: &mut Vec<Waker>) -> Outcome {
        let abandoned = self.abandoned.load(Ordering::Acquire);
        core.round(&self.mail, abandoned, || self.time.now(), wakes)
    }

    /// The run right for a task. A paused clock would jump to its next timer while another thread
    /// still moves our bytes, so under one the task waits, in real time, which costs no virtual one.
    fn take_right(&self) -> Option<RunRight<'_>> {
        let right = self.bell.kick.try_run();
        if right.is_some() || !time::is_paused() {
            return right;
        }
        for _ in 0..MAX_YIELDS {
            thread::yield_now();
            if let Some(right) = self.bell.kick.try_run() {
                return Some(right);
            }
        }
        None
    }

    /// Rounds in a task until nothing is left to do, within a bound; the driver takes over the rest.
    fn run_inline<'a>(&'a self, right: RunRight<'a>) {
        let mut wakes = WAKES.try_with(Cell::take).unwrap_or_default();
        let mut driver_is_needed = false;
        let mut rounds = 0;
        let mut right = Some(right);
        while let Some(held) = right.take() {
            let Some(mut core) = self.inline_turn() else {
                driver_is_needed |= held.finish(true);
                break;
            };
            let outcome = self.round_of(&mut core, &mut wakes);
            drop(core);
            driver_is_needed |=
                outcome.ended.is_some() || outcome.next.is_some_and(|next| next < self.armed());
            let again = held.finish(outcome.more);
            // A wake may drop a task and its sockets, which ring: the run right is free by now.
            wakes.drain(..).for_each(Waker::wake);
            rounds += 1;
            if again && rounds == MAX_INLINE_ROUNDS {
                driver_is_needed = true;
            } else if again {
                right = self.bell.kick.try_run();
            }
        }
        // Where the thread is ending, the room goes with it.
        let _ = WAKES.try_with(|room| room.set(wakes));
        if driver_is_needed {
            // Asked for or not by now: the driver has to come, if only to set its timer.
            let _ = self.bell.kick.schedule();
            self.bell.kick.wake_driver();
        }
    }

    /// The stack for a round in a task; `None` where somebody else is inside, who is waited for only
    /// under a paused clock.
    fn inline_turn(&self) -> Option<MutexGuard<'_, Core>> {
        let free = self.core.try_round();
        if free.is_none() && time::is_paused() {
            return Some(self.core.round());
        }
        free
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("inline", &self.inline)
            .field("ended", &self.ended.get())
            .finish_non_exhaustive()
    }
}

/// What devices ring when they have something. It keeps no stack alive.
#[derive(Debug)]
struct Doorbell {
    kick: Kick,
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.kick.kick();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.kick.kick();
    }
}

thread_local! {
    /// Room for the wakers of a round in a task, kept for the next one.
    static WAKES: Cell<Vec<Waker>> = const { Cell::new(Vec::new()) };
}

/// How often a task under a paused clock looks whether the run right is free: for much longer than a
/// round takes, but not for ever, should its own thread hold it.
const MAX_YIELDS: u32 = 100_000;
/// Rounds that a task runs in a row before it leaves the rest to the driver. Each moves up to 64
/// packets, so only a caller that keeps finding other tasks' work gets there.
const MAX_INLINE_ROUNDS: u32 = 256;

/// Bytes of an IPv6 and a UDP header.
const UDP_HEADERS: usize = 40 + 8;

/// The most bytes of payload that fit a datagram on every interface, over IPv6 too.
fn fits_everywhere(stack: &Stack) -> usize {
    let mtus = stack.ifaces().map(|(_, iface)| iface.mtu);
    usize::from(mtus.min().unwrap_or(0)).saturating_sub(UDP_HEADERS)
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
