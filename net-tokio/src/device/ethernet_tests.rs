//! The devices of one program: switch, channel and tunnel, with stacks on them.

use super::*;
use crate::{Interface, Net, TcpListener, TcpStream, UdpSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use net_core::autoconf::AddressState;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn host(device: impl Device, address: &str) -> Net {
    Net::builder()
        .device("eth0", device)
        .address(address)
        .build()
        .expect("a stack")
}

/// Sends `len` bytes over a new connection and checks that they arrive.
async fn transfer(from: &Net, to: &Net, address: &str, len: usize) {
    let listener = TcpListener::bind_on(to, (address, 0))
        .await
        .expect("a port");
    let at = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect_on(from, at).await.expect("connected");
    let (mut server, _) = listener.accept().await.expect("accepted");
    let sent: Vec<u8> = (0..len).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        client.write_all(&copy).await.expect("sent");
        client.shutdown().await.expect("finished");
        client
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("received");
    assert!(got == sent);
    drop(writing.await.expect("sent"));
}

#[tokio::test(start_paused = true)]
async fn a_switch_joins_any_number_of_stacks() {
    let switch = Switch::new();
    let addresses: Vec<String> = (1..=5).map(|host| format!("10.7.0.{host}")).collect();
    let nets: Vec<Net> = addresses
        .iter()
        .map(|address| host(switch.port(), &format!("{address}/24")))
        .collect();
    for (to, address) in nets.iter().zip(&addresses) {
        for from in nets.iter().filter(|from| !from.is_same(to)) {
            transfer(from, to, address, 10_000).await;
        }
    }
    let counters = switch.counters();
    assert_eq!((counters.queue_full, counters.malformed), (0, 0));
    assert!(counters.forwarded > 10 * counters.flooded, "{counters:?}");
    assert!(nets.iter().all(|net| net.neighbors().len() == 4));
}

#[tokio::test(start_paused = true)]
async fn a_switch_learns_stations_and_forgets_those_that_leave() {
    let switch = Switch::new();
    let (one, two, three) = (switch.port(), switch.port(), switch.port());
    let (one, two) = (host(one, "10.7.0.1/24"), host(two, "10.7.0.2/24"));
    let third = host(three, "10.7.0.3/24");
    transfer(&one, &two, "10.7.0.2", 1000).await;
    // The third has heard the question alone.
    assert_eq!(third.stats().rx_packets, 1);
    drop(third);
    let socket = UdpSocket::bind_on(&one, "10.7.0.1:0")
        .await
        .expect("a port");
    two.shutdown().await;
    let flooded = switch.counters().flooded;
    socket.send_to(b"x", "10.7.0.2:9").await.expect("sent");
    tokio::task::yield_now().await;
    assert_eq!(switch.counters().flooded, flooded + 1);
}

#[tokio::test(start_paused = true)]
async fn super_segments_cross_a_switch_whole() {
    let switch = Switch::new();
    let (one, two) = (
        host(switch.port(), "10.7.0.1/24"),
        host(switch.port(), "10.7.0.2/24"),
    );
    transfer(&one, &two, "10.7.0.2", 4 << 20).await;
    let packets = two.stats().rx_packets;
    assert!(packets < 1000, "{packets} packets for 4 MiB");
}

#[tokio::test(start_paused = true)]
async fn a_silent_neighbour_is_host_unreachable_after_three_questions() {
    let switch = Switch::new();
    let net = host(switch.port(), "10.7.0.1/24");
    let began = tokio::time::Instant::now();
    let error = TcpStream::connect_on(&net, "10.7.0.9:80")
        .await
        .expect_err("nobody is there");
    assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_stacks_talk_through_channels_that_the_program_joins() {
    let (left, mut from_left) = channel(1500);
    let (right, mut from_right) = channel(1500);
    let one = host(left, "10.7.0.1/24");
    let two = host(right, "10.7.0.2/24");
    let pump = tokio::spawn(async move {
        loop {
            tokio::select! {
                packet = from_left.next() => match packet {
                    Some(packet) => from_right.send(packet).await.expect("it is there"),
                    None => return,
                },
                packet = from_right.next() => match packet {
                    Some(packet) => from_left.send(packet).await.expect("it is there"),
                    None => return,
                },
            }
        }
    });
    transfer(&one, &two, "10.7.0.2", 1 << 20).await;
    one.shutdown().await;
    timeout(Duration::from_secs(1), pump)
        .await
        .expect("the stream ends")
        .expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_channel_of_frames_begins_with_a_question() {
    let mac = "02:00:00:00:00:07".parse().expect("an address");
    let (device, mut frames) = ethernet_channel(1500, mac);
    let net = host(device, "10.7.0.2/24");
    let socket = UdpSocket::bind_on(&net, "10.7.0.2:9")
        .await
        .expect("a port");
    socket.send_to(b"x", "10.7.0.1:7").await.expect("sent");
    let frame = frames.next().await.expect("a frame");
    assert_eq!(frame[..6], [0xff; 6]);
    assert_eq!(
        (&frame[6..12], &frame[12..14]),
        (&mac.octets()[..], &[8, 6][..])
    );
    assert_eq!(frame.len(), 14 + 28);
}

#[tokio::test(start_paused = true)]
async fn a_channel_whose_other_end_is_gone_is_the_end_of_the_stack() {
    let (device, packets) = channel(1500);
    let net = host(device, "10.7.0.2/24");
    let socket = UdpSocket::bind_on(&net, "10.7.0.2:9")
        .await
        .expect("a port");
    drop(packets);
    let mut buffer = [0; 1];
    let received = timeout(Duration::from_secs(1), socket.recv(&mut buffer)).await;
    received
        .expect("it does not hang")
        .expect_err("the device failed");
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_makes_its_senders_wait() {
    let (device, mut packets) = channel(1500);
    let mut filled = 0_u32;
    while timeout(
        Duration::from_millis(1),
        packets.feed(Bytes::from_static(b"?")),
    )
    .await
    .is_ok()
    {
        filled += 1;
    }
    assert_eq!(filled, 1024);
    let net = host(device, "10.7.0.2/24");
    packets
        .send(Bytes::from_static(b"!"))
        .await
        .expect("room again");
    drop(net);
}

#[tokio::test]
async fn two_stacks_talk_through_a_tunnel_over_the_hosts_udp() {
    let one = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let two = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    one.connect(two.local_addr().expect("bound"))
        .await
        .expect("connected");
    two.connect(one.local_addr().expect("bound"))
        .await
        .expect("connected");
    let one = host(UdpTunnel::new(one, 1400), "10.7.0.1/24");
    let two = host(UdpTunnel::new(two, 1400), "10.7.0.2/24");
    transfer(&one, &two, "10.7.0.2", 100_000).await;
}

#[tokio::test]
async fn a_batch_for_a_tunnel_is_one_system_call() {
    let local = "127.0.0.1:0";
    let one = tokio::net::UdpSocket::bind(local).await.expect("a port");
    let two = tokio::net::UdpSocket::bind(local).await.expect("a port");
    let peer = two.local_addr().expect("bound");
    one.connect(peer).await.expect("connected");
    let mut tunnel = UdpTunnel::new(one, 1400);
    let stats = tunnel.stats();
    let mut batch = TxBatch::default();
    for number in 0..40 {
        batch.slot().body.push(Bytes::from(vec![number; 20]));
    }
    // One that no datagram holds costs its own packet, and none of the others.
    batch.slot().body.push(Bytes::from(vec![0; 70_000]));
    batch.slot().body.push(Bytes::from(vec![40; 20]));
    let sent = std::future::poll_fn(|cx| tunnel.poll_send(cx, &mut batch, Instant::ZERO));
    sent.await.expect("sent");
    assert!(batch.is_empty());
    let calls = if cfg!(target_os = "linux") { 2 } else { 41 };
    assert_eq!((stats.calls(), stats.refused()), (calls, 1));
    let mut buf = [0; 64];
    for number in 0..41 {
        assert_eq!(two.recv(&mut buf).await.expect("received"), 20);
        assert_eq!(buf[..20], [number; 20]);
    }
}

#[tokio::test]
async fn a_tunnel_receives_what_its_peer_sends_in_order() {
    let local = "127.0.0.1:0";
    let one = tokio::net::UdpSocket::bind(local).await.expect("a port");
    let two = tokio::net::UdpSocket::bind(local).await.expect("a port");
    let peer = one.local_addr().expect("bound");
    one.connect(two.local_addr().expect("bound"))
        .await
        .expect("connected");
    let mut tunnel = UdpTunnel::new(one, 1400);
    let stats = tunnel.stats();
    // Longer than the MTU is no reason to lose one.
    let lens = (0..40_u8)
        .map(|number| 20 + usize::from(number))
        .chain([9000]);
    for (number, len) in (0_u8..).zip(lens.clone()) {
        let packet = vec![number; len];
        assert_eq!(two.send_to(&packet, peer).await.expect("sent"), len);
    }
    let mut batch = RxBatch::default();
    while batch.len() < 41 {
        let before = batch.len();
        let received = std::future::poll_fn(|cx| tunnel.poll_recv(cx, &mut batch, 3)).await;
        let received = received.expect("there");
        assert!((1..=3).contains(&received), "{received}");
        assert_eq!(batch.len(), before + received);
    }
    assert!((1..=41).contains(&stats.recv_calls()));
    for (number, (packet, len)) in (0_u8..).zip(batch.packets().iter().zip(lens)) {
        assert!(packet.frame[..] == vec![number; len]);
    }
    let mut cx = Context::from_waker(Waker::noop());
    assert!(tunnel.poll_recv(&mut cx, &mut batch, 3).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_device_comes_and_goes_while_the_stack_runs() {
    let switch = Switch::new();
    let net = Net::builder().build().expect("a stack");
    let other = host(switch.port(), "10.7.0.2/24");
    let interface = || Interface::new("eth0", switch.port()).address("10.7.0.1/24");
    net.attach(interface()).expect("attached");
    transfer(&net, &other, "10.7.0.2", 10_000).await;
    transfer(&other, &net, "10.7.0.1", 10_000).await;
    let taken = net.attach(interface()).expect_err("the name is taken");
    assert_eq!(taken.kind(), io::ErrorKind::InvalidInput);
    let malformed = Interface::new("eth1", switch.port()).address("10.7.0.1/33");
    assert!(net.attach(malformed).is_err());
    assert_eq!(net.interfaces().len(), 2, "lo and eth0");
    let status = net.interfaces().pop().expect("eth0");
    assert_eq!((status.name.as_str(), status.failure), ("eth0", None));
    let device = net.detach("eth0").expect("it is there");
    let nothing = net.detach("eth0").map(drop).expect_err("it is gone");
    assert_eq!(nothing.kind(), io::ErrorKind::NotFound);
    let error = TcpStream::connect_on(&net, "10.7.0.2:80")
        .await
        .expect_err("no way");
    assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
    // The same device in another stack.
    let third = host(device, "10.7.0.3/24");
    transfer(&third, &other, "10.7.0.2", 10_000).await;
}

/// RFC 4862 §5.4.
#[tokio::test(start_paused = true)]
async fn of_the_addresses_that_are_checked_the_one_that_another_station_has_is_not_used() {
    let switch = Switch::new();
    let other = host(switch.port(), "fd07::2/64");
    other.wait_for_addresses().await;
    let net = Net::builder()
        .device("eth0", switch.port())
        .address("fd07::1/64")
        .address("fd07::2/64")
        .build()
        .expect("a stack");
    let states = || ["fd07::1", "fd07::2"].map(|address| state(&net, address));
    assert_eq!(states(), [AddressState::Tentative; 2]);
    let early = UdpSocket::bind_on(&net, "[fd07::1]:0").await;
    let early = early.expect_err("it is being checked");
    assert_eq!(early.kind(), io::ErrorKind::AddrNotAvailable);
    let early = TcpStream::connect_on(&net, "[fd07::2]:9").await;
    let early = early.expect_err("there is no address to begin from");
    assert_eq!(early.kind(), io::ErrorKind::NetworkUnreachable);
    let began = tokio::time::Instant::now();
    net.wait_for_addresses().await;
    let took = began.elapsed();
    assert!((1..3).contains(&took.as_secs()), "{took:?}");
    let checked = [AddressState::Preferred, AddressState::Duplicate];
    assert_eq!(states(), checked);
    transfer(&other, &net, "fd07::1", 10_000).await;
    transfer(&net, &other, "fd07::2", 10_000).await;
    let refused = UdpSocket::bind_on(&net, "[fd07::2]:0").await;
    let refused = refused.expect_err("another station has it");
    assert_eq!(refused.kind(), io::ErrorKind::AddrNotAvailable);
    assert_eq!(net.stats().address_conflicts, 1);
}

/// A DupAddrDetectTransmits of 0 (RFC 4862 §5.1), and a link where there is nobody to ask.
#[tokio::test(start_paused = true)]
async fn addresses_that_are_not_checked_are_used_at_once() {
    let switch = Switch::new();
    let unchecked = |address: &str| {
        let builder = Net::builder().device("eth0", switch.port());
        let builder = builder.address(address).check_addresses(false);
        builder.build().expect("a stack")
    };
    let (one, two) = (unchecked("fd07::1/64"), unchecked("fd07::2/64"));
    assert_eq!(state(&one, "fd07::1"), AddressState::Preferred);
    let began = tokio::time::Instant::now();
    transfer(&one, &two, "fd07::2", 10_000).await;
    let (near, far) = channel(1500);
    let point_to_point = host(near, "fd07::1/64");
    assert_eq!(state(&point_to_point, "fd07::1"), AddressState::Preferred);
    one.wait_for_addresses().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(far);
}

/// How far an address is.
fn state(net: &Net, address: &str) -> AddressState {
    let address: IpAddr = address.parse().expect("an address");
    let last = net.interfaces().pop().expect("an interface");
    let mut all = last.states.iter();
    let status = all.find(|status| status.cidr.address == address);
    status.expect("it is listed").state
}

#[tokio::test(start_paused = true)]
async fn the_interface_of_a_failed_device_is_removed_and_says_why() {
    let switch = Switch::new();
    let (device, packets) = channel(1500);
    let net = Net::builder()
        .device("vpn0", device)
        .address("10.8.0.1/24")
        .device("eth0", switch.port())
        .address("10.7.0.1/24")
        .build()
        .expect("a stack");
    let other = host(switch.port(), "10.7.0.2/24");
    drop(packets);
    transfer(&net, &other, "10.7.0.2", 10_000).await;
    let failed = net
        .interfaces()
        .into_iter()
        .find(|each| each.name == "vpn0");
    let failed = failed.expect("it is listed");
    assert!(failed.addresses.is_empty());
    assert!(failed.failure.expect("a reason").contains("channel"));
    let error = TcpStream::connect_on(&net, "10.8.0.2:80")
        .await
        .expect_err("no way");
    assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
    net.detach("vpn0").expect("it may be taken out");
}
