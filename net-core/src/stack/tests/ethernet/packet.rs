//! Packet sockets: taps on frames, and frames of one's own.

use super::*;
use crate::packet::{Frame, FrameClass, PacketAddr, PacketCounters, PacketKind};
use crate::socket::Readiness;

/// For local experiments (IEEE 802).
const EXPERIMENT: EtherType = EtherType(0x88b5);

impl Host {
    fn tap(&mut self, kind: PacketKind, ethertype: EtherType) -> SocketId {
        self.stack.packet_open(kind, ethertype).unwrap()
    }

    fn frames(&mut self, id: SocketId) -> Vec<Frame> {
        let mut packet = self.stack.packet(id).unwrap();
        std::iter::from_fn(|| packet.recv()).collect()
    }

    fn put(
        &mut self,
        id: SocketId,
        payload: &[u8],
        to: Option<PacketAddr>,
    ) -> Result<(), SocketError> {
        let mut packet = self.stack.packet(id).unwrap();
        packet.send(Bytes::copy_from_slice(payload), to.as_ref())
    }

    fn to(&self, dest: Option<MacAddr>) -> PacketAddr {
        PacketAddr {
            iface: self.wire,
            ethertype: EXPERIMENT,
            dest,
        }
    }
}

#[test]
fn a_frame_that_the_device_gives_back_is_seen_once() {
    let mut host = plain();
    let tap = host.tap(PacketKind::Raw, EtherType::ALL);
    let socket = host.udp("10.7.0.2:9");
    send(&mut host, socket, "10.7.0.1:7", 1).unwrap();
    let (wire, now) = (host.wire, host.now);
    let mut batch = TxBatch::default();
    host.stack.poll_transmit(wire, &mut batch, now);
    assert_eq!(batch.len(), 1);
    host.stack.requeue(wire, &mut batch);
    assert_eq!(batch.len(), 0);
    assert_eq!(host.sent().len(), 1);
    assert_eq!(host.frames(tap).len(), 1);
}

/// SPEC 98: taps see all.
#[test]
fn a_tap_sees_every_frame_both_ways_and_the_protocols_still_get_theirs() {
    let mut host = plain();
    let tap = host.tap(PacketKind::Raw, EtherType::ALL);
    let socket = host.udp("10.7.0.2:9");
    host.inject(arp_request(PEER, OURS));
    let packet = framed(&datagram("10.7.0.1:7", "10.7.0.2:9", b"question"));
    let bytes = packet.frame.clone();
    host.inject(packet);
    assert_eq!(
        host.stack.udp(socket).unwrap().recv().unwrap().payload,
        "question"
    );
    send(&mut host, socket, "10.7.0.1:7", 1).unwrap();
    let sent = host.sent();
    let seen = host.frames(tap);
    let about: Vec<_> = seen
        .iter()
        .map(|frame| (frame.class, frame.ethertype, frame.source))
        .collect();
    let (peer, own) = (Some(PEER_MAC), Some(MAC));
    assert_eq!(
        about,
        [
            (FrameClass::Broadcast, EtherType::ARP, peer),
            (FrameClass::Host, EtherType::IPV4, peer),
            (FrameClass::Outgoing, EtherType::ARP, own),
            (FrameClass::Outgoing, EtherType::IPV4, own),
        ]
    );
    assert_eq!(seen[1].payload, bytes);
    assert_eq!((seen[1].len, seen[1].iface), (bytes.len(), host.wire));
    assert_eq!(seen[3].payload, bytes_of(&sent[1]));
    host.stack.close(tap, host.now);
    host.stack.close(socket, host.now);
    assert_eq!(host.stack.memory_used(), 0);
}

/// SPEC 98: what nobody handles is counted.
#[test]
fn an_unknown_ethertype_is_counted_unless_a_socket_is_there_for_it() {
    let mut host = plain();
    let all = host.tap(PacketKind::Raw, EtherType::ALL);
    host.inject(frame(MAC, EXPERIMENT, b"first"));
    host.assert_dropped(DropReason::EtherType, 1);
    assert_eq!(host.frames(all).len(), 1, "the tap has its copy");
    let own = host.tap(PacketKind::Cooked, EXPERIMENT);
    host.inject(frame(MAC, EXPERIMENT, b"second"));
    host.inject(frame(MAC, EtherType(0x88b6), b"other"));
    host.assert_dropped(DropReason::EtherType, 2);
    let seen = host.frames(own);
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].payload[..], seen[0].len), (&b"second"[..], 6));
    assert_eq!(host.frames(all).len(), 2);
    // It hears of what it is bound to, where it is bound to.
    let (wire, loopback) = (host.wire, host.loopback);
    let mut packet = host.stack.packet(own).unwrap();
    packet.bind(Some(loopback), EXPERIMENT).unwrap();
    host.inject(frame(MAC, EXPERIMENT, b"elsewhere"));
    host.assert_dropped(DropReason::EtherType, 3);
    let mut packet = host.stack.packet(own).unwrap();
    packet.bind(Some(wire), EtherType::NONE).unwrap();
    host.inject(frame(MAC, EXPERIMENT, b"nothing"));
    host.assert_dropped(DropReason::EtherType, 4);
    assert!(host.frames(own).is_empty());
    let nowhere = host
        .stack
        .packet(own)
        .unwrap()
        .bind(Some(IfaceId(9)), EXPERIMENT);
    assert_eq!(nowhere, Err(SocketError::NoSuchInterface));
}

#[test]
fn frames_leave_as_they_are_or_get_their_header() {
    let mut host = plain();
    let raw = host.tap(PacketKind::Raw, EtherType::NONE);
    let whole = frame(PEER_MAC, EXPERIMENT, &[7; 300]).frame;
    let unbound = host.put(raw, &whole, None);
    assert_eq!(unbound, Err(SocketError::NoSuchInterface));
    let wire = host.wire;
    let mut packet = host.stack.packet(raw).unwrap();
    packet.bind(Some(wire), EtherType::NONE).unwrap();
    host.put(raw, &whole, None).unwrap();
    let cooked = host.tap(PacketKind::Cooked, EtherType::NONE);
    let to = host.to(Some(PEER_MAC));
    host.put(cooked, b"payload", Some(to)).unwrap();
    let sent = host.sent();
    assert_eq!(bytes_of(&sent[0]), whole);
    let (header, payload) = unwrap(&sent[1]);
    assert_eq!((header.dest, header.ethertype), (PEER_MAC, EXPERIMENT));
    assert_eq!(payload, &b"payload"[..]);
    // What is none.
    let malformed = |result| matches!(result, Err(SocketError::InvalidInput(_)));
    assert!(malformed(host.put(raw, &whole[..13], None)));
    let to = host.to(None);
    assert!(malformed(host.put(cooked, b"x", Some(to))));
    let nobody = host.put(cooked, b"x", None);
    assert_eq!(nobody, Err(SocketError::NoSuchInterface));
    let long = [0; 1515];
    assert_eq!(host.put(raw, &long, None), Err(SocketError::MessageTooLong));
    let mut tagged = [0; 1519];
    tagged[12] = 0x81;
    assert_eq!(host.put(raw, &tagged[..1518], None), Ok(()));
    assert_eq!(
        host.put(raw, &tagged, None),
        Err(SocketError::MessageTooLong)
    );
    let to = host.to(Some(PEER_MAC));
    let too_long = host.put(cooked, &long[..1501], Some(to));
    assert_eq!(too_long, Err(SocketError::MessageTooLong));
    assert_eq!(host.sent().len(), 1);
}

#[test]
fn a_filter_says_how_much_of_which_frames_is_wanted() {
    let mut host = plain();
    let tap = host.tap(PacketKind::Cooked, EtherType::ALL);
    let mut packet = host.stack.packet(tap).unwrap();
    packet.set_filter(|frame| match frame.bytes {
        [b'y', ..] if frame.class == FrameClass::Host => 4,
        _ => 0,
    });
    let long = [&b"yes"[..], &[0; 1000]].concat();
    host.inject(frame(MAC, EXPERIMENT, &long));
    host.inject(frame(MAC, EXPERIMENT, b"no"));
    host.inject(frame(MacAddr::BROADCAST, EXPERIMENT, b"yes"));
    let charged = host.stack.memory_used();
    assert!(charged < 1000, "the rest is not kept: {charged}");
    let seen = host.frames(tap);
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].payload[..], seen[0].len), (&b"yes\0"[..], 1003));
    host.stack.packet(tap).unwrap().clear_filter();
    host.inject(frame(MAC, EXPERIMENT, b"no"));
    assert_eq!(host.frames(tap).len(), 1);
}

#[test]
fn frames_for_other_stations_are_seen_in_promiscuous_mode_alone() {
    let mut host = plain();
    let tap = host.tap(PacketKind::Raw, EtherType::ALL);
    let wire = host.wire;
    let foreign = || frame(PEER_MAC, EXPERIMENT, b"not ours");
    host.inject(foreign());
    assert!(host.frames(tap).is_empty());
    let other = host.tap(PacketKind::Raw, EtherType::NONE);
    for _ in 0..2 {
        let mut packet = host.stack.packet(other).unwrap();
        packet.set_promiscuous(wire, true).unwrap();
    }
    host.inject(foreign());
    let seen = host.frames(tap);
    assert_eq!(seen[0].class, FrameClass::OtherHost);
    host.assert_dropped(DropReason::OtherStation, 2);
    host.stack.close(other, host.now);
    host.inject(foreign());
    assert!(host.frames(tap).is_empty());
    let mut packet = host.stack.packet(tap).unwrap();
    let nowhere = packet.set_promiscuous(IfaceId(9), true);
    assert_eq!(nowhere, Err(SocketError::NoSuchInterface));
    packet.set_promiscuous(wire, true).unwrap();
    packet.set_promiscuous(wire, false).unwrap();
    host.inject(foreign());
    assert!(host.frames(tap).is_empty());
}

#[test]
fn a_full_queue_drops_counts_and_holds_nothing_up() {
    let mut host = plain();
    let tap = host.tap(PacketKind::Raw, EtherType::ALL);
    host.stack.packet(tap).unwrap().set_recv_buffer(1000);
    let socket = host.udp("10.7.0.2:9");
    for _ in 0..20 {
        host.inject(framed(&datagram("10.7.0.1:7", "10.7.0.2:9", &[0; 100])));
    }
    let counters = host.stack.packet(tap).unwrap().counters();
    assert_eq!(
        counters,
        PacketCounters {
            received: 4,
            dropped: 16,
        }
    );
    assert_eq!(host.frames(tap).len(), 4);
    assert_eq!(host.stack.udp(socket).unwrap().waiting(), 20);
    host.inject(framed(&datagram("10.7.0.1:7", "10.7.0.2:9", b"x")));
    assert_eq!(host.frames(tap).len(), 1);
}

#[test]
fn checksums_that_a_device_was_to_compute_are_complete_in_the_copies() {
    let caps = DeviceCaps {
        tx_checksum: true,
        ..DeviceCaps::default()
    };
    let mut host = station(Config::default(), caps);
    let wire = host.wire;
    host.stack.set_neighbor(wire, ip(PEER), PEER_MAC).unwrap();
    let tap = host.tap(PacketKind::Cooked, EtherType::ALL);
    let socket = host.udp("10.7.0.2:9");
    send(&mut host, socket, "10.7.0.1:7", 1).unwrap();
    let sent = host.sent().remove(0);
    assert!(matches!(
        sent.meta.checksum,
        crate::buf::Checksum::Partial { .. }
    ));
    // A device of the same host may leave it to us in the same way.
    let mut back = linear(&sent);
    back.meta.checksum = sent.meta.checksum;
    back.frame[..6].copy_from_slice(&MAC.octets());
    host.inject(back);
    let seen = host.frames(tap);
    assert_eq!(seen.len(), 2);
    for frame in seen {
        let header = IpHeader::parse(&frame.payload, frame.payload.len()).unwrap();
        let packet = RxPacket::from_frame(BytesMut::from(&frame.payload[..]));
        assert_eq!(transport::verify_checksum(&packet, &header), Ok(()));
    }
}

#[test]
fn a_sender_that_finds_no_room_hears_when_there_is_some() {
    let mut host = plain();
    let raw = host.tap(PacketKind::Raw, EtherType::NONE);
    let wire = host.wire;
    let mut packet = host.stack.packet(raw).unwrap();
    packet.bind(Some(wire), EtherType::NONE).unwrap();
    while host.stack.poll_event().is_some() {}
    let whole = frame(PEER_MAC, EXPERIMENT, &[7; 1400]).frame;
    let mut count = 0;
    while host.put(raw, &whole, None).is_ok() {
        count += 1;
    }
    assert_eq!(host.put(raw, &whole, None), Err(SocketError::WouldBlock));
    assert!(!host.stack.readiness(raw).contains(Readiness::WRITABLE));
    assert_eq!(host.sent().len(), count);
    let event = host.stack.poll_event().unwrap();
    assert_eq!((event.socket, event.ready), (raw, Readiness::WRITABLE));
    assert_eq!(host.put(raw, &whole, None), Ok(()));
    // Frames outlive their socket.
    host.stack.close(raw, host.now);
    assert_eq!(host.sent().len(), 1);
}

#[test]
fn a_link_without_stations_shows_its_packets() {
    let mut host = Host::new();
    let tap = host
        .stack
        .packet_open(PacketKind::Cooked, EtherType::ALL)
        .unwrap();
    let packet = datagram("10.7.0.1:7", "10.7.0.2:9", b"x");
    let bytes = bytes_of(&packet);
    host.inject(packet);
    let sent = host.sent();
    let seen = host.frames(tap);
    assert_eq!(seen[0].payload, bytes);
    assert_eq!(seen[0].ethertype, EtherType::IPV4);
    assert_eq!(seen[0].source, None);
    assert_eq!(seen[1].payload, bytes_of(&sent[0]), "port unreachable");
    let to = PacketAddr {
        ethertype: EtherType::IPV4,
        ..host.to(None)
    };
    host.put(tap, &bytes, Some(to)).unwrap();
    assert_eq!(bytes_of(&host.sent()[0]), bytes);
}

/// A socket for addresses has no use for a packet socket's calls, and the other way round.
#[test]
fn packet_sockets_have_no_addresses() {
    let mut host = plain();
    let now = host.now;
    let tap = host.tap(PacketKind::Raw, EtherType::ALL);
    let stack = &mut host.stack;
    let unsupported = |result| matches!(result, Err(SocketError::Unsupported(_)));
    assert!(unsupported(stack.bind(tap, addr("10.7.0.2:9"))));
    assert!(unsupported(stack.connect(tap, addr("10.7.0.1:9"), now)));
    assert!(unsupported(stack.disconnect(tap, now)));
    assert!(unsupported(stack.listen(tap, 1)));
    assert!(unsupported(stack.local_addr(tap).map(drop)));
    assert!(unsupported(stack.peer_addr(tap).map(drop)));
    assert_eq!(
        stack.ip_settings(tap).err(),
        Some(SocketError::NoSuchOption)
    );
    assert!(stack.udp(tap).is_none() && stack.tcp(tap, now).is_none());
    let line = std::format!("{}", stack.summary(tap).unwrap());
    assert_eq!(line, "packet *:* *:* unread 0 unsent 0");
    let udp = host.udp("10.7.0.2:9");
    assert!(host.stack.packet(udp).is_none());
}
