//! RFC 6298, number by number.

use super::SeqNum;
use super::rtt::RttEstimator;
use crate::config::TcpConfig;
use crate::time::{Duration, Instant};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One measurement in each round trip, of a segment of ten bytes.
struct Estimator {
    rtt: RttEstimator,
    una: SeqNum,
    now: Instant,
}

impl Estimator {
    fn measure(&mut self, rtt: Duration) {
        self.una += 10;
        self.now += rtt;
        self.rtt.measure(rtt, self.una, self.una, self.now);
    }
}

impl core::ops::Deref for Estimator {
    type Target = RttEstimator;

    fn deref(&self) -> &RttEstimator {
        &self.rtt
    }
}

fn estimator() -> Estimator {
    Estimator {
        rtt: RttEstimator::new(&TcpConfig::default()),
        una: SeqNum::new(0xffff_fff0),
        now: Instant::ZERO,
    }
}

/// §2.1.
#[test]
fn starts_with_one_second() {
    assert_eq!(estimator().rto(), ms(1000));
    assert_eq!(estimator().smoothed(), None);
    assert_eq!(estimator().min(), None);
}

/// §2.2: SRTT = R, RTTVAR = R/2.
#[test]
fn the_first_measurement_is_taken_as_it_is() {
    let mut rtt = estimator();
    rtt.measure(ms(100));
    assert_eq!((rtt.smoothed(), rtt.variance()), (Some(ms(100)), ms(50)));
    assert_eq!(rtt.rto(), ms(300));
}

/// §2.3: RTTVAR by a quarter, then SRTT by an eighth.
#[test]
fn later_ones_are_smoothed() {
    let mut rtt = estimator();
    rtt.measure(ms(100));
    rtt.measure(ms(180));
    assert_eq!(
        (rtt.smoothed(), rtt.variance()),
        (Some(ms(110)), Duration::from_micros(57_500))
    );
    assert_eq!(rtt.rto(), ms(340));
    assert_eq!(rtt.min(), Some(ms(100)));
}

/// §2.4, with Linux's floor below the variance term.
#[test]
fn a_steady_path_keeps_200_ms_of_distance() {
    let mut rtt = estimator();
    for _ in 0..100 {
        rtt.measure(ms(50));
    }
    assert_eq!(rtt.rto(), ms(250));
}

/// §2.5, §5.5: doubling, up to the ceiling; only a measurement ends it (§5.7's note).
#[test]
fn backing_off_doubles_up_to_two_minutes() {
    let mut rtt = estimator();
    for exponent in 0..7 {
        assert_eq!(rtt.rto(), ms(1000 << exponent).min(ms(120_000)));
        rtt.rtt.back_off();
    }
    for _ in 0..300 {
        rtt.rtt.back_off();
    }
    assert_eq!(rtt.rto(), ms(120_000));
    rtt.measure(ms(100));
    assert_eq!(rtt.rto(), ms(300));
}

/// §2.4, §2.5: floor and ceiling are the configuration's.
#[test]
fn floor_and_ceiling_come_from_the_configuration() {
    let config = TcpConfig {
        rto_min: ms(1000),
        rto_max: ms(60_000),
        rto_initial: ms(2000),
        ..TcpConfig::default()
    };
    let mut rtt = estimator();
    rtt.rtt = RttEstimator::new(&config);
    assert_eq!(rtt.rto(), ms(2000));
    rtt.measure(ms(100));
    assert_eq!(rtt.rto(), ms(1100));
    rtt.measure(ms(100_000));
    assert_eq!(rtt.rto(), ms(60_000));
}

/// §5.7: after a SYN that had to be sent again 3 s, unless a timestamp measured the path.
#[test]
fn a_handshake_without_measurement_falls_back_to_three_seconds() {
    let mut rtt = estimator();
    rtt.rtt.back_off();
    rtt.rtt.fall_back();
    assert_eq!(rtt.rto(), ms(3000));
    rtt.measure(ms(40));
    rtt.rtt.fall_back();
    assert_eq!(rtt.rto(), ms(240));
}

/// RFC 7323 §4.2: many measurements in a round trip do not make it forget sooner.
#[test]
fn a_spike_is_remembered_for_round_trips_not_for_measurements() {
    let mut rtt = estimator();
    for _ in 0..20 {
        rtt.measure(ms(100));
    }
    rtt.measure(ms(500));
    let spike = rtt.variance();
    assert!(spike >= ms(90), "{spike:?}");
    // A hundred ACKs of the same flight.
    let nxt = rtt.una + 1_000_000;
    rtt.rtt.measure(ms(100), rtt.una + 10, nxt, rtt.now);
    for _ in 0..100 {
        rtt.una += 10;
        rtt.rtt.measure(ms(100), rtt.una, nxt, rtt.now);
    }
    assert!(rtt.variance() >= spike * 3 / 4, "{:?}", rtt.variance());
    // As many round trips.
    rtt.una = nxt;
    for _ in 0..100 {
        rtt.measure(ms(100));
    }
    assert!(rtt.variance() < ms(5), "{:?}", rtt.variance());
}

/// RFC 8985 §6.2 step 1: the smallest round trip is not that of another path, long ago.
#[test]
fn the_smallest_round_trip_is_forgotten_after_minutes() {
    let mut rtt = estimator();
    rtt.measure(ms(20));
    rtt.measure(ms(80));
    assert_eq!(rtt.min(), Some(ms(20)));
    for _ in 0..2 {
        rtt.now += Duration::from_secs(150);
        rtt.measure(ms(80));
    }
    assert_eq!(rtt.min(), Some(ms(80)));
}

/// RFC 4015 §3.1 step (11): after a spurious timeout the timer is at least as patient as before.
#[test]
fn a_spurious_timeout_makes_the_timer_more_patient() {
    let mut rtt = estimator();
    rtt.measure(ms(100));
    rtt.rtt.remember();
    rtt.rtt.adapt(ms(900));
    assert_eq!((rtt.smoothed(), rtt.variance()), (Some(ms(900)), ms(450)));
    rtt.rtt.remember();
    rtt.rtt.adapt(ms(50));
    assert_eq!((rtt.smoothed(), rtt.variance()), (Some(ms(902)), ms(450)));
}

#[test]
fn absurd_measurements_overflow_nothing() {
    let mut rtt = estimator();
    rtt.measure(Duration::ZERO);
    rtt.measure(Duration::from_secs(1 << 20));
    rtt.measure(Duration::ZERO);
    assert_eq!(rtt.rto(), ms(120_000));
}
