//! RFC 6298, number by number.

use super::rtt::RttEstimator;
use crate::config::TcpConfig;
use crate::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn estimator() -> RttEstimator {
    RttEstimator::new(&TcpConfig::default())
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

/// §2.5, §5.5, §5.7.
#[test]
fn backing_off_doubles_up_to_two_minutes() {
    let mut rtt = estimator();
    for exponent in 0..7 {
        assert_eq!(rtt.rto(), ms(1000 << exponent).min(ms(120_000)));
        rtt.back_off();
    }
    for _ in 0..300 {
        rtt.back_off();
    }
    assert_eq!(rtt.rto(), ms(120_000));
    rtt.reset_backoff();
    assert_eq!(rtt.rto(), ms(1000));
}

#[test]
fn absurd_measurements_overflow_nothing() {
    let mut rtt = estimator();
    rtt.measure(Duration::ZERO);
    rtt.measure(Duration::from_secs(1 << 20));
    rtt.measure(Duration::ZERO);
    assert_eq!(rtt.rto(), ms(120_000));
}
