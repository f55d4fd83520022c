//! Data in both directions (RFC 9293 §3.7, §3.10.7.4 seventh check; RFC 5681 §4.2; RFC 2018).

use super::*;
use crate::tcp::{SeqNum, connection::Connection};

/// Sets SND.UNA of a connection whose queue is empty.
fn move_una(peer: &mut Peer, una: SeqNum) {
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    let connection: &mut Connection = socket.connection_mut().unwrap();
    (connection.una, connection.nxt, connection.small_end) = (una, una, una);
}

/// SND.UNA is ISS again after 4 GiB; then it does not stand on a SYN.
#[test]
fn the_circle_closes_and_no_byte_is_skipped() {
    let mut peer = Peer::established();
    let iss = peer.iss.unwrap();
    move_una(&mut peer, iss);
    // As if 2^32 - 1 bytes had gone before: the byte at sequence number ISS comes next.
    peer.written = u32::MAX;
    peer.rcv = 0;
    peer.writes(3000);
    peer.expects(tcp().seq(0).data(1460));
    peer.expects(tcp().seq(1460).data(1460));
    peer.sends(tcp().ack(2920));
    peer.expects(tcp().seq(2920).data(80));
    peer.sends(tcp().ack(3000));
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(3000));
}

#[test]
fn each_received_segment_counts_once() {
    let mut peer = Peer::established();
    let before = peer.stack.stats().tcp_in_segments;
    peer.sends(tcp().data(10));
    assert_eq!(peer.stack.stats().tcp_in_segments, before + 1);
    peer.sends(tcp().data(2921).gso(1460));
    assert_eq!(peer.stack.stats().tcp_in_segments, before + 4);
}
