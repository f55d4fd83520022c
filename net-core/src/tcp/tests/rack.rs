//! RACK (RFC 8985 §6).

use super::*;
use crate::Config;

fn path() -> Peer {
    Peer::with_ten_in_flight(syn().sack_permitted(), |config: &mut Config| {
        config.tcp.recovery.tail_loss_probe = false;
    })
}

fn ten_in_flight() -> Peer {
    let mut peer = path();
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// §6.2 step 5: what left before something that has arrived is lost when the reordering window, a
/// quarter of the smallest round trip, has passed.
#[test]
fn a_single_segment_behind_shows_a_loss_after_the_reordering_window() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.expects_nothing();
    peer.expects_after(Duration::from_micros(12_500), tcp().seq(1).data(1460));
    assert_eq!(peer.info().timeouts, 0);
    // The next hole lies behind what has arrived: nothing says that it is lost.
    peer.expects_nothing();
}

/// §6.2 step 4: without reordering DupThresh segments are enough, at once.
#[test]
fn three_segments_behind_show_a_loss_at_once() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(4))]));
    peer.expects_nothing();
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(5))]));
    // Both segments in front left before; 9937 lets the first one out now.
    peer.expects(tcp().seq(1).data(1460));
    assert_eq!(peer.info().bytes_lost, 2 * 1460);
}

/// §6.2 steps 3 and 4: once reordering was seen, three segments are not enough.
#[test]
fn reordering_makes_it_wait() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.waits(ms(5));
    peer.sends(tcp().ack(at(2)));
    assert!(peer.info().reordering_seen);
    peer.sends(tcp().ack(at(2)).sacks(&[(at(3), at(9))]));
    peer.expects_nothing();
    peer.expects_after(Duration::from_micros(12_500), tcp().seq(at(2)).data(1460));
}

/// What arrives within the reordering window is not sent again.
#[test]
fn a_late_segment_within_the_window_is_not_sent_again() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.waits(ms(12));
    peer.sends(tcp().ack(at(2)));
    peer.waits(ms(100));
    peer.expects_nothing();
    let info = peer.info();
    assert!(info.reordering_seen && !info.in_recovery);
    assert_eq!(info.bytes_lost, 0);
}

/// §6.2 step 4: the window grows by a quarter of the smallest round trip for each round trip with
/// duplicates, up to SRTT, and is kept for sixteen recoveries.
#[test]
fn duplicates_widen_the_window_for_sixteen_recoveries() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(at(10)));
    let widths: std::vec::Vec<_> = (0..5)
        .map(|_| {
            peer.writes(1460);
            peer.waits(ms(50));
            let got = peer.rcv;
            // Twice in a round trip counts once.
            for _ in 0..2 {
                peer.sends(tcp().ack(got).sacks(&[(got - 1460, got)]));
            }
            peer.skips();
            peer.info().reordering_window
        })
        .collect();
    let quarter = Duration::from_micros(12_500);
    assert_eq!(widths[..3], [quarter * 2, quarter * 3, quarter * 4]);
    assert_eq!(widths[4], peer.info().rtt.unwrap());
    assert_eq!(peer.info().duplicates_reported, 10);
    peer.sets(crate::socket::TcpOption::NoDelay(true));
    for recovery in 0..16 {
        assert!(peer.info().reordering_window > quarter, "{recovery}");
        let first = peer.rcv;
        for _ in 0..4 {
            peer.writes(100);
        }
        peer.skips();
        peer.waits(ms(50));
        for end in [200, 300, 400] {
            peer.sends(tcp().ack(first).sacks(&[(first + 100, first + end)]));
        }
        assert!(peer.info().in_recovery);
        peer.waits(ms(50));
        peer.sends(tcp());
        assert!(!peer.info().in_recovery, "{recovery}");
        peer.skips();
    }
    assert_eq!(peer.info().reordering_window, quarter);
}

/// A retransmission that is lost too is found by time, before the timer; and the window is reduced
/// once more (RFC 5681 §4.3).
#[test]
fn a_lost_retransmission_is_sent_again() {
    let mut peer = ten_in_flight();
    peer.writes(100_000);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(10))]));
    let sent = peer.takes();
    assert_eq!(sent[0], (1, 1460));
    assert!(sent.len() > 1, "new data follows");
    let once = peer.info().slow_start_threshold;
    peer.waits(ms(50));
    // Data that was sent after the retransmission has arrived.
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(11))]));
    assert_eq!(peer.sent.front().map(|seen| seen.seq), Some(1));
    let info = peer.info();
    assert_eq!((info.timeouts, info.fast_recoveries), (0, 1));
    assert!(info.slow_start_threshold < once);
    assert_eq!(peer.stack.stats().tcp_lost_retransmits, 1);
}

/// §6.2 step 2: an acknowledgement that comes sooner than any round trip, or echoes an older
/// timestamp, is not that of the retransmission, and says nothing of when others left.
#[test]
fn an_ack_of_the_original_is_not_taken_for_that_of_the_retransmission() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(6))]));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.waits(ms(10));
    // The first segment was late. Taken for the retransmission, which left after segments 6 to 9,
    // it would make them lost.
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(6))]));
    peer.waits(ms(20));
    let again: std::vec::Vec<_> = peer.takes();
    assert!(again.is_empty(), "{again:?}");
}

/// §6.3: at a timeout only the first segment and what is older than a round trip count as lost.
#[test]
fn a_timeout_spares_what_has_just_left() {
    let mut peer = Peer::with(|config| {
        config.tcp.recovery.tail_loss_probe = false;
        config.tcp.recovery.frto = false;
    });
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    peer.waits(ms(240));
    peer.sets(crate::socket::TcpOption::NoDelay(true));
    peer.writes(1000);
    peer.expects(tcp().seq(1001).data(1000));
    peer.expects_after(ms(10), tcp().seq(1).data(1000));
    peer.waits(ms(45));
    peer.sends(tcp().ack(1001));
    peer.expects_nothing();
    assert_eq!(peer.info().retransmits, 1);
    peer.waits(ms(5));
    peer.sends(tcp().ack(2001));
    assert_eq!(peer.info().in_flight, 0);
}

/// §9.1 example 1: two losses in a flight whose segments left one by one.
#[test]
fn losses_in_a_thin_flight_are_found_one_by_one() {
    let mut peer = Peer::with(|config| config.tcp.recovery.tail_loss_probe = false);
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.sets(crate::socket::TcpOption::NoDelay(true));
    for index in 0..3 {
        peer.writes(100);
        peer.expects(tcp().seq(1 + 100 * index).data(100));
        peer.waits(ms(15));
    }
    peer.waits(ms(20));
    // P2 arrives, P1 and P3 are lost.
    peer.sends(tcp().ack(1).sacks(&[(101, 201)]));
    peer.expects(tcp().seq(1).data(100));
    peer.waits(ms(50));
    peer.sends(tcp().ack(201));
    peer.expects(tcp().seq(201).data(100));
    assert_eq!(peer.info().timeouts, 0);
}
