//! Who may be connected to, and where a segment may come from and go to (RFC 9293 §3.9.1.1, §3.9.2.3).

use super::*;
use crate::SocketError;
use crate::iface::IpCidr;
use crate::route::Route;
use crate::socket::{Family, TcpOption};
use crate::stats::DropReason;

/// RFC 9293 MUST-46.
#[test]
fn nobody_connects_to_many() {
    for (family, group) in [
        (Family::V4, "224.0.0.1:80"),
        (Family::V4, "255.255.255.255:80"),
        (Family::V6, "[ff02::1]:80"),
    ] {
        let mut peer = Peer::new();
        let everywhere = match family {
            Family::V4 => "0.0.0.0",
            Family::V6 => "::",
        };
        let route = Route {
            prefix: IpCidr {
                address: everywhere.parse().unwrap(),
                prefix_len: 0,
            },
            via: None,
            iface: peer.iface,
            source: None,
            metric: 0,
        };
        peer.stack.add_route(route).unwrap();
        let id = peer.stack.tcp_open(family).unwrap();
        let outcome = peer.stack.connect(id, group.parse().unwrap(), peer.now);
        assert_eq!(outcome, Err(SocketError::NetworkUnreachable));
        peer.flush();
        peer.expects_nothing();
    }
}

/// RFC 9293 MUST-57: of any kind, although somebody listens.
#[test]
fn a_segment_for_many_is_dropped_in_silence() {
    for group in ["224.0.0.1:80", "255.255.255.255:80"] {
        let mut peer = Peer::new();
        peer.local = "0.0.0.0:80".parse().unwrap();
        peer.listen(5);
        peer.local = group.parse().unwrap();
        peer.sends(syn());
        peer.sends(tcp().seq(5).ack(9).data(10));
        peer.expects_nothing();
        assert_eq!(peer.drops(DropReason::NotForUs), 2);
    }
}

/// RFC 9293 MUST-63.
#[test]
fn a_syn_from_nobody_is_dropped_in_silence() {
    for nobody in [
        "0.0.0.0:4000",
        "127.0.0.1:4000",
        "224.0.0.1:4000",
        "255.255.255.255:4000",
    ] {
        let mut peer = Peer::new();
        peer.listen(5);
        peer.remote = nobody.parse().unwrap();
        peer.sends(syn());
        peer.expects_nothing();
        assert_eq!(peer.drops(DropReason::Martian), 1);
    }
}

/// RFC 9293 MUST-42.
#[test]
fn one_listens_on_the_port_of_a_connection_being_made() {
    let mut peer = Peer::new();
    let mut bound = || {
        let id = peer.stack.tcp_open(Family::V4).unwrap();
        let reuse = TcpOption::ReuseAddress(true);
        peer.stack.set_tcp_option(id, reuse, peer.now).unwrap();
        peer.stack.bind(id, peer.local).unwrap();
        id
    };
    let (connecting, listening) = (bound(), bound());
    let began = peer.stack.connect(connecting, peer.remote, peer.now);
    assert_eq!(began, Err(SocketError::InProgress));
    assert_eq!(peer.stack.listen(listening, 5), Ok(()));
}
