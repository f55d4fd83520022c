//! F-RTO (RFC 5682).

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;

fn config(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
    config.tcp.recovery.tail_loss_probe = false;
    config.tcp.recovery.eifel = false;
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// A timeout has sent the first of ten segments again, and more data waits.
fn after_timeout(sack: bool) -> Peer {
    let syn = if sack { syn().sack_permitted() } else { syn() };
    let mut peer = Peer::with_ten_in_flight(syn, config);
    peer.writes(100 * 1460);
    peer.expects_nothing();
    peer.expects_after(ms(250), tcp().seq(1).data(1460));
    peer.expects_nothing();
    peer
}

/// §2.1 steps 2b and 3b, §3.1 the same: two acknowledgements that advance although only one segment
/// was sent again: the others had arrived, late. Recovery is undone: sending goes on with new data.
#[test]
fn two_advances_show_a_spurious_timeout() {
    for sack in [false, true] {
        let mut peer = after_timeout(sack);
        let lost = peer.info();
        assert_eq!((lost.cwnd, lost.slow_start_threshold), (1460, 7300));
        peer.sends(tcp().ack(at(1)));
        peer.expects(tcp().seq(at(10)).data(1460));
        peer.expects(tcp().seq(at(11)).data(1460));
        peer.expects_nothing();
        peer.sends(tcp().ack(at(2)));
        let info = peer.info();
        assert!(!info.in_recovery);
        assert_eq!((info.undos, info.spurious_timeouts), (1, 1));
        assert_eq!(peer.stack.stats().tcp_spurious_timeouts, 1);
        // RFC 4015 §3.1 step 9: no more than FlightSize and what was acknowledged, nor than it was;
        // ssthresh as before.
        assert_eq!(info.cwnd, 10 * 1460);
        assert_eq!(info.slow_start_threshold, u32::MAX);
        // Only the first was sent again.
        assert_eq!((info.retransmits, info.bytes_lost), (1, info.bytes_lost));
        assert!(peer.takes().iter().all(|&(seq, _)| seq >= at(12)));
    }
}

/// RFC 4015 §4.1: then three duplicates begin a fast recovery, though what was out when the timer expired has not
/// been acknowledged, and though so much was that RFC 6582 §4.1 does not speak for a loss.
#[test]
fn after_a_spurious_timeout_newreno_may_begin_anew() {
    let mut peer = after_timeout(false);
    peer.sends(tcp().ack(at(1)));
    peer.sends(tcp().ack(at(7)));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (1, false));
    peer.skips();
    for _ in 0..3 {
        peer.sends(tcp().ack(at(7)));
    }
    assert!(peer.info().in_recovery);
    assert!(peer.takes().contains(&(at(7), 1460)));
}

/// RFC 4015 §3.4: not if the acknowledgement echoes a congestion mark.
#[test]
fn a_congestion_mark_forbids_the_undoing_of_the_window() {
    let mut peer = Peer::with(|c| {
        config(c);
        c.tcp.ecn = true;
    });
    let ecn = crate::wire::TcpFlags::ECE | crate::wire::TcpFlags::CWR;
    peer.listen(5);
    peer.sends(syn().flags(SYN | ecn));
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp());
    peer.accept();
    peer.writes(30 * 1460);
    peer.skips();
    peer.waits(ms(250));
    peer.skips();
    peer.sends(tcp().ack(at(1)));
    peer.skips();
    peer.sends(tcp().flags(ACK | crate::wire::TcpFlags::ECE).ack(at(2)));
    let info = peer.info();
    assert_eq!((info.undos, info.in_recovery), (1, false));
    assert!(info.cwnd < 5 * 1460, "{}", info.cwnd);
}

/// §2.1 step 3a: a duplicate behind the new data: the timeout was right.
#[test]
fn a_duplicate_after_the_new_data_shows_a_genuine_timeout() {
    let mut peer = after_timeout(false);
    peer.sends(tcp().ack(at(1)));
    peer.expects(tcp().seq(at(10)).data(1460));
    peer.expects(tcp().seq(at(11)).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)));
    let sent = peer.takes();
    assert_eq!(sent[0], (at(1), 1460), "{sent:?}");
    let info = peer.info();
    assert!(info.in_recovery && info.undos == 0);
    assert!(info.cwnd <= 3 * 1460);
}

/// §3.1 step 3a: what was sent after the timeout is selectively acknowledged, and nothing from
/// before.
#[test]
fn new_data_that_arrives_alone_shows_a_genuine_timeout() {
    let mut peer = after_timeout(true);
    peer.sends(tcp().ack(at(1)));
    assert_eq!(peer.skips(), 2);
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(10), at(11))]));
    let sent = peer.takes();
    assert_eq!(sent[0], (at(1), 1460), "{sent:?}");
    assert!(peer.info().in_recovery);
    assert_eq!(peer.info().undos, 0);
}

/// §3.1 step 3b: a selective acknowledgement of something sent before the timeout.
#[test]
fn old_data_that_arrives_shows_a_spurious_timeout() {
    let mut peer = after_timeout(true);
    peer.sends(tcp().ack(at(1)));
    assert_eq!(peer.skips(), 2);
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(4))]));
    let info = peer.info();
    assert_eq!((info.undos, info.spurious_timeouts), (1, 1));
    assert_eq!(info.retransmits, 1);
}

/// §2.1 step 2a: a duplicate first; without selective acknowledgements that is a loss.
#[test]
fn a_duplicate_first_shows_a_genuine_timeout() {
    let mut peer = after_timeout(false);
    peer.sends(tcp().ack(1));
    peer.sends(tcp().ack(at(1)));
    let sent = peer.takes();
    assert_eq!(sent[0], (at(1), 1460), "{sent:?}");
}

/// §3.1 step 2: with them duplicates are waited out.
#[test]
fn selective_duplicates_first_decide_nothing() {
    let mut peer = after_timeout(true);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.expects_nothing();
    peer.sends(tcp().ack(at(2)));
    peer.expects(tcp().seq(at(10)).data(1460));
    peer.skips();
    peer.sends(tcp().ack(at(3)));
    assert_eq!(peer.info().spurious_timeouts, 1);
}

/// §2.1 step 2b: without new data the conventional recovery goes on.
#[test]
fn without_new_data_nothing_is_judged() {
    for sack in [false, true] {
        let syn = if sack { syn().sack_permitted() } else { syn() };
        let mut peer = Peer::with_ten_in_flight(syn, config);
        peer.expects_after(ms(250), tcp().seq(1).data(1460));
        peer.sends(tcp().ack(at(1)));
        peer.expects(tcp().seq(at(1)).data(1460));
        peer.expects(tcp().seq(at(2)).data(1460));
        peer.expects_nothing();
        peer.sends(tcp().ack(at(10)));
        assert_eq!((peer.info().undos, peer.info().in_recovery), (0, false));
    }
}

/// §2.1, §3.1: what follows a timeout in fast recovery may answer either retransmission.
#[test]
fn a_timeout_in_fast_recovery_is_not_judged() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), config);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    peer.expects(tcp().seq(1).data(1460));
    assert!(peer.info().in_recovery);
    peer.expects_after(ms(250), tcp().seq(1).data(1460));
    peer.writes(100 * 1460);
    peer.skips();
    for index in [4, 5] {
        peer.sends(tcp().ack(at(index)));
        peer.skips();
    }
    let info = peer.info();
    assert_eq!(
        (info.timeouts, info.undos, info.spurious_timeouts),
        (1, 0, 0)
    );
}

/// §2.1: if the timer expires again it begins anew.
#[test]
fn a_second_timeout_of_the_same_segment_begins_anew() {
    let mut peer = after_timeout(true);
    peer.expects_after(ms(500), tcp().seq(1).data(1460));
    peer.sends(tcp().ack(at(1)));
    peer.expects(tcp().seq(at(10)).data(1460));
    peer.skips();
    peer.sends(tcp().ack(at(2)));
    assert_eq!(peer.info().spurious_timeouts, 1);
}

/// RFC 4015 §3.1 step 11: the first measurement of new data makes the timer as patient as the delay
/// was long.
#[test]
fn the_timer_learns_from_a_spurious_timeout() {
    let mut peer = after_timeout(true);
    peer.waits(ms(100));
    peer.sends(tcp().ack(at(1)));
    peer.sends(tcp().ack(at(6)));
    assert!(peer.skips() > 2);
    peer.waits(ms(300));
    peer.sends(tcp());
    let info = peer.info();
    assert_eq!(info.rtt, Some(ms(300)));
    assert!(info.rto >= ms(900), "{:?}", info.rto);
}

#[test]
fn without_it_everything_is_sent_again() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |c| {
        config(c);
        c.tcp.recovery.frto = false;
    });
    peer.writes(14_600);
    peer.expects_after(ms(250), tcp().seq(1).data(1460));
    peer.sends(tcp().ack(at(1)));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.expects(tcp().seq(at(2)).data(1460));
}
