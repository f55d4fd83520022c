//! Packet sockets: frames beside the stacks, over a switch in memory.

use net_core::packet::{FrameClass, PacketAddr, PacketKind};
use net_core::wire::{EtherType, MacAddr};
use net_tokio::device::Switch;
use net_tokio::{Net, PacketSocket, Socket, UdpSocket};
use socket2::{Domain, Protocol, Type};
use std::io::ErrorKind;
use tokio::io::Interest;

/// For local experiments (IEEE 802).
const EXPERIMENT: EtherType = EtherType(0x88b5);
const MACS: [MacAddr; 2] = [
    MacAddr::new([2, 0, 0, 0, 0, 1]),
    MacAddr::new([2, 0, 0, 0, 0, 2]),
];

fn hosts(inline: bool) -> [Net; 2] {
    let switch = Switch::new();
    [0, 1].map(|at| {
        Net::builder()
            .device("eth0", switch.port_for(MACS[at]))
            .address(format!("10.7.0.{}/24", at + 1))
            .inline_rounds(inline)
            .build()
            .expect("a stack")
    })
}

fn to(net: &Net, dest: MacAddr) -> PacketAddr {
    PacketAddr {
        iface: net.interface_id("eth0").expect("it is there"),
        ethertype: EXPERIMENT,
        dest: Some(dest),
    }
}

#[tokio::test]
async fn frames_go_from_socket_to_socket() {
    for inline in [false, true] {
        let [one, two] = hosts(inline);
        let sender = PacketSocket::new_on(&one, PacketKind::Cooked, EtherType::NONE).expect("one");
        let receiver = PacketSocket::new_on(&two, PacketKind::Raw, EXPERIMENT).expect("one");
        let none = receiver.try_recv().expect_err("nothing yet");
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        // More than a slot holds, each with its number.
        let sending = async {
            for number in 0..500_u16 {
                let payload = number.to_be_bytes();
                let sent = sender.send_to(&payload, &to(&one, MACS[1])).await;
                assert_eq!(sent.expect("room"), 2);
            }
        };
        let receiving = async {
            for number in 0..500_u16 {
                let frame = receiver.recv().await.expect("alive");
                assert_eq!(frame.payload[..6], MACS[1].octets());
                assert_eq!(frame.payload[6..12], MACS[0].octets());
                assert_eq!(
                    frame.payload[12..],
                    [[0x88, 0xb5], number.to_be_bytes()].concat()
                );
                assert_eq!(frame.class, FrameClass::Host);
                assert_eq!(frame.source, Some(MACS[0]));
            }
        };
        tokio::join!(sending, receiving);
        assert_eq!(receiver.counters().expect("alive").received, 500);
        assert_eq!(receiver.counters().expect("alive").dropped, 0);
        // Back by the raw socket, once it knows over what.
        let frame = [&MACS[0].octets()[..], &MACS[1].octets(), &[0x88, 0xb5, 7]].concat();
        let unbound = receiver.send(&frame).await.expect_err("over nothing");
        if cfg!(target_os = "linux") {
            assert_eq!(unbound.raw_os_error(), Some(19), "ENODEV");
        }
        sender.bind(Some("eth0"), EXPERIMENT).expect("it is there");
        sender.bind(Some("eth1"), EXPERIMENT).expect_err("no such");
        receiver
            .bind(Some("eth0"), EXPERIMENT)
            .expect("it is there");
        receiver.send(&frame).await.expect("room");
        sender.ready(Interest::READABLE).await.expect("alive");
        let back = sender.recv().await.expect("alive");
        assert_eq!(back.payload, &[7][..]);
        drop((sender, receiver));
        for net in [one, two] {
            net.shutdown().await;
            assert_eq!(net.sockets(), 0);
        }
    }
}

/// SPEC 5, 98: what the family of packet sockets gives, the type from before it included.
#[tokio::test]
async fn packet_sockets_come_from_family_type_and_protocol() {
    let [one, two] = hosts(true);
    // Every protocol, in network byte order.
    let all = Some(Protocol::from(i32::from(3_u16.to_be())));
    let open = |domain, socket_type| Socket::new_on(&two, domain, socket_type, all);
    let packet = Domain::from(17);
    let old = open(Domain::IPV4, Type::from(10)).expect("the old type");
    let raw = open(packet, Type::RAW).expect("raw");
    let cooked = open(packet, Type::DGRAM).expect("cooked");
    for socket_type in [1, 4, 5] {
        let none = open(packet, Type::from(socket_type)).expect_err("no such type");
        if cfg!(target_os = "linux") {
            assert_eq!(none.raw_os_error(), Some(94), "ESOCKTNOSUPPORT");
        }
    }
    let receiver = UdpSocket::bind_on(&two, "10.7.0.2:9").await.expect("free");
    let sender = UdpSocket::bind_on(&one, "10.7.0.1:7").await.expect("free");
    sender.send_to(b"hello", "10.7.0.2:9").await.expect("sent");
    let mut buf = [0; 100];
    let (len, _) = receiver.recv_from(&mut buf).await.expect("received");
    assert_eq!(&buf[..len], b"hello", "the stack has its copy");
    for (socket, header) in [(&old, 14), (&raw, 14), (&cooked, 0)] {
        // The question for our station and its answer come first.
        let mut frames = Vec::new();
        for _ in 0..3 {
            let (len, from) = socket.recv_from(&mut buf).await.expect("a copy");
            assert_eq!(from, None);
            frames.push(buf[..len].to_vec());
        }
        assert_eq!(frames[2].len(), header + 20 + 8 + 5);
        assert_eq!(frames[2][header] >> 4, 4);
        assert!(frames[2].ends_with(b"hello"));
    }
    raw.bind("10.7.0.2:9".parse().expect("an address"))
        .expect_err("no addresses");
    raw.local_addr().expect_err("no addresses");
    let raw = UdpSocket::try_from(raw).expect_err("it is not");
    let raw = PacketSocket::try_from(raw).expect("it is");
    raw.set_filter(|frame| match frame.class {
        FrameClass::Outgoing => usize::MAX,
        _ => 0,
    })
    .expect("alive");
    receiver
        .send_to(b"answer", "10.7.0.1:7")
        .await
        .expect("sent");
    sender.recv_from(&mut buf).await.expect("received");
    let own = raw.recv().await.expect("a copy");
    assert!(own.payload.ends_with(b"answer"));
    assert_eq!(
        (own.class, own.source),
        (FrameClass::Outgoing, Some(MACS[1]))
    );
}

#[tokio::test]
async fn a_promiscuous_interface_shows_frames_for_others() {
    let [one, two] = hosts(true);
    let tap = PacketSocket::new_on(&two, PacketKind::Cooked, EXPERIMENT).expect("one");
    let sender = PacketSocket::new_on(&one, PacketKind::Cooked, EtherType::NONE).expect("one");
    let nobody = to(&one, MacAddr::new([2, 0, 0, 0, 0, 9]));
    sender.send_to(b"unseen", &nobody).await.expect("sent");
    // What comes in order has come when the next has.
    let known = to(&one, MACS[1]);
    sender.send_to(b"ours", &known).await.expect("sent");
    assert_eq!(tap.recv().await.expect("alive").payload, &b"ours"[..]);
    tap.set_promiscuous("eth0", true).expect("it is there");
    sender.send_to(b"seen", &nobody).await.expect("sent");
    let frame = tap.recv().await.expect("alive");
    assert_eq!(
        (&frame.payload[..], frame.class),
        (&b"seen"[..], FrameClass::OtherHost)
    );
    two.shutdown().await;
    tap.recv().await.expect_err("the stack has ended");
}
