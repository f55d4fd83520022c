//! Losses in one window of data after another (RFC 5681 §4.3).

use super::prr::{at, twenty_in_flight};
use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;

/// Of twenty segments the first is lost and leaves again, and the last, of which nothing is known so far. Eight
/// more have left.
fn recovering(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = twenty_in_flight(change);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(19))]));
    assert_eq!(peer.takes()[0], (1, 1460));
    assert!(peer.rcv >= at(26), "{}", peer.rcv);
    assert_eq!(peer.info().fast_recoveries, 1);
    peer.waits(ms(50));
    peer
}

/// What left during a recovery is found lost before its end: a second indication of congestion, also where what
/// was sent again has arrived.
#[test]
fn losses_in_two_windows_in_a_row_reduce_the_window_twice() {
    for (algorithm, once) in [
        (CongestionAlgorithm::Reno, 14_600),
        (CongestionAlgorithm::Dctcp, 14_600),
        (CongestionAlgorithm::Cubic, 20_440),
    ] {
        let mut peer = recovering(|config| config.tcp.congestion = algorithm);
        assert_eq!(peer.info().slow_start_threshold, once, "{algorithm:?}");
        peer.sends(tcp().ack(at(19)).sacks(&[(at(21), at(24))]));
        // Reno halves what is outstanding, CUBIC reduces its window.
        let twice = match algorithm {
            CongestionAlgorithm::Cubic => 14_308,
            _ => (peer.rcv - at(19)) / 2,
        };
        let info = peer.info();
        assert_eq!(info.slow_start_threshold, twice, "{algorithm:?}");
        assert_eq!((info.fast_recoveries, info.timeouts), (2, 0));
        assert_eq!(peer.takes()[0], (at(19), 1460));
        // That of the first ends nothing, and the second one's leaves what it has reduced the window to.
        peer.waits(ms(50));
        peer.sends(tcp().ack(at(20)).sacks(&[(at(21), at(24))]));
        assert!(peer.info().in_recovery);
        peer.sends(tcp());
        let info = peer.info();
        assert!(!info.in_recovery);
        assert_eq!((info.cwnd, info.slow_start_threshold), (twice, twice));
    }
}

/// As often as there are windows with losses, not as often as something is lost.
#[test]
fn several_losses_in_a_window_reduce_it_once() {
    let mut peer = twenty_in_flight(|_| {});
    for blocks in [
        &[(at(2), at(5))][..],
        &[(at(6), at(9)), (at(2), at(5))],
        &[(at(10), at(19)), (at(6), at(9)), (at(2), at(5))],
    ] {
        peer.sends(tcp().ack(1).sacks(blocks));
    }
    assert_eq!(peer.info().bytes_lost, 4 * 1460);
    assert_eq!(peer.info().slow_start_threshold, 14_600);
    peer.skips();
    peer.waits(ms(50));
    let first = peer.rcv;
    assert!(first >= at(24), "{first}");
    // The last of the first window, and two of the second.
    peer.sends(tcp().ack(at(19)).sacks(&[(at(21), at(22))]));
    let next = [(at(23), at(24)), (at(21), at(22))];
    peer.sends(tcp().ack(at(19)).sacks(&next));
    assert_eq!(peer.info().bytes_lost, 7 * 1460);
    assert_eq!(peer.info().fast_recoveries, 2);
    assert_eq!(peer.info().slow_start_threshold, (first - at(19)) / 2);
}

/// A retransmission that is lost and new data that left with it are of one window.
#[test]
fn what_is_lost_with_a_retransmission_reduces_the_window_no_further() {
    let mut peer = recovering(|_| {});
    peer.sends(tcp().ack(1).sacks(&[(at(20), at(21)), (at(1), at(19))]));
    assert_eq!(peer.stack.stats().tcp_lost_retransmits, 1);
    assert_eq!(peer.info().slow_start_threshold, 7300);
    peer.sends(tcp().ack(1).sacks(&[(at(22), at(23)), (at(1), at(19))]));
    let info = peer.info();
    assert_eq!(info.bytes_lost, 4 * 1460);
    assert_eq!((info.slow_start_threshold, info.fast_recoveries), (7300, 1));
}

/// RFC 2883 §5: the second of two recoveries is undone when duplicates of all that was sent again are reported, be
/// it by the first. What that has reduced the window to stays.
#[test]
fn a_second_recovery_is_undone_to_what_the_first_has_left() {
    let mut peer = twenty_in_flight(|config| config.tcp.recovery.rack = false);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(20))]));
    peer.skips();
    peer.waits(ms(50));
    let once = peer.info().slow_start_threshold;
    peer.sends(tcp().ack(1).sacks(&[(at(21), at(24)), (at(1), at(20))]));
    let info = peer.info();
    assert_eq!(
        (info.slow_start_threshold, info.fast_recoveries),
        (once / 2, 2)
    );
    assert!(peer.takes().contains(&(at(20), 1460)));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(20)).sacks(&[(1, at(1)), (at(21), at(24))]));
    let info = peer.info();
    assert_eq!((info.undos, info.slow_start_threshold), (0, once / 2));
    peer.sends(tcp().ack(at(24)).sacks(&[(at(20), at(21))]));
    let info = peer.info();
    assert_eq!((info.undos, info.in_recovery), (1, false));
    assert_eq!((info.cwnd, info.slow_start_threshold), (once, once));
}

/// RFC 3522: an echo that shows the first retransmission of the first recovery to have been needless says nothing
/// of the second, and the first is no longer undone.
#[test]
fn an_echo_from_before_the_first_of_two_recoveries_undoes_neither() {
    use super::eifel::at;
    let mut peer = eifel::ten_in_flight(|_| {});
    let sent_at = eifel::stamp(&mut peer);
    peer.writes(40 * 1448);
    peer.waits(ms(50));
    let says = |ack, blocks: &[_]| tcp().ack(ack).sacks(blocks).timestamps(1001, sent_at);
    peer.sends(says(1, &[(at(1), at(5))]));
    peer.sends(says(1, &[(at(1), at(10))]));
    peer.skips();
    peer.waits(ms(60));
    peer.sends(says(1, &[(at(11), at(14)), (at(1), at(10))]));
    let twice = peer.info();
    assert_eq!(twice.fast_recoveries, 2);
    peer.waits(ms(5));
    peer.sends(says(at(10), &[(at(11), at(14))]));
    let info = peer.info();
    assert_eq!((info.undos, info.in_recovery), (0, true));
    assert_eq!(info.slow_start_threshold, twice.slow_start_threshold);
}

/// What left after a timeout and is lost reduces the window too, when the timeout is repaired: RFC 6675 §5.1 has
/// no fast recovery begin before that.
#[test]
fn a_loss_behind_a_timeout_reduces_the_window_when_that_is_repaired() {
    let mut peer = twenty_in_flight(|config| config.tcp.recovery.frto = false);
    while peer.info().timeouts == 0 {
        peer.waits(ms(10));
    }
    let threshold = peer.info().slow_start_threshold;
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(20))]));
    peer.waits(ms(50));
    // The second segment is lost once more, and the first of those that left after the timeout; the others arrive.
    let end = peer.rcv;
    assert!(end >= at(22), "{end}");
    peer.sends(tcp().ack(at(1)).sacks(&[(at(21), end), (at(2), at(20))]));
    let info = peer.info();
    assert_eq!((info.in_recovery, info.fast_recoveries), (true, 0));
    assert_eq!(info.slow_start_threshold, threshold);
    peer.waits(ms(50));
    assert!(peer.rcv > end, "more has left");
    peer.sends(tcp().ack(end));
    let info = peer.info();
    assert_eq!((info.in_recovery, info.fast_recoveries), (true, 1));
    assert!(info.slow_start_threshold < threshold);
    peer.sends(tcp());
    assert!(!peer.info().in_recovery);
}

/// BBR's model has its own answer to each loss.
#[test]
fn a_window_that_governs_recovery_is_not_reduced_twice() {
    for algorithm in [CongestionAlgorithm::Bbr, CongestionAlgorithm::Bbr1] {
        let mut peer = twenty_in_flight(|config| config.tcp.congestion = algorithm);
        peer.sends(tcp().ack(1).sacks(&[(at(1), at(19))]));
        peer.waits(ms(50));
        peer.sends(tcp().ack(at(19)).sacks(&[(at(21), at(24))]));
        let info = peer.info();
        assert_eq!((info.in_recovery, info.fast_recoveries), (true, 1));
    }
}
