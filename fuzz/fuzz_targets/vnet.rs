//! The vnet header in front of a packet, and segmentation of what it claims to be.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use net_core::buf::{Checksum, HeadBuf, RxPacket, TxBatch, TxPacket};
use net_core::offload::{gso, vnet};
use net_core::wire::IpHeader;

fuzz_target!(|data: &[u8]| {
    let Some((header, rest)) = data.split_first_chunk::<{ vnet::LEN }>() else {
        return;
    };
    let mut frame = rest.to_vec();
    fuzz::repair_ipv4(&mut frame);
    let Ok(offload) = vnet::parse(*header, &frame) else {
        return;
    };
    if let Checksum::Partial { start, offset } = offload.checksum {
        assert!(usize::from(start) + usize::from(offset) + 2 <= frame.len());
    }
    assert!(offload.gso.is_none_or(|gso| gso.size > 0));
    for split in [20, 40, 54, 60] {
        cut(&frame, split, offload);
    }
    let mut packet = RxPacket::from_frame(BytesMut::from(&frame[..]));
    packet.meta.checksum = offload.checksum;
    packet.meta.gso = offload.gso;
    fuzz::host::Host::new(0).receive(packet);
});

/// Sends the packet on, with its headers taken to be `split` bytes long.
fn cut(frame: &[u8], split: usize, offload: vnet::Offload) {
    let Some((head, body)) = frame.split_at_checked(split) else {
        return;
    };
    let mut packet = TxPacket::default();
    let mut headers = HeadBuf::new();
    headers.prepend(head.len()).copy_from_slice(head);
    packet.head = headers;
    packet.body.push(Bytes::copy_from_slice(body));
    packet.meta.checksum = offload.checksum;
    packet.meta.gso = offload.gso;
    let mut out = TxBatch::default();
    if gso::segment(&packet, false, &mut out).is_ok()
        && let Some(gso) = offload.gso
    {
        let sent: usize = out.packets().iter().map(|packet| packet.body_len()).sum();
        assert_eq!(sent, body.len());
        for packet in out.packets() {
            assert!(packet.body_len() <= usize::from(gso.size));
            assert!(IpHeader::parse(&packet.head, packet.len()).is_ok());
        }
    }
}
