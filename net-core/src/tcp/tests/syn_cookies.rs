//! SYN cookies (RFC 4987 §3.6): a listener under a flood of SYNs.

use super::*;
use crate::Config;
use crate::SocketError;
use crate::config::SynCookies;
use crate::stats::DropReason;

/// A listener with room for ten half-open connections, which is taken.
fn flooded(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(change);
    peer.listen(9);
    for port in 1..=10 {
        peer.changes_port(port);
        peer.sends(syn());
    }
    assert_eq!(peer.skips(), 10);
    peer.changes_port(4000);
    peer
}

#[test]
fn an_honest_peer_connects_during_a_flood() {
    let mut peer = flooded(|_| {});
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1).mss(1460));
    peer.waits(ms(30));
    peer.sends(tcp().seq(1).ack(1).data(100));
    peer.accept();
    peer.reads(100);
    peer.expects(tcp().ack(101).bare());
    peer.writes(100);
    peer.expects(tcp().seq(1).ack(101).data(100));
    let stats = peer.stack.stats();
    assert_eq!((stats.tcp_cookies_sent, stats.tcp_cookies_received), (1, 1));
}

#[test]
fn a_flood_is_answered_and_not_remembered() {
    let mut peer = flooded(|_| {});
    let memory = peer.stack.memory_used();
    for port in 100..1100 {
        peer.changes_port(port);
        peer.sends(syn());
    }
    assert_eq!(peer.skips(), 1000);
    assert_eq!(peer.stack.tcp.embryos.len(), 10);
    assert_eq!(peer.stack.sockets(), 1);
    assert_eq!(peer.stack.memory_used(), memory);
    assert_eq!(peer.stack.stats().tcp_cookies_sent, 1000);
}

/// What does not fit into the sequence number comes back with the timestamp.
#[test]
fn options_come_back_in_the_timestamp() {
    for (sack, scale, ecn) in [
        (true, Some(7), true),
        (false, Some(0), false),
        (true, None, true),
    ] {
        let mut peer = flooded(|config| config.tcp.ecn = true);
        peer.now += ms(12_345);
        peer.clock = Some(500);
        let mut first = syn().timestamps(500, 0);
        first.sack_permitted = sack;
        first.scale = scale;
        if ecn {
            first = first.flags(SYN | ECE | CWR);
        }
        peer.sends(first);
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags.contains(ECE), ecn);
        assert_eq!(seen.header.options.sack_permitted, sack);
        assert_eq!(seen.header.options.window_scale.is_some(), scale.is_some());
        peer.sends(tcp().seq(1).ack(1));
        peer.accept();
        let info = peer.info();
        assert_eq!(info.sack, sack);
        assert!(info.timestamps);
        assert_eq!(info.window_scale.1, scale.unwrap_or(0));
        let id = peer.id();
        let connection = peer.stack.sockets.tcp(id).unwrap().connection().unwrap();
        assert_eq!(connection.ecn.on, ecn);
    }
}

/// RFC 7323: the stamp is not from the future, and the sample that it gives not absurd.
#[test]
fn the_timestamp_of_a_cookie_is_a_little_old() {
    for millis in 0..70 {
        let mut peer = flooded(|_| {});
        peer.now += ms(millis);
        peer.clock = Some(500);
        peer.sends(syn().sack_permitted().scale(14).timestamps(500, 0));
        let seen = peer.sent.pop_front().unwrap();
        let stamp = seen.header.options.timestamps.unwrap().0;
        peer.sends(tcp().seq(1).ack(1));
        peer.accept();
        let id = peer.id();
        let connection = peer.stack.sockets.tcp(id).unwrap().connection().unwrap();
        let age = connection.timestamp(peer.now).wrapping_sub(stamp);
        assert!(age < 64, "{age}");
        assert!(peer.info().rtt.unwrap() <= ms(64));
    }
}

/// Without timestamps there is no place for them: none is offered.
#[test]
fn without_timestamps_a_cookie_knows_the_mss_alone() {
    for (theirs, ours) in [
        (1460, 1460),
        (1452, 1440),
        (9000, 1460),
        (536, 536),
        (500, 48),
    ] {
        let mut peer = flooded(|_| {});
        peer.sends(syn().mss(theirs).sack_permitted().scale(7));
        let seen = peer.sent.pop_front().unwrap();
        assert!(!seen.header.options.sack_permitted);
        assert_eq!(seen.header.options.window_scale, None);
        peer.sends(tcp().seq(1).ack(1));
        peer.accept();
        let info = peer.info();
        assert_eq!(info.send_mss, ours);
        assert_eq!((info.sack, info.window_scale), (false, (0, 0)));
    }
}

#[test]
fn a_lost_ack_is_made_up_for_by_the_first_data() {
    let mut peer = flooded(|_| {});
    peer.sends(syn());
    peer.skips();
    peer.sends(tcp().seq(1).ack(1).data(10));
    peer.accept();
    peer.reads(10);
}

#[test]
fn a_guessed_cookie_is_reset() {
    let mut peer = flooded(|_| {});
    peer.sends(syn());
    peer.skips();
    for wrong in [0, 2, 1 << 24, 1 << 27, 3 << 30] {
        peer.sends(tcp().seq(1).ack(wrong));
        peer.expects(tcp().flags(RST));
    }
    // Neither the peer's number nor its address may be another.
    peer.sends(tcp().seq(2).ack(1));
    peer.expects(tcp().flags(RST));
    peer.remote.set_port(4001);
    peer.sends(tcp().seq(1).ack(1));
    peer.expects(tcp().flags(RST));
    assert_eq!(peer.stack.stats().tcp_cookies_failed, 7);
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
}

/// A cookie is good for one to two ticks of 64 s, and looked for only while some are out.
#[test]
fn an_old_cookie_is_reset() {
    let mut peer = flooded(|_| {});
    peer.sends(syn());
    peer.skips();
    peer.waits(secs(129));
    peer.skips();
    peer.sends(tcp().seq(1).ack(1));
    peer.expects(tcp().flags(RST));
    assert_eq!(peer.stack.stats().tcp_cookies_failed, 0);
}

#[test]
fn a_cookie_lives_for_a_minute_at_least() {
    let mut peer = flooded(|_| {});
    peer.sends(syn());
    peer.skips();
    peer.now += secs(60);
    peer.sends(tcp().seq(1).ack(1));
    peer.accept();
}

/// The connection waits for room as if its ACK had been lost.
#[test]
fn a_full_accept_queue_takes_no_cookie() {
    let mut peer = Peer::with(|config| config.tcp.syn_cookies = SynCookies::Always);
    peer.listen(0);
    peer.changes_port(1);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    let first = peer.iss;
    peer.changes_port(2);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp().seq(1).ack(1));
    peer.expects_nothing();
    peer.changes_port(1);
    peer.iss = first;
    peer.sends(tcp().seq(1).ack(1).data(5));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::AcceptQueueFull), 1);
    peer.accept();
    peer.sends(tcp().seq(1).ack(1).data(5));
    peer.expects(tcp().ack(6));
}

#[test]
fn without_cookies_a_full_queue_drops() {
    let mut peer = flooded(|config| config.tcp.syn_cookies = SynCookies::Never);
    peer.sends(syn());
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::SynQueueFull), 1);
}
