//! Proportional rate reduction (RFC 9937).

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
    config.tcp.initial_window = 20;
    config.tcp.recovery.tail_loss_probe = false;
}

/// Where segment `index`, counted from 0, begins.
pub(super) const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// Twenty segments are in flight, and more data waits.
pub(super) fn twenty_in_flight(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        reno(config);
        change(config);
    });
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.writes(100 * 1460);
    assert_eq!(peer.skips(), 20);
    peer.waits(ms(50));
    peer
}

/// How many segments each of these acknowledgements lets out: of the segments from `first` to
/// `last`, one by one.
fn lets_out(peer: &mut Peer, first: u32, last: u32) -> std::vec::Vec<usize> {
    (first..=last)
        .map(|index| {
            peer.sends(tcp().ack(1).sacks(&[(at(first), at(index + 1))]));
            peer.skips()
        })
        .collect()
}

/// The RFC's first example: of twenty segments the first is lost. Limited transmit lets two out,
/// recovery begins with the retransmission, then one leaves for every second that arrives, until
/// half of the window is in flight.
#[test]
fn one_segment_leaves_for_every_second_that_arrives() {
    let mut peer = twenty_in_flight(|_| {});
    let sent = lets_out(&mut peer, 1, 19);
    assert_eq!(sent[..3], [1, 1, 1], "{sent:?}");
    let rest: usize = sent[3..].iter().sum();
    // RecoverFS is 20, so 16 more arrivals let 8 out; 3 arrivals at the beginning let one out more
    // than half.
    assert!((7..=8).contains(&rest), "{sent:?}");
    assert!(sent[3..].iter().all(|&count| count <= 1), "{sent:?}");
    assert_eq!(peer.info().in_flight, 10 * 1460);
    assert_eq!(peer.info().slow_start_threshold, 10 * 1460);
}

/// The RFC's second example: fifteen of twenty are lost. What is in flight is far below ssthresh;
/// each arrival lets out what arrived, no burst.
#[test]
fn heavy_losses_are_repaired_by_what_arrives() {
    let mut peer = twenty_in_flight(|_| {});
    let sent = lets_out(&mut peer, 15, 19);
    assert_eq!(sent, [1, 1, 1, 1, 1]);
    // §6.2, SafeACK: while SND.UNA advances and no further loss shows, one more: slow start.
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(15), at(20))]));
    assert_eq!(peer.skips(), 2);
    peer.sends(tcp().ack(at(2)).sacks(&[(at(15), at(20))]));
    assert_eq!(peer.skips(), 2);
}

/// §6.4: recovery leaves ssthresh as the window, and nothing like a burst.
#[test]
fn recovery_ends_at_ssthresh() {
    let mut peer = twenty_in_flight(|_| {});
    lets_out(&mut peer, 1, 19);
    peer.waits(ms(50));
    peer.sends(tcp());
    let info = peer.info();
    assert!(!info.in_recovery);
    assert_eq!(info.cwnd, info.slow_start_threshold);
    assert!(peer.skips() <= 10);
}

/// RFC 5681 §3.1: what is new in the acknowledgement that ends a recovery counts towards the next segment of
/// the window.
#[test]
fn the_acknowledgement_that_ends_a_recovery_counts() {
    let mut peer = twenty_in_flight(|_| {});
    lets_out(&mut peer, 1, 19);
    // The segment that was lost, and two of limited transmit.
    peer.sends(tcp().ack(at(22)));
    assert_eq!(peer.info().cwnd, 10 * 1460);
    for index in 22..28 {
        peer.sends(tcp().ack(at(index + 1)));
        assert_eq!(peer.info().cwnd, 10 * 1460, "{index}");
    }
    peer.sends(tcp().ack(at(29)));
    assert_eq!(peer.info().cwnd, 11 * 1460);
}

/// §6.2: the window is reduced by what arrives, not by how many acknowledgements say so: one ACK
/// for many segments lets out as much as many would have.
#[test]
fn one_acknowledgement_for_many_lets_out_as_much() {
    let mut peer = twenty_in_flight(|_| {});
    let one_by_one: usize = lets_out(&mut peer, 1, 19).iter().sum();
    let mut peer = twenty_in_flight(|_| {});
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    let mut at_once = peer.skips();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(20))]));
    at_once += peer.skips();
    assert!(one_by_one.abs_diff(at_once) <= 2, "{one_by_one} {at_once}");
}

/// Off: RFC 6675's window, which waits until half of the flight has gone.
#[test]
fn without_it_the_window_closes_at_once() {
    let mut peer = twenty_in_flight(|config| config.tcp.recovery.prr = false);
    let sent = lets_out(&mut peer, 1, 19);
    assert_eq!(sent[3..8], [0; 5], "{sent:?}");
    assert_eq!(peer.info().in_flight, 10 * 1460);
}
