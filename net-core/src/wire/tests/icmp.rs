use super::{bytes, cases};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use crate::wire::{IcmpMessage, icmpv4, icmpv6};
use etherparse::{Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, icmpv4 as their_v4};
use proptest::prelude::*;

fn messages() -> impl Strategy<Value = IcmpMessage> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(ident, seq)| IcmpMessage::EchoRequest { ident, seq }),
        any::<(u16, u16)>().prop_map(|(ident, seq)| IcmpMessage::EchoReply { ident, seq }),
        (0_u8..4).prop_map(|code| IcmpMessage::Unreachable { code }),
        (0_u32..0x1_0000).prop_map(|mtu| IcmpMessage::PacketTooBig { mtu }),
        (0_u8..2).prop_map(|code| IcmpMessage::TimeExceeded { code }),
        (0_u8..2, 0_u32..0x100)
            .prop_map(|(code, pointer)| IcmpMessage::ParameterProblem { code, pointer }),
        (200_u8.., any::<(u8, u32)>()).prop_map(|(kind, (code, rest))| IcmpMessage::Other {
            kind,
            code,
            rest
        }),
    ]
}

fn v4_from_etherparse(kind: &Icmpv4Type) -> Option<IcmpMessage> {
    use their_v4::DestUnreachableHeader as Unreachable;
    Some(match kind {
        Icmpv4Type::EchoRequest(echo) => IcmpMessage::EchoRequest {
            ident: echo.id,
            seq: echo.seq,
        },
        Icmpv4Type::EchoReply(echo) => IcmpMessage::EchoReply {
            ident: echo.id,
            seq: echo.seq,
        },
        Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded { next_hop_mtu }) => {
            IcmpMessage::PacketTooBig {
                mtu: u32::from(*next_hop_mtu),
            }
        }
        Icmpv4Type::DestinationUnreachable(header) => IcmpMessage::Unreachable {
            code: header.code_u8(),
        },
        Icmpv4Type::TimeExceeded(code) => IcmpMessage::TimeExceeded {
            code: code.code_u8(),
        },
        _ => return None,
    })
}

fn v6_from_etherparse(kind: &Icmpv6Type) -> Option<IcmpMessage> {
    Some(match kind {
        Icmpv6Type::EchoRequest(echo) => IcmpMessage::EchoRequest {
            ident: echo.id,
            seq: echo.seq,
        },
        Icmpv6Type::EchoReply(echo) => IcmpMessage::EchoReply {
            ident: echo.id,
            seq: echo.seq,
        },
        Icmpv6Type::PacketTooBig { mtu } => IcmpMessage::PacketTooBig { mtu: *mtu },
        Icmpv6Type::DestinationUnreachable(code) => IcmpMessage::Unreachable {
            code: code.code_u8(),
        },
        Icmpv6Type::TimeExceeded(code) => IcmpMessage::TimeExceeded {
            code: code.code_u8(),
        },
        Icmpv6Type::ParameterProblem(header) => IcmpMessage::ParameterProblem {
            code: header.code.code_u8(),
            pointer: header.pointer,
        },
        _ => return None,
    })
}

#[test]
fn refuses_less_than_eight_bytes() {
    assert_eq!(icmpv4::parse(&[8; 7]), Err(DropReason::Truncated));
    assert_eq!(icmpv6::parse(&[128; 7]), Err(DropReason::Truncated));
}

#[test]
fn numbers_too_large_for_the_old_fields_are_cut_to_the_largest() {
    let mut head = HeadBuf::new();
    icmpv4::emit(&IcmpMessage::PacketTooBig { mtu: 100_000 }, &mut head);
    assert_eq!(
        icmpv4::parse(&head),
        Ok(IcmpMessage::PacketTooBig { mtu: 65535 })
    );
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_emitted_is_read_back(message in messages()) {
        let mut head = HeadBuf::new();
        icmpv4::emit(&message, &mut head);
        prop_assert_eq!(icmpv4::parse(&head), Ok(message));
        let (header, _) = Icmpv4Header::from_slice(&head).expect("etherparse reads it");
        if let Some(theirs) = v4_from_etherparse(&header.icmp_type) {
            prop_assert_eq!(theirs, message);
        }
        let mut head = HeadBuf::new();
        icmpv6::emit(&message, &mut head);
        prop_assert_eq!(icmpv6::parse(&head), Ok(message));
        let (header, _) = Icmpv6Header::from_slice(&head).expect("etherparse reads it");
        if let Some(theirs) = v6_from_etherparse(&header.icmp_type) {
            prop_assert_eq!(theirs, message);
        }
    }

    #[test]
    fn any_bytes_are_read_as_others_read_them(mut data in bytes(40), kind in 0_u8..13, six in any::<bool>()) {
        if let Some(first) = data.first_mut() {
            *first = if six && kind > 5 { 122 + kind } else { kind };
        }
        if let Ok((header, _)) = Icmpv4Header::from_slice(&data)
            && let Some(theirs) = v4_from_etherparse(&header.icmp_type)
        {
            prop_assert_eq!(icmpv4::parse(&data), Ok(theirs));
        }
        if let Ok((header, _)) = Icmpv6Header::from_slice(&data)
            && let Some(theirs) = v6_from_etherparse(&header.icmp_type)
        {
            prop_assert_eq!(icmpv6::parse(&data), Ok(theirs));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(data in bytes(20)) {
        let _: Result<_, _> = icmpv4::parse(&data);
        let _: Result<_, _> = icmpv6::parse(&data);
    }
}
