//! User timeouts and their option (RFC 5482).

use super::*;
use crate::socket::TcpOption;
use crate::tcp::State;
use crate::wire::UserTimeout;
use crate::{Config, SocketError};

fn enabled(config: &mut Config) {
    config.tcp.user_timeout_option = true;
}

/// A connection with the option; the default of five minutes has been told.
fn told_of_the_default(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        enabled(config);
        change(config);
    });
    peer.listen(5);
    peer.sends(syn());
    peer.skips();
    peer.sends(tcp());
    peer.accept();
    peer.expects(tcp().user_timeout(secs(300)).bare());
    peer
}

/// RFC 5482: data that nobody acknowledges for so long ends the connection, then and not later.
#[test]
fn the_user_timeout_ends_a_silent_connection() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::UserTimeout(Some(secs(10))));
    peer.writes(100);
    peer.waits(ms(9_990));
    assert_eq!(peer.state(), State::Established);
    peer.waits(ms(20));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// It counts from the last progress.
#[test]
fn progress_restarts_the_user_timeout() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::UserTimeout(Some(secs(10))));
    peer.writes(2000);
    peer.waits(secs(8));
    peer.sends(tcp().ack(1461));
    peer.waits(secs(8));
    assert_eq!(peer.state(), State::Established);
    peer.waits(secs(3));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// §3: the first segment behind the handshake tells, and whenever the application changes its mind;
/// once each.
#[test]
fn the_peer_is_told_of_the_timeout() {
    let mut peer = Peer::with(enabled);
    peer.listen(5);
    let listener = peer.listener.unwrap();
    let option = TcpOption::UserTimeout(Some(secs(300)));
    peer.stack
        .set_tcp_option(listener, option, peer.now)
        .unwrap();
    peer.sends(syn());
    peer.skips();
    peer.sends(tcp());
    peer.accept();
    peer.expects(tcp().user_timeout(secs(300)).bare());
    peer.writes(10);
    assert_eq!(
        peer.expects(tcp().data(10)).header.options.user_timeout,
        None
    );
    peer.sends(tcp());
    peer.sets(TcpOption::UserTimeout(Some(secs(100_000))));
    // Minutes, rounded up.
    peer.expects(tcp().user_timeout(secs(100_020)).bare());
    peer.sets(TcpOption::NoDelay(true));
    peer.expects_nothing();
}

/// Off unless configured, both ways.
#[test]
fn without_configuration_nothing_is_told_or_heard() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::UserTimeout(Some(secs(300))));
    peer.expects_nothing();
    peer.sends(tcp().user_timeout(secs(120)));
    assert_eq!(peer.info().peer_user_timeout, None);
}

/// §3.1: a socket without a timeout of its own follows the peer's.
#[test]
fn the_peers_timeout_is_followed() {
    let mut peer = told_of_the_default(|_| {});
    peer.sends(tcp().user_timeout(secs(420)));
    assert_eq!(peer.info().peer_user_timeout, Some(secs(420)));
    peer.writes(100);
    peer.waits(secs(419));
    assert_eq!(peer.state(), State::Established);
    peer.waits(secs(2));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// §3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), where ADV_UTO is the default of five minutes.
#[test]
fn the_peers_timeout_does_not_shorten_ours() {
    for (lowest, timeout) in [(100, 300), (400, 400)] {
        let mut peer = told_of_the_default(|config| {
            config.tcp.user_timeout_min = secs(lowest);
        });
        peer.sends(tcp().user_timeout(secs(1)));
        peer.writes(100);
        peer.waits(secs(timeout - 1));
        assert_eq!(peer.state(), State::Established);
        peer.waits(secs(2));
        assert_eq!(peer.state(), State::Closed);
    }
}

/// §3.1: L_LIMIT is larger than the retransmission timeout: one retransmission leaves.
#[test]
fn the_peers_timeout_is_longer_than_that_of_retransmission() {
    let mut peer = told_of_the_default(|config| {
        (config.tcp.rto_min, config.tcp.rto_max) = (secs(400), secs(1000));
    });
    peer.sends(tcp().user_timeout(secs(1)));
    peer.writes(100);
    peer.skips();
    let rto = peer.info().rto;
    peer.expects_after(rto, tcp().seq(1).data(100));
    assert_eq!(peer.state(), State::Established);
    peer.waits(secs(401));
    assert_eq!(peer.state(), State::Closed);
}

/// §3.1: an hour at most.
#[test]
fn the_peers_timeout_is_limited() {
    let mut peer = told_of_the_default(|config| config.tcp.retries = 100);
    peer.sends(tcp().user_timeout(secs(1_000_000)));
    peer.writes(100);
    peer.waits(secs(3599));
    assert_eq!(peer.state(), State::Established);
    peer.waits(secs(2));
    assert_eq!(peer.state(), State::Closed);
}

/// §3: CHANGEABLE is false for a socket whose application has chosen; but it can be looked up.
#[test]
fn the_applications_timeout_is_not_overridden() {
    let mut peer = told_of_the_default(|_| {});
    peer.sets(TcpOption::UserTimeout(Some(secs(5))));
    peer.skips();
    peer.sends(tcp().user_timeout(secs(500)));
    assert_eq!(peer.info().peer_user_timeout, Some(secs(500)));
    peer.writes(100);
    peer.waits(secs(6));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// §4.2: keepalive does not give a peer up before the user timeout.
#[test]
fn keepalive_waits_for_the_user_timeout() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::KeepAliveTime(secs(10)));
    peer.sets(TcpOption::KeepAliveInterval(secs(1)));
    peer.sets(TcpOption::KeepAliveProbes(2));
    peer.sets(TcpOption::UserTimeout(Some(secs(60))));
    peer.sets(TcpOption::KeepAlive(true));
    peer.waits(secs(59));
    assert_eq!(peer.state(), State::Established);
    assert!(peer.skips() > 40);
    peer.waits(secs(2));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// §3.3, §3.4.
#[test]
fn timeouts_are_seconds_or_minutes() {
    let shown = |time| UserTimeout::new(time).and_then(UserTimeout::duration);
    assert_eq!(shown(Duration::ZERO), None);
    assert_eq!(shown(ms(1)), Some(secs(1)));
    assert_eq!(shown(secs(32_767)), Some(secs(32_767)));
    assert_eq!(shown(secs(32_768)), Some(secs(547 * 60)));
    assert_eq!(shown(Duration::MAX), Some(secs(32_767 * 60)));
}
