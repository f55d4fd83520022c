use super::{bytes, cases};
use crate::stats::DropReason;
use crate::wire::ndp::{
    Lifetime, NdpMessage, NdpOption, NeighborAdvert, Preference, PrefixInformation,
    RouteInformation, RouterAdvert,
};
use crate::wire::{MacAddr, ndp};
use core::net::Ipv6Addr;
use proptest::prelude::*;
use smoltcp::wire::{
    Icmpv6Packet, NdiscNeighborFlags, NdiscPrefixInfoFlags, NdiscRepr, NdiscRouterFlags,
};
use std::vec;
use std::vec::Vec;

fn unicast() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits & !(0xff << 120) | 0x20 << 120))
}

fn preferences() -> impl Strategy<Value = Preference> {
    prop_oneof![
        Just(Preference::Low),
        Just(Preference::Medium),
        Just(Preference::High)
    ]
}

fn adverts() -> impl Strategy<Value = RouterAdvert> {
    (any::<(u8, bool, bool, u32, u32)>(), 1_u16.., preferences()).prop_map(
        |((hop_limit, managed, other, reachable_time, retrans_timer), lifetime, preference)| {
            RouterAdvert {
                hop_limit,
                managed,
                other,
                preference,
                lifetime,
                reachable_time,
                retrans_timer,
            }
        },
    )
}

fn messages() -> impl Strategy<Value = NdpMessage> {
    prop_oneof![
        Just(NdpMessage::RouterSolicit),
        adverts().prop_map(NdpMessage::RouterAdvert),
        unicast().prop_map(|target| NdpMessage::NeighborSolicit { target }),
        (any::<(bool, bool, bool)>(), unicast()).prop_map(
            |((router, solicited, overrides), target)| {
                NdpMessage::NeighborAdvert(NeighborAdvert {
                    router,
                    solicited,
                    overrides,
                    target,
                })
            }
        ),
        (unicast(), unicast()).prop_map(|(target, dest)| NdpMessage::Redirect { target, dest }),
    ]
}

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 9]);
const SERVERS: [[u8; 16]; 2] = [[0x20; 16], [0x21; 16]];

fn prefix(bits: u128, len: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
    Ipv6Addr::from_bits(bits & mask)
}

fn options() -> impl Strategy<Value = NdpOption<'static>> {
    let prefixes = (any::<(u128, bool, bool, u32, u32)>(), 0_u8..=128).prop_map(
        |((bits, on_link, autonomous, valid, preferred), prefix_len)| {
            NdpOption::Prefix(PrefixInformation {
                prefix: prefix(bits, prefix_len),
                prefix_len,
                on_link,
                autonomous,
                valid: Lifetime(valid),
                preferred: Lifetime(preferred),
            })
        },
    );
    let routes = (any::<(u128, u32)>(), 0_u8..=128, preferences()).prop_map(
        |((bits, lifetime), prefix_len, preference)| {
            NdpOption::Route(RouteInformation {
                prefix: prefix(bits, prefix_len),
                prefix_len,
                preference,
                lifetime: Lifetime(lifetime),
            })
        },
    );
    prop_oneof![
        Just(NdpOption::SourceLinkLayer(MAC)),
        Just(NdpOption::TargetLinkLayer(MAC)),
        prefixes,
        routes,
        Just(NdpOption::RedirectedHeader(&[0x60; 56])),
        any::<u32>().prop_map(NdpOption::Mtu),
        Just(NdpOption::Nonce(&[1, 2, 3, 4, 5, 6])),
        any::<u32>().prop_map(|lifetime| NdpOption::DnsServers {
            lifetime: Lifetime(lifetime),
            servers: &SERVERS,
        }),
        any::<u32>().prop_map(|lifetime| NdpOption::DnsSearch {
            lifetime: Lifetime(lifetime),
            domains: b"\x03lan\0\0\0\0",
        }),
        (200_u8..).prop_map(|kind| NdpOption::Other {
            kind,
            data: &[7; 14]
        }),
    ]
}

fn emit(message: &NdpMessage, options: &[NdpOption<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(options, &mut out);
    out
}

#[test]
fn an_option_of_length_zero_condemns_the_message() {
    // RFC 4861 §4.6: "Nodes MUST silently discard an ND packet that contains an option with length
    // zero."
    let mut bytes = emit(
        &NdpMessage::RouterSolicit,
        &[NdpOption::SourceLinkLayer(MAC)],
    );
    bytes[9] = 0;
    assert_eq!(NdpMessage::parse(&bytes), Err(DropReason::Ndp));
    bytes[9] = 2;
    assert_eq!(NdpMessage::parse(&bytes), Err(DropReason::Ndp));
}

#[test]
fn options_that_nobody_knows_are_passed_over() {
    let strange = NdpOption::Other {
        kind: 99,
        data: &[1; 6],
    };
    let own = NdpOption::SourceLinkLayer(MAC);
    let bytes = emit(&NdpMessage::RouterSolicit, &[strange, own]);
    let (_, options) = NdpMessage::parse(&bytes).unwrap();
    assert_eq!(options.into_iter().collect::<Vec<_>>(), vec![strange, own]);
    assert_eq!(options.source_link_layer(), Some(MAC));
    assert_eq!(options.target_link_layer(), None);
}

#[test]
fn a_code_or_the_address_of_a_group_is_refused() {
    let target = "ff02::1".parse().unwrap();
    let bytes = emit(&NdpMessage::NeighborSolicit { target }, &[]);
    assert_eq!(NdpMessage::parse(&bytes), Err(DropReason::Ndp));
    let target = "fe80::1".parse().unwrap();
    let mut bytes = emit(&NdpMessage::NeighborSolicit { target }, &[]);
    assert!(NdpMessage::parse(&bytes).is_ok());
    bytes[1] = 1;
    assert_eq!(NdpMessage::parse(&bytes), Err(DropReason::Ndp));
}

#[test]
fn the_reserved_preference_is_medium_for_a_router_and_none_for_a_route() {
    // RFC 4191 §2.2 and §2.3.
    let advert = RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: false,
        preference: Preference::High,
        lifetime: 9,
        reachable_time: 0,
        retrans_timer: 0,
    };
    let route = NdpOption::Route(RouteInformation {
        prefix: Ipv6Addr::UNSPECIFIED,
        prefix_len: 0,
        preference: Preference::Low,
        lifetime: Lifetime(9),
    });
    let mut bytes = emit(&NdpMessage::RouterAdvert(advert), &[route]);
    bytes[5] = 0b10 << 3;
    bytes[16 + 3] = 0b10 << 3;
    let (message, options) = NdpMessage::parse(&bytes).unwrap();
    let medium = RouterAdvert {
        preference: Preference::Medium,
        ..advert
    };
    assert_eq!(message, NdpMessage::RouterAdvert(medium));
    assert!(matches!(
        options.into_iter().next(),
        Some(NdpOption::Other { kind: 24, .. })
    ));
}

#[test]
fn the_types_of_neighbour_discovery_are_known() {
    assert!((133..=137).all(ndp::is_ndp));
    assert!(!ndp::is_ndp(132) && !ndp::is_ndp(138));
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_emitted_is_read_back(message in messages(), options in prop::collection::vec(options(), 0..5)) {
        let bytes = emit(&message, &options);
        let (read, found) = NdpMessage::parse(&bytes).expect("our own");
        prop_assert_eq!(read, message);
        prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), options);
    }

    #[test]
    fn smoltcp_reads_the_same(message in messages(), mtu in any::<u32>(), bits in any::<u128>(), len in 0_u8..=128) {
        let information = PrefixInformation {
            prefix: prefix(bits, len),
            prefix_len: len,
            on_link: true,
            autonomous: false,
            valid: Lifetime(9),
            preferred: Lifetime(7),
        };
        let options = [NdpOption::SourceLinkLayer(MAC), NdpOption::Mtu(mtu), NdpOption::Prefix(information)];
        let bytes = emit(&message, if matches!(message, NdpMessage::RouterAdvert(_)) { &options } else { &[] });
        let packet = Icmpv6Packet::new_checked(&bytes[..]).expect("long enough");
        match (message, NdiscRepr::parse(&packet).expect("smoltcp reads it")) {
            (NdpMessage::RouterSolicit, NdiscRepr::RouterSolicit { lladdr }) => {
                prop_assert!(lladdr.is_none());
            }
            (NdpMessage::RouterAdvert(advert), NdiscRepr::RouterAdvert {
                hop_limit, flags, router_lifetime, reachable_time, retrans_time, lladdr, mtu: their_mtu, prefix_info,
            }) => {
                prop_assert_eq!(hop_limit, advert.hop_limit);
                prop_assert_eq!(flags.contains(NdiscRouterFlags::MANAGED), advert.managed);
                prop_assert_eq!(flags.contains(NdiscRouterFlags::OTHER), advert.other);
                prop_assert_eq!(router_lifetime.secs(), u64::from(advert.lifetime));
                prop_assert_eq!(reachable_time.total_millis(), u64::from(advert.reachable_time));
                prop_assert_eq!(retrans_time.total_millis(), u64::from(advert.retrans_timer));
                let told = lladdr.expect("told");
                prop_assert_eq!(told.as_bytes(), MAC.octets());
                prop_assert_eq!(their_mtu, Some(mtu));
                let theirs = prefix_info.expect("told");
                prop_assert_eq!((theirs.prefix, theirs.prefix_len), (information.prefix, len));
                prop_assert_eq!(theirs.flags, NdiscPrefixInfoFlags::ON_LINK);
                prop_assert_eq!((theirs.valid_lifetime.secs(), theirs.preferred_lifetime.secs()), (9, 7));
            }
            (NdpMessage::NeighborSolicit { target }, NdiscRepr::NeighborSolicit { target_addr, .. }) => {
                prop_assert_eq!(target_addr, target);
            }
            (NdpMessage::NeighborAdvert(advert), NdiscRepr::NeighborAdvert { flags, target_addr, .. }) => {
                prop_assert_eq!(target_addr, advert.target);
                prop_assert_eq!(flags.contains(NdiscNeighborFlags::ROUTER), advert.router);
                prop_assert_eq!(flags.contains(NdiscNeighborFlags::SOLICITED), advert.solicited);
                prop_assert_eq!(flags.contains(NdiscNeighborFlags::OVERRIDE), advert.overrides);
            }
            (NdpMessage::Redirect { target, dest }, NdiscRepr::Redirect { target_addr, dest_addr, .. }) => {
                prop_assert_eq!((target_addr, dest_addr), (target, dest));
            }
            (ours, theirs) => prop_assert!(false, "{:?} is {:?}", ours, theirs),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut data in bytes(80), kind in 133_u8..138) {
        if let [first, code, ..] = &mut data[..] {
            (*first, *code) = (kind, 0);
        }
        if let Ok((message, options)) = NdpMessage::parse(&data) {
            let list: Vec<_> = options.into_iter().collect();
            let bytes = emit(&message, &list);
            let (again, _) = NdpMessage::parse(&bytes).expect("our own");
            prop_assert_eq!(again, message);
        }
    }
}

/// The places of bytes in a message, with the bits in them that are reserved.
type Reserved = &'static [(usize, u8)];

/// RFC 4861 §4, RFC 4191 §2.
#[test]
fn reserved_bits_say_nothing() {
    let route = NdpOption::Route(RouteInformation {
        prefix: "2001:db8::".parse().unwrap(),
        prefix_len: 32,
        preference: Preference::High,
        lifetime: Lifetime(600),
    });
    let advert = NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: true,
        preference: Preference::Low,
        lifetime: 1800,
        reachable_time: 0,
        retrans_timer: 0,
    });
    let target = "fe80::9".parse().unwrap();
    let claim = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: true,
        solicited: false,
        overrides: true,
        target,
    });
    let solicit = NdpMessage::NeighborSolicit { target };
    let redirect = NdpMessage::Redirect {
        target,
        dest: target,
    };
    let cases: [(NdpMessage, &[NdpOption<'_>], Reserved); 4] = [
        // Of the message, of the option, and behind its prefix.
        (
            advert,
            &[route],
            &[(5, 0b111), (16 + 3, 0b1110_0111), (16 + 12, 0xff)],
        ),
        (claim, &[], &[(4, 0x1f), (5, 0xff), (7, 0xff)]),
        (solicit, &[], &[(4, 0xff), (7, 0xff)]),
        (redirect, &[], &[(4, 0xff), (7, 0xff)]),
    ];
    for (message, options, reserved) in cases {
        let mut bytes = Vec::new();
        message.emit(options, &mut bytes);
        for &(at, bits) in reserved {
            bytes[at] |= bits;
        }
        let (read, found) = NdpMessage::parse(&bytes).unwrap();
        assert_eq!(read, message);
        assert!(found.into_iter().eq(options.iter().copied()));
    }
}
