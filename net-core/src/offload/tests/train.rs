use super::{flat, flow, payload, segments, udp_packet};
use crate::DeviceCaps;
use crate::buf::{GsoKind, TxPacket};
use crate::offload::{Train, vnet};
use crate::wire::tests::cases;
use crate::wire::transport::complete_checksum;
use crate::wire::{ethernet, ip, transport};
use proptest::prelude::*;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

/// Leaves checksums to the device.
const SUMMED: DeviceCaps = DeviceCaps {
    tx_checksum: true,
    tso: false,
    uso: false,
    software_gro: true,
    one_piece: false,
};

/// What an application sends one by one: `count` datagrams of `len` bytes, and a last one.
fn datagrams(v6: bool, len: usize, count: usize, last: usize) -> Vec<Box<TxPacket>> {
    let (ip, _) = flow(0, v6);
    (0..count)
        .map(|_| len)
        .chain([last])
        .enumerate()
        .map(|(index, len)| {
            let mut ip = ip;
            if !v6 {
                ip.id = u16::try_from(index).expect("few").wrapping_add(65_530);
            }
            let bytes = payload(len, &[]);
            let whole = udp_packet(&ip, bytes, Some(u16::MAX));
            let mut packet = TxPacket {
                meta: whole.meta,
                ..whole
            };
            packet.meta.gso = None;
            Box::new(packet)
        })
        .collect()
}

/// What the device makes of a train: its header read back, and the packet cut by that.
fn cut(train: &Train<'_>) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    train.emit(&mut bytes);
    let (header, packet) = bytes.split_at(vnet::LEN);
    let header = header.try_into().expect("ten bytes");
    let offload = vnet::parse(header, packet).expect("a header of our own");
    let gso = offload.gso.expect("a super-packet");
    assert_eq!(gso.kind, GsoKind::Udp);
    let headers = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    let mut whole = TxPacket::default();
    whole
        .head
        .prepend(headers)
        .copy_from_slice(&packet[..headers]);
    whole
        .body
        .push(bytes::Bytes::copy_from_slice(&packet[headers..]));
    whole.meta.gso = offload.gso;
    whole.meta.checksum = offload.checksum;
    // Its own sums are right too: a receiver that does not cut it finds it whole.
    let mut complete = whole.clone();
    complete.meta.gso = None;
    complete_checksum(&mut complete);
    let frame = bytes::BytesMut::from(&flat(&complete)[..]);
    let ip = crate::wire::IpHeader::parse(&frame, frame.len()).expect("a header of our own");
    let received = crate::buf::RxPacket::from_frame(frame);
    transport::verify_checksum(&received, &ip).expect("the sum of what the headers say");
    let out = segments(whole, SUMMED);
    out.packets().iter().map(|packet| flat(packet)).collect()
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn cutting_a_train_undoes_joining_it(
        v6 in any::<bool>(),
        len in 1_usize..1400,
        count in 1_usize..64,
        last in 1_usize..1400,
    ) {
        let packets = datagrams(v6, len, count, last);
        let headers = packets[0].len() - len;
        let train = Train::at_front(&packets);
        let joined = train.map_or(1, |train| train.len());
        let fit = (usize::from(u16::MAX) - headers) / len;
        let expected = match count {
            _ if fit < count => fit,
            _ if last <= len && headers + count * len + last <= usize::from(u16::MAX) => count + 1,
            _ => count,
        };
        prop_assert_eq!(joined, expected.min(64));
        if let Some(train) = train {
            let before: Vec<_> = packets[..joined].iter().map(|packet| flat(packet)).collect();
            prop_assert_eq!(cut(&train), before);
        }
    }
}

#[test]
fn datagrams_behind_a_shorter_one_wait_for_the_next_train() {
    let mut packets = datagrams(false, 100, 3, 99);
    packets.extend(datagrams(false, 99, 2, 99));
    let train = Train::at_front(&packets).expect("four of them");
    assert_eq!(train.len(), 4);
    let train = Train::at_front(&packets[4..]).expect("three of them");
    assert_eq!(train.len(), 3);
}

/// Every bit of the headers but those of length, identification and checksums parts two datagrams.
#[test]
fn what_differs_in_any_header_is_no_train() {
    for v6 in [false, true] {
        let packets = datagrams(v6, 100, 1, 100);
        let udp = if v6 { 40 } else { 20 };
        let lengths = if v6 { vec![4, 5] } else { vec![2, 3] };
        let ignored = if v6 { vec![] } else { vec![4, 5, 10, 11] };
        for bit in 0..(udp + 8) * 8 {
            let at = bit / 8;
            let mut packets = packets.clone();
            packets[1].head[at] ^= 1 << (bit % 8);
            let joined = Train::at_front(&packets).is_some();
            let may = ignored.contains(&at) || lengths.contains(&at) || at >= udp + 6;
            assert_eq!(joined, may, "bit {bit} of the headers");
        }
    }
}

#[test]
fn only_whole_datagrams_with_open_checksums_are_joined() {
    let both = |change: fn(&mut TxPacket)| {
        let mut packets = datagrams(false, 100, 1, 100);
        packets.iter_mut().for_each(|packet| change(packet));
        Train::at_front(&packets).is_some()
    };
    assert!(both(|_| {}));
    // A fragment, one that may become one, one of TCP, one whose length says less, one without sum.
    assert!(!both(|packet| packet.head[6] = 0x20));
    assert!(!both(|packet| packet.head[6] = 0));
    assert!(!both(|packet| packet.head[9] = ip::TCP));
    assert!(!both(|packet| packet.head[25] -= 1));
    assert!(!both(|packet| complete_checksum(packet)));
    assert!(!both(|packet| drop(packet.body.drain(..))));
    assert!(Train::at_front(&datagrams(false, 1, 1, 1)[1..]).is_none());
}

#[test]
fn frames_are_joined_behind_the_header_of_their_link() {
    let mut packets = datagrams(true, 50, 2, 50);
    for packet in &mut packets {
        packet.head.prepend(ethernet::HEADER_LEN).fill(7);
        packet.meta.link_len = 14;
    }
    let mut bytes = Vec::new();
    Train::at_front(&packets)
        .expect("three of them")
        .emit(&mut bytes);
    let (header, frame) = bytes.split_at(vnet::LEN);
    let header = header.try_into().expect("ten bytes");
    let offload = vnet::parse_frame(header, frame, 14).expect("a header of our own");
    assert_eq!(offload.checksum, packets[0].meta.checksum);
    assert_eq!(frame.len(), 14 + 40 + 8 + 150);
    packets[1].head[3] = 8;
    assert!(Train::at_front(&packets).is_none());
}
