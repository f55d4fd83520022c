//! Who asks without end.

use super::*;

/// A station whose table has 64 places.
fn with_a_small_table() -> Host {
    let config = Config {
        neighbor: NeighborConfig {
            max_entries: 64,
            ..NeighborConfig::default()
        },
        ..Config::default()
    };
    station(config, DeviceCaps::default())
}

#[test]
fn a_flood_of_solicitations_is_answered_at_a_bounded_rate_and_keeps_the_table_small() {
    let mut host = with_a_small_table();
    let target = v6(OURS_V6);
    let solicit = NdpMessage::NeighborSolicit { target };
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    for sender in 0..5000 {
        let sender = std::format!("fd07::1:{sender:x}");
        host.inject(ndp(&sender, solicited_node(target), 255, solicit, &option));
    }
    assert_eq!(host.stack.neighbors().count(), 64);
    // Those who found a place in the table; to the others there is no way.
    assert_eq!(host.sent().len(), 64);
    host.assert_dropped(DropReason::RateLimited, 4900);
    // The application scans: what waits is bounded as well.
    let socket = host.udp("[fd07::2]:9");
    for target in 0..5000 {
        send(
            &mut host,
            socket,
            &std::format!("[fd07::2:{target:x}]:7"),
            1,
        )
        .unwrap();
        host.sent();
    }
    assert!(host.stack.neighbors().count() <= 64);
    assert!(host.stack.neighbors.waiting() <= 1024);
}

#[test]
fn a_flood_of_questions_is_answered_at_a_bounded_rate_and_keeps_the_table_small() {
    let mut host = with_a_small_table();
    for sender in 0..5000_u32 {
        let sender = Ipv4Addr::from_bits(0x0a07_1000 + sender);
        let packet = ArpPacket::request(PEER_MAC, sender, v4(OURS));
        host.inject(frame(
            MacAddr::BROADCAST,
            EtherType::ARP,
            &packet.to_bytes(),
        ));
    }
    assert_eq!(host.stack.neighbors().count(), 64);
    assert_eq!(host.sent().len(), 100);
    host.assert_dropped(DropReason::RateLimited, 4900);
    // The application scans: what waits is bounded as well.
    let socket = host.udp("10.7.0.2:9");
    for target in 0..5000_u32 {
        let target = Ipv4Addr::from_bits(0x0a07_0000 + 3 + target % 200);
        send(&mut host, socket, &std::format!("{target}:7"), 1).unwrap();
        host.sent();
    }
    assert!(host.stack.neighbors().count() <= 64);
    assert!(host.stack.neighbors.waiting() <= 1024);
}
