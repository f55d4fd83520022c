//! Opening (RFC 9293 §3.5, §3.10.7.2–3.10.7.4).

use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::State;

/// RFC 9293 MUST-14, MUST-16, RFC 7323 §2.2, RFC 2018 §2.
#[test]
fn a_syn_carries_the_options_as_configured() {
    let mut peer = Peer::new();
    peer.connects();
    let seen = peer.expects(tcp().flags(SYN).seq(0).mss(1460).scale(10).sack_permitted());
    assert_eq!(seen.header.window, 65535);
    assert!(seen.header.options.timestamps.is_some());

    let mut peer = Peer::with(|config| {
        config.tcp.timestamps = false;
        config.tcp.sack = false;
        config.tcp.window_scaling = false;
    });
    peer.connects_with(&[TcpOption::MaxSegment(1000)]);
    let options = peer.expects(tcp().flags(SYN).mss(1000)).header.options;
    assert_eq!((options.window_scale, options.timestamps), (None, None));
    assert!(!options.sack_permitted);
}

#[test]
fn an_active_open_completes_on_the_syn_ack() {
    for mut peer in [Peer::new(), Peer::v6()] {
        peer.connects();
        peer.expects(tcp().flags(SYN));
        assert_eq!(peer.ready(), Readiness::empty());
        peer.sends(syn().flags(SYN_ACK).ack(1));
        peer.expects(tcp().seq(1).ack(1).bare());
        assert_eq!(peer.state(), State::Established);
        assert_eq!(peer.ready(), Readiness::CONNECTED | Readiness::WRITABLE);
    }
}

/// SPEC 37: nothing is to be accepted before the third segment.
#[test]
fn a_syn_ack_comes_from_a_half_open_state() {
    for mut peer in [Peer::new(), Peer::v6()] {
        peer.listen(5);
        peer.sends(syn().sack_permitted().scale(3).timestamps(77, 0));
        let answer =
            tcp()
                .flags(SYN_ACK)
                .ack(1)
                .mss(if peer.local.is_ipv6() { 1440 } else { 1460 });
        peer.expects(answer.scale(10).sack_permitted().timestamps(0, 77));
        assert_eq!(peer.stack.sockets(), 1);
        assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
        peer.clock = Some(78);
        peer.sends(tcp());
        peer.accept();
        assert_eq!(peer.state(), State::Established);
        assert_eq!(peer.stack.sockets(), 2);
    }
}

/// RFC 7323 §2.2, RFC 2018 §2: an option is used only where both sides sent it.
#[test]
fn a_syn_ack_offers_only_what_the_syn_did() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    let options = peer.expects(tcp().flags(SYN_ACK).mss(1460)).header.options;
    assert_eq!((options.window_scale, options.timestamps), (None, None));
    assert!(!options.sack_permitted);
    peer.sends(tcp().data(10));
    peer.expects(tcp().ack(11).window(u16::MAX - 10));
}

/// RFC 9293 MUST-15: without an MSS option segments carry 536 bytes, over IPv6 1220.
#[test]
fn a_peer_without_mss_option_gets_small_segments() {
    for (mut peer, mss) in [(Peer::new(), 536), (Peer::v6(), 1220)] {
        peer.handshake(tcp().flags(SYN));
        peer.writes(3000);
        peer.expects(tcp().data(mss));
    }
}

/// RFC 6298 §5.5, SPEC 36.
#[test]
fn a_syn_is_sent_again_after_1_2_4_8_seconds_and_then_times_out() {
    let mut peer = Peer::new();
    peer.connects_with(&[TcpOption::SynRetries(4)]);
    peer.expects(tcp().flags(SYN).seq(0));
    for time in [1, 2, 4, 8] {
        peer.expects_after(secs(time), tcp().flags(SYN).seq(0).mss(1460));
    }
    peer.waits(secs(15));
    assert_eq!(peer.ready() & Readiness::ERROR, Readiness::empty());
    peer.waits(secs(2));
    peer.expects_nothing();
    assert!(
        peer.ready()
            .contains(Readiness::ERROR | Readiness::HANG_UP | Readiness::WRITABLE)
    );
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
    assert_eq!(peer.error(), None);
}

/// RFC 9293 §3.10.7.4, SYN-RECEIVED's timer.
#[test]
fn a_syn_ack_is_sent_again_and_given_up() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    for time in [1, 2, 4, 8, 16] {
        peer.expects_after(secs(time), tcp().flags(SYN_ACK).seq(0).ack(1));
    }
    peer.waits(secs(40));
    peer.expects_nothing();
    peer.sends(tcp());
    peer.expects(tcp().flags(RST).seq(1));
}

#[test]
fn a_repeated_syn_gets_the_syn_ack_again() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK).ack(1));
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    peer.sends(tcp());
    peer.accept();
}

/// RFC 6298 §3 (Karn): which SYN-ACK is acknowledged is not known.
#[test]
fn the_ack_of_a_repeated_syn_ack_measures_nothing() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.waits(ms(300));
    peer.sends(syn().seq(0));
    peer.waits(ms(10));
    peer.sends(tcp());
    peer.accept();
    assert_eq!(peer.info().rtt, None);
}

/// RFC 9293 §3.5, figure 8.
#[test]
fn both_sides_open_at_once() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN).seq(0));
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1).mss(1460));
    assert_eq!(peer.state(), State::SynReceived);
    peer.sends(syn().flags(SYN_ACK).seq(0).ack(1));
    assert_eq!(peer.state(), State::Established);
    peer.expects(tcp().seq(1).ack(1).bare());
    peer.sends(tcp().data(10));
    peer.expects(tcp().ack(11));
    peer.reads(10);
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10));
    assert_eq!(peer.drops(DropReason::OutOfWindow), 0);
}

/// In SYN-RECEIVED a repeated SYN shows that the SYN-ACK was lost.
#[test]
fn a_simultaneous_open_repeats_its_syn_ack() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    peer.sends(tcp().seq(1).ack(1));
    assert_eq!(peer.state(), State::Established);
}

#[test]
fn a_reset_refuses_a_connection() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(tcp().flags(RST_ACK).seq(0).ack(1));
    peer.expects_nothing();
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), Some(SocketError::ConnectionRefused));
}

/// RFC 9293 §3.10.7.3, first and second check.
#[test]
fn a_reset_that_does_not_acknowledge_the_syn_is_ignored() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(tcp().flags(RST).seq(0));
    peer.sends(tcp().flags(RST_ACK).seq(0).ack(2));
    peer.expects_nothing();
    assert_eq!(peer.state(), State::SynSent);
}

/// RFC 9293 §3.10.7.3, first check; §3.5.1 half-open connections.
#[test]
fn a_bad_ack_in_syn_sent_is_answered_with_a_reset() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(syn().flags(SYN_ACK).seq(0).ack(100));
    peer.expects(tcp().flags(RST).seq(100).bare());
    assert_eq!(peer.state(), State::SynSent);
    peer.sends(syn().flags(SYN_ACK).seq(0).ack(1));
    peer.expects(tcp().seq(1).ack(1));
}

#[test]
fn a_bad_ack_of_a_syn_ack_is_answered_with_a_reset() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp().ack(500));
    peer.expects(tcp().flags(RST).seq(500));
    peer.sends(tcp().ack(1));
    peer.accept();
}

/// SPEC 39.
#[test]
fn data_on_the_third_segment_is_readable() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp().data(100));
    peer.accept();
    peer.expects(tcp().seq(1).ack(101));
    peer.reads(100);
}

#[test]
fn data_on_the_syn_ack_is_readable() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(syn().flags(SYN_ACK).ack(1).data(100));
    peer.expects(tcp().seq(1).ack(101));
    peer.reads(100);
}

/// The window of a SYN-ACK is a promise too.
#[test]
fn data_on_the_syn_ack_beyond_the_window_is_cut() {
    let mut peer = Peer::new();
    peer.connects_with(&[TcpOption::RecvBuffer(1152)]);
    peer.expects(tcp().flags(SYN).window(1152));
    peer.sends(syn().flags(SYN_ACK).ack(1).data(1400));
    peer.expects(tcp().seq(1).ack(1153).window(0));
    peer.reads(1152);
}

/// What was pushed and closed while connecting is delivered afterwards.
#[test]
fn a_half_closed_connect_sends_its_data_and_fin() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.finishes();
    peer.sends(syn().flags(SYN_ACK).ack(1));
    peer.expects(tcp().flags(FIN_ACK).seq(1).ack(1));
    assert_eq!(peer.state(), State::FinWait1);
}

/// RFC 9293 §3.10.7.4 first check, RFC 7323 §5.3: what the connection would refuse does not make it.
#[test]
fn an_unacceptable_third_segment_completes_no_handshake() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.stack
        .set_tcp_option(
            peer.listener.unwrap(),
            TcpOption::RecvBuffer(2000),
            peer.now,
        )
        .unwrap();
    peer.sends(syn().timestamps(500, 0));
    peer.expects(tcp().flags(SYN_ACK).window(2000));
    peer.sends(tcp().seq(2001).data(10).timestamps(501, 0));
    peer.sends(tcp().seq(1).timestamps(499, 0));
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    peer.skips();
    peer.sends(tcp().seq(1).timestamps(500, 0));
    peer.accept();
    assert_eq!(peer.state(), State::Established);
}

/// RFC 9293 §3.10.7.3: text and FIN of a SYN are for after ESTABLISHED.
#[test]
fn a_fin_on_a_crossing_syn_does_not_skip_the_handshake() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(tcp().flags(SYN));
    peer.sends(syn().flags(SYN | FIN).data(10));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    assert_eq!(peer.state(), State::SynReceived);
    peer.sends(tcp().flags(FIN_ACK).seq(1).ack(1).data(10));
    peer.expects(tcp().seq(1).ack(12));
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10));
}

/// RFC 9293 MUST-11: who has connected is told, unlike a listener.
#[test]
fn a_reset_after_a_crossing_syn_refuses_the_connection() {
    let mut peer = Peer::new();
    peer.connects();
    peer.sends(syn());
    assert_eq!(peer.state(), State::SynReceived);
    peer.sends(tcp().flags(RST).seq(1));
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), Some(SocketError::ConnectionRefused));
}

/// RFC 9293 MUST-22, MUST-23.
#[test]
fn a_syn_is_given_up_after_three_minutes_at_the_earliest() {
    let mut peer = Peer::new();
    peer.connects();
    peer.waits(secs(180));
    assert_eq!(peer.state(), State::SynSent);
    peer.waits(secs(120));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// RFC 9293 MUST-65, RFC 7323 §2.2, RFC 2018 §2: what is agreed upon by SYNs is on no other segment.
#[test]
fn options_ride_on_the_segments_they_are_for() {
    let mut peer = Peer::new();
    peer.handshake(syn().scale(3).sack_permitted());
    peer.sends(tcp().data(10));
    peer.writes(10);
    for seen in peer.sent.drain(..) {
        let options = seen.header.options;
        assert_eq!((options.mss, options.window_scale), (None, None));
        assert!(!options.sack_permitted);
    }
}

/// RFC 7323 §2.2: what belongs on a SYN means nothing elsewhere.
#[test]
fn an_option_counts_on_the_segments_it_is_for() {
    let mut peer = Peer::established();
    peer.sends(tcp().scale(7).mss(100).sack_permitted().window(1000));
    let info = peer.info();
    assert_eq!((info.send_window, info.send_mss), (1000, 1460));
    assert_eq!((info.window_scale, info.sack), ((0, 0), false));
}
