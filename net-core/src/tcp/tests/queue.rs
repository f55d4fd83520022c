//! A socket's share of the queue in front of its device.

use super::*;
use crate::Seed;
use crate::qdisc::{Netem, NetemConfig};

/// Ten segments may be in flight over a path with this round trip, and what is sent stays in the
/// queue for 1 ms; the bytes that wait there.
fn bulk_sender(rtt: Duration) -> Peer {
    let mut peer = Peer::new();
    peer.handshake_in(rtt, syn());
    let config = NetemConfig {
        delay: ms(1),
        ..NetemConfig::default()
    };
    let slow = Netem::new(config, Seed::from_u64(1));
    peer.stack.set_qdisc(peer.iface, slow, peer.now).unwrap();
    peer.writes(100 * 1460);
    peer.expects_nothing();
    peer
}

fn waiting(peer: &Peer) -> u64 {
    let stats = peer.stack.qdisc_stats(peer.iface).unwrap();
    stats.backlog_packets
}

/// What the path carries in 2 ms at two windows a round trip, no less than two segments; the rest
/// stays in the socket, whatever the congestion window is.
#[test]
fn a_bulk_sender_has_two_milliseconds_of_its_path_in_the_queue() {
    for (rtt, segments) in [(50, 2), (20, 2), (10, 4), (5, 8), (1, 10)] {
        let peer = bulk_sender(ms(rtt));
        assert_eq!(waiting(&peer), segments, "{rtt} ms");
    }
}

/// What has left makes room for as much again, until the window is used.
#[test]
fn the_share_is_kept_while_the_queue_drains() {
    let mut peer = bulk_sender(ms(10));
    let mut left = std::vec::Vec::new();
    for _ in 0..5 {
        assert!(waiting(&peer) <= 4);
        peer.waits(ms(1));
        left.push(peer.skips());
    }
    assert_eq!(left, [4, 4, 2, 0, 0]);
}
