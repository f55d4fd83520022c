//! The run right, the driver's wake and the lock around the stack.

use super::{block_on, explore, scaled, thread};
use crate::shared::{Handover, Kick, Turn};
use crate::sync::{Arc, AtomicUsize, Ordering};
use std::future::poll_fn;
use std::task::Poll;

/// Runs rounds whenever it is woken, until one of them says that all is done.
fn drive(kick: &Kick, mut round: impl FnMut() -> bool) {
    block_on(poll_fn(|context| {
        kick.register(context.waker());
        let mut done = false;
        if let Some(right) = kick.try_run() {
            done = round();
            if right.finish(false) {
                context.waker().wake_by_ref();
            }
        }
        if done { Poll::Ready(()) } else { Poll::Pending }
    }));
}

#[test]
fn no_kick_is_lost_between_two_kickers_and_a_driver() {
    const KICKS: usize = scaled(1, 50);
    explore(|| {
        let shared = Arc::new((Kick::new(), [AtomicUsize::new(0), AtomicUsize::new(0)]));
        let kickers = [0, 1].map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kick, mail) = &*shared;
                for _ in 0..KICKS {
                    // Relaxed: the kick makes it visible to the round that follows.
                    mail[index].fetch_add(1, Ordering::Relaxed);
                    kick.kick();
                }
            })
        });
        let (kick, mail) = &*shared;
        drive(kick, || {
            let seen: usize = mail.iter().map(|mail| mail.load(Ordering::Relaxed)).sum();
            seen == 2 * KICKS
        });
        for kicker in kickers {
            kicker.join().expect("kicker runs");
        }
    });
}

/// As drops do where the driver runs the rounds: each leaves what it lets go of, and rings unless that has
/// been done. Each is seen once, and one task's in their order.
#[test]
fn no_release_is_lost_between_two_droppers_and_a_round() {
    const EACH: usize = scaled(2, 50);
    explore(|| {
        let shared = Arc::new((Kick::new(), Handover::new()));
        let droppers = [0, 1].map(|dropper| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kick, released) = &*shared;
                for number in 0..EACH {
                    released.push((dropper, number));
                    if !kick.is_scheduled() {
                        kick.kick();
                    }
                }
            })
        });
        let (kick, released) = &*shared;
        let (mut batch, mut seen) = (Vec::new(), [0; 2]);
        drive(kick, || {
            released.drain(&mut batch);
            for (dropper, number) in batch.drain(..) {
                assert_eq!(number, seen[dropper]);
                seen[dropper] += 1;
            }
            seen == [EACH; 2]
        });
        for dropper in droppers {
            dropper.join().expect("dropper runs");
        }
        released.drain(&mut batch);
        assert_eq!(batch, []);
    });
}

/// The same where a dropper runs a round itself, if it gets the right to.
#[test]
fn no_release_is_lost_where_a_dropper_runs_the_round() {
    explore(|| {
        let shared = Arc::new((Kick::new(), Handover::new(), Turn::new(Vec::<usize>::new())));
        let droppers = [0, 1].map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kick, released, seen) = &*shared;
                released.push(number);
                let Some(right) = kick.try_run() else { return };
                let mut again = true;
                if let Some(mut seen) = seen.try_round() {
                    let mut batch = Vec::new();
                    released.drain(&mut batch);
                    seen.append(&mut batch);
                    // Only so that the driver of this model learns that it may end.
                    again = seen.len() == 2;
                }
                if right.finish(again) {
                    kick.wake_driver();
                }
            })
        });
        let (kick, released, seen) = &*shared;
        drive(kick, || {
            let mut seen = seen.round();
            let mut batch = Vec::new();
            released.drain(&mut batch);
            seen.append(&mut batch);
            seen.len() == 2
        });
        for dropper in droppers {
            dropper.join().expect("dropper runs");
        }
        let mut seen = seen.round();
        seen.sort_unstable();
        assert_eq!(*seen, [0, 1]);
    });
}

#[test]
fn of_many_kicks_in_a_round_one_wakes() {
    explore(|| {
        let kick = Arc::new(Kick::new());
        let kickers = [0, 1].map(|_| {
            let kick = Arc::clone(&kick);
            thread::spawn(move || usize::from(kick.schedule()))
        });
        let wakes: usize = kickers
            .into_iter()
            .map(|kicker| kicker.join().expect("kicker runs"))
            .sum();
        assert_eq!(wakes, 1);
        let right = kick.try_run().expect("nobody else runs");
        assert!(!right.finish(false), "both are served by one round");
    });
}

/// What the lock guards: the work that the round has found so far.
#[derive(Debug, Default)]
struct Engine {
    posted: usize,
    done: usize,
}

#[test]
fn a_writers_own_round_a_control_call_and_the_driver_leave_no_work_behind() {
    explore(|| {
        let shared = Arc::new((
            Kick::new(),
            Turn::new(Engine::default()),
            AtomicUsize::new(0),
        ));
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kick, engine, mail) = &*shared;
                mail.fetch_add(1, Ordering::Relaxed);
                let Some(right) = kick.try_run() else { return };
                let mut again = true;
                if let Some(mut engine) = engine.try_round() {
                    engine.done += mail.swap(0, Ordering::Relaxed);
                    engine.done += std::mem::take(&mut engine.posted);
                    // Only so that the driver of this model learns that it may end.
                    again = engine.done == 2;
                }
                if right.finish(again) {
                    kick.wake_driver();
                }
            })
        };
        let control = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (kick, engine, _) = &*shared;
                engine.control().posted += 1;
                kick.kick();
            })
        };
        let (kick, engine, mail) = &*shared;
        drive(kick, || {
            let mut engine = engine.round();
            engine.done += mail.swap(0, Ordering::Relaxed);
            engine.done += std::mem::take(&mut engine.posted);
            engine.done == 2
        });
        writer.join().expect("writer runs");
        control.join().expect("control call runs");
    });
}

#[test]
fn a_round_that_panics_asks_for_another() {
    explore(|| {
        let kick = Kick::new();
        let right = kick.try_run().expect("nobody runs");
        assert!(kick.try_run().is_none());
        drop(right);
        assert!(!kick.schedule(), "a round is asked for already");
        let right = kick.try_run().expect("nobody runs any more");
        assert!(!right.finish(false));
        assert!(kick.schedule());
    });
}
