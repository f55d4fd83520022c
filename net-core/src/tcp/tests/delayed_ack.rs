//! When received data is acknowledged (RFC 1122 §4.2.3.2, RFC 5681 §4.2, RFC 9293 MUST-58, 59), and
//! how that adapts.

use super::*;
use crate::socket::TcpOption;

/// A path with a round trip of `rtt`, past the quick beginning.
fn past_quick(rtt: Duration) -> Peer {
    let mut peer = Peer::new();
    peer.handshake_in(rtt, syn().sack_permitted());
    peer.past_quick_acks();
    peer
}

/// The beginning of a connection is quick: the peer's slow start needs every acknowledgement.
#[test]
fn the_first_segments_are_acknowledged_at_once() {
    let mut peer = Peer::established();
    for index in 1..=16 {
        peer.sends(tcp().data(100));
        peer.expects(tcp().ack(1 + 100 * index).bare());
    }
    peer.sends(tcp().data(100));
    peer.expects_nothing();
}

/// The delay follows the time between arrivals, up to the round trip.
#[test]
fn the_delay_follows_the_gaps_between_arrivals() {
    let mut peer = past_quick(ms(150));
    peer.sends(tcp().data(100));
    peer.expects_after(ms(40), tcp().bare());
    // That it expired shows that company does not come within it.
    peer.sends(tcp().data(100));
    peer.expects_after(ms(80), tcp().bare());
    peer.sends(tcp().data(100));
    peer.expects_after(ms(150), tcp().bare());
    // Segments that follow each other closely bring it back.
    for _ in 0..6 {
        peer.waits(ms(1));
        peer.sends_batch(&[tcp().data(1460), tcp().data(1460)]);
        peer.skips();
    }
    peer.waits(ms(1));
    peer.sends(tcp().data(100));
    peer.expects_after(ms(40), tcp().bare());
}

/// An application that answers carries the acknowledgement on its answer, if that takes no longer
/// than 200 ms: no bare acknowledgement leaves.
#[test]
fn answers_carry_acknowledgements() {
    let mut peer = past_quick(ms(10));
    let mut bare = 0;
    for _ in 0..5 {
        peer.sends(tcp().data(10));
        peer.waits(ms(30));
        bare += peer.skips();
        peer.reads(10);
        peer.writes(10);
        peer.expects(tcp().data(10));
        peer.waits(ms(5));
        peer.sends(tcp());
        peer.waits(ms(100));
    }
    assert_eq!(bare, 0);
    // It stops answering: the first acknowledgement waits, later ones as for anybody.
    peer.sends(tcp().data(10));
    peer.waits(ms(200));
    assert_eq!(peer.skips(), 1);
    peer.sends(tcp().data(10));
    peer.expects_after(ms(40), tcp().bare());
}

/// RFC 9293 MUST-58: never 500 ms, whatever the path.
#[test]
fn no_acknowledgement_waits_half_a_second() {
    let mut peer = past_quick(ms(900));
    for _ in 0..6 {
        peer.sends(tcp().data(10));
        let before = peer.now;
        while peer.sent.is_empty() {
            peer.waits(ms(1));
        }
        assert!(peer.now.saturating_since(before) <= ms(201));
        peer.skips();
    }
}

/// After a pause longer than the retransmission timeout the peer begins with slow start, and needs
/// every acknowledgement again.
#[test]
fn after_a_pause_it_is_quick_again() {
    let mut peer = past_quick(ms(10));
    peer.sends(tcp().data(100));
    peer.expects_after(ms(40), tcp().bare());
    peer.waits(secs(2));
    peer.sends(tcp().data(100));
    peer.expects(tcp().bare());
}

/// RFC 5681 §4.2: out of order and gap filling at once; and what follows a repair too.
#[test]
fn a_repair_is_acknowledged_step_by_step() {
    let mut peer = past_quick(ms(10));
    peer.sends(tcp().seq(117).data(100));
    peer.expects(tcp().ack(17).sacks(&[(117, 217)]));
    peer.sends(tcp().seq(17).data(50));
    peer.expects(tcp().ack(67));
    peer.sends(tcp().seq(67).data(50));
    peer.expects(tcp().ack(217).sacks(&[]));
    peer.sends(tcp().seq(217).data(50));
    peer.expects(tcp().ack(267));
}

/// `TCP_QUICKACK`.
#[test]
fn the_application_may_want_every_acknowledgement_at_once() {
    let mut peer = past_quick(ms(10));
    peer.sets(TcpOption::QuickAck(true));
    for _ in 0..40 {
        peer.sends(tcp().data(10));
        peer.expects(tcp().bare());
    }
}

/// DESIGN §2: one acknowledgement for a run of segments that arrive in one batch, at once.
#[test]
fn a_run_of_segments_gets_one_acknowledgement() {
    let mut peer = past_quick(ms(10));
    let run = [tcp().data(1460); 10];
    peer.sends_batch(&run);
    peer.expects(tcp().ack(17 + 14_600).bare());
    peer.expects_nothing();
}
