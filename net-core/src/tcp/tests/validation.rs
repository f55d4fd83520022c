//! Windows that are not put to use: RFC 7661.

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;

const MSS: u32 = 1460;

fn validates(config: &mut Config) {
    config.tcp.cwnd_validation = true;
}

/// A connection over 50 ms whose window has grown to `segments`, all of which are acknowledged.
fn grown(segments: u32, change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(change);
    peer.handshake_in(ms(50), syn().sack_permitted());
    while peer.info().cwnd < segments * MSS {
        let flight = peer.info().cwnd;
        peer.writes(flight);
        peer.skips();
        peer.waits(ms(50));
        let end = 1 + peer.written;
        peer.sends(tcp().ack(end));
    }
    assert_eq!(peer.info().cwnd, segments * MSS);
    peer
}

/// §4.3, §4.4.3: the window stays for five minutes, then half of it.
#[test]
fn an_unused_window_stays_for_five_minutes() {
    for (idle, expected) in [(secs(290), 40), (secs(310), 20), (secs(3000), 20)] {
        let mut peer = grown(40, validates);
        peer.waits(idle);
        peer.writes(80 * MSS);
        assert_eq!(peer.skips(), expected, "{idle:?}");
    }
}

/// §4.4: MUST NOT increase the cwnd when it does not limit the sender.
#[test]
fn a_window_that_is_little_used_does_not_grow() {
    let mut peer = grown(40, validates);
    peer.waits(secs(2));
    for _ in 0..10 {
        peer.writes(6 * MSS);
        peer.skips();
        peer.waits(ms(50));
        let end = 1 + peer.written;
        peer.sends(tcp().ack(end));
    }
    assert_eq!(peer.info().cwnd, 40 * MSS);
}

/// §4.4.1: what is reduced is what was in use, and at the end what had to be sent again counts too.
#[test]
fn a_loss_reduces_what_was_in_use_of_a_window() {
    for (on, threshold) in [(true, 10 * MSS / 2), (false, 40 * MSS * 7 / 10)] {
        let mut peer = grown(40, |config| {
            config.tcp.congestion = CongestionAlgorithm::Cubic;
            config.tcp.cwnd_validation = on;
            config.tcp.slow_start_after_idle = false;
        });
        peer.waits(secs(2));
        let start = 1 + peer.written;
        peer.writes(10 * MSS);
        assert_eq!(peer.skips(), 10);
        peer.waits(ms(50));
        let end = start + 10 * MSS;
        peer.sends(tcp().ack(start).sacks(&[(start + MSS, end)]));
        peer.expects(tcp().seq(start).data(MSS));
        let info = peer.info();
        assert!(info.in_recovery);
        assert_eq!(info.slow_start_threshold, threshold);
        peer.waits(ms(50));
        peer.sends(tcp().ack(end));
        let window = if on { 9 * MSS / 2 } else { threshold };
        assert_eq!(peer.info().cwnd, window);
    }
}

/// §4.4.1: two segments were in use, and one of them was sent again.
#[test]
fn a_loss_in_a_window_that_is_little_used_leaves_one_segment() {
    let mut peer = grown(40, validates);
    peer.waits(secs(2));
    let start = 1 + peer.written;
    peer.writes(2 * MSS);
    assert_eq!(peer.skips(), 2);
    peer.waits(ms(50));
    let end = start + 2 * MSS;
    peer.sends(tcp().ack(start).sacks(&[(start + MSS, end)]));
    // A quarter of the round trip could be reordering.
    peer.waits(ms(40));
    assert!(peer.info().in_recovery);
    // RFC 5681 §3.1, equation (4).
    assert_eq!(peer.info().slow_start_threshold, 2 * MSS);
    peer.waits(ms(50));
    peer.sends(tcp().ack(end));
    assert!(!peer.info().in_recovery);
    assert_eq!(peer.info().cwnd, MSS);
}

/// §4.2, §4.4.1: after a recovery the window is trusted until it was measured anew.
#[test]
fn after_a_recovery_the_window_grows_as_usual() {
    let mut peer = grown(40, |config| {
        config.tcp.congestion = CongestionAlgorithm::Reno;
        validates(config);
    });
    peer.waits(secs(2));
    let start = 1 + peer.written;
    peer.writes(10 * MSS);
    peer.skips();
    peer.waits(ms(50));
    let end = start + 10 * MSS;
    peer.sends(tcp().ack(start).sacks(&[(start + MSS, end)]));
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(end));
    let before = peer.info().cwnd;
    peer.writes(before);
    peer.skips();
    peer.waits(ms(50));
    let end = 1 + peer.written;
    peer.sends(tcp().ack(end));
    assert!(peer.info().cwnd > before);
}

/// §4.2: the ACK that ends a recovery tells of a round trip in it, and so of no part of the window: the next loss
/// is answered as by anyone.
#[test]
fn a_round_trip_that_began_in_a_recovery_is_no_sample() {
    let mut peer = grown(40, |config| {
        config.tcp.congestion = CongestionAlgorithm::Reno;
        validates(config);
    });
    peer.waits(secs(2));
    for (segments, left) in [(10, 9 * MSS / 2), (4, 2 * MSS)] {
        let start = 1 + peer.written;
        peer.writes(segments * MSS);
        assert_eq!(peer.skips(), segments as usize);
        peer.waits(ms(50));
        let end = start + segments * MSS;
        peer.sends(tcp().ack(start).sacks(&[(start + MSS, end)]));
        peer.expects(tcp().seq(start).data(MSS));
        assert!(peer.info().in_recovery);
        peer.waits(ms(50));
        peer.sends(tcp().ack(end));
        assert_eq!(peer.info().cwnd, left);
    }
}

/// §4.2: what was acknowledged during recovery does not count; a timeout ends the phase.
#[test]
fn a_timeout_leaves_one_segment() {
    let mut peer = grown(40, validates);
    peer.waits(secs(2));
    peer.writes(10 * MSS);
    peer.skips();
    while peer.info().timeouts == 0 {
        peer.waits(ms(10));
    }
    assert_eq!(peer.info().cwnd, MSS);
}
