//! The scoreboard against a naive one: the fate of every byte.

use super::ranges::comparisons;
use super::{Delivery, RetransmissionTest, Scoreboard};
use crate::tcp::SeqNum;
use crate::time::{Duration, Instant};
use proptest::prelude::*;
use std::vec::Vec;

const ISS: SeqNum = SeqNum::new(0xffff_ff00);
const MSS: u32 = 100;

const fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn delivery(now: Instant) -> Delivery {
    Delivery::new(RetransmissionTest::default(), now)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Byte {
    sacked: bool,
    lost: bool,
    resent: bool,
    first_at: Instant,
    sent_at: Instant,
}

#[derive(Debug, Clone)]
enum Op {
    Send(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    LoseByCount,
    LoseByTime(u64),
    LoseFirst,
    Timeout,
    Mistaken,
    Renege,
    Resend(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..700_u32).prop_map(Op::Send),
        2 => (0..1000_u32).prop_map(Op::Acknowledge),
        6 => (0..1000_u32, 1..300_u32).prop_map(|(from, len)| Op::Sack(from, len)),
        2 => Just(Op::LoseByCount),
        4 => (0..40_u64).prop_map(Op::LoseByTime),
        1 => Just(Op::LoseFirst),
        1 => Just(Op::Timeout),
        1 => Just(Op::Mistaken),
        1 => Just(Op::Renege),
        4 => (1..4_u32).prop_map(Op::Resend),
    ]
}

/// RFC 6675 §4 `IsLost` of each byte, said as the RFC says it.
fn is_lost_by_count(model: &[Byte], at: usize) -> bool {
    let behind = &model[at..];
    let bytes = behind.iter().filter(|byte| byte.sacked).count();
    let edges = behind
        .windows(2)
        .filter(|pair| !pair[0].sacked && pair[1].sacked);
    bytes > 2 * MSS as usize || edges.count() >= 3
}

proptest! {
    #[test]
    fn its_sums_are_those_of_single_bytes(ops in prop::collection::vec(op(), 1..150)) {
        let mut board = Scoreboard::default();
        // From SND.UNA to SND.NXT.
        let mut model: Vec<Byte> = Vec::new();
        let (mut una, mut delivered) = (ISS, 0_u64);
        let mut now = Instant::ZERO;
        // The newest transmission that has arrived: when it left, and where it ended in the stream.
        let mut newest = (Instant::ZERO, 0_u64);
        let mut base = 0_u64;
        for op in ops {
            now += Duration::from_millis(1);
            let outstanding = u32::try_from(model.len()).unwrap();
            let mut delivery = delivery(now);
            let mut arrived = 0;
            let mut arrive = |bytes: &[Byte], from: u64| {
                for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| !byte.sacked) {
                    newest = newest.max((byte.sent_at, from + at as u64 + 1));
                }
            };
            match op {
                Op::Send(len) => {
                    let start = una + outstanding;
                    board.on_sent(start, start + len, 0, now);
                    let byte = Byte {
                        sacked: false,
                        lost: false,
                        resent: false,
                        first_at: now,
                        sent_at: now,
                    };
                    model.extend((0..len).map(|_| byte));
                }
                Op::Acknowledge(len) => {
                    let len = len.min(outstanding);
                    una += len;
                    board.acknowledge(una, &mut delivery);
                    arrive(&model[..len as usize], base);
                    base += u64::from(len);
                    arrived = model.drain(..len as usize).filter(|byte| !byte.sacked).count();
                }
                Op::Sack(from, len) if outstanding > 0 => {
                    let from = from % outstanding;
                    let end = (from + len).min(outstanding);
                    board.sack(una + from, una + end, &mut delivery);
                    arrive(&model[from as usize..end as usize], base + u64::from(from));
                    for byte in &mut model[from as usize..end as usize] {
                        arrived += usize::from(!byte.sacked);
                        (byte.sacked, byte.lost) = (true, false);
                        // Should the peer renege, its retransmissions are forgotten too.
                        (byte.resent, byte.sent_at) = (false, byte.first_at);
                    }
                }
                Op::Sack(..) => {}
                Op::LoseByCount => {
                    board.mark_lost_by_count(MSS);
                    let verdicts: Vec<_> =
                        (0..model.len()).map(|at| is_lost_by_count(&model, at)).collect();
                    for (byte, verdict) in model.iter_mut().zip(verdicts) {
                        byte.lost |= verdict && !byte.sacked && !byte.resent;
                    }
                }
                Op::LoseByTime(patience) if newest.0 > Instant::ZERO => {
                    let patience = Duration::from_millis(patience);
                    board.mark_lost_by_time((newest.0, board.at(newest.1)), patience, now);
                    for (at, byte) in model.iter_mut().enumerate().filter(|(_, byte)| !byte.sacked) {
                        let before = (byte.sent_at, base + at as u64 + 1) <= newest;
                        byte.lost |= before && byte.sent_at + patience <= now;
                    }
                }
                Op::LoseByTime(_) => {}
                Op::LoseFirst => {
                    let newly = board.mark_first_lost(MSS, true);
                    prop_assert!(newly <= MSS);
                    let hole = model.iter().take(MSS as usize).take_while(|byte| {
                        !byte.sacked && byte.first_at == model[0].first_at
                    });
                    let hole = hole.count();
                    model[..hole].iter_mut().for_each(|byte| byte.lost = true);
                }
                Op::Timeout => {
                    board.mark_all_lost();
                    model.iter_mut().for_each(|byte| byte.lost = !byte.sacked);
                }
                Op::Mistaken => {
                    board.mark_none_lost();
                    model.iter_mut().for_each(|byte| byte.lost = false);
                }
                Op::Renege => {
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
                        let range = first..first + len;
                        prop_assert!(model[range.clone()].iter().all(|byte| byte.lost));
                        board.on_resent(start, end, 0, now);
                        for byte in &mut model[range] {
                            (byte.lost, byte.resent, byte.sent_at) = (false, true, now);
                        }
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
        let (start, end) = (ISS + index * MSS, ISS + (index + 1) * MSS);
        board.on_sent(start, end, index * MSS, ms(u64::from(index)));
    }
    board
}

/// RFC 6675 §4 IsLost: more than two segments' worth behind it.
#[test]
fn a_segment_is_lost_when_three_behind_it_have_arrived() {
    let mut board = board(10);
    let mut delivery = delivery(ms(50));
    board.sack(ISS + 2 * MSS, ISS + 4 * MSS, &mut delivery);
    assert_eq!(board.mark_lost_by_count(MSS).lost, 0);
    board.sack(ISS + 4 * MSS, ISS + 5 * MSS, &mut delivery);
    let found = board.mark_lost_by_count(MSS);
    assert_eq!((found.lost, found.end), (2 * MSS, Some(ISS + 2 * MSS)));
    assert_eq!(board.next_lost(1000), Some((ISS, ISS + 2 * MSS)));
}

/// RFC 6298 §3 (Karn): of what was sent twice no round trip is known.
#[test]
fn a_resent_record_measures_nothing() {
    let mut board = board(2);
    board.mark_all_lost();
    board.on_resent(ISS, ISS + MSS, 0, ms(20));
    let mut first = delivery(ms(30));
    board.acknowledge(ISS + MSS, &mut first);
    assert_eq!((first.round_trip(), first.bytes), (None, MSS));
    let mut second = delivery(ms(31));
    board.acknowledge(ISS + 2 * MSS, &mut second);
    assert_eq!(second.round_trip(), Some(Duration::from_millis(30)));
}

/// RFC 8985 §6.2 step 3: what arrives behind others although it left before them, once.
#[test]
fn what_arrives_late_shows_reordering_unless_it_was_sent_again() {
    let mut board = board(4);
    let mut early = delivery(ms(50));
    board.sack(ISS + 3 * MSS, ISS + 4 * MSS, &mut early);
    assert!(!early.reordered);
    let mut late = delivery(ms(51));
    board.sack(ISS + MSS, ISS + 2 * MSS, &mut late);
    assert!(late.reordered);
    board.mark_all_lost();
    board.on_resent(ISS, ISS + MSS, 0, ms(52));
    let mut again = delivery(ms(60));
    board.acknowledge(ISS + 2 * MSS, &mut again);
    assert!(!again.reordered);
}

/// The rate is measured over the longer of the time of sending and that of acknowledging.
#[test]
fn the_slower_of_sending_and_acknowledging_makes_the_rate() {
    let mut board = board(10);
    let mut first = delivery(ms(20));
    board.acknowledge(ISS + MSS, &mut first);
    let sample = board.rate.sample(&first, 0);
    // Delivered in 20 ms since the flight began.
    assert_eq!((sample.delivered, sample.interval.as_millis()), (100, 20));
    let mut next = delivery(ms(21));
    board.acknowledge(ISS + 10 * MSS, &mut next);
    let sample = board.rate.sample(&next, 0);
    assert_eq!((sample.delivered, sample.interval.as_millis()), (1000, 21));
    assert_eq!(sample.bytes_per_second(), Some(1_000_000 / 21));
    // What is sent now was preceded by those 1000 bytes; ACKs that come at once cannot make it
    // faster than it was sent.
    for index in 10..20 {
        let (start, end) = (ISS + index * MSS, ISS + (index + 1) * MSS);
        board.on_sent(start, end, MSS, ms(31 + u64::from(index)));
    }
    let mut last = delivery(ms(52));
    board.acknowledge(ISS + 20 * MSS, &mut last);
    let sample = board.rate.sample(&last, 0);
    assert_eq!((sample.prior_delivered, sample.delivered), (1000, 1000));
    // From the record that was acknowledged last (9 ms) to the last one sent.
    assert_eq!(sample.interval.as_millis(), 41);
    assert_eq!(
        board.rate.sample(&last, 42_000_000).interval,
        Duration::ZERO
    );
}

/// Samples of what was in flight when the application had nothing to send, and of what it sends
/// until that has arrived, are marked.
#[test]
fn what_the_application_limits_is_marked() {
    let mut board = board(2);
    board.rate.mark_app_limited(2 * MSS);
    board.on_sent(ISS + 2 * MSS, ISS + 3 * MSS, 2 * MSS, ms(10));
    let mut sample = |segments: u32, now| {
        let mut delivery = delivery(now);
        board.acknowledge(ISS + segments * MSS, &mut delivery);
        board.rate.sample(&delivery, 0).app_limited
    };
    assert!(!sample(2, ms(30)));
    assert!(sample(3, ms(40)));
    board.on_sent(ISS + 3 * MSS, ISS + 4 * MSS, 0, ms(50));
    let mut last = delivery(ms(60));
    board.acknowledge(ISS + 4 * MSS, &mut last);
    assert!(!board.rate.sample(&last, 0).app_limited);
}

/// The work of a hostile peer's acknowledgements is O(log n) each, and so is the memory bounded:
/// holes of one byte all over a window of 64 MiB, in the worst order, and everything lost.
#[test]
fn one_byte_holes_over_64_mib_cost_little() {
    const WINDOW: u32 = 64 << 20;
    const RECORD: u32 = 64 << 10;
    let mut board = Scoreboard::default();
    for start in (0..WINDOW).step_by(RECORD as usize) {
        board.on_sent(ISS + start, ISS + start + RECORD, start, ms(1));
    }
    let step = WINDOW / 20_000;
    let mut worst = 0;
    let mut sack = |board: &mut Scoreboard, left: u32, right: u32| {
        let before = comparisons();
        let mut delivery = delivery(ms(50));
        board.sack(ISS + left, ISS + right, &mut delivery);
        board.mark_lost_by_count(1460);
        if let Some(newest) = delivery.proven() {
            board.mark_lost_by_time(newest, Duration::from_millis(60), ms(50));
        }
        worst = worst.max(comparisons() - before);
    };
    // One byte here, one byte there: more of them than are remembered.
    for index in 0..20_000 {
        let far = (index * 7919 % 20_000) * step;
        sack(&mut board, far + 1, far + 2);
    }
    assert!(board.sacked() <= 8192, "{}", board.sacked());
    // All but one byte here and there.
    for index in 0..20_000 {
        let far = (index * 7919 % 20_000) * step;
        sack(&mut board, far + 2, far + step);
    }
    // A look-up among 8192 spans compares less than 60 times; a block takes about a dozen.
    assert!(worst < 1500, "{worst} comparisons for one acknowledgement");
    // Each hole is lost and sent again once, at the cost of a few look-ups.
    let before = comparisons();
    let (mut resent, now) = (0_u64, ms(200));
    board.on_sent(ISS + WINDOW, ISS + WINDOW + 1, WINDOW, ms(100));
    let newest = (ms(100), board.at(u64::from(WINDOW) + 1));
    board.mark_lost_by_time(newest, Duration::ZERO, now);
    while let Some((start, end)) = board.next_lost(1460) {
        board.on_resent(start, end, 0, now);
        resent += 1;
    }
    assert!((4000..70_000).contains(&resent), "{resent}");
    let each = (comparisons() - before) / resent;
    assert!(each < 800, "{each} comparisons for each retransmission");
    // What lies between the spans that are remembered makes no more than one more for each KiB.
    let most = 8192 + WINDOW as usize / 1024;
    assert!(board.span_count() <= most, "{}", board.span_count());
    let mut rest = delivery(ms(300));
    let before = comparisons();
    board.acknowledge(ISS + WINDOW + 1, &mut rest);
    assert!((comparisons() - before) / resent < 800);
    assert_eq!(
        (board.sacked(), board.lost(), board.delivered()),
        (0, 0, u64::from(WINDOW) + 1)
    );
    assert_eq!(board.span_count(), 0);
}

/// A retransmission that is acknowledged crumb by crumb is not gone through from its beginning each
/// time.
#[test]
fn crumbs_of_a_retransmission_cost_little() {
    const LEN: u32 = 16_000;
    let mut board = Scoreboard::default();
    board.on_sent(ISS, ISS + LEN + 1, 0, ms(1));
    board.mark_all_lost();
    board.on_resent(ISS, ISS + LEN, 0, ms(100));
    board.on_resent(ISS + LEN, ISS + LEN + 1, 0, ms(101));
    let mut worst = 0;
    for at in (1..LEN).step_by(2) {
        let before = comparisons();
        let mut delivery = delivery(ms(200));
        board.sack(ISS + at, ISS + at + 1, &mut delivery);
        let newest = delivery.proven().unwrap();
        board.mark_lost_by_time(newest, Duration::from_millis(50), ms(200));
        worst = worst.max(comparisons() - before);
    }
    assert_eq!((board.sacked(), board.lost()), (LEN / 2, LEN / 2));
    assert!(worst < 1500, "{worst} comparisons for one acknowledgement");
}

#[test]
fn a_peer_that_acknowledges_nothing_does_not_make_us_keep_a_record_for_every_byte() {
    let mut board = Scoreboard::default();
    let mut end = ISS;
    for _ in 0..20_000 {
        board.on_sent(end, end + 1, 0, Instant::ZERO);
        end += 1;
    }
    assert!(board.record_count() <= 8192);
    let mut delivery = delivery(ms(1));
    board.acknowledge(end, &mut delivery);
    assert_eq!((delivery.bytes, board.record_count()), (20_000, 0));
    // Several transmissions share a record, which measures no round trip.
    assert_eq!(delivery.latest_round_trip(), None);
}

/// What joins a record counts from when it left itself: it is not lost as long ago as the record began.
#[test]
fn what_shares_a_record_is_not_lost_before_its_time() {
    let mut board = Scoreboard::default();
    for at in 0..8192 {
        board.on_sent(ISS + at, ISS + at + 1, 0, ms(1));
    }
    board.on_sent(ISS + 8192, ISS + 8193, 0, ms(100));
    let (newest, patience) = ((ms(101), board.at(8193)), Duration::from_millis(50));
    let found = board.mark_lost_by_time(newest, patience, ms(120));
    assert_eq!((found.lost, found.next_at), (8191, Some(ms(150))));
    let found = board.mark_lost_by_time(newest, patience, ms(150));
    assert_eq!((found.lost, found.next_at), (2, None));
}

/// 10 Gbit/s over 100 ms is 83,000 segments: each has its record, and all that is lost of them leaves again.
#[test]
fn as_many_segments_as_a_long_fat_path_holds_are_remembered_and_sent_again_at_once() {
    const SEGMENT: u32 = 1448;
    let mut board = Scoreboard::default();
    for at in 0..20_000 {
        let start = ISS + at * SEGMENT;
        board.on_sent(start, start + SEGMENT, at * SEGMENT, ms(u64::from(at)));
    }
    assert_eq!(board.record_count(), 20_000);
    board.mark_all_lost();
    let mut resent = 0;
    while let Some((start, end)) = board.next_lost(SEGMENT) {
        board.on_resent(start, end, 0, ms(30_000));
        resent += 1;
    }
    assert_eq!(resent, 20_000);
    // When all has arrived, the memory of more than the usual goes back.
    assert!(board.room() > 2 * 8192);
    board.acknowledge(ISS + 20_000 * SEGMENT, &mut delivery(ms(30_100)));
    assert!(board.room() <= 2 * 8192, "{}", board.room());
}
