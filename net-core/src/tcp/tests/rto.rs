//! The retransmission timer: RFC 6298, RFC 5681 §3.1.

use super::*;
use crate::SocketError;
use crate::config::CongestionAlgorithm;

/// Ten segments are in flight to a peer without any option.
fn ten_in_flight() -> Peer {
    let mut peer = Peer::with_ten_in_flight(syn(), |config| {
        config.tcp.congestion = CongestionAlgorithm::Reno;
    });
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// §5.5: doubling, from the first measurement's RTO on. §3 (Karn): the ACK of what was sent twice
/// measures nothing, so the RTO stays backed off until new data is measured.
#[test]
fn timeouts_back_off_until_new_data_is_measured() {
    let mut peer = Peer::established();
    peer.writes(100);
    peer.expects(tcp().seq(1).data(100));
    for wait in [200, 400, 800, 1600, 3200] {
        peer.expects_after(ms(wait), tcp().seq(1).data(100));
    }
    assert_eq!(peer.info().timeouts, 5);
    let before = peer.info().rtt;
    peer.waits(ms(7));
    peer.sends(tcp());
    assert_eq!(peer.info().rtt, before);
    assert_eq!(peer.info().rto.as_millis(), 6400);
    peer.writes(100);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp());
    assert!(peer.info().rto < ms(300));
}

/// RFC 7323 §4.1: with timestamps what was sent again is measured too, which ends the backoff.
#[test]
fn timestamps_measure_what_was_sent_again() {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.handshake_in(ms(50), syn().timestamps(1000, 0));
    peer.writes(100);
    peer.skips();
    peer.waits(ms(600));
    // The peer echoes the second retransmission.
    peer.expects(tcp().seq(1).data(100));
    assert_eq!(peer.info().timeouts, 1);
    peer.waits(ms(250));
    peer.expects(tcp().seq(1).data(100));
    peer.sends(tcp());
    let info = peer.info();
    // 50 ms at first, then 100 ms since the second retransmission at 750 ms.
    assert_eq!(info.rtt.unwrap().as_millis(), 56);
    assert!(info.rto < ms(350), "{:?}", info.rto);
}

/// §5.3, RFC 6582 §3.2: the timer begins anew when the first segment is sent again, so that it does
/// not leave once more within an RTO.
#[test]
fn a_fast_retransmission_restarts_the_timer() {
    let mut peer = ten_in_flight();
    peer.waits(ms(150));
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    peer.expects(tcp().seq(1).data(1460));
    // The RTO of 250 ms would have passed 50 ms from here.
    peer.expects_after(ms(250), tcp().seq(1).data(1460));
    assert_eq!(peer.info().timeouts, 1);
}

/// §5.3.
#[test]
fn an_ack_of_new_data_restarts_the_timer() {
    let mut peer = ten_in_flight();
    peer.waits(ms(150));
    peer.sends(tcp().ack(at(1)));
    // The timer of the first segment would have run out 50 ms from here.
    let rto = peer.info().rto;
    peer.expects_after(rto, tcp().seq(at(1)).data(1460));
    assert_eq!(peer.info().timeouts, 1);
}

/// §5.7: without timestamps a SYN-ACK that was sent again leaves an RTO of 3 s.
#[test]
fn a_resent_syn_ack_leaves_a_timeout_of_three_seconds() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.waits(ms(1500));
    assert_eq!(peer.skips(), 2);
    peer.sends(tcp());
    peer.accept();
    assert_eq!((peer.info().rto, peer.info().rtt), (secs(3), None));
    // RFC 6928 §2: one SYN-ACK may be lost; RFC 5681 §3.1 for more.
    assert_eq!(peer.info().cwnd, 14_600);
    peer.writes(10);
    peer.expects(tcp().data(10));
    peer.expects_after(secs(3), tcp().seq(1).data(10));
}

/// §5.7: the same of a SYN; and RFC 5681 §3.1: then the initial window is one segment.
#[test]
fn a_syn_resent_twice_leaves_a_window_of_one_segment() {
    let mut peer = Peer::new();
    peer.connects();
    peer.waits(ms(3500));
    assert_eq!(peer.skips(), 3);
    peer.sends(syn().flags(SYN_ACK).ack(1));
    assert_eq!((peer.info().rto, peer.info().cwnd), (secs(3), 1460));
}

/// RFC 7323 §4.1: timestamps tell which SYN was answered, so there is a measurement.
#[test]
fn timestamps_measure_a_resent_syn() {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.waits(ms(1080));
    peer.expects(tcp().flags(SYN));
    peer.sends(syn().flags(SYN_ACK).ack(1));
    assert_eq!(peer.info().rtt, Some(ms(80)));
    assert_eq!(peer.info().rto, ms(280));
}

/// RFC 5681 §3.1 equation 4, and the loss window of one segment.
#[test]
fn a_timeout_begins_anew_with_one_segment() {
    let mut peer = ten_in_flight();
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    peer.expects_nothing();
    let info = peer.info();
    assert_eq!((info.cwnd, info.slow_start_threshold), (1460, 7300));
    // The rest counts as lost too: slow start sends it again.
    peer.sends(tcp().ack(at(1)));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.expects(tcp().seq(at(2)).data(1460));
    peer.expects_nothing();
    peer.sends(tcp().ack(at(10)));
    assert!(!peer.info().in_recovery);
}

/// RFC 6298 §2.2, §2.3.
#[test]
fn the_round_trip_is_measured() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.waits(ms(80));
    peer.sends(tcp());
    peer.accept();
    assert_eq!(peer.info().rtt, Some(ms(80)));
    assert_eq!(peer.info().rtt_variance, ms(40));
    peer.skips();
    peer.writes(10);
    peer.waits(ms(160));
    peer.sends(tcp().ack(11));
    assert_eq!(peer.info().rtt, Some(ms(90)));
    assert_eq!(peer.info().rtt_min, Some(ms(80)));
}

/// SPEC 65, RFC 5681 §3.1: doubling in each round trip.
#[test]
fn slow_start_doubles_the_window() {
    let mut peer = ten_in_flight();
    peer.writes(100_000);
    for index in 0..10 {
        peer.sends(tcp().ack(at(index + 1)));
    }
    assert_eq!(peer.info().cwnd, 20 * 1460);
}

#[test]
fn a_connection_without_answer_says_so() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 2);
    peer.writes(10);
    peer.waits(secs(60));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// RFC 3465 §2.3: after a timeout an acknowledgement widens the window by one segment, however much
/// it covers, where it is not known what of that has just arrived.
#[test]
fn after_a_timeout_an_acknowledgement_counts_for_one_segment() {
    let mut peer = ten_in_flight();
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    // Segments 1 to 5 had arrived before.
    peer.sends(tcp().ack(at(6)));
    assert_eq!(peer.info().cwnd, 2 * 1460);
}

/// RFC 5681 §3.1: however much was repaired since the last timeout, the next one leaves one segment, and
/// counts as another loss.
#[test]
fn another_timeout_of_the_same_recovery_leaves_one_segment_again() {
    let mut peer = ten_in_flight();
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    for segment in [1, 3, 5, 7] {
        peer.sends(tcp().ack(at(segment)));
    }
    let before = peer.info();
    assert!(before.in_recovery && before.cwnd > 3 * 1460, "{before:?}");
    peer.skips();
    for _ in 0..40 {
        if peer.info().timeouts == 1 {
            peer.waits(ms(50));
        }
    }
    peer.expects(tcp().seq(at(7)).data(1460));
    peer.expects_nothing();
    let info = peer.info();
    assert_eq!((info.timeouts, info.cwnd), (2, 1460));
    assert!(info.slow_start_threshold < before.slow_start_threshold);
    // Once more for the same segment changes nothing.
    peer.waits(secs(3));
    assert!(peer.skips() > 0);
    let again = peer.info();
    assert_eq!(again.slow_start_threshold, info.slow_start_threshold);
    assert_eq!(again.cwnd, 1460);
}

/// RFC 5681 §3.1: the handshake does not widen the window.
#[test]
fn a_handshake_leaves_the_initial_window() {
    let mut peer = ten_in_flight();
    assert_eq!(peer.info().cwnd, 14_600);
    assert_eq!(peer.info().slow_start_threshold, u32::MAX);
    peer.skips();
}
