//! Ethernet, VLAN tags and ARP: what was read means the same after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::wire::{ArpPacket, EtherType, EthernetHeader, VlanTag};

fuzz_target!(|data: &[u8]| {
    let Ok(header) = EthernetHeader::parse(data) else {
        return;
    };
    assert_eq!(header.to_bytes(), data[..14]);
    let mut rest = &data[14..];
    if header.ethertype == EtherType::VLAN
        && let Ok((tag, inner)) = VlanTag::parse(rest)
    {
        assert_eq!(tag.to_bytes(inner), rest[..4]);
        rest = &rest[4..];
    }
    if let Ok(packet) = ArpPacket::parse(rest) {
        assert_eq!(packet.to_bytes(), rest[..28]);
    }
});
