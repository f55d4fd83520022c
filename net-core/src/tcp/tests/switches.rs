//! Settings of the configuration: each changes what it says.

use super::*;
use crate::Config;
use crate::socket::TcpOption;

/// The congestion window after two flights in slow start, the second of which took 50 ms longer.
fn window_after_a_slower_round_trip(hystart: bool) -> u32 {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |config| {
        config.tcp.hystart = hystart;
    });
    peer.writes(100 * 1460);
    let mut acknowledged = 0;
    for (wait, segments) in [(50, 10), (100, 20)] {
        peer.waits(ms(wait));
        for _ in 0..segments {
            acknowledged += 1;
            peer.sends(tcp().ack(1 + 1460 * acknowledged));
        }
        peer.skips();
    }
    peer.info().cwnd / 1460
}

/// RFC 9406 §4.2: from the eighth sample of the round on a quarter of the growth is left.
#[test]
fn hystart_slows_down_where_the_round_trip_has_grown() {
    assert_eq!(window_after_a_slower_round_trip(false), 40);
    assert_eq!(window_after_a_slower_round_trip(true), 20 + 7 + 13 / 4);
}

#[test]
fn time_wait_lasts_as_long_as_configured() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.time_wait = secs(5));
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK).seq(1));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    peer.waits(ms(4900));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().seq(2).ack(2));
    peer.waits(ms(5100));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().flags(RST));
}

/// Whether it was closed before the FIN was acknowledged or later.
#[test]
fn fin_wait_2_lasts_as_long_as_configured() {
    for closed_first in [true, false] {
        let mut peer = Peer::established_with(syn(), |config| config.tcp.fin_wait_2 = secs(5));
        if closed_first {
            peer.closes();
        } else {
            peer.finishes();
        }
        peer.expects(tcp().flags(FIN_ACK).seq(1));
        peer.sends(tcp().ack(2));
        if !closed_first {
            peer.waits(secs(100));
            peer.closes();
        }
        peer.waits(ms(4900));
        assert_eq!(peer.stack.sockets(), 2);
        peer.waits(ms(200));
        assert_eq!(peer.stack.sockets(), 1);
    }
}

/// How long the acknowledgements of four lone segments wait, in ms, each behind the other; the round
/// trip takes 300 ms.
fn delays(change: impl FnOnce(&mut Config)) -> [u128; 4] {
    let mut peer = Peer::with(change);
    peer.handshake_in(ms(300), syn());
    peer.past_quick_acks();
    [(); 4].map(|()| {
        peer.sends(tcp().data(100));
        let before = peer.now;
        while peer.sent.is_empty() {
            peer.waits(ms(1));
        }
        peer.skips();
        peer.now.saturating_since(before).as_millis()
    })
}

#[test]
fn acknowledgements_wait_at_least_as_configured() {
    assert_eq!(delays(|_| {}), [40, 80, 160, 200]);
    let longer = delays(|config| config.tcp.delayed_ack = ms(100));
    assert_eq!(longer, [100, 200, 200, 200]);
}

#[test]
fn acknowledgements_wait_at_most_as_configured() {
    let shorter = delays(|config| config.tcp.delayed_ack_max = ms(100));
    assert_eq!(shorter, [40, 80, 100, 100]);
}

#[test]
fn a_syn_ack_is_sent_again_as_often_as_configured() {
    for retries in [0, 2, 3] {
        let mut peer = Peer::with(|config| config.tcp.syn_ack_retries = retries);
        peer.listen(16);
        peer.sends(syn());
        peer.expects(tcp().flags(SYN_ACK));
        peer.waits(secs(300));
        assert_eq!(peer.skips(), usize::from(retries));
    }
}

#[test]
fn keepalive_begins_when_configured() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.keepalive_time = secs(90));
    peer.sets(TcpOption::KeepAlive(true));
    peer.expects_after(secs(90), tcp().seq(0).ack(1).bare());
}
