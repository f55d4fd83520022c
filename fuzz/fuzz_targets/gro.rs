//! Merging and cutting: no byte of payload appears, vanishes or moves within its flow.
#![no_main]

use arbitrary::Arbitrary;
use bytes::BytesMut;
use fuzz::flows::Segment;
use libfuzzer_sys::fuzz_target;
use net_core::buf::{RxBatch, RxPacket};
use net_core::offload::gro;
use net_core::wire::{IpHeader, TcpHeader, transport};
use std::collections::BTreeMap;

#[derive(Debug, Arbitrary)]
enum Packet {
    /// The next segment in order of one of four flows.
    Next { flow: u8, segment: Segment },
    /// The same with another sequence number.
    Astray { flow: u8, segment: Segment },
    /// Anything.
    Raw(Vec<u8>),
}

fuzz_target!(|packets: Vec<Packet>| {
    let mut next = [1_u32; 4];
    let mut batch = RxBatch::default();
    for packet in packets.iter().take(64) {
        let bytes = match packet {
            Packet::Next { flow, segment } => {
                let flow = usize::from(flow & 3);
                let payload = segment.payload();
                let bytes = segment.packet(1000 + flow as u16, 80, next[flow], 1, &payload);
                next[flow] = next[flow].wrapping_add(payload.len() as u32);
                bytes
            }
            Packet::Astray { flow, segment } => {
                let flow = usize::from(flow & 3);
                let seq = next[flow].wrapping_add_signed(segment.seq.into());
                segment.packet(1000 + flow as u16, 80, seq, 1, &segment.payload())
            }
            Packet::Raw(bytes) => bytes.clone(),
        };
        batch.push(RxPacket::from_frame(BytesMut::from(&bytes[..])));
    }
    let before = streams(&batch);
    gro::merge(&mut batch);
    assert_eq!(streams(&batch), before);
    for packet in batch.packets() {
        if packet.meta.gso.is_some() {
            let header = IpHeader::parse(&packet.frame, packet.len()).expect("a merged packet");
            assert_eq!(header.total_len(), packet.len());
        }
    }
});

/// Where each flow's bytes are: position to value, the first one to arrive.
fn streams(batch: &RxBatch) -> BTreeMap<(u16, u32), Vec<u8>> {
    let mut streams = BTreeMap::<_, Vec<u8>>::new();
    for packet in batch.packets() {
        let Ok(header) = IpHeader::parse(&packet.frame, packet.len()) else {
            continue;
        };
        let Some(segment) = packet.frame.get(header.header_len..) else {
            continue;
        };
        if header.protocol != 6 || transport::verify_checksum(packet, &header).is_err() {
            continue;
        }
        let Ok(tcp) = TcpHeader::parse(segment) else {
            continue;
        };
        let mut payload = segment.get(tcp.header_len..).unwrap_or_default().to_vec();
        for frag in &packet.frags {
            payload.extend_from_slice(&frag.bytes);
        }
        let end = header.payload_len.saturating_sub(tcp.header_len);
        payload.truncate(end);
        for (offset, byte) in payload.into_iter().enumerate() {
            let at = tcp.seq.get().wrapping_add(offset as u32);
            streams.entry((tcp.source_port, at)).or_default().push(byte);
        }
    }
    streams
}
