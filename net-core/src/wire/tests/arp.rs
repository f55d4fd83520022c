use super::{bytes, cases};
use crate::stats::DropReason;
use crate::wire::{ArpOperation, ArpPacket, MacAddr};
use core::net::Ipv4Addr;
use etherparse::{ArpHardwareId, ArpOperation as TheirOperation, EtherType};
use proptest::prelude::*;
use smoltcp::wire::{ArpPacket as SmolArp, ArpRepr};

fn unicast() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>()
        .prop_map(|[a, b, c, d, e, f]| MacAddr::new([a & 0xfe, b, c, d, e, f]))
        .prop_filter("a station", |mac| mac.is_unicast())
}

fn packets() -> impl Strategy<Value = ArpPacket> {
    let addresses = any::<(u32, u32, [u8; 6])>();
    (unicast(), addresses, any::<bool>()).prop_map(|(sender_mac, (sender, target, mac), asks)| {
        ArpPacket {
            operation: if asks {
                ArpOperation::Request
            } else {
                ArpOperation::Reply
            },
            sender_mac,
            sender_ip: Ipv4Addr::from_bits(sender),
            target_mac: MacAddr::new(mac),
            target_ip: Ipv4Addr::from_bits(target),
        }
    })
}

fn from_etherparse(bytes: &[u8]) -> Option<ArpPacket> {
    let packet = etherparse::ArpPacket::from_slice(bytes).ok()?;
    let (hardware, protocol) = (packet.hw_addr_type, packet.proto_addr_type);
    if (hardware, protocol) != (ArpHardwareId::ETHERNET, EtherType::IPV4) {
        return None;
    }
    let operation = match packet.operation {
        TheirOperation::REQUEST => ArpOperation::Request,
        TheirOperation::REPLY => ArpOperation::Reply,
        _ => return None,
    };
    let packet = packet.try_eth_ipv4().ok()?;
    Some(ArpPacket {
        operation,
        sender_mac: MacAddr::new(packet.sender_mac),
        sender_ip: packet.sender_ipv4.into(),
        target_mac: MacAddr::new(packet.target_mac),
        target_ip: packet.target_ipv4.into(),
    })
}

#[test]
fn an_answer_goes_back_to_who_asked() {
    let (asker, holder) = (MacAddr::local(1), MacAddr::local(2));
    let (own, target) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let question = ArpPacket::request(asker, own, target);
    let answer = ArpPacket::reply_to(&question, holder);
    assert_eq!(answer.operation, ArpOperation::Reply);
    assert_eq!((answer.sender_mac, answer.sender_ip), (holder, target));
    assert_eq!((answer.target_mac, answer.target_ip), (asker, own));
    assert!(!question.is_probe());
    assert!(ArpPacket::request(asker, Ipv4Addr::UNSPECIFIED, target).is_probe());
}

#[test]
fn other_networks_and_senders_that_are_no_station_are_refused() {
    let mac = MacAddr::local(1);
    let good = ArpPacket::request(mac, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).to_bytes();
    assert!(ArpPacket::parse(&good).is_ok());
    assert_eq!(ArpPacket::parse(&good[..27]), Err(DropReason::Truncated));
    for at in [1, 3, 4, 5, 7, 8] {
        let mut bad = good;
        bad[at] ^= 0x41;
        assert_eq!(ArpPacket::parse(&bad), Err(DropReason::Arp), "byte {at}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_emitted_is_read_back(packet in packets()) {
        let bytes = packet.to_bytes();
        prop_assert_eq!(ArpPacket::parse(&bytes), Ok(packet));
        prop_assert_eq!(from_etherparse(&bytes), Some(packet));
        let theirs = ArpRepr::parse(&SmolArp::new_checked(&bytes).expect("long enough"));
        let ArpRepr::EthernetIpv4 { source_protocol_addr, target_hardware_addr, .. } =
            theirs.expect("smoltcp reads it")
        else {
            return Err(TestCaseError::fail("another network"));
        };
        prop_assert_eq!(source_protocol_addr, packet.sender_ip);
        prop_assert_eq!(target_hardware_addr.0, packet.target_mac.octets());
    }

    #[test]
    fn any_bytes_are_read_as_others_read_them(packet in packets(), noise in bytes(40), at in 0_usize..28) {
        let mut data = packet.to_bytes().to_vec();
        for (place, byte) in data.iter_mut().skip(at).zip(&noise).take(3) {
            *place = *byte;
        }
        if let Ok(ours) = ArpPacket::parse(&data) {
            prop_assert_eq!(from_etherparse(&data), Some(ours));
        }
        let _: Result<_, _> = ArpPacket::parse(&noise);
    }
}
