//! Loss recovery: RFC 5681 §3.2, RFC 6582, RFC 6675, RFC 6298.

use super::*;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;
use crate::{Config, SocketError};

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
}

/// Ten segments are in flight to a peer with or without SACK.
fn ten_in_flight(sack: bool) -> Peer {
    let syn = if sack { syn().sack_permitted() } else { syn() };
    let mut peer = Peer::established_with(syn, reno);
    peer.writes(14600);
    for index in 0..10 {
        peer.expects(tcp().seq(1 + 1460 * index).data(1460));
    }
    peer.expects_nothing();
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

#[test]
fn countless_duplicate_acks_overflow_nothing() {
    let mut peer = ten_in_flight(false);
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    socket.connection_mut().unwrap().dup_acks = u32::MAX - 1;
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    assert_eq!(peer.info().in_flight, 0);
}
