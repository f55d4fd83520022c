//! TCP Fast Open (RFC 7413): the server.

use super::*;
use crate::config::FastOpenConfig;
use crate::socket::{Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::State;
use crate::wire::{FastOpenCookie, IcmpMessage, icmpv4};
use crate::{Config, SocketError};

/// A listener that takes data in up to `pending` SYNs at once.
pub(super) fn server(pending: u32, change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        config.tcp.fast_open.server = true;
        change(config);
    });
    peer.listen(16);
    allows(&mut peer, pending).unwrap();
    peer
}

pub(super) fn allows(peer: &mut Peer, pending: u32) -> Result<(), SocketError> {
    let listener = peer.listener.unwrap();
    let option = TcpOption::FastOpen(pending);
    peer.stack.set_tcp_option(listener, option, peer.now)
}

/// The peer's cookie for a fresh listener.
pub(super) fn listens(peer: &mut Peer, pending: u32) -> FastOpenCookie {
    peer.listen(pending);
    allows(peer, pending).unwrap();
    cookie_of(peer)
}

/// The cookie that the listener gives the peer, whose connection comes to nothing.
pub(super) fn cookie_of(peer: &mut Peer) -> FastOpenCookie {
    let port = peer.remote.port();
    peer.changes_port(3999);
    peer.sends(syn().fast_open(FastOpenCookie::REQUEST));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(1));
    peer.sends(tcp().flags(RST).seq(1));
    peer.changes_port(port);
    seen.header.options.fast_open.expect("a cookie")
}

/// The same with the cookie, and a SYN that shows it with `len` bytes.
fn opened(peer: &mut Peer, len: u32) {
    let cookie = cookie_of(peer);
    peer.sends(syn().fast_open(cookie).data(len));
}

/// §4.2.1, §4.2.2: the data can be read, and answered, before the handshake is complete.
#[test]
fn data_in_a_syn_is_read_and_answered_before_the_handshake_is_complete() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 100);
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(101).bare());
    peer.accept();
    assert!(
        peer.ready()
            .contains(Readiness::READABLE | Readiness::WRITABLE)
    );
    peer.reads(100);
    peer.writes(3000);
    peer.expects(tcp().seq(1).ack(101).data(1460));
    peer.expects(tcp().seq(1461).data(1460));
    assert_eq!(peer.info().state, State::SynReceived);
    assert_eq!(peer.state(), State::SynReceived);
    peer.waits(ms(30));
    peer.sends(tcp().seq(101).ack(1461));
    peer.expects(tcp().seq(2921).data(80));
    let info = peer.info();
    assert_eq!((info.state, info.syn_data), (State::Established, true));
    assert_eq!(info.rtt, Some(ms(30)));
    peer.sends(tcp().seq(101).ack(3001).data(10));
    peer.reads(10);
    assert_eq!(peer.stack.stats().tcp_fast_open_passive, 1);
}

/// RFC 5681, by way of §4.2.2 step 6.
#[test]
fn the_first_flight_of_a_fast_server_is_the_initial_window() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 100);
    peer.skips();
    peer.accept();
    peer.writes(30 * 1460);
    assert_eq!(peer.skips(), 10);
}

/// §4.2: what it takes must be asked for, by the configuration and by the application.
#[test]
fn a_listener_that_does_not_want_it_ignores_the_option() {
    let off = |config: &mut Config| config.tcp.fast_open.server = false;
    let mut forbidden = server(0, off);
    let outcome = allows(&mut forbidden, 4);
    assert!(matches!(outcome, Err(SocketError::Unsupported(_))));
    for mut peer in [server(0, |_| {}), forbidden] {
        peer.sends(syn().fast_open(FastOpenCookie::REQUEST).data(10));
        let seen = peer.expects(tcp().flags(SYN_ACK).ack(1));
        assert_eq!(seen.header.options.fast_open, None);
        assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    }
    assert!(!FastOpenConfig::default().server && !FastOpenConfig::default().client);
}

/// §4.1.2, §4.2.2 step 3: the data of a stranger is dropped, and it gets a good cookie.
#[test]
fn a_bad_cookie_makes_an_ordinary_connection_and_brings_a_good_one() {
    let mut peer = server(4, |_| {});
    let good = cookie_of(&mut peer);
    let mut bytes = good.as_slice().to_vec();
    bytes[3] ^= 1;
    for bad in [&bytes[..], &bytes[..6], &[0; 16]] {
        let bad = FastOpenCookie::new(bad).unwrap();
        peer.sends(syn().seq(0).fast_open(bad).data(50));
        peer.expects(tcp().flags(SYN_ACK).ack(1).fast_open(good));
        assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
        peer.sends(tcp().flags(RST).seq(1));
    }
    peer.sends(syn().seq(0).fast_open(good).data(50));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(51));
    assert_eq!(seen.header.options.fast_open, None);
    assert_eq!(peer.stack.stats().tcp_fast_open_refused, 3);
}

#[test]
fn the_cookie_of_another_address_is_no_good() {
    let mut peer = server(4, |_| {});
    let cookie = cookie_of(&mut peer);
    peer.remote = "10.0.0.3:4000".parse().unwrap();
    peer.sends(syn().fast_open(cookie).data(50));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(1));
    assert_ne!(seen.header.options.fast_open, Some(cookie));
}

/// §4.1.2: keys change, and the one before is still good.
#[test]
fn a_cookie_is_good_for_one_to_two_of_its_lives() {
    let mut peer = server(4, |config| {
        config.tcp.fast_open.cookie_life = secs(100);
    });
    let first = cookie_of(&mut peer);
    peer.now += secs(100);
    peer.sends(syn().fast_open(first).data(5));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(6));
    let second = seen.header.options.fast_open.expect("a fresh cookie");
    assert_ne!(first, second);
    peer.accept();
    peer.sends(tcp().flags(RST).seq(6));
    peer.now += secs(100);
    for (cookie, port, taken) in [(first, 4001, false), (second, 4002, true)] {
        peer.changes_port(port);
        peer.sends(syn().fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(if taken { 6 } else { 1 }));
    }
}

/// §2.1, §6.1: a copy of the SYN while the connection is there delivers nothing.
#[test]
fn a_repeated_syn_is_answered_and_its_data_delivered_once() {
    let mut peer = server(4, |_| {});
    let cookie = cookie_of(&mut peer);
    for again in 0..3 {
        peer.sends(syn().seq(0).fast_open(cookie).data(100));
        peer.expects(tcp().flags(SYN_ACK).seq(0).ack(101));
        assert_eq!(peer.stack.sockets(), 2, "{again}");
    }
    // And without data, as clients send it when their timer has fired.
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(101));
    peer.accept();
    peer.reads(100);
    assert_eq!(peer.try_read(100), Err(SocketError::WouldBlock));
    peer.sends(tcp().seq(101).ack(1));
    assert_eq!(peer.info().rtt, None, "Karn");
    peer.sends(syn().seq(0).fast_open(cookie).data(100));
    peer.expects(tcp().ack(101).bare());
    assert_eq!(peer.try_read(100), Err(SocketError::WouldBlock));
}

/// §4.2.2: the SYN-ACK is sent again without data and option, and given up in the end.
#[test]
fn the_syn_ack_of_a_fast_connection_is_sent_again_and_given_up() {
    let mut peer = server(4, |config| config.tcp.fast_open.cookie_life = secs(100));
    let cookie = cookie_of(&mut peer);
    peer.now += secs(100);
    peer.sends(syn().fast_open(cookie).data(20));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(21));
    assert!(seen.header.options.fast_open.is_some());
    peer.accept();
    for time in [1, 2, 4, 8, 16] {
        let seen = peer.expects_after(secs(time), tcp().flags(SYN_ACK).seq(0).ack(21).bare());
        assert_eq!(seen.header.options.fast_open, None);
    }
    peer.waits(secs(40));
    peer.expects_nothing();
    peer.reads(20);
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// What was sent behind a SYN-ACK that was lost is sent again when the handshake is complete.
#[test]
fn an_answer_behind_a_lost_syn_ack_is_sent_again_at_once() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 20);
    peer.accept();
    peer.writes(1000);
    peer.skips();
    peer.waits(secs(1));
    peer.skips();
    peer.sends(tcp().seq(21).ack(1));
    peer.expects(tcp().seq(1).ack(21).data(1000));
    peer.sends(tcp().seq(21).ack(1001));
    assert_eq!(peer.info().in_flight, 0);
}

/// What answers a repeated SYN was not lost: nor was what left behind the first answer.
#[test]
fn what_left_behind_a_syn_ack_sent_twice_is_not_sent_again() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 20);
    peer.accept();
    peer.writes(1000);
    peer.skips();
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(21));
    peer.sends(tcp().seq(21).ack(1));
    peer.expects_nothing();
    assert_eq!(peer.info().in_flight, 1000);
}

/// RFC 5681 §3.1, RFC 6928 §2.
#[test]
fn a_syn_ack_lost_more_than_once_leaves_a_window_of_one_segment() {
    for (timeouts, window) in [(1, 14600), (2, 1460)] {
        let mut peer = server(4, |_| {});
        opened(&mut peer, 20);
        peer.skips();
        peer.accept();
        peer.waits(secs(if timeouts == 1 { 1 } else { 3 }));
        assert_eq!(peer.skips(), timeouts);
        peer.sends(tcp().seq(21).ack(1));
        assert_eq!(peer.info().cwnd, window);
    }
}

/// RFC 9293 §3.8.3, R2: however often the SYN is repeated.
#[test]
fn repeated_syns_do_not_put_the_end_of_a_fast_connection_off() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 20);
    peer.accept();
    for _ in 0..160 {
        peer.waits(ms(500));
        peer.sends(syn().seq(0));
        peer.skips();
    }
    peer.reads(20);
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// `TCP_DEFER_ACCEPT`: there is nothing to hand out before there is data.
#[test]
fn a_deferred_connection_is_opened_early_by_data_alone() {
    let mut peer = server(4, |_| {});
    let listener = peer.listener.unwrap();
    let option = TcpOption::DeferAccept(Some(secs(5)));
    peer.stack
        .set_tcp_option(listener, option, peer.now)
        .unwrap();
    let cookie = cookie_of(&mut peer);
    peer.sends(syn().fast_open(cookie));
    peer.expects(tcp().flags(SYN_ACK).ack(1));
    peer.sends(tcp().seq(1).ack(1));
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    assert_eq!(peer.drops(DropReason::Deferred), 1);
    peer.sends(tcp().seq(1).ack(1).data(7));
    peer.accept();
    peer.reads(7);
    peer.skips();
    peer.changes_port(4001);
    peer.read = 0;
    peer.sends(syn().fast_open(cookie).data(7));
    peer.expects(tcp().flags(SYN_ACK).ack(8));
    peer.accept();
    peer.reads(7);
}

/// What may be read and written before is not yet a connection to those who ask for one.
#[test]
fn a_fast_connection_is_connected_when_its_handshake_is_complete() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 20);
    peer.accept();
    let (id, now) = (peer.id(), peer.now);
    let tells = |peer: &mut Peer| {
        let tcp = peer.stack.tcp(id, now).unwrap();
        (tcp.is_connected(), tcp.is_open())
    };
    assert_eq!(tells(&mut peer), (false, true));
    peer.sends(tcp().seq(21).ack(1));
    assert_eq!(tells(&mut peer), (true, true));
}

/// RFC 3168 §6.1.1: the path, or the peer, has thought better of it.
#[test]
fn a_repeated_syn_without_ecn_takes_it_back() {
    let mut peer = server(4, |config| config.tcp.ecn = true);
    let cookie = cookie_of(&mut peer);
    let asks = syn().flags(SYN | ECE | CWR).fast_open(cookie).data(20);
    peer.sends(asks);
    peer.expects(tcp().flags(SYN_ACK | ECE).ack(21));
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(21));
    peer.accept();
    peer.writes(100);
    assert_eq!(peer.sent.pop_front().unwrap().ecn, 0);
}

/// RFC 8985 §7 is for connections: what is missing here may be the SYN-ACK.
#[test]
fn no_loss_probe_leaves_before_the_handshake_is_complete() {
    let mut peer = server(4, |_| {});
    let cookie = cookie_of(&mut peer);
    let offers = syn().sack_permitted().fast_open(cookie).data(20);
    peer.sends(offers);
    peer.accept();
    peer.writes(1000);
    peer.skips();
    peer.expects_after(secs(1), tcp().flags(SYN_ACK).seq(0).ack(21));
    peer.expects_nothing();
    assert_eq!(peer.info().loss_probes, 0);

    let mut peer = server(4, |_| {});
    let cookie = cookie_of(&mut peer);
    let offers = syn().sack_permitted().fast_open(cookie).data(20);
    peer.sends(offers);
    peer.accept();
    peer.writes(1000);
    peer.skips();
    peer.waits(ms(20));
    peer.sends(tcp().seq(21).ack(1));
    peer.waits(ms(150));
    peer.expects(tcp().seq(1).data(1000));
    assert_eq!(peer.info().loss_probes, 1);
}

/// As before a half-open connection; what quotes data is about a connection that may exist.
#[test]
fn a_hard_error_about_the_syn_ack_ends_a_fast_connection() {
    for (seq, ends) in [(0, true), (1, false)] {
        let mut peer = server(4, |_| {});
        opened(&mut peer, 20);
        peer.accept();
        peer.writes(10);
        peer.skips();
        let code = icmpv4::PORT_UNREACHABLE;
        peer.icmp(IcmpMessage::Unreachable { code }, seq);
        let error = Some(SocketError::ConnectionRefused);
        assert_eq!(peer.error(), error.filter(|_| ends));
    }
}

/// RFC 9293 §3.10.7.4: in SYN-RECEIVED an acknowledgement of something else gets a RST.
#[test]
fn an_acknowledgement_of_another_syn_ack_is_reset() {
    let mut peer = server(4, |_| {});
    opened(&mut peer, 20);
    peer.expects(tcp().flags(SYN_ACK).ack(21));
    peer.accept();
    for wrong in [0, 2] {
        peer.sends(tcp().seq(21).ack(wrong));
        peer.expects(tcp().flags(RST).seq(wrong));
    }
    assert_eq!(peer.drops(DropReason::BadAck), 2);
    peer.sends(tcp().seq(21).ack(1).data(5));
    peer.reads(25);
}

#[test]
fn a_fin_behind_the_data_of_a_syn_is_the_end_of_the_stream() {
    let mut peer = server(4, |_| {});
    let cookie = cookie_of(&mut peer);
    peer.sends(syn().flags(SYN | FIN).fast_open(cookie).data(20));
    peer.expects(tcp().flags(SYN_ACK).ack(22));
    peer.accept();
    peer.reads(20);
    peer.reads_end();
    peer.writes(10);
    peer.expects(tcp().seq(1).ack(22).data(10));
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(11));
    peer.sends(tcp().seq(22).ack(12));
    assert_eq!(peer.state(), State::Closed);
}
