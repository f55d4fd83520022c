//! Windows over time, against the formulas of the RFCs.

use super::{AckSample, CongestionControl, Cubic, Reno};
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
        &mut Reno::new(MSS, 10 * MSS) as &mut dyn CongestionControl,
        &mut Cubic::new(MSS, 10 * MSS),
    ] {
        for _ in 0..10 {
            control.on_ack(&ack(MSS), Instant::ZERO);
        }
        assert_eq!(control.window(), 20 * MSS);
    }
}

#[test]
fn reno_adds_one_segment_per_window_after_a_loss() {
    let mut reno = Reno::new(MSS, 40 * MSS);
    reno.on_loss(40 * MSS, Instant::ZERO);
    assert_eq!(reno.window(), 20 * MSS);
    for _ in 0..20 {
        reno.on_ack(&ack(MSS), Instant::ZERO);
    }
    assert_eq!(reno.window(), 21 * MSS);
}

#[test]
fn a_timeout_falls_back_to_one_segment() {
    let mut reno = Reno::new(MSS, 40 * MSS);
    reno.on_rto(40 * MSS, Instant::ZERO);
    assert_eq!(
        (reno.window(), reno.slow_start_threshold()),
        (MSS, 20 * MSS)
    );
}

#[test]
fn an_application_that_sends_little_does_not_grow_the_window() {
    let mut cubic = Cubic::new(MSS, 10 * MSS);
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
    let mut cubic = Cubic::new(MSS, 400 * MSS);
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

#[test]
fn cubic_is_at_least_as_fast_as_reno_on_short_paths() {
    let mut cubic = Cubic::new(MSS, 20 * MSS);
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
    // 20 ms is nothing for the cubic; the Reno-friendly window grew by α = 0.53 a round trip.
    assert!(cubic.window() >= 23 * MSS, "{}", cubic.window());
}
