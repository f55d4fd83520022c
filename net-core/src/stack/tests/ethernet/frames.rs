//! Frames in and out.

use super::*;

#[test]
fn frames_for_other_stations_and_of_other_protocols_are_counted() {
    let mut host = plain();
    let packet = datagram("10.7.0.1:7", "10.7.0.2:9", b"x");
    host.inject(frame(PEER_MAC, EtherType::IPV4, &bytes_of(&packet)));
    host.assert_dropped(DropReason::OtherStation, 1);
    host.inject(frame(MAC, EtherType(0x88cc), b"lldp"));
    host.assert_dropped(DropReason::EtherType, 1);
    host.inject(RxPacket::from_frame(BytesMut::from(&[0; 13][..])));
    host.assert_dropped(DropReason::Truncated, 1);
    // RFC 1122 §3.3.6: SHOULD discard what the link brought to everybody but is for one.
    host.inject(frame(
        MacAddr::BROADCAST,
        EtherType::IPV4,
        &bytes_of(&packet),
    ));
    host.assert_dropped(DropReason::LinkBroadcast, 1);
    host.inject(frame(MAC, EtherType::IPV4, &bytes_of(&packet)));
    host.assert_dropped(DropReason::NoSocket, 1);
}

#[test]
fn broadcast_and_multicast_need_no_question() {
    let mut host = plain();
    let socket = host.udp("10.7.0.2:9");
    host.stack
        .change_udp(socket, |settings| settings.broadcast = true)
        .unwrap();
    send(&mut host, socket, "10.7.0.255:7", 1).unwrap();
    send(&mut host, socket, "224.0.0.251:7", 1).unwrap();
    let sent = host.sent();
    assert!(unwrap(&sent[0]).0.dest.is_broadcast());
    let group = MacAddr::of_group(ip("224.0.0.251"));
    assert_eq!(Some(unwrap(&sent[1]).0.dest), group);
}

#[test]
fn segments_are_merged_and_super_segments_leave_whole_over_ethernet() {
    let caps = DeviceCaps {
        tx_checksum: true,
        tso: true,
        uso: false,
        software_gro: true,
        one_piece: false,
    };
    let mut host = station(Config::default(), caps);
    let wire = host.wire;
    host.stack.set_neighbor(wire, ip(PEER), PEER_MAC).unwrap();
    let mut other = station_at("10.7.0.1/24", caps);
    other.stack.set_neighbor(other.wire, ip(OURS), MAC).unwrap();
    let listener = other.stack.tcp_open(Family::V4).unwrap();
    other.stack.bind(listener, addr("10.7.0.1:80")).unwrap();
    other.stack.listen(listener, 4).unwrap();
    let socket = host.stack.tcp_open(Family::V4).unwrap();
    let now = host.now;
    let _ = host.stack.connect(socket, addr("10.7.0.1:80"), now);
    exchange(&mut host, &mut other);
    let (peer, _) = other.stack.accept(listener).unwrap();
    let data = Bytes::from(vec![7; 100_000]);
    host.stack
        .tcp(socket, now)
        .unwrap()
        .push(data.clone())
        .unwrap();
    let before = other.stack.stats().rx_packets;
    exchange(&mut host, &mut other);
    assert!(
        other.stack.stats().rx_packets - before < 30,
        "no packet of the MTU's size"
    );
    let mut read = vec![0; 200_000];
    let mut stream = other.stack.tcp(peer, now).unwrap();
    let count = stream.recv(&mut read, RecvFlags::empty()).unwrap();
    assert_eq!(read[..count], data);
}

fn station_at(address: &str, caps: DeviceCaps) -> Host {
    let now = Instant::from_millis(1);
    let mut stack = Stack::new(Config::default(), Seed::from_u64(8), now);
    let wire = iface("eth0", IfaceKind::Ethernet(PEER_MAC), 1500, &[address]);
    let wire = stack.add_iface(wire, caps).unwrap();
    Host {
        stack,
        wire,
        loopback: wire,
        now,
    }
}

/// Carries frames between two hosts, offload and all, until neither has one.
fn exchange(one: &mut Host, two: &mut Host) {
    loop {
        let (there, back) = (one.sent(), two.sent());
        if there.is_empty() && back.is_empty() {
            return;
        }
        for packet in &there {
            two.inject(carried(packet));
        }
        for packet in &back {
            one.inject(carried(packet));
        }
    }
}

fn carried(packet: &TxPacket) -> RxPacket {
    let mut received = linear(packet);
    received.meta.checksum = packet.meta.checksum;
    received.meta.gso = packet.meta.gso;
    received
}
