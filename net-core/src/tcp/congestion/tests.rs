//! Windows over time, against the formulas of the RFCs.

use super::{AckSample, CongestionControl, Cubic, Dctcp, RateSample, Reno};
use crate::time::{Duration, Instant};

const MSS: u32 = 1000;

fn ack(bytes: u32) -> AckSample {
    AckSample {
        acked: bytes,
        slow_start: bytes,
        rtt: Some(Duration::from_millis(100)),
        window_used: true,
        ..AckSample::default()
    }
}

#[test]
fn slow_start_doubles_the_window_each_round_trip() {
    for control in [
        &mut Reno::new(MSS, 10 * MSS, false) as &mut dyn CongestionControl,
        &mut Cubic::new(MSS, 10 * MSS, false),
    ] {
        for _ in 0..10 {
            control.on_ack(&ack(MSS), Instant::ZERO);
        }
        assert_eq!(control.window(), 20 * MSS);
    }
}

#[test]
fn reno_adds_one_segment_per_window_after_a_loss() {
    let mut reno = Reno::new(MSS, 40 * MSS, false);
    reno.on_loss(40 * MSS, Instant::ZERO);
    assert_eq!(reno.window(), 20 * MSS);
    for _ in 0..20 {
        reno.on_ack(&ack(MSS), Instant::ZERO);
    }
    assert_eq!(reno.window(), 21 * MSS);
}

/// RFC 5681 §3.1: of a window of 20.5 segments 20 are in flight, and their round trip is what counts.
#[test]
fn a_fraction_of_a_segment_does_not_slow_reno_down() {
    let mut reno = Reno::new(MSS, 41 * MSS, false);
    reno.on_loss(41 * MSS, Instant::ZERO);
    for segments in [20, 21, 22] {
        assert_eq!(reno.window(), segments * MSS + MSS / 2);
        for _ in 0..segments {
            reno.on_ack(&ack(MSS), Instant::ZERO);
        }
    }
    assert_eq!(reno.window(), 23 * MSS + MSS / 2);
}

#[test]
fn a_timeout_falls_back_to_one_segment() {
    let mut reno = Reno::new(MSS, 40 * MSS, false);
    reno.on_rto(40 * MSS, Instant::ZERO);
    assert_eq!(
        (reno.window(), reno.slow_start_threshold()),
        (MSS, 20 * MSS)
    );
}

#[test]
fn an_application_that_sends_little_does_not_grow_the_window() {
    let mut cubic = Cubic::new(MSS, 10 * MSS, false);
    cubic.on_ack(
        &AckSample {
            window_used: false,
            ..ack(MSS)
        },
        Instant::ZERO,
    );
    assert_eq!(cubic.window(), 10 * MSS);
}

#[test]
fn cubic_returns_to_its_old_window_after_k_seconds() {
    // RFC 9438 §4.2: W_max = 400, cwnd_epoch = 280, K = cbrt(120 / 0.4) = 6.69 s.
    let mut cubic = Cubic::new(MSS, 400 * MSS, false);
    cubic.on_loss(400 * MSS, Instant::ZERO);
    assert_eq!(cubic.window(), 280 * MSS);
    let mut now = Instant::ZERO;
    while now < Instant::from_millis(6_690) {
        // One window of ACKs each 100 ms.
        for _ in 0..cubic.window() / (10 * MSS) {
            cubic.on_ack(&ack(10 * MSS), now);
        }
        now += Duration::from_millis(100);
    }
    let window = cubic.window() / MSS;
    assert!((395..=405).contains(&window), "{window} segments after K");
}

/// RFC 9438 §4.2, §5.8: an hour in which little is sent, or nothing, is no time of the curve.
#[test]
fn time_without_use_of_the_window_does_not_count() {
    let rtt = Duration::from_millis(100);
    let used = |cubic: &mut Cubic, from: Instant, seconds: u64| {
        for round in 0..10 * u32::try_from(seconds).expect("few") {
            for _ in 0..cubic.window() / (10 * MSS) {
                cubic.on_ack(&ack(10 * MSS), from + round * rtt);
            }
        }
        from + Duration::from_secs(seconds)
    };
    let mut steady = Cubic::new(MSS, 400 * MSS, false);
    steady.on_loss(400 * MSS, Instant::ZERO);
    let (mut sparing, mut silent) = (steady.clone(), steady.clone());
    used(&mut steady, Instant::ZERO, 5);
    let pause = Duration::from_secs(3600);
    let then = used(&mut sparing, Instant::ZERO, 3);
    let little = AckSample {
        window_used: false,
        ..ack(MSS)
    };
    for second in 0..3600 {
        sparing.on_ack(&little, then + Duration::from_secs(second));
    }
    used(&mut sparing, then + pause, 2);
    let then = used(&mut silent, Instant::ZERO, 3);
    used(&mut silent, then + pause, 2);
    for paused in [sparing, silent] {
        let apart = paused.window().abs_diff(steady.window());
        // A round trip of the pause may count.
        assert!(
            apart <= 2 * MSS,
            "{} to {}",
            paused.window(),
            steady.window()
        );
    }
}

/// RFC 9438 §4.9: what was no loss leaves the stage where it began, and repairing is not doing little.
#[test]
fn a_spurious_recovery_takes_no_time_from_the_curve() {
    let rtt = Duration::from_millis(100);
    let mut begin = Instant::ZERO;
    let rounds = |cubic: &mut Cubic, begin, times: core::ops::Range<u32>, sample: AckSample| {
        for round in times {
            for _ in 0..cubic.window() / (10 * MSS) {
                cubic.on_ack(&sample, begin + round * rtt);
            }
        }
    };
    let mut steady = Cubic::new(MSS, 400 * MSS, false);
    steady.on_loss(400 * MSS, Instant::ZERO);
    let mut undone = steady.clone();
    rounds(&mut steady, begin, 0..45, ack(10 * MSS));
    rounds(&mut undone, begin, 0..5, ack(10 * MSS));
    // An hour of little before it is none either.
    let little = AckSample {
        window_used: false,
        ..ack(MSS)
    };
    undone.on_ack(&little, begin + 5 * rtt);
    begin += Duration::from_secs(3600);
    undone.on_ack(&little, begin + 4 * rtt);
    undone.remember(280 * MSS);
    undone.on_loss(280 * MSS, begin + 5 * rtt);
    let repairs = AckSample {
        in_recovery: true,
        ..ack(10 * MSS)
    };
    rounds(&mut undone, begin, 5..35, repairs);
    undone.on_spurious(u32::MAX);
    rounds(&mut undone, begin, 35..45, ack(10 * MSS));
    let apart = undone.window().abs_diff(steady.window());
    assert!(
        apart <= 2 * MSS,
        "{} to {}",
        undone.window(),
        steady.window()
    );
}

/// RFC 9438 §4.9.2: what comes so late that the window has grown beyond what it was is no news.
#[test]
fn a_loss_that_turns_out_late_to_be_none_changes_nothing_about_a_larger_window() {
    let rtt = Duration::from_millis(100);
    let run = |cubic: &mut Cubic, times: core::ops::Range<u32>| {
        for round in times {
            for _ in 0..cubic.window() / (10 * MSS) {
                cubic.on_ack(&ack(10 * MSS), Instant::ZERO + round * rtt);
            }
        }
    };
    let mut cubic = Cubic::new(MSS, 400 * MSS, false);
    cubic.remember(400 * MSS);
    cubic.on_loss(400 * MSS, Instant::ZERO);
    run(&mut cubic, 0..80);
    let window = cubic.window();
    assert!(window > 400 * MSS, "{window}");
    let mut undone = cubic.clone();
    undone.on_spurious(u32::MAX);
    assert_eq!(undone.window(), window);
    assert_eq!(undone.slow_start_threshold(), 280 * MSS);
    run(&mut cubic, 80..100);
    run(&mut undone, 80..100);
    assert_eq!(undone.window(), cubic.window());
}

/// RFC 9438 §4.2 counts in segments: where they get half as large the window goes on along the same curve, also along
/// that which comes back when a reduction was for nothing.
#[test]
fn cubic_keeps_its_curve_when_segments_get_smaller() {
    let rtt = Duration::from_millis(100);
    let run = |cubic: &mut Cubic, times: core::ops::Range<u32>, mss: u32| {
        for round in times {
            for _ in 0..cubic.window() / (10 * mss) {
                cubic.on_ack(&ack(10 * mss), Instant::ZERO + round * rtt);
            }
        }
    };
    let mut steady = Cubic::new(MSS, 400 * MSS, false);
    steady.on_loss(400 * MSS, Instant::ZERO);
    run(&mut steady, 0..5, MSS);
    for undone in [false, true] {
        let mut resized = steady.clone();
        if undone {
            resized.remember(280 * MSS);
            resized.on_loss(280 * MSS, Instant::ZERO + 5 * rtt);
        }
        resized.set_segment_size(MSS / 2);
        resized.keep_segments(MSS, MSS / 2);
        if undone {
            resized.on_spurious(u32::MAX);
        }
        run(&mut resized, 5..80, MSS / 2);
        let mut whole = steady.clone();
        run(&mut whole, 5..80, MSS);
        let apart = (2 * resized.window()).abs_diff(whole.window());
        assert!(whole.window() > 400 * MSS && apart <= 2 * MSS, "{apart}");
    }
}

#[test]
fn cubic_is_at_least_as_fast_as_reno_on_short_paths() {
    let mut cubic = Cubic::new(MSS, 20 * MSS, false);
    cubic.on_loss(20 * MSS, Instant::ZERO);
    let mut now = Instant::ZERO;
    for _ in 0..20 {
        now += Duration::from_millis(1);
        for _ in 0..cubic.window() / MSS {
            cubic.on_ack(
                &AckSample {
                    rtt: Some(Duration::from_millis(1)),
                    ..ack(MSS)
                },
                now,
            );
        }
    }
    // 20 ms is nothing for the cubic; the Reno-friendly window grew by α = 0.53 a round trip, and by 1
    // from the window before the loss on: to 28 segments, not 24.
    assert!(cubic.window() >= 26 * MSS, "{}", cubic.window());
}

/// A round trip of acknowledgements, each of a segment that left after all of the last one's.
fn round(control: &mut dyn CongestionControl, rtt: u64, marked: u32, delivered: &mut u64) {
    let before = *delivered;
    let segments = control.window() / MSS;
    for index in 0..segments {
        *delivered += u64::from(MSS);
        let sample = AckSample {
            delivered: *delivered,
            rate: RateSample {
                prior_delivered: before,
                ..RateSample::default()
            },
            rtt: Some(Duration::from_millis(rtt)),
            echoes_mark: index < marked,
            marked: if index < marked { MSS } else { 0 },
            ..ack(MSS)
        };
        control.on_ack(&sample, Instant::ZERO);
    }
}

/// RFC 9406 §4.2: round trips that are longer by an eighth lead to five rounds of a quarter's growth,
/// and those to congestion avoidance.
#[test]
fn slow_start_ends_when_the_round_trip_grows() {
    for control in [
        &mut Cubic::new(MSS, 10 * MSS, true) as &mut dyn CongestionControl,
        &mut Reno::new(MSS, 10 * MSS, true),
    ] {
        let mut delivered = 0;
        for expected in [20, 40] {
            round(control, 80, 0, &mut delivered);
            assert_eq!(control.window(), expected * MSS);
        }
        // Of this round's samples seven are not enough; from the eighth on it grows by quarters.
        round(control, 90, 0, &mut delivered);
        assert_eq!(control.window(), (40 + 7) * MSS + 33 * MSS / 4);
        for _ in 0..4 {
            let before = control.window();
            round(control, 90, 0, &mut delivered);
            assert_eq!(control.window(), before + before / MSS * (MSS / 4));
            assert_eq!(control.slow_start_threshold(), u32::MAX);
        }
        let before = control.window();
        round(control, 90, 0, &mut delivered);
        assert_eq!(control.slow_start_threshold(), before);
    }
}

/// RFC 9406 §4.2: slow starts after the first know where to end, and double up to there whatever the round trip.
#[test]
fn later_slow_starts_do_not_end_when_the_round_trip_grows() {
    for control in [
        &mut Cubic::new(MSS, 10 * MSS, true) as &mut dyn CongestionControl,
        &mut Reno::new(MSS, 10 * MSS, true),
    ] {
        let mut delivered = 0;
        for _ in 0..4 {
            round(control, 80, 0, &mut delivered);
        }
        assert_eq!(control.window(), 160 * MSS);
        control.on_rto(160 * MSS, Instant::ZERO);
        assert_eq!(control.window(), MSS);
        for (rtt, expected) in [(80, 2), (80, 4), (80, 8), (80, 16), (120, 32), (180, 64)] {
            round(control, rtt, 0, &mut delivered);
            assert_eq!(control.window(), expected * MSS);
        }
        assert!(control.slow_start_threshold() >= 80 * MSS);
    }
}

/// RFC 9406 §4.2: a shorter round trip shows that it was noise.
#[test]
fn slow_start_goes_on_when_the_growth_was_noise() {
    let mut cubic = Cubic::new(MSS, 10 * MSS, true);
    let mut delivered = 0;
    round(&mut cubic, 80, 0, &mut delivered);
    round(&mut cubic, 95, 0, &mut delivered);
    round(&mut cubic, 81, 0, &mut delivered);
    let before = cubic.window();
    round(&mut cubic, 80, 0, &mut delivered);
    assert_eq!(cubic.window(), 2 * before);
}

/// RFC 9406 §4.3: 4 ms at least, so that short paths do not end it by jitter.
#[test]
fn slow_start_is_not_ended_by_jitter() {
    let mut cubic = Cubic::new(MSS, 10 * MSS, true);
    let mut delivered = 0;
    for rtt in [2, 5, 3, 5] {
        let before = cubic.window();
        round(&mut cubic, rtt, 0, &mut delivered);
        assert_eq!(cubic.window(), 2 * before);
    }
}

/// RFC 8257 §3.3: Alpha follows the share of marked bytes with a weight of 1/16, and a mark costs half
/// of it.
#[test]
fn dctcp_reduces_the_window_by_the_share_of_marks() {
    let mut dctcp = Dctcp::new(MSS, 100 * MSS);
    dctcp.on_ecn(100 * MSS, Instant::ZERO);
    assert_eq!(dctcp.window(), 50 * MSS, "Alpha begins at 1");
    let mut delivered = 0;
    for _ in 0..100 {
        round(&mut dctcp, 1, 0, &mut delivered);
    }
    assert!(dctcp.alpha() < 2_000, "{}", dctcp.alpha());
    // A tenth of each window is marked.
    for _ in 0..100 {
        let segments = dctcp.window() / MSS;
        round(&mut dctcp, 1, segments / 10, &mut delivered);
    }
    let alpha = dctcp.alpha();
    assert!((85_000..=105_000).contains(&alpha), "{alpha}");
    let before = dctcp.window();
    dctcp.on_ecn(before, Instant::ZERO);
    let lost = u64::from(before - dctcp.window()) * 1_000_000 / u64::from(before);
    assert!(lost.abs_diff(u64::from(alpha / 2)) < 100, "{lost}");
    // §3.5: losses count as ever.
    let before = dctcp.window();
    dctcp.on_loss(before, Instant::ZERO);
    assert_eq!(dctcp.window(), before / 2);
}

/// RFC 5681 §4.1, as Linux does it: half for each idle timeout, and the threshold remembers.
#[test]
fn an_idle_window_decays_to_the_initial_one() {
    for control in [
        &mut Reno::new(MSS, 80 * MSS, false) as &mut dyn CongestionControl,
        &mut Cubic::new(MSS, 80 * MSS, false),
    ] {
        control.on_loss(160 * MSS, Instant::ZERO);
        let window = control.window();
        control.on_idle(1, 10 * MSS);
        assert_eq!(control.window(), window / 2);
        assert_eq!(control.slow_start_threshold(), window);
        control.on_idle(40, 10 * MSS);
        assert_eq!(control.window(), 10 * MSS);
        control.on_idle(3, 20 * MSS);
        assert_eq!(control.window(), 10 * MSS, "it does not grow");
    }
}

/// RFC 9438 §4.8: after a timeout congestion avoidance knows of no plateau, and begins with a flat curve.
#[test]
fn after_a_timeout_the_curve_begins_at_its_plateau() {
    let mut cubic = Cubic::new(MSS, 100 * MSS, false);
    cubic.on_rto(100 * MSS, Instant::ZERO);
    assert_eq!(cubic.window(), MSS);
    let seconds = |rtt: u64, cubic: &mut Cubic| {
        for _ in 0..cubic.window() / MSS {
            let sample = AckSample {
                rtt: Some(Duration::from_secs(1)),
                ..ack(MSS)
            };
            cubic.on_ack(&sample, Instant::from_millis(rtt * 1000));
        }
        cubic.window()
    };
    while cubic.window() < 70 * MSS {
        seconds(0, &mut cubic);
    }
    // 70 + 0.4 × 3³; with the plateau of 100 it would be 97 by then.
    for (second, least, most) in [(0, 70, 71), (1, 70, 73), (2, 72, 81)] {
        let window = seconds(second, &mut cubic);
        assert!((least * MSS..=most * MSS).contains(&window), "{window}");
    }
}

/// RFC 9438 §4.6: marks reduce the window to one segment, and the threshold to two.
#[test]
fn marks_reduce_a_cubic_window_to_one_segment() {
    let mut cubic = Cubic::new(MSS, 4 * MSS, false);
    for expected in [2800, 1960, 1372, MSS, MSS] {
        cubic.on_ecn(4 * MSS, Instant::ZERO);
        assert_eq!(cubic.window(), expected);
    }
    assert_eq!(cubic.slow_start_threshold(), 2 * MSS);
    cubic.on_loss(MSS, Instant::ZERO);
    assert_eq!(cubic.window(), 2 * MSS);
}

/// RFC 5681 §3.1, RFC 9438 §4.6.
#[test]
fn a_window_is_never_reduced_below_two_segments() {
    for control in [
        &mut Reno::new(MSS, MSS, false) as &mut dyn CongestionControl,
        &mut Cubic::new(MSS, MSS, false),
        &mut Dctcp::new(MSS, MSS),
    ] {
        for _ in 0..5 {
            control.on_ecn(MSS, Instant::ZERO);
            control.on_loss(MSS, Instant::ZERO);
        }
        assert_eq!(control.window(), 2 * MSS);
    }
}

/// RFC 9438 §4.7, fast convergence: below the last plateau the next is lower than the window was.
#[test]
fn a_second_loss_in_a_row_makes_room_for_others() {
    // W_max = 280 × 0.85 = 238, cwnd_epoch = 196, K = cbrt(42 / 0.4) = 4.7 s.
    let mut cubic = Cubic::new(MSS, 400 * MSS, false);
    cubic.on_loss(400 * MSS, Instant::ZERO);
    cubic.on_loss(280 * MSS, Instant::ZERO);
    assert_eq!(cubic.window(), 196 * MSS);
    let mut now = Instant::ZERO;
    while now < Instant::from_millis(4_700) {
        for _ in 0..cubic.window() / (10 * MSS) {
            cubic.on_ack(&ack(10 * MSS), now);
        }
        now += Duration::from_millis(100);
    }
    let window = cubic.window() / MSS;
    assert!((233..=243).contains(&window), "{window} segments after K");
    // §4.5: as long again, and it is as far above the plateau as it was below.
    while now < Instant::from_millis(9_400) {
        for _ in 0..cubic.window() / (10 * MSS) {
            cubic.on_ack(&ack(10 * MSS), now);
        }
        now += Duration::from_millis(100);
    }
    let window = cubic.window() / MSS;
    assert!((275..=285).contains(&window), "{window} segments after 2 K");
}

/// RFC 8257 §3.3 step 2: with accurate feedback an acknowledgement may cover marked bytes and others.
#[test]
fn dctcp_counts_marked_bytes_and_not_acknowledgements() {
    let mut dctcp = Dctcp::new(MSS, 100 * MSS);
    let mut delivered = 0;
    for _ in 0..100 {
        let before = delivered;
        for _ in 0..50 {
            delivered += u64::from(2 * MSS);
            let sample = AckSample {
                delivered,
                rate: RateSample {
                    prior_delivered: before,
                    ..RateSample::default()
                },
                echoes_mark: true,
                marked: MSS / 2,
                ..ack(2 * MSS)
            };
            dctcp.on_ack(&sample, Instant::ZERO);
        }
    }
    let alpha = dctcp.alpha();
    assert!((249_000..=252_000).contains(&alpha), "a quarter: {alpha}");
}

/// RFC 8257 §3.5.
#[test]
fn a_dctcp_loss_is_a_reno_loss() {
    let (mut dctcp, mut reno) = (Dctcp::new(MSS, 80 * MSS), Reno::new(MSS, 80 * MSS, false));
    let windows =
        |control: &dyn CongestionControl| (control.window(), control.slow_start_threshold());
    dctcp.on_loss(80 * MSS, Instant::ZERO);
    reno.on_loss(80 * MSS, Instant::ZERO);
    assert_eq!(windows(&dctcp), windows(&reno));
    dctcp.on_rto(40 * MSS, Instant::ZERO);
    reno.on_rto(40 * MSS, Instant::ZERO);
    assert_eq!(windows(&dctcp), windows(&reno));
    assert_eq!(dctcp.window(), MSS);
}
