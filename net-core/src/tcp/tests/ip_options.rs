//! Streams whose packets have options of IPv4 (RFC 1122 §4.2.3.8): what is left for their segments.

use super::*;
use crate::DeviceCaps;
use crate::wire::IcmpMessage;

/// Router Alert, and four bytes that fill up.
const OPTIONS: [u8; 8] = [148, 4, 0, 0, 1, 1, 1, 1];

fn tells(peer: &mut Peer, options: &[u8]) {
    let (id, now) = (peer.socket.unwrap(), peer.now);
    peer.stack.set_ipv4_options(id, options, now).unwrap();
}

/// RFC 9293 §3.7.1 (MUST-16): options of both layers count. No device cuts behind them.
#[test]
fn segments_get_smaller_by_the_options_of_the_ip_header() {
    let offload = DeviceCaps {
        tx_checksum: true,
        tso: true,
        ..DeviceCaps::default()
    };
    for caps in [DeviceCaps::default(), offload] {
        let mut peer = Peer::build(false, |_| {}, caps);
        peer.handshake(syn());
        tells(&mut peer, &OPTIONS);
        peer.writes(4 * 1452);
        for number in 0..4 {
            let seen = peer.expects(tcp().seq(1 + number * 1452).data(1452));
            assert_eq!(seen.gso, None);
        }
        peer.sends(tcp());
        peer.writes(1452);
        let seq = peer.expects(tcp().data(1452)).seq;
        peer.icmp(IcmpMessage::PacketTooBig { mtu: 1000 }, seq);
        peer.expects(tcp().seq(seq).data(952));
        peer.expects(tcp().seq(seq + 952).data(500));
    }
}

/// They count against what is sent, not against what is received (RFC 6691 §2).
#[test]
fn the_mss_that_we_tell_is_the_same_with_options() {
    let mut peer = Peer::new();
    let id = peer.stack.tcp_open(crate::socket::Family::V4).unwrap();
    let now = peer.now;
    peer.stack.set_ipv4_options(id, &OPTIONS, now).unwrap();
    let begun = peer.stack.connect(id, peer.remote, now);
    assert_eq!(begun, Err(crate::SocketError::InProgress));
    peer.flush();
    peer.expects(tcp().flags(SYN).mss(1460));
}

/// What is known of the path is how large packets may be.
#[test]
fn options_that_are_taken_back_leave_their_room_to_the_segments() {
    let mut peer = Peer::new();
    peer.handshake(syn());
    tells(&mut peer, &OPTIONS);
    tells(&mut peer, &[]);
    peer.writes(1460);
    let seq = peer.expects(tcp().data(1460)).seq;
    peer.icmp(IcmpMessage::PacketTooBig { mtu: 1000 }, seq);
    peer.expects(tcp().seq(seq).data(960));
    peer.expects(tcp().seq(seq + 960).data(500));
    peer.sends(tcp());
    for (options, room) in [(&OPTIONS[..], 952), (&[], 960)] {
        tells(&mut peer, options);
        peer.writes(room);
        peer.expects(tcp().data(room));
        peer.sends(tcp());
    }
}

/// RFC 4821 §7.7: the sizes that are tried first are those of packets.
#[test]
fn a_black_hole_is_left_by_packets_that_are_small_with_their_options() {
    let mut peer = Peer::new();
    peer.handshake(syn());
    tells(&mut peer, &[1; 40]);
    peer.writes(1420);
    let mut sizes = std::vec::Vec::new();
    for _ in 0..60 {
        sizes.extend(peer.takes().into_iter().map(|(_, len)| len));
        peer.waits(Duration::from_secs(1));
    }
    assert_eq!(sizes[0], 1420);
    assert!(sizes.contains(&(1200 - 40 - 40)), "{sizes:?}");
    assert!(sizes.contains(&(576 - 40 - 40)), "{sizes:?}");
}
