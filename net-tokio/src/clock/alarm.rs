//! Waking a driver in time.

use super::Clock;
use net_core::time::{Duration, Instant};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

/// One timer that follows a deadline.
///
/// A deadline that moves later costs nothing: the timer fires early and is set again then. tokio's
/// own timer ticks in milliseconds; what is less than two of those away may ride on a `timerfd`
/// (Linux), which is about ten microseconds late.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    armed: Option<Armed>,
    sleep: Option<Pin<Box<Sleep>>>,
    precise: Precise,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    at: Instant,
    precisely: bool,
}

impl Alarm {
    /// An alarm by `clock`. A `precise` one needs a runtime with I/O enabled, and may use a
    /// `timerfd` when the clock is not paused.
    #[must_use]
    pub fn new(clock: Clock, precise: bool) -> Self {
        Self {
            clock,
            armed: None,
            sleep: None,
            precise: Precise::new(precise),
        }
    }

    /// Ready when `deadline` has come. Pending registers the waker of `cx`, also for times before
    /// `deadline` that were asked for earlier; without a deadline nothing new is registered.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        mut now: Instant,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        while now < deadline {
            let armed = match self.armed {
                Some(armed) if armed.at <= deadline => armed,
                _ => self.arm(deadline, now),
            };
            ready!(self.poll_fired(armed, cx));
            self.armed = None;
            now = self.clock.now();
        }
        Poll::Ready(())
    }

    fn arm(&mut self, at: Instant, now: Instant) -> Armed {
        let deadline = self.clock.deadline(at);
        let precisely = self.start(at.saturating_since(now), deadline);
        *self.armed.insert(Armed { at, precisely })
    }

    /// Starts one of the two timers; whether the precise one.
    fn start(&mut self, ahead: Duration, deadline: TokioInstant) -> bool {
        if ahead < TICKS && !is_frozen() && self.precise.arm(ahead) {
            return true;
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            none => *none = Some(Box::pin(sleep_until(deadline))),
        }
        false
    }

    /// Sets it to `at`, which is `deadline` on tokio's clock, whatever it was set to. Ready if that
    /// has come; else the waker of `cx` is registered.
    pub(crate) fn set(
        &mut self,
        at: Instant,
        now: Instant,
        deadline: TokioInstant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let precisely = self.start(at.saturating_since(now), deadline);
        let armed = *self.armed.insert(Armed { at, precisely });
        ready!(self.poll_fired(armed, cx));
        self.armed = None;
        Poll::Ready(())
    }

    /// Whether what it was set to has come since it was last asked.
    pub(crate) fn has_fired(&mut self, cx: &mut Context<'_>) -> bool {
        let fired = match (self.armed, &self.sleep) {
            (Some(armed), _) if armed.precisely => self.precise.poll_fired(cx).is_ready(),
            (Some(_), Some(sleep)) => sleep.is_elapsed(),
            _ => false,
        };
        if fired {
            self.armed = None;
        }
        fired
    }

    fn poll_fired(&mut self, armed: Armed, cx: &mut Context<'_>) -> Poll<()> {
        if armed.precisely {
            return self.precise.poll_fired(cx);
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

/// Whether tokio's clock is paused: then it shows the same time twice.
fn is_frozen() -> bool {
    TokioInstant::now() == TokioInstant::now()
}

/// Below this distance tokio's ticks are too coarse.
const TICKS: Duration = Duration::from_millis(2);

#[cfg(target_os = "linux")]
use timerfd::Precise;

#[cfg(target_os = "linux")]
mod timerfd {
    use crate::device::sys;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timerfd, made when it is first needed.
    #[derive(Debug)]
    pub(super) struct Precise {
        wanted: bool,
        timer: Option<AsyncFd<Arc<OwnedFd>>>,
    }

    impl Precise {
        pub(super) fn new(wanted: bool) -> Self {
            Self {
                wanted,
                timer: None,
            }
        }

        /// Sets the timer; false if there is none to be had.
        pub(super) fn arm(&mut self, ahead: Duration) -> bool {
            if !self.wanted {
                return false;
            }
            let armed = self.try_arm(ahead);
            if let Err(error) = &armed {
                tracing::debug!(%error, "no timerfd: timers tick in milliseconds");
                self.wanted = false;
            }
            armed.is_ok()
        }

        fn try_arm(&mut self, ahead: Duration) -> io::Result<()> {
            let timer = match &mut self.timer {
                Some(timer) => timer,
                none => {
                    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                    none.insert(sys::register(Arc::new(timer), Interest::READABLE)?)
                }
            };
            let zero = Timespec::default();
            let value = Timespec {
                tv_sec: 0,
                // Zero would disarm it.
                tv_nsec: ahead.subsec_nanos().max(1).into(),
            };
            let spec = Itimerspec {
                it_interval: zero,
                it_value: value,
            };
            timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &spec)?;
            Ok(())
        }

        /// Ready when the timer has fired, or an earlier setting of it: the caller looks at the
        /// clock. It need not be read, since setting it again takes the expiry back.
        pub(super) fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let Some(timer) = &self.timer else {
                return Poll::Ready(());
            };
            match timer.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => {
                    guard.clear_ready();
                    Poll::Ready(())
                }
                // An error says that the runtime is shutting down, and this task with it.
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
use coarse::Precise;

#[cfg(not(target_os = "linux"))]
mod coarse {
    use std::task::{Context, Poll};
    use std::time::Duration;

    /// There is nothing finer than tokio's timer here.
    #[derive(Debug)]
    pub(super) struct Precise;

    impl Precise {
        pub(super) fn new(_wanted: bool) -> Self {
            Self
        }

        pub(super) fn arm(&mut self, _ahead: Duration) -> bool {
            false
        }

        pub(super) fn poll_fired(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_advances_to_the_deadline() {
        let clock = Clock::new();
        for precise in [false, true] {
            let mut alarm = Alarm::new(clock, precise);
            for micros in [100, 1_500, 70_000] {
                let deadline = clock.now() + Duration::from_micros(micros);
                poll_fn(|cx| alarm.poll(cx, Some(deadline), clock.now())).await;
                let late = clock.now().saturating_since(deadline);
                assert!(late <= Duration::from_millis(1), "{late:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_precise_alarm_is_not_early() {
        let clock = Clock::new();
        let mut alarm = Alarm::new(clock, true);
        for micros in [1, 50, 300, 1_900, 4_000, 200] {
            let deadline = clock.now() + Duration::from_micros(micros);
            poll_fn(|cx| alarm.poll(cx, Some(deadline), clock.now())).await;
            assert!(clock.now() >= deadline);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_deadline_does_not_set_it_again() {
        let clock = Clock::new();
        let mut alarm = Alarm::new(clock, false);
        let mut cx = Context::from_waker(Waker::noop());
        for millis in [50, 90, 70] {
            let deadline = Some(Instant::from_millis(millis));
            assert!(alarm.poll(&mut cx, deadline, clock.now()).is_pending());
            assert_eq!(alarm.armed.unwrap().at, Instant::from_millis(50));
        }
        assert!(alarm.poll(&mut cx, None, clock.now()).is_pending());
        let earlier = Some(Instant::from_millis(20));
        assert!(alarm.poll(&mut cx, earlier, clock.now()).is_pending());
        assert_eq!(alarm.armed.unwrap().at, Instant::from_millis(20));
        poll_fn(|cx| alarm.poll(cx, Some(Instant::from_millis(90)), clock.now())).await;
        assert_eq!(clock.now(), Instant::from_millis(90));
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_is_ready_at_once() {
        let clock = Clock::new();
        let mut alarm = Alarm::new(clock, true);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            alarm
                .poll(&mut cx, Some(Instant::ZERO), clock.now())
                .is_ready()
        );
        assert!(alarm.armed.is_none());
    }
}
