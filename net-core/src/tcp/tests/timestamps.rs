//! Timestamps and PAWS (RFC 7323 §3–§5).

use super::*;
use crate::SocketError;
use crate::stats::DropReason;
use crate::tcp::State;

/// The peer's clock stands at 1000.
fn established() -> Peer {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.handshake(syn().timestamps(1000, 0));
    peer
}

/// RFC 7323 §3.2: every segment carries them, and 12 bytes less of payload.
#[test]
fn every_segment_echoes_the_peers_clock() {
    let mut peer = established();
    peer.writes(2000);
    let first = peer.expects(tcp().data(1448).timestamps(0, 1000));
    peer.expects(tcp().data(552).timestamps(0, 1000));
    peer.clock = Some(1050);
    peer.waits(ms(50));
    peer.sends(tcp().data(10));
    let second = peer.expects(tcp().timestamps(0, 1050));
    let value = |seen: &segment::Seen| seen.header.options.timestamps.unwrap().0;
    // RFC 7323 §5.4: our clock ticks once a millisecond.
    assert_eq!(value(&second).wrapping_sub(value(&first)), 50);
}

/// RFC 7323 §5.3 R1.
#[test]
fn an_older_timestamp_is_refused_and_acknowledged() {
    let mut peer = established();
    peer.sends(tcp().data(10).timestamps(999, 0));
    peer.expects(tcp().ack(1).timestamps(0, 1000));
    assert_eq!(peer.drops(DropReason::Paws), 1);
    assert_eq!(peer.try_read(10), Err(SocketError::WouldBlock));
}

/// The same, and its timestamps are agreed upon with selective acknowledgements.
fn established_sack() -> Peer {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.handshake(syn().sack_permitted().timestamps(1000, 0));
    peer
}

/// RFC 2883 §4: what was sent again has filled the hole, and then the original arrives late. Its sender
/// can learn only from the report that it was not lost.
#[test]
fn a_late_original_is_reported_though_its_timestamp_is_old() {
    let mut peer = established_sack();
    peer.sends(tcp().seq(501).data(500).timestamps(1001, 0));
    peer.sends(tcp().seq(1).data(500).timestamps(1050, 0));
    peer.sends(tcp().seq(1001).data(500).timestamps(1051, 0));
    peer.skips();
    peer.sends(tcp().seq(1).data(500).timestamps(1000, 0));
    peer.expects(tcp().ack(1501).sacks(&[(1, 501)]).bare());
    assert_eq!(peer.drops(DropReason::Paws), 1);
    peer.reads(1500);
}

/// Reordering beside a loss: what fills the first hole is newer than what fills the second.
#[test]
fn what_is_late_is_taken_though_what_was_sent_again_is_newer() {
    let mut peer = established_sack();
    peer.sends(tcp().seq(501).data(500).timestamps(1001, 0));
    peer.sends(tcp().seq(1501).data(500).timestamps(1003, 0));
    peer.skips();
    peer.sends(tcp().seq(1).data(500).timestamps(1050, 0));
    peer.expects(tcp().ack(1001).sacks(&[(1501, 2001)]));
    peer.sends(tcp().seq(1001).data(500).timestamps(1002, 0));
    peer.expects(tcp().ack(2001));
    assert_eq!(peer.drops(DropReason::Paws), 0);
    peer.reads(2000);
}

/// RFC 7323 §5.2: a RST is not subject to PAWS.
#[test]
fn a_reset_with_an_older_timestamp_counts() {
    let mut peer = established();
    peer.sends(tcp().flags(RST).timestamps(5, 0));
    assert_eq!(peer.state(), State::Closed);
}

/// RFC 7323 §5.5: after 24 days TS.Recent is void.
#[test]
fn after_24_days_any_timestamp_is_taken() {
    let mut peer = established();
    peer.waits(secs(25 * 24 * 3600));
    peer.sends(tcp().data(10).timestamps(5, 0));
    // It is the new one: R3 takes it, and R1 judges by it.
    peer.expects(tcp().ack(11).timestamps(0, 5));
    peer.reads(10);
    peer.sends(tcp().data(10).timestamps(4, 0));
    peer.expects(tcp().ack(11).timestamps(0, 5));
    assert_eq!(peer.drops(DropReason::Paws), 1);
}

/// RFC 7323 §5.4: our clock ticks once a millisecond, so it comes round after 49 days, and round trips are measured
/// across that.
#[test]
fn our_clock_comes_round_after_49_days() {
    let mut peer = Peer::with(|config| config.tcp.timestamp_offsets = false);
    peer.clock = Some(1000);
    // It has shown a second when the stack began.
    let ticks = (1 << 32) - peer.now.as_millis();
    peer.waits(ms(ticks) - ms(150));
    peer.handshake_in(ms(100), syn().timestamps(1000, 0));
    peer.writes(100);
    let before = peer.expects(tcp().data(100)).header.options.timestamps;
    assert_eq!(before.unwrap().0, u32::MAX - 49);
    peer.waits(ms(100));
    peer.sends(tcp());
    let info = peer.info();
    assert_eq!((info.rtt, info.rtt_min), (Some(ms(100)), Some(ms(100))));
    peer.writes(100);
    let after = peer.expects(tcp().data(100)).header.options.timestamps;
    assert_eq!(after.unwrap().0, 50);
}

/// RFC 7323 §4.3: with a hole the echo stays at the last segment in order.
#[test]
fn out_of_order_segments_do_not_move_the_echo() {
    let mut peer = established();
    peer.sends(tcp().seq(11).data(10).timestamps(1100, 0));
    peer.expects(tcp().ack(1).timestamps(0, 1000));
    peer.sends(tcp().seq(1).data(10).timestamps(1050, 0));
    peer.expects(tcp().ack(21).timestamps(0, 1050));
}

/// RFC 7323 §4.3: with a delayed ACK the echo is of the earliest segment that it acknowledges.
#[test]
fn a_delayed_ack_echoes_the_first_segment() {
    let mut peer = established();
    peer.past_quick_acks();
    peer.sends_batch(&[
        tcp().seq(17).data(1000).timestamps(1001, 0),
        tcp().seq(1017).data(1000).timestamps(1002, 0),
    ]);
    peer.expects(tcp().ack(2017).timestamps(0, 1001));
}

/// RFC 7323 §5.4, SPEC 33: the clocks towards two peers tell nothing about each other.
#[test]
fn clocks_differ_from_peer_to_peer() {
    let value = |host: &str| {
        let mut peer = Peer::new();
        peer.remote = host.parse().unwrap();
        peer.connects();
        peer.expects(tcp().flags(SYN))
            .header
            .options
            .timestamps
            .unwrap()
            .0
    };
    let (one, other, again) = (
        value("10.0.0.2:80"),
        value("10.0.0.3:80"),
        value("10.0.0.2:81"),
    );
    assert!(one.abs_diff(other) > 1000);
    assert_eq!(one, again);
}

/// A timestamp where none was agreed upon means nothing.
#[test]
fn timestamps_that_were_not_agreed_upon_are_ignored() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10).timestamps(77, 0));
    assert_eq!(peer.expects(tcp().ack(11)).header.options.timestamps, None);
}

/// RFC 7323 §5.2: a RST of the application's carries them too.
#[test]
fn an_abort_carries_timestamps() {
    let mut peer = established();
    let id = peer.id();
    peer.stack.abort(id, peer.now);
    peer.flush();
    peer.expects(tcp().flags(RST_ACK).timestamps(0, 1000));
}

/// RFC 7323 §3.2: our SYN echoes 0, and what the peer's SYN echoes means nothing.
#[test]
fn a_first_syn_echoes_nothing() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN).timestamps(0, 0));
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn().timestamps(1000, 12_345));
    peer.expects(tcp().flags(SYN_ACK).timestamps(0, 1000));
    peer.clock = Some(1000);
    peer.sends(tcp());
    peer.accept();
    assert_eq!(peer.state(), State::Established);
}

/// RFC 7323 §3.2: a box on the way has stripped it.
#[test]
fn a_segment_that_lost_its_timestamp_ends_nothing() {
    let mut peer = established();
    peer.clock = None;
    peer.sends(tcp().data(10));
    peer.expects(tcp().ack(11).timestamps(0, 1000));
    assert_eq!(peer.state(), State::Established);
    peer.reads(10);
}

/// RFC 7323 §5.2: what is only challenged has no say.
#[test]
fn a_reset_in_the_window_does_not_move_the_echo() {
    let mut peer = established();
    peer.sends(tcp().flags(RST).seq(2).timestamps(9000, 0));
    peer.expects(tcp().ack(1).timestamps(0, 1000));
}
