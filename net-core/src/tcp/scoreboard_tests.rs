//! The scoreboard against a naive one: the fate of every byte.

use super::SeqNum;
use super::scoreboard::{Delivery, Scoreboard};
use crate::time::{Duration, Instant};
use proptest::prelude::*;
use std::vec::Vec;

const ISS: SeqNum = SeqNum::new(0xffff_ff00);
const MSS: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Byte {
    sacked: bool,
    lost: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Send(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    MarkLost,
    MarkFirst,
    Timeout,
    Forget,
    Resend(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..700_u32).prop_map(Op::Send),
        2 => (0..1000_u32).prop_map(Op::Acknowledge),
        6 => (0..1000_u32, 1..300_u32).prop_map(|(from, len)| Op::Sack(from, len)),
        2 => Just(Op::MarkLost),
        1 => Just(Op::MarkFirst),
        1 => Just(Op::Timeout),
        1 => Just(Op::Forget),
        4 => (1..4_u32).prop_map(Op::Resend),
    ]
}

proptest! {
    #[test]
    fn its_sums_are_those_of_single_bytes(ops in prop::collection::vec(op(), 1..150)) {
        let mut board = Scoreboard::default();
        // From SND.UNA to SND.NXT.
        let mut model: Vec<Byte> = Vec::new();
        let (mut una, mut delivered) = (ISS, 0_u64);
        let mut now = Instant::ZERO;
        for op in ops {
            now += Duration::from_millis(1);
            let outstanding = u32::try_from(model.len()).unwrap();
            let mut delivery = Delivery::default();
            let mut arrived = 0;
            match op {
                Op::Send(len) => {
                    let start = una + outstanding;
                    board.on_sent(start, start + len, false, now);
                    model.extend((0..len).map(|_| Byte { sacked: false, lost: false }));
                }
                Op::Acknowledge(len) => {
                    let len = len.min(outstanding);
                    una += len;
                    board.acknowledge(una, &mut delivery, now);
                    arrived = model.drain(..len as usize).filter(|byte| !byte.sacked).count();
                }
                Op::Sack(from, len) if outstanding > 0 => {
                    let from = from % outstanding;
                    let end = (from + len).min(outstanding);
                    board.sack(una + from, una + end, &mut delivery, now);
                    for byte in &mut model[from as usize..end as usize] {
                        arrived += usize::from(!byte.sacked);
                        *byte = Byte { sacked: true, lost: false };
                    }
                }
                Op::Sack(..) => {}
                Op::MarkLost => {
                    let before = board.lost();
                    let newly = board.mark_lost(MSS, Duration::ZERO);
                    prop_assert_eq!(board.lost(), before + newly);
                    prop_assert!(board.lost() + board.sacked() <= outstanding);
                    // Which of them is checked by the sums below only after all of them are.
                    board.mark_all_lost();
                    model.iter_mut().for_each(|byte| byte.lost = !byte.sacked);
                }
                Op::MarkFirst => {
                    let newly = board.mark_first_lost(MSS, true);
                    prop_assert!(newly <= MSS);
                    for byte in &mut model[..newly as usize] {
                        byte.lost = true;
                    }
                }
                Op::Timeout => {
                    board.mark_all_lost();
                    model.iter_mut().for_each(|byte| byte.lost = !byte.sacked);
                }
                Op::Forget => {
                    board.forget_sacks();
                    model.iter_mut().for_each(|byte| byte.sacked = false);
                }
                Op::Resend(segments) => {
                    let first = model.iter().position(|byte| byte.lost);
                    let next = board.next_lost(segments * MSS);
                    prop_assert_eq!(next.is_some(), first.is_some());
                    if let (Some((start, end)), Some(first)) = (next, first) {
                        prop_assert_eq!(start, una + u32::try_from(first).unwrap());
                        let len = end.distance_from(start) as usize;
                        prop_assert!(len > 0 && len <= (segments * MSS) as usize);
                        prop_assert!(model[first..first + len].iter().all(|byte| byte.lost));
                        board.on_retransmit(start, end, now);
                        model[first..first + len].iter_mut().for_each(|byte| byte.lost = false);
                    }
                }
            }
            delivered += arrived as u64;
            prop_assert_eq!(delivery.bytes as usize, arrived);
            prop_assert_eq!(board.delivered(), delivered);
            prop_assert_eq!(board.sacked() as usize, model.iter().filter(|byte| byte.sacked).count());
            prop_assert_eq!(board.lost() as usize, model.iter().filter(|byte| byte.lost).count());
        }
    }
}

fn board(segments: u32) -> Scoreboard {
    let mut board = Scoreboard::default();
    for index in 0..segments {
        board.on_sent(
            ISS + index * MSS,
            ISS + (index + 1) * MSS,
            false,
            Instant::from_millis(u64::from(index)),
        );
    }
    board
}

/// RFC 6675 §4 IsLost: more than two segments' worth above.
#[test]
fn a_segment_is_lost_when_three_behind_it_have_arrived() {
    let mut board = board(10);
    let now = Instant::from_millis(50);
    let mut delivery = Delivery::default();
    board.sack(ISS + 2 * MSS, ISS + 4 * MSS, &mut delivery, now);
    assert_eq!(board.mark_lost(MSS, Duration::ZERO), 0);
    board.sack(ISS + 4 * MSS, ISS + 5 * MSS, &mut delivery, now);
    assert_eq!(board.mark_lost(MSS, Duration::ZERO), 2 * MSS);
    assert_eq!(board.next_lost(1000), Some((ISS, ISS + MSS)));
}

/// RFC 6298 §3 (Karn): of what was sent twice no round trip is known.
#[test]
fn a_resent_record_measures_nothing() {
    let mut board = board(2);
    board.mark_all_lost();
    board.on_retransmit(ISS, ISS + MSS, Instant::from_millis(20));
    let mut delivery = Delivery::default();
    board.acknowledge(ISS + MSS, &mut delivery, Instant::from_millis(30));
    assert_eq!((delivery.rtt, delivery.bytes), (None, MSS));
    let mut delivery = Delivery::default();
    board.acknowledge(ISS + 2 * MSS, &mut delivery, Instant::from_millis(31));
    assert_eq!(delivery.rtt, Some(Duration::from_millis(30)));
}

/// A resent record counts as lost again once something sent well after it has arrived.
#[test]
fn a_resent_record_is_lost_again_by_time() {
    let mut board = board(10);
    let now = Instant::from_millis(50);
    let mut delivery = Delivery::default();
    board.sack(ISS + MSS, ISS + 6 * MSS, &mut delivery, now);
    assert_eq!(board.mark_lost(MSS, Duration::from_millis(5)), MSS);
    board.on_retransmit(ISS, ISS + MSS, now);
    assert_eq!(board.mark_lost(MSS, Duration::from_millis(5)), 0);
    board.on_sent(
        ISS + 10 * MSS,
        ISS + 11 * MSS,
        false,
        Instant::from_millis(60),
    );
    board.sack(
        ISS + 10 * MSS,
        ISS + 11 * MSS,
        &mut delivery,
        Instant::from_millis(90),
    );
    assert_eq!(board.mark_lost(MSS, Duration::from_millis(20)), 0);
    assert_eq!(board.mark_lost(MSS, Duration::from_millis(5)), MSS);
}

/// A peer that acknowledges every other byte makes us remember no more than so much.
#[test]
fn records_are_bounded() {
    let mut board = Scoreboard::default();
    board.on_sent(ISS, ISS + 40_000, false, Instant::ZERO);
    let mut delivery = Delivery::default();
    for index in 0..20_000 {
        board.sack(
            ISS + 2 * index + 1,
            ISS + 2 * index + 2,
            &mut delivery,
            Instant::ZERO,
        );
    }
    assert!(board.sacked() < 5000);
    board.acknowledge(ISS + 40_000, &mut delivery, Instant::ZERO);
    assert_eq!(
        (board.sacked(), board.lost(), board.delivered()),
        (0, 0, 40_000)
    );
}

#[test]
fn a_peer_that_acknowledges_nothing_does_not_make_us_keep_a_record_for_every_byte() {
    let mut board = Scoreboard::default();
    let mut end = ISS;
    for _ in 0..20_000 {
        board.on_sent(end, end + 1, false, Instant::ZERO);
        end += 1;
    }
    assert!(board.record_count() <= 8192);
    let mut delivery = Delivery::default();
    board.acknowledge(end, &mut delivery, Instant::from_millis(1));
    assert_eq!(delivery.bytes, 20_000);
    assert_eq!(board.record_count(), 0);
}
