//! ICMP errors about our segments (RFC 9293 §3.9.2.2, RFC 5927, RFC 1191, RFC 8201).

use super::*;
use crate::SocketError;
use crate::socket::{IpOption, PathMtuMode};
use crate::stats::DropReason;
use crate::tcp::State;
use crate::wire::{IcmpMessage, icmpv4, icmpv6};

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
        assert_eq!(
            peer.info().cwnd,
            peer.info().cwnd.max(10 * mss),
            "no congestion"
        );
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
