//! Multicast with the kernel over a TAP: groups joined there and here, both ways, in both families.
#![cfg(target_os = "linux")]

use net_tokio::device::Tap;
use net_tokio::{Net, UdpSocket};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x123);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
/// Our loopback is the first interface.
const OUR_LINK: u32 = 2;

#[test]
fn groups_are_heard_by_the_kernel_and_from_it() {
    tests::netns::run("groups_are_heard_by_the_kernel_and_from_it", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(exchange());
    });
}

async fn exchange() {
    let tap = Tap::builder("tap0")
        .host_address(THEIRS.into(), 24)
        .host_address("fd07::1".parse().expect("an address"), 64)
        .build()
        .expect("a TAP");
    let net = Net::builder()
        .device("eth0", tap)
        .address("10.7.0.2/24")
        .address("fd07::2/64")
        .address("fe80::2/64")
        .build()
        .expect("a stack");
    net.wait_for_addresses().await;
    wait_for_link_local().await;
    let their_link = tests::netns::index_of("tap0").expect("a TAP");
    ipv4(&net).await;
    ipv6(&net, their_link).await;
    assert!(net.stats().membership_reports > 0);
    net.shutdown().await;
}

async fn ipv4(net: &Net) {
    let ours = UdpSocket::bind_on(net, "0.0.0.0:0").await.expect("a port");
    ours.join_multicast_v4(GROUP, OURS).expect("joined");
    ours.set_multicast_if_v4(&OURS).expect("an interface");
    ours.set_multicast_loop_v4(false).expect("an option");
    let theirs = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    theirs.join_multicast_v4(&GROUP, &THEIRS).expect("joined");
    socket2::SockRef::from(&theirs)
        .set_multicast_if_v4(&THEIRS)
        .expect("an interface");
    theirs.set_multicast_loop_v4(false).expect("an option");
    both_ways(&ours, theirs, GROUP.into()).await;
}

async fn ipv6(net: &Net, their_link: u32) {
    let ours = UdpSocket::bind_on(net, "[::]:0").await.expect("a port");
    ours.join_multicast_v6(&GROUP_V6, OUR_LINK).expect("joined");
    ours.set_multicast_if_v6(OUR_LINK).expect("an interface");
    ours.set_multicast_loop_v6(false).expect("an option");
    let theirs = std::net::UdpSocket::bind("[::]:0").expect("a port");
    theirs
        .join_multicast_v6(&GROUP_V6, their_link)
        .expect("joined");
    socket2::SockRef::from(&theirs)
        .set_multicast_if_v6(their_link)
        .expect("an interface");
    theirs.set_multicast_loop_v6(false).expect("an option");
    both_ways(&ours, theirs, GROUP_V6.into()).await;
}

/// A question to the group, and an answer to who asked; then the other way round.
async fn both_ways(ours: &UdpSocket, theirs: std::net::UdpSocket, group: std::net::IpAddr) {
    theirs.set_nonblocking(true).expect("an option");
    let theirs = tokio::net::UdpSocket::from_std(theirs).expect("a socket");
    let their_port = theirs.local_addr().expect("bound").port();
    let our_port = ours.local_addr().expect("bound").port();
    let mut buf = [0; 32];
    let to = SocketAddr::new(group, their_port);
    ours.send_to(b"from us", to).await.expect("sent");
    let received = timeout(LIMIT, theirs.recv_from(&mut buf)).await;
    let (len, from) = received.expect("in time").expect("received");
    assert_eq!((&buf[..len], from.port()), (&b"from us"[..], our_port));
    theirs.send_to(b"back", from).await.expect("sent");
    let received = timeout(LIMIT, ours.recv_from(&mut buf)).await;
    let (len, from) = received.expect("in time").expect("received");
    assert_eq!((&buf[..len], from.port()), (&b"back"[..], their_port));
    let to = SocketAddr::new(group, our_port);
    theirs.send_to(b"from the kernel", to).await.expect("sent");
    let received = timeout(LIMIT, ours.recv_from(&mut buf)).await;
    let (len, _) = received.expect("in time").expect("received");
    assert_eq!(&buf[..len], b"from the kernel");
}

/// The kernel sends to groups of IPv6 once it is sure of its own link-local address.
async fn wait_for_link_local() {
    let end = Instant::now() + LIMIT;
    loop {
        let addresses = fs::read_to_string("/proc/net/if_inet6").expect("the kernel has IPv6");
        let mut lines = addresses.lines().filter(|line| line.ends_with("tap0"));
        // The flags are in the fifth column; 40 is "tentative".
        let ready = |line: &str| {
            let flags = line.split_whitespace().nth(4);
            line.starts_with("fe80") && flags.is_some_and(|flags| flags != "40")
        };
        if lines.any(ready) {
            return;
        }
        assert!(Instant::now() < end, "no link-local address: {addresses}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const LIMIT: Duration = Duration::from_secs(20);
