//! Options of the IP layer.

use crate::world::{SERVER, World};
use net_tokio::{Net, UdpSocket};
use std::io::ErrorKind;

#[tokio::test(start_paused = true)]
async fn the_device_sees_priority_and_mark_and_the_link_ttl_and_class() {
    let world = World::new();
    let socket = UdpSocket::new_v4_on(&world.client).expect("a socket");
    socket.set_priority(6).expect("in range");
    socket.set_mark(0xcafe).expect("alive");
    assert_eq!(socket.priority().expect("alive"), 6);
    assert_eq!(socket.mark().expect("alive"), 0xcafe);
    assert_eq!(socket.owner().expect("alive"), 0);
    socket.set_owner(1000).expect("alive");
    assert_eq!(socket.owner().expect("alive"), 1000);
    let error = socket.set_priority(16).expect_err("out of range");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    socket.send_to(b"x", SERVER).await.expect("a route");
    let tcp = world.socket();
    tcp.set_priority(2).expect("in range");
    tcp.set_ttl(9).expect("in range");
    tcp.set_tos_v4(0x28).expect("alive");
    let _streams = world.connect(tcp).await;
    let sent = world.tap.sent.lock().expect("no panic");
    assert_eq!((sent[0].0.priority, sent[0].0.mark), (6, 0xcafe));
    let (meta, syn) = &sent[1];
    assert_eq!((meta.priority, syn[1], syn[8]), (2, 0x28, 9));
}

#[tokio::test(start_paused = true)]
async fn hop_limits_are_for_ipv6_as_times_to_live_are_for_ipv4() {
    let net = Net::builder().build().expect("a stack");
    let (a, b) = (
        UdpSocket::bind_on(&net, "[::]:0").await.expect("a port"),
        UdpSocket::bind_on(&net, "[::]:0").await.expect("a port"),
    );
    a.set_ttl(5).expect("in range");
    a.set_hop_limit_v6(7).expect("in range");
    assert_eq!(a.hop_limit_v6().expect("alive"), 7);
    let port = b.local_addr().expect("bound").port();
    for (to, hops) in [("::1", 7), ("::ffff:127.0.0.1", 5)] {
        a.send_to(b"x", (to, port)).await.expect("sent");
        assert_eq!(b.recv_datagram().await.expect("data").ttl, hops);
    }
}
