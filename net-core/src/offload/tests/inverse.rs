use super::{
    PLAIN, cut_again, flat, flat_rx, flow, merge, payload, received, segments, tcp_packet,
};
use crate::buf::{Gso, RxPacket};
use crate::wire::tests::{bytes, cases};
use crate::wire::transport::complete_checksum;
use crate::wire::{TcpFlags, TcpHeader};
use ::bytes::BytesMut;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// What becomes of a flow next.
#[derive(Debug, Clone)]
enum Step {
    Data(usize),
    Push(usize),
    Gap(u32),
    Ack,
    Window,
    Fin,
    Corrupt(usize),
}

fn steps() -> impl Strategy<Value = Vec<(u8, Step)>> {
    let step = prop_oneof![
        12 => Just(Step::Data(300)),
        3 => (0_usize..400).prop_map(Step::Data),
        2 => (1_usize..300).prop_map(Step::Push),
        1 => any::<u32>().prop_map(Step::Gap),
        1 => Just(Step::Ack),
        1 => Just(Step::Window),
        1 => Just(Step::Fin),
        1 => (0_usize..400).prop_map(Step::Corrupt),
    ];
    prop::collection::vec((0_u8..4, step), 0..60)
}

/// The packets of up to four flows, each with its flow's number.
fn packets(steps: &[(u8, Step)]) -> Vec<(u8, Vec<u8>)> {
    let mut flows: Vec<_> = (0..4).map(|number| flow(number, number % 2 == 1)).collect();
    let mut packets = Vec::new();
    for (number, step) in steps {
        let (ip, tcp) = &mut flows[usize::from(*number)];
        let mut sent: TcpHeader = *tcp;
        let mut len = 0;
        let mut corrupt = false;
        match *step {
            Step::Data(data) => len = data,
            Step::Push(data) => {
                len = data;
                sent.flags |= TcpFlags::PSH;
            }
            Step::Gap(gap) => {
                tcp.seq += gap;
                continue;
            }
            Step::Ack => {
                tcp.ack += 1;
                sent.ack = tcp.ack;
            }
            Step::Window => {
                tcp.window += 1;
                continue;
            }
            Step::Fin => sent.flags |= TcpFlags::FIN,
            Step::Corrupt(data) => {
                len = data;
                corrupt = true;
            }
        }
        let mut frame = flat(&tcp_packet(ip, &sent, payload(len, &[]), None));
        tcp.seq += u32::try_from(len).expect("short");
        if ip.dest.is_ipv4() {
            ip.id = ip.id.wrapping_add(1);
        }
        if corrupt {
            let at = frame.len() - 1;
            frame[at] ^= 0x10;
        }
        packets.push((*number, frame));
    }
    packets
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn merging_undoes_cutting(
        v6 in any::<bool>(),
        linear in any::<bool>(),
        size in 100_u16..1460,
        count in 2_usize..40,
        last in 1_usize..=100,
        push in any::<bool>(),
        id in any::<u16>(),
    ) {
        let (mut ip, mut tcp) = flow(0, v6);
        ip.id = if v6 { 0 } else { id };
        tcp.flags.set(TcpFlags::PSH, push);
        let len = usize::from(size) * (count - 1) + last.min(usize::from(size));
        let mut packet = tcp_packet(&ip, &tcp, payload(len, &[]), Some(size));
        let gso = packet.meta.gso;
        let mut out = segments(packet.clone(), PLAIN);
        prop_assert_eq!(out.len(), count);
        let merged = merge(out.drain().map(|packet| received(packet, linear)));
        prop_assert_eq!(merged.len(), 1);
        prop_assert_eq!(merged[0].meta.gso, gso.map(|gso| Gso { ecn: false, ..gso }));
        // All but the transport checksum is as it was; the packet says that nobody needs it.
        let (mut ours, mut theirs) = (flat_rx(&merged[0]), Vec::new());
        complete_checksum(&mut packet);
        theirs.extend_from_slice(&flat(&packet));
        let field = ip.header_len + 16;
        ours[field..field + 2].fill(0);
        theirs[field..field + 2].fill(0);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn cutting_undoes_merging(steps in steps()) {
        let before = packets(&steps);
        let batch = before.iter().map(|(_, frame)| RxPacket::from_frame(BytesMut::from(&frame[..])));
        let merged = merge(batch);
        prop_assert!(merged.len() <= before.len());
        let mut after = vec![Vec::new(); 4];
        for packet in merged {
            let at = if packet.frame[0] >> 4 == 4 { 20 } else { 40 };
            let port = u16::from_be_bytes([packet.frame[at], packet.frame[at + 1]]);
            let flow = &mut after[usize::from(port - 1000)];
            if packet.meta.gso.is_some() {
                flow.extend(cut_again(packet));
            } else {
                flow.push(flat_rx(&packet));
            }
        }
        for (number, after) in after.into_iter().enumerate() {
            let of_flow = |(flow, _): &&(u8, Vec<u8>)| usize::from(*flow) == number;
            let before: Vec<_> = before.iter().filter(of_flow).map(|(_, frame)| frame.clone()).collect();
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn no_packets_make_merging_panic(
        frames in prop::collection::vec((bytes(80), prop::option::of(0_u8..2)), 0..10),
        frag in bytes(10),
    ) {
        let merged = merge(frames.iter().map(|(frame, like)| {
            let mut frame = frame.clone();
            if let (Some(like), true) = (like, frame.len() > 40) {
                // Near to something that could be merged.
                let real = &packets(&[(*like, Step::Data(5))])[0].1;
                let len = real.len().min(frame.len() - 3);
                frame[..len].copy_from_slice(&real[..len]);
            }
            let mut packet = RxPacket::from_frame(BytesMut::from(&frame[..]));
            packet.frags.push(crate::buf::Chunk { bytes: frag.clone().into(), pins: 10 });
            packet
        }));
        let before: usize = frames.iter().map(|(frame, _)| frame.len() + frag.len()).sum();
        prop_assert!(merged.iter().map(RxPacket::len).sum::<usize>() <= before);
    }
}
