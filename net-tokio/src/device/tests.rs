//! Loopback and the in-memory link as a driver sees them.

use super::*;
use crate::{Net, PacketSocket};
use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use net_core::Seed;
use net_core::buf::{Checksum, Gso, GsoKind, RxPacket, TxPacket};
use net_core::packet::{FrameClass, PacketKind};
use net_core::time::Duration;
use net_core::wire::{
    EtherType, IcmpMessage, IpHeader, checksum, icmpv4, ip, ipv4, transport, udp,
};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

pub(super) fn datagram(payload: &[u8], offload: bool) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.body.push(Bytes::copy_from_slice(payload));
    let header = udp::UdpHeader {
        source_port: 1,
        dest_port: 2,
        length: u16::try_from(8 + payload.len()).unwrap(),
        checksum: 0,
    };
    header.emit(&mut packet.head);
    transport::fill_checksum(&mut packet, HERE, THERE, ip::UDP, offload);
    let total = u16::try_from(ipv4::MIN_HEADER_LEN + packet.len()).unwrap();
    let header = packet.head.prepend(ipv4::MIN_HEADER_LEN);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[8..10].copy_from_slice(&[64, ip::UDP]);
    header[12..16].copy_from_slice(&[10, 0, 0, 1]);
    header[16..20].copy_from_slice(&[10, 0, 0, 2]);
    let sum = checksum::checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

pub(super) fn batch(packets: impl IntoIterator<Item = TxPacket>) -> TxBatch {
    let mut batch = TxBatch::default();
    packets.into_iter().for_each(|packet| batch.push(packet));
    batch
}

pub(super) async fn send(device: &mut impl Device, clock: Clock, mut packets: TxBatch) {
    poll_fn(|cx| device.poll_send(cx, &mut packets, clock.now()))
        .await
        .unwrap();
}

/// Receives as a driver does: on a wake, or when the device's own time has come.
pub(super) async fn receive(device: &mut impl Device, clock: Clock) -> Vec<RxPacket> {
    let mut batch = RxBatch::default();
    let mut sleep = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
    poll_fn(|cx| {
        while device.poll_recv(cx, &mut batch, 64).is_pending() {
            let Some(at) = device.poll_timeout() else {
                return Poll::Pending;
            };
            sleep.as_mut().reset(clock.deadline(at));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    })
    .await;
    batch.drain().collect()
}

fn bytes_of(packet: &RxPacket) -> Vec<u8> {
    let mut bytes = packet.frame.to_vec();
    for chunk in &packet.frags {
        bytes.extend_from_slice(&chunk.bytes);
    }
    bytes
}

#[tokio::test]
async fn loopback_returns_large_payload_without_copying_it() {
    let mut device = Loopback::new();
    let payload = Bytes::from(vec![7; 40_000]);
    let mut packet = datagram(&[], true);
    packet.body.clear();
    packet.body.push(payload.clone());
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 1000,
        ecn: false,
    });
    let clock = Clock::new();
    send(
        &mut device,
        clock,
        batch([packet, datagram(b"small", true)]),
    )
    .await;
    let packets = receive(&mut device, clock).await;
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[0].frags[0].bytes.as_ptr(), payload.as_ptr());
    assert_eq!(packets[0].meta.gso.unwrap().size, 1000);
    assert_eq!(packets[0].meta.checksum, Checksum::Verified);
    assert!(packets[1].frags.is_empty() && packets[1].frame.ends_with(b"small"));
}

#[tokio::test]
async fn a_full_loopback_makes_its_sender_wait() {
    let mut device = Loopback::new();
    let clock = Clock::new();
    let mut packets = batch((0..2000).map(|_| datagram(b"x", true)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        device
            .poll_send(&mut cx, &mut packets, clock.now())
            .is_pending()
    );
    assert_eq!(packets.len(), 2000 - 1024);
    assert_eq!(receive(&mut device, clock).await.len(), 64);
    assert!(
        device
            .poll_send(&mut cx, &mut packets, clock.now())
            .is_pending()
    );
    assert_eq!(packets.len(), 2000 - 1024 - 64);
}

#[tokio::test]
async fn a_wire_completes_the_checksum_and_leaves_it_unknown() {
    let (mut near, mut far) = pair(
        LinkConfig::default(),
        LinkConfig::default(),
        Seed::from_u64(1),
    );
    let clock = Clock::new();
    send(&mut near, clock, batch([datagram(b"hello there", true)])).await;
    let packet = receive(&mut far, clock).await.pop().unwrap();
    assert_eq!(packet.meta.checksum, Checksum::Unknown);
    let complete = datagram(b"hello there", false);
    assert_eq!(bytes_of(&packet)[..28], complete.head[..]);
}

#[tokio::test]
async fn a_perfect_link_with_offload_hands_super_segments_over() {
    let config = LinkConfig {
        offload: true,
        ..LinkConfig::default()
    };
    let (mut near, mut far) = pair(config.clone(), config, Seed::from_u64(1));
    let clock = Clock::new();
    let mut packet = datagram(&[3; 30_000], true);
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 1400,
        ecn: false,
    });
    send(
        &mut near,
        clock,
        batch([packet, datagram(&[3; 2000], true)]),
    )
    .await;
    let packets = receive(&mut far, clock).await;
    assert_eq!(packets.len(), 1);
    assert!(matches!(
        packets[0].meta.checksum,
        Checksum::Partial { start: 20, .. }
    ));
    assert_eq!(near.stats().counters().too_big, 1);
}

#[tokio::test(start_paused = true)]
async fn packets_arrive_after_transmission_and_delay() {
    let config = LinkConfig {
        rate_bps: Some(1_000_000),
        delay: Duration::from_millis(50),
        ..LinkConfig::default()
    };
    let (mut near, mut far) = pair(config, LinkConfig::default(), Seed::from_u64(1));
    let clock = Clock::new();
    near.attach(clock);
    far.attach(clock);
    // 1250 bytes at 1 Mbit/s: 10 ms each.
    let packets = (0..5).map(|_| datagram(&[0; 1250 - 28], false));
    send(&mut near, clock, batch(packets)).await;
    for number in 1..=5u64 {
        assert_eq!(
            far.poll_timeout(),
            Some(Instant::from_millis(50 + 10 * number))
        );
        assert_eq!(receive(&mut far, clock).await.len(), 1);
        // tokio's timer ticks in milliseconds and rounds up.
        let late = clock.now() - Duration::from_millis(50 + 10 * number);
        assert!(late <= Instant::from_millis(1), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_receiver_is_woken_for_an_earlier_arrival() {
    let config = LinkConfig {
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    let (mut near, mut far) = pair(config, LinkConfig::default(), Seed::from_u64(1));
    let clock = Clock::new();
    let receiver = tokio::spawn(async move { receive(&mut far, clock).await.len() });
    tokio::task::yield_now().await;
    send(&mut near, clock, batch([datagram(b"x", false)])).await;
    assert_eq!(receiver.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_losses() {
    let run = |seed| async move {
        let config = LinkConfig {
            loss_ppm: 300_000,
            corrupt_ppm: 100_000,
            ..LinkConfig::default()
        };
        let (mut near, mut far) = pair(config, LinkConfig::default(), Seed::from_u64(seed));
        let clock = Clock::new();
        let packets = (0..60u8).map(|number| datagram(&[number], false));
        send(&mut near, clock, batch(packets)).await;
        let received = receive(&mut far, clock).await;
        received.iter().map(bytes_of).collect::<Vec<_>>()
    };
    let first = run(5).await;
    assert!(first.len() < 60);
    assert_eq!(first, run(5).await);
    assert_ne!(first, run(6).await);
}

#[tokio::test]
async fn what_is_sent_to_a_closed_end_is_counted() {
    let (mut near, far) = pair(
        LinkConfig::default(),
        LinkConfig::default(),
        Seed::from_u64(1),
    );
    let stats = near.stats();
    drop(far);
    send(&mut near, Clock::new(), batch([datagram(b"x", false)])).await;
    assert_eq!((stats.counters().sent, stats.counters().closed), (1, 1));
}

#[tokio::test]
async fn a_full_perfect_link_waits_and_drops_nothing() {
    let (mut near, mut far) = pair(
        LinkConfig::default(),
        LinkConfig::default(),
        Seed::from_u64(1),
    );
    let clock = Clock::new();
    let sender = tokio::spawn(async move {
        let packets = (0..10_000).map(|_| datagram(&[0; 1000], false));
        send(&mut near, clock, batch(packets)).await;
        near.stats().counters()
    });
    let mut received = 0;
    while received < 10_000 {
        received += receive(&mut far, clock).await.len();
    }
    assert_eq!(sender.await.unwrap().sent, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_link_with_a_rate_cuts_super_segments_first() {
    let config = LinkConfig {
        rate_bps: Some(8_000_000),
        offload: true,
        ..LinkConfig::default()
    };
    let (mut near, mut far) = pair(config, LinkConfig::default(), Seed::from_u64(1));
    let clock = Clock::new();
    far.attach(clock);
    near.attach(clock);
    let mut packet = datagram(&[3; 5000], true);
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 972,
        ecn: false,
    });
    send(&mut near, clock, batch([packet])).await;
    // Five of 1000 bytes, one millisecond each, and the rest.
    assert_eq!(far.poll_timeout(), Some(Instant::from_millis(1)));
    let mut lengths = Vec::new();
    while lengths.len() < 6 {
        lengths.extend(receive(&mut far, clock).await.iter().map(RxPacket::len));
    }
    assert_eq!(lengths, [1000, 1000, 1000, 1000, 1000, 28 + 140]);
    assert_eq!(near.stats().counters().delivered, 6);
}

/// SPEC 94: a flood on one device leaves the others their turns.
#[tokio::test(start_paused = true)]
async fn a_flood_on_one_device_holds_no_other_up() {
    let (flooded, mut flood) = channel(1500);
    let (quiet, mut wire) = channel(1500);
    let net = Net::builder()
        .device("tun0", flooded)
        .address("10.7.0.1/24")
        .device("tun1", quiet)
        .address("10.8.0.1/24")
        .build()
        .expect("a stack");
    let tap = PacketSocket::new_on(&net, PacketKind::Cooked, EtherType::ALL).expect("a socket");
    // Nothing is awaited until all of it is there, so that the driver finds it in one round.
    let mut waiting = 0;
    while waiting < 900 && flood.feed(echo([10, 7, 0, 1])).now_or_never().is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, 900);
    let sent = wire.send(echo([10, 8, 0, 1])).now_or_never();
    sent.expect("there is room").expect("it is there");
    let answer = wire.next().await.expect("an answer");
    assert_eq!(answer[20], 0, "an echo reply");
    let quiet = net.interface_id("tun1").expect("it is there");
    let mut before = 0;
    loop {
        let frame = tap.recv().await.expect("alive");
        match frame.class {
            FrameClass::Outgoing if frame.iface == quiet => break,
            FrameClass::Host if frame.iface != quiet => before += 1,
            _ => {}
        }
    }
    assert!(before <= 64, "answered after {before} packets of the flood");
}

/// An echo request to `dest`, from its neighbour.
fn echo(dest: [u8; 4]) -> Bytes {
    let mut packet = TxPacket::default();
    let request = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    icmpv4::emit(&request, &mut packet.head);
    let source = IpAddr::from([dest[0], dest[1], dest[2], 2]);
    let dest = IpAddr::from(dest);
    transport::fill_checksum(&mut packet, source, dest, ip::ICMP, false);
    IpHeader::new(source, dest, ip::ICMP, packet.len()).emit(&mut packet.head);
    Bytes::copy_from_slice(&packet.head)
}

/// SPEC 95: who does not wait loses what is too much, and nobody stands still.
#[tokio::test]
async fn a_full_channel_drops_what_comes_unasked_and_counts_it() {
    let (device, mut packets) = channel(1500);
    let net = Net::builder().device("vpn0", device).address("10.0.0.2/24");
    let net = net.build().expect("a stack");
    let overruns = || {
        let all = net.interfaces();
        let [.., status] = &all[..] else {
            panic!("an interface");
        };
        status.overruns
    };
    for number in 0..1030_u32 {
        assert_eq!(overruns(), Some(u64::from(number.saturating_sub(1024))));
        let packet = Bytes::from_static(&[0x45; 20]);
        packets.start_send_unpin(packet).expect("a stack");
    }
    assert_eq!(overruns(), Some(6));
    // There is room again, and no more is lost.
    packets
        .feed(Bytes::from_static(&[0x45; 20]))
        .await
        .expect("a stack");
    // The driver takes them in as many rounds as it needs.
    let all = async {
        while net.stats().rx_packets < 1025 {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(10);
    let taken = tokio::time::timeout(limit, all).await;
    assert!(taken.is_ok(), "{} packets", net.stats().rx_packets);
    assert_eq!((overruns(), net.stats().rx_packets), (Some(6), 1025));
}

/// A device that wants to know something of its own stack before it says what it has lost.
struct Asking(Arc<OnceLock<Net>>);

impl Device for Asking {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps::default()
    }

    fn mtu(&self) -> u16 {
        1500
    }

    fn poll_recv(
        &mut self,
        _: &mut Context<'_>,
        _: &mut RxBatch,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn overruns(&self) -> Overruns {
        let net = self.0.clone();
        Overruns::asked(move || {
            let net = net.get().expect("set before");
            u64::from(net.add_address("asking0", "10.0.0.3/24").is_ok())
        })
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut TxBatch,
        _: Instant,
    ) -> Poll<io::Result<()>> {
        batch.clear();
        Poll::Ready(Ok(()))
    }
}

/// A host that is slow to tell holds nobody up: whoever asks has let go of the stack.
#[tokio::test]
async fn a_device_is_asked_for_what_it_lost_when_the_stack_is_free() {
    let slot = Arc::new(OnceLock::new());
    let net = Net::builder().device("asking0", Asking(slot.clone()));
    let net = net.address("10.0.0.2/24").build().expect("a stack");
    slot.set(net.clone()).expect("empty");
    let status = net.interfaces().pop().expect("an interface");
    assert_eq!(status.overruns, Some(1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_socket_of_a_tunnel_has_no_room_for_is_counted() {
    const COUNT: u64 = 2000;
    let near = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    near.connect(far.local_addr().unwrap()).await.unwrap();
    far.connect(near.local_addr().unwrap()).await.unwrap();
    // Whatever this host gives by default; and what was lost before is not the tunnel's.
    let size = socket2::SockRef::from(&near).set_recv_buffer_size(64 << 10);
    size.unwrap();
    for _ in 0..COUNT {
        far.send(&[0x45; 1000]).await.unwrap();
    }
    let mut earlier = 0;
    while near.try_recv(&mut [0; 1000]).is_ok() {
        earlier += 1;
    }
    assert!((1..COUNT).contains(&earlier), "{earlier}");
    let mut tunnel = UdpTunnel::new(near, 1400);
    assert_eq!(tunnel.overruns().count(), Some(0));
    for _ in 0..COUNT {
        far.send(&[0x45; 1000]).await.unwrap();
    }
    let mut fetched = RxBatch::default();
    let fetching = poll_fn(|cx| {
        while let Poll::Ready(received) = tunnel.poll_recv(cx, &mut fetched, 64) {
            received.unwrap();
        }
        Poll::Ready(())
    });
    tokio::task::unconstrained(fetching).await;
    let lost = tunnel.overruns().count().expect("Linux tells");
    assert!((1..COUNT).contains(&lost));
    assert_eq!(fetched.len() as u64 + lost, COUNT);
}
