//! ICMP errors about our segments (RFC 9293 §3.9.2.2, RFC 5927, RFC 1191, RFC 8201).

use super::*;
use crate::SocketError;
use crate::config::{Config, CongestionAlgorithm};
use crate::socket::{IpOption, PathMtuMode};
use crate::stats::DropReason;
use crate::tcp::State;
use crate::wire::{IcmpMessage, icmpv4, icmpv6, ip};

const UNREACHABLE: IcmpMessage = IcmpMessage::Unreachable {
    code: icmpv4::PORT_UNREACHABLE,
};

/// RFC 9293 MUST-56: a hard error aborts an attempt to connect.
#[test]
fn unreachable_refuses_a_connect() {
    for (mut peer, code) in [
        (Peer::new(), icmpv4::PORT_UNREACHABLE),
        (Peer::v6(), icmpv6::PORT_UNREACHABLE),
    ] {
        peer.connects();
        peer.expects(tcp().flags(SYN));
        peer.icmp(IcmpMessage::Unreachable { code }, 0);
        assert_eq!(peer.error(), Some(SocketError::ConnectionRefused));
        peer.waits(secs(10));
        peer.expects_nothing();
    }
}

#[test]
fn host_unreachable_ends_a_connect() {
    let mut peer = Peer::new();
    peer.connects();
    peer.icmp(
        IcmpMessage::Unreachable {
            code: icmpv4::HOST_UNREACHABLE,
        },
        0,
    );
    assert_eq!(peer.error(), Some(SocketError::HostUnreachable));
}

/// RFC 5927 §4.1: the quoted sequence number must be one in flight.
#[test]
fn an_error_about_an_unknown_number_is_ignored() {
    let mut peer = Peer::new();
    peer.connects();
    peer.icmp(UNREACHABLE, 1);
    peer.icmp(UNREACHABLE, 1 << 31);
    assert_eq!(peer.state(), State::SynSent);
    assert_eq!(peer.drops(DropReason::IcmpIrrelevant), 2);
}

/// RFC 9293 MUST-54, RFC 5927 §5.2: an established connection does not fall for it.
#[test]
fn unreachable_does_not_end_an_established_connection() {
    let mut peer = Peer::established();
    peer.writes(100);
    peer.icmp(UNREACHABLE, 1);
    assert_eq!(peer.state(), State::Established);
    assert_eq!(peer.error(), None);
}

/// RFC 1191 §6.4, RFC 8201 §5.4: segments get smaller, and what was too large leaves again at once.
#[test]
fn packet_too_big_lowers_the_mss_and_sends_again() {
    for (mut peer, mtu, mss) in [(Peer::new(), 1000, 960), (Peer::v6(), 1280, 1220)] {
        let full = if peer.local.is_ipv6() { 1440 } else { 1460 };
        peer.handshake(syn());
        peer.writes(full);
        peer.expects(tcp().seq(1).data(full));
        peer.icmp(IcmpMessage::PacketTooBig { mtu }, 1);
        peer.expects(tcp().seq(1).data(mss));
        peer.expects(tcp().seq(1 + mss).data(full - mss));
        peer.expects_nothing();
        peer.sends(tcp());
        peer.writes(mss + 1);
        peer.expects(tcp().data(mss));
        assert!(peer.info().cwnd >= 10 * mss, "no congestion");
    }
}

/// RFC 5681 §3.1, RFC 4821 §4: lest more of them leave at once.
#[test]
fn a_window_has_as_many_segments_after_they_got_smaller() {
    for algorithm in [
        CongestionAlgorithm::Reno,
        CongestionAlgorithm::Cubic,
        CongestionAlgorithm::Bbr,
    ] {
        let change = |config: &mut Config| config.tcp.congestion = algorithm;
        let mut peer = Peer::with_ten_in_flight(syn(), change);
        peer.icmp(IcmpMessage::PacketTooBig { mtu: 1000 }, 1);
        assert_eq!(peer.info().cwnd, 10 * 960, "{algorithm:?}");
    }
}

/// RFC 1191 §3, RFC 8200 §5: nobody makes us send tiny packets.
#[test]
fn the_path_mtu_has_a_floor() {
    let mut peer = Peer::established();
    peer.writes(1460);
    peer.skips();
    peer.icmp(IcmpMessage::PacketTooBig { mtu: 68 }, 1);
    peer.expects(tcp().seq(1).data(536));
}

#[test]
fn packet_too_big_about_nothing_in_flight_is_ignored() {
    let mut peer = Peer::established();
    peer.icmp(IcmpMessage::PacketTooBig { mtu: 600 }, 1);
    peer.writes(1460);
    peer.expects(tcp().data(1460));
}

const HOST_UNREACHABLE: IcmpMessage = IcmpMessage::Unreachable {
    code: icmpv4::HOST_UNREACHABLE,
};

/// RFC 9293 MUST-47, MUST-56, SHLD-25: it is told and ends nothing; but if the peer stays silent, it is
/// the reason.
#[test]
fn a_soft_error_is_told_and_is_the_reason_in_the_end() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 3);
    peer.writes(100);
    while peer.stack.poll_event().is_some() {}
    peer.icmp(HOST_UNREACHABLE, 1);
    let told = peer.stack.poll_event().map(|event| event.socket);
    assert_eq!(told, Some(peer.id()));
    let reason = Some(SocketError::HostUnreachable);
    assert_eq!(peer.info().soft_error, reason);
    assert_eq!(peer.state(), State::Established);
    peer.waits(secs(60));
    assert_eq!(peer.error(), reason);
}

#[test]
fn a_soft_error_is_forgotten_when_the_peer_answers() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 3);
    peer.writes(100);
    peer.icmp(HOST_UNREACHABLE, 1);
    peer.waits(ms(1));
    peer.sends(tcp().ack(51));
    assert_eq!(peer.info().soft_error, None);
    peer.waits(secs(60));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// RFC 9293 MUST-55.
#[test]
fn a_source_quench_is_dropped_in_silence() {
    const SOURCE_QUENCH: u8 = 4;
    let mut peer = Peer::established();
    peer.writes(100);
    peer.skips();
    let before = peer.info();
    let mut out = peer.quotes(1);
    icmpv4::emit(&UNREACHABLE, &mut out.head);
    (out.head[0], out.head[1]) = (SOURCE_QUENCH, 0);
    peer.brings(out, ip::ICMP);
    peer.expects_nothing();
    assert_eq!(peer.info(), before);
}

/// RFC 1191 §3, §6.3, §6.4: the others of a burst change nothing, and neither does a larger number.
#[test]
fn packet_too_big_raises_nothing() {
    let mut peer = Peer::established();
    peer.writes(4 * 1460);
    peer.skips();
    peer.icmp(IcmpMessage::PacketTooBig { mtu: 1000 }, 1);
    assert!(peer.skips() > 0);
    for mtu in [1000, 1400, 9000] {
        peer.icmp(IcmpMessage::PacketTooBig { mtu }, 1461);
        peer.expects_nothing();
        assert_eq!(peer.info().send_mss, 960);
    }
}

/// RFC 9293 MUST-54: a hard error about a SYN-ACK ends the attempt; a soft one, or one about a number
/// that is only guessed, does not.
#[test]
fn a_hard_error_ends_a_half_open_connection() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.icmp(HOST_UNREACHABLE, 0);
    peer.icmp(UNREACHABLE, 7);
    assert_eq!(peer.drops(DropReason::IcmpIrrelevant), 2);
    peer.icmp(UNREACHABLE, 0);
    peer.waits(secs(10));
    peer.expects_nothing();
    peer.sends(tcp());
    peer.expects(tcp().flags(RST).seq(1));
}

/// RFC 8899 §4.6: who probes the path by himself does not believe routers.
#[test]
fn a_socket_that_probes_its_path_keeps_its_segments() {
    for (mode, expected) in [(PathMtuMode::Want, 1160), (PathMtuMode::Probe, 1460)] {
        let mut peer = Peer::established_sack();
        let id = peer.id();
        let option = IpOption::PathMtu(mode);
        peer.stack.set_ip_option(id, option).unwrap();
        peer.writes(1460);
        peer.expects(tcp().seq(1).data(1460));
        peer.icmp(IcmpMessage::PacketTooBig { mtu: 1200 }, 1);
        assert_eq!(peer.info().send_mss, expected);
    }
}

/// Nobody has to tell what the stack knows itself.
#[test]
fn a_way_that_has_become_narrower_makes_segments_smaller() {
    let mut peer = Peer::new();
    peer.handshake(syn());
    peer.writes(1460);
    peer.expects(tcp().seq(1).data(1460));
    peer.stack.limit_mtu_v4(peer.iface, Some(1000)).unwrap();
    peer.sends(tcp());
    peer.writes(1460);
    peer.expects(tcp().seq(1461).data(960));
    peer.expects(tcp().seq(2421).data(500));
}
