use super::*;
use crate::time::Duration;
use alloc::collections::BTreeMap;
use proptest::prelude::*;
use std::vec::Vec;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn drain(wheel: &mut Wheel<u32>, now: Instant) -> Vec<u32> {
    core::iter::from_fn(|| wheel.expire(now)).collect()
}

#[test]
fn a_timer_fires_at_its_nanosecond_and_not_before() {
    let mut wheel = Wheel::new(at(0));
    wheel.insert(1, at(200_000_001));
    assert_eq!(wheel.next(), Some(at(200_000_001)));
    assert_eq!(drain(&mut wheel, at(200_000_000)), []);
    assert_eq!(wheel.next(), Some(at(200_000_001)));
    assert_eq!(drain(&mut wheel, at(200_000_001)), [1]);
    assert_eq!(wheel.next(), None);
}

#[test]
fn a_timer_in_the_past_is_due_at_once() {
    let mut wheel = Wheel::new(at(5_000_000));
    assert_eq!(drain(&mut wheel, at(9_000_000)), []);
    wheel.insert(1, at(3));
    assert_eq!(wheel.next(), Some(at(3)));
    assert_eq!(drain(&mut wheel, at(9_000_000)), [1]);
}

#[test]
fn the_end_of_time_is_in_range() {
    let mut wheel = Wheel::new(at(0));
    wheel.insert(1, Instant::MAX);
    wheel.insert(2, at(1 << 60));
    assert_eq!(drain(&mut wheel, at(1 << 60)), [2]);
    assert_eq!(wheel.next(), Some(Instant::MAX));
    assert_eq!(drain(&mut wheel, Instant::MAX), [1]);
}

#[test]
fn a_cancelled_timer_does_not_fire_and_its_id_is_stale() {
    let mut wheel = Wheel::new(at(0));
    let first = wheel.insert(1, at(10_000));
    assert_eq!(wheel.deadline(first), Some(at(10_000)));
    assert!(wheel.cancel(first));
    assert!(!wheel.cancel(first));
    let second = wheel.insert(2, at(20_000));
    assert_eq!(wheel.deadline(first), None);
    assert!(!wheel.cancel(first));
    assert_eq!(drain(&mut wheel, at(30_000)), [2]);
    assert!(!wheel.cancel(second));
}

#[test]
fn timers_of_one_time_fire_in_the_order_in_which_they_were_set() {
    let mut wheel = Wheel::new(at(0));
    for key in 0..5 {
        wheel.insert(key, at(77_000_000));
    }
    assert_eq!(drain(&mut wheel, at(77_000_000)), [0, 1, 2, 3, 4]);
}

#[test]
fn a_timer_may_be_cancelled_while_it_waits_to_be_taken() {
    let mut wheel = Wheel::new(at(0));
    let ids = [1, 2, 3].map(|key| wheel.insert(key, at(5)));
    assert_eq!(wheel.expire(at(9)), Some(1));
    assert!(wheel.cancel(ids[1]));
    assert_eq!(drain(&mut wheel, at(9)), [3]);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64),
    Cancel(usize),
    Advance(u64),
    ToNext,
}

/// Distances from next to nothing to hours, so that every level gets its share.
fn distance() -> impl Strategy<Value = u64> {
    (0_u32..44).prop_flat_map(|bits| 0..(1_u64 << bits))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => distance().prop_map(Op::Insert),
        2 => any::<usize>().prop_map(Op::Cancel),
        1 => distance().prop_map(Op::Advance),
        3 => Just(Op::ToNext),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(start in distance(), ops in proptest::collection::vec(op(), 1..200)) {
        let mut now = at(start);
        let mut wheel = Wheel::new(now);
        let mut model: BTreeMap<(Instant, u32), TimerId> = BTreeMap::new();
        let mut cancelled = false;
        for (key, op) in (0_u32..).zip(ops) {
            match op {
                Op::Insert(after) => {
                    let deadline = now + Duration::from_nanos(after);
                    model.insert((deadline, key), wheel.insert(key, deadline));
                }
                Op::Cancel(which) if !model.is_empty() => {
                    let entry = *model.keys().nth(which % model.len()).unwrap();
                    prop_assert!(wheel.cancel(model.remove(&entry).unwrap()));
                    cancelled = true;
                }
                Op::Cancel(_) => {}
                Op::Advance(by) => now += Duration::from_nanos(by),
                Op::ToNext => now = wheel.next().map_or(now, |next| next.max(now)),
            }
            let mut fired = drain(&mut wheel, now);
            fired.sort_unstable();
            let later = model.split_off(&(now + Duration::from_nanos(1), 0));
            let mut due: Vec<u32> = model.into_keys().map(|(_, key)| key).collect();
            due.sort_unstable();
            prop_assert_eq!(fired, due);
            model = later;
            prop_assert_eq!(wheel.len(), model.len());
            let first = model.keys().next().map(|&(deadline, _)| deadline);
            prop_assert!(wheel.next() <= first || first.is_none());
            if !cancelled {
                prop_assert_eq!(wheel.next(), first);
            }
        }
    }

    #[test]
    fn following_next_reaches_every_timer_in_few_steps(
        deadlines in proptest::collection::vec(distance(), 1..40),
        cancels in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut wheel = Wheel::new(at(0));
        let ids: Vec<TimerId> = deadlines.iter().map(|&nanos| wheel.insert(0, at(nanos))).collect();
        for (id, _) in ids.iter().zip(&cancels).filter(|&(_, &cancel)| cancel) {
            wheel.cancel(*id);
        }
        let mut steps = 0;
        while let Some(next) = wheel.next() {
            drain(&mut wheel, next);
            steps += 1;
            prop_assert!(steps <= 40 * LEVELS, "next() does not make progress");
        }
        prop_assert_eq!(wheel.len(), 0);
    }
}
