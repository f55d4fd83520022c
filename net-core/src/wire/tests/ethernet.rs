use super::{bytes, cases};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use crate::wire::ethernet::{ALL_NODES, solicited_node};
use crate::wire::{EtherType, EthernetHeader, MacAddr, VlanId, VlanTag};
use core::net::{IpAddr, Ipv6Addr};
use etherparse::{Ethernet2Header, SingleVlanHeader};
use proptest::prelude::*;
use smoltcp::wire::EthernetFrame;
use std::string::ToString;

fn mac(text: &str) -> MacAddr {
    text.parse().expect("six bytes")
}

#[test]
fn groups_have_stations_of_their_own() {
    let of = |text: &str| MacAddr::of_group(text.parse::<IpAddr>().unwrap());
    assert_eq!(of("224.0.0.251"), Some(mac("01:00:5e:00:00:fb")));
    // Of 28 bits of a group 23 are left (RFC 1112 §6.4).
    assert_eq!(of("239.255.1.2"), Some(mac("01:00:5e:7f:01:02")));
    assert_eq!(of("239.127.1.2"), of("224.255.1.2"));
    assert_eq!(of("ff02::1:ff12:3456"), Some(mac("33:33:ff:12:34:56")));
    assert_eq!(of("10.0.0.1"), None);
    assert_eq!(of("fe80::1"), None);
}

#[test]
fn a_solicited_node_group_keeps_24_bits() {
    let address: Ipv6Addr = "4037::1:800:200e:8c6c".parse().unwrap();
    // The example of RFC 4291 §2.7.1.
    assert_eq!(solicited_node(address).to_string(), "ff02::1:ff0e:8c6c");
    assert_eq!(ALL_NODES.to_string(), "ff02::1");
}

#[test]
fn addresses_are_written_as_people_do() {
    assert_eq!(mac("2:0:5E:10:0:1").to_string(), "02:00:5e:10:00:01");
    for bad in [
        "",
        "1:2:3:4:5",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:100",
        "1:2:3:4:5:g",
        "1:2:3:4:5:+6",
        "1:2:3:4:5:",
    ] {
        assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
    }
    assert!(mac("ff:ff:ff:ff:ff:ff").is_broadcast());
    assert!(!mac("00:00:00:00:00:00").is_unicast());
}

#[test]
fn an_interface_identifier_has_its_universal_bit_inverted() {
    // The example of RFC 4291 appendix A.
    let id = mac("34:56:78:9a:bc:de").to_eui64();
    assert_eq!(id, [0x36, 0x56, 0x78, 0xff, 0xfe, 0x9a, 0xbc, 0xde]);
}

#[test]
fn the_reserved_vlan_is_refused() {
    assert_eq!(VlanId::new(0), None);
    assert_eq!(VlanId::new(4095), None);
    assert_eq!(VlanTag::from_control(0x1fff), Err(DropReason::VlanTag));
    assert_eq!(VlanTag::parse(&[0, 1, 8]), Err(DropReason::Truncated));
    let priority = VlanTag::from_control(0xe000).unwrap();
    assert_eq!((priority.priority, priority.id), (7, None));
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_emitted_is_read_back(dest in any::<[u8; 6]>(), source in any::<[u8; 6]>(), ethertype in any::<u16>()) {
        let header = EthernetHeader {
            dest: MacAddr::new(dest),
            source: MacAddr::new(source),
            ethertype: EtherType(ethertype),
        };
        let mut head = HeadBuf::new();
        header.emit(&mut head);
        prop_assert_eq!(EthernetHeader::parse(&head), Ok(header));
        let (theirs, _) = Ethernet2Header::from_slice(&head).expect("etherparse reads it");
        prop_assert_eq!((theirs.destination, theirs.source), (dest, source));
        prop_assert_eq!(theirs.ether_type.0, ethertype);
        let smoltcp = EthernetFrame::new_checked(&head[..]).expect("smoltcp reads it");
        prop_assert_eq!(smoltcp.dst_addr().0, dest);
        prop_assert_eq!(u16::from(smoltcp.ethertype()), ethertype);
    }

    #[test]
    fn tags_are_read_as_others_read_them(data in any::<[u8; 4]>()) {
        let (theirs, _) = SingleVlanHeader::from_slice(&data).expect("four bytes");
        match VlanTag::parse(&data) {
            Ok((tag, inner)) => {
                prop_assert_eq!(tag.priority, theirs.pcp.value());
                prop_assert_eq!(tag.drop_eligible, theirs.drop_eligible_indicator);
                prop_assert_eq!(tag.id.map_or(0, VlanId::get), theirs.vlan_id.value());
                prop_assert_eq!(inner.0, theirs.ether_type.0);
                prop_assert_eq!(tag.to_bytes(inner), data);
            }
            Err(reason) => {
                prop_assert_eq!(reason, DropReason::VlanTag);
                prop_assert_eq!(theirs.vlan_id.value(), 4095);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(frame in bytes(20)) {
        let _: Result<_, _> = EthernetHeader::parse(&frame);
        let _: Result<_, _> = VlanTag::parse(&frame);
    }
}
