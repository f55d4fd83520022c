//! What interfaces do below IP, changed while a stack runs.

use net_core::Seed;
use net_core::iface::ReversePath;
use net_core::neighbor::NeighborState;
use net_core::qdisc::{Rate, Tbf, TbfConfig};
use net_core::stats::DropReason;
use net_core::wire::MacAddr;
use net_tokio::device::{LinkConfig, Switch, pair};
use net_tokio::{Net, UdpSocket};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Two stacks on the ends of a link without delay; the second has 192.0.2.1 as well.
fn hosts() -> (Net, Net) {
    let link = LinkConfig::default;
    let (left, right) = pair(link(), link(), Seed::from_u64(3));
    let one = Net::builder().device("link0", left).address("10.0.0.1/24");
    let two = Net::builder().device("link0", right).address("10.0.0.2/24");
    let two = two.address("192.0.2.1");
    (one.build().expect("a stack"), two.build().expect("a stack"))
}

/// Two stations of one Ethernet.
fn stations() -> (Net, Net) {
    let switch = Switch::new();
    let station = |number: u8| {
        let builder = Net::builder()
            .device("eth0", switch.port())
            .address(format!("10.7.0.{number}/24"))
            .address(format!("fd07::{number}/64"));
        builder.build().expect("a stack")
    };
    (station(1), station(2))
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_replaced_and_says_what_it_did() {
    const COUNT: u64 = 50;
    let (one, two) = hosts();
    let config = TbfConfig {
        limit: 1 << 20,
        ..TbfConfig::new(Rate::from_bits(1_000_000), 1500)
    };
    one.set_qdisc("link0", |now| Tbf::new(config, now))
        .expect("it is there");
    let socket = UdpSocket::bind_on(&one, "10.0.0.1:0").await.expect("bind");
    let peer = UdpSocket::bind_on(&two, "10.0.0.2:7").await.expect("bind");
    let began = Instant::now();
    for _ in 0..COUNT {
        // With its headers a thousand bytes.
        socket.send_to(&[7; 972], "10.0.0.2:7").await.expect("room");
    }
    for _ in 0..COUNT {
        let mut buf = [0; 1000];
        assert_eq!(peer.recv(&mut buf).await.expect("alive"), 972);
    }
    // 50,000 bytes, of which 1,500 leave at once, at 125,000 a second.
    let took = began.elapsed().as_millis();
    assert!((380..=400).contains(&took), "{took} ms");
    let stats = one.qdisc_stats("link0").expect("it is there");
    assert_eq!(
        (stats.sent_packets, stats.sent_bytes),
        (COUNT, 1000 * COUNT)
    );
    assert!(stats.overlimits > 0 && stats.dropped == 0);
    let report = one.qdisc_report("link0").expect("it is there");
    assert!(
        report.starts_with("qdisc tbf 0: dev link0 root"),
        "{report}"
    );
    assert!(report.contains("Sent 50000 bytes 50 pkt"), "{report}");
    let error = one.qdisc_stats("link9").expect_err("there is none");
    assert_eq!(error.raw_os_error(), Some(19), "ENODEV");
}

#[tokio::test(start_paused = true)]
async fn neighbours_are_set_forgotten_and_answered_for() {
    let (one, two) = stations();
    for host in [&one, &two] {
        host.wait_for_addresses().await;
    }
    let neighbor = |address: &str| {
        let address: IpAddr = address.parse().expect("an address");
        let mut all = one.neighbors().into_iter();
        all.find(|neighbor| neighbor.address == address)
    };
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let mac = MacAddr::new([2, 0, 0, 0, 0, 9]);
    for (own, fixed, proxied) in [
        ("10.7.0.1", "10.7.0.50", "10.7.0.9"),
        ("fd07::1", "fd07::50", "fd07::9"),
    ] {
        one.set_neighbor("eth0", address(fixed), mac)
            .expect("an Ethernet");
        let set = neighbor(fixed).expect("it is known");
        assert_eq!((set.mac, set.state), (Some(mac), NeighborState::Permanent));
        one.remove_neighbor("eth0", address(fixed))
            .expect("it is there");
        assert_eq!(neighbor(fixed), None);
        let group = MacAddr::new([1, 0, 0, 0, 0, 9]);
        let error = one.set_neighbor("eth0", address(fixed), group);
        let error = error.expect_err("a group");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);

        let socket = UdpSocket::bind_on(&one, (address(own), 0))
            .await
            .expect("bind");
        two.set_neighbor_proxy("eth0", address(proxied), true)
            .expect("an Ethernet");
        socket
            .send_to(b"x", (address(proxied), 7))
            .await
            .expect("room");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let station = two.interfaces().pop().expect("eth0").mac;
        assert_eq!(neighbor(proxied).expect("asked for").mac, station);
    }

    let sent = two.stats().tx_packets;
    two.announce("eth0").expect("it is there");
    tokio::time::sleep(Duration::from_millis(1)).await;
    // One of each family.
    assert_eq!(two.stats().tx_packets, sent + 2);
}

#[tokio::test(start_paused = true)]
async fn sources_that_no_route_leads_back_to_are_believed_or_not() {
    let (one, two) = hosts();
    let socket = UdpSocket::bind_on(&one, "10.0.0.1:7").await.expect("bind");
    let peer = UdpSocket::bind_on(&two, "192.0.2.1:0").await.expect("bind");
    let mut buf = [0; 10];
    peer.send_to(b"one", "10.0.0.1:7").await.expect("room");
    assert_eq!(socket.recv(&mut buf).await.expect("alive"), 3);
    one.set_reverse_path("link0", ReversePath::Strict)
        .expect("it is there");
    peer.send_to(b"two", "10.0.0.1:7").await.expect("room");
    let nothing = timeout(Duration::from_secs(1), socket.recv(&mut buf)).await;
    assert!(nothing.is_err());
    assert_eq!(one.stats().drops(DropReason::ReversePath), 1);
}
