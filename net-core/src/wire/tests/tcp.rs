use super::{bytes, cases};
use crate::buf::{HeadBuf, TxPacket};
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::time::Duration;
use crate::wire::{
    FastOpenCookie, SackBlocks, TcpFlags, TcpHeader, TcpOptions, UserTimeout, ip, transport,
};
use etherparse::TcpOptionElement;
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, TcpPacket, TcpRepr};
use std::vec;
use std::vec::Vec;

fn emit(header: &TcpHeader) -> HeadBuf {
    let mut head = HeadBuf::new();
    let len = header.emit(&mut head);
    assert_eq!(len, head.len());
    head
}

/// A SYN from 10.0.0.1:54321 to 10.0.0.2:80, written by hand, as Linux sends it: MSS 1460, SACK permitted,
/// timestamps, NOP, window scale 7.
const GOLDEN_SYN: [u8; 40] = [
    0xd4, 0x31, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0xfa,
    0xf0, //
    0x50, 0x85, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x10,
    0x00, //
    0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
];

/// RFC 9293 §3.1.
#[test]
fn a_golden_segment_is_read_and_written() {
    let header = TcpHeader {
        source_port: 54321,
        dest_port: 80,
        seq: SeqNum::new(0x0102_0304),
        flags: TcpFlags::SYN,
        window: 64240,
        header_len: 40,
        options: TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some((0x1000, 0)),
            ..TcpOptions::default()
        },
        ..TcpHeader::default()
    };
    assert_eq!(TcpHeader::parse(&GOLDEN_SYN), Ok(header));
    let mut packet = TxPacket::default();
    header.emit(&mut packet.head);
    let ends = [1, 2].map(|host| [10, 0, 0, host].into());
    transport::fill_checksum(&mut packet, ends[0], ends[1], ip::TCP, false);
    assert_eq!(packet.head[..], GOLDEN_SYN);
}

fn options() -> impl Strategy<Value = TcpOptions> {
    (
        prop::option::of(any::<u16>()),
        prop::option::of(0_u8..=14),
        any::<bool>(),
        prop::option::of(any::<(u32, u32)>()),
        prop::option::of(1_u64..2_000_000),
        prop::option::of(0_usize..=8),
        prop::collection::vec(any::<(u32, u32)>(), 0..=4),
    )
        .prop_map(
            |(mss, window_scale, sack_permitted, timestamps, timeout, cookie, blocks)| {
                let mut sack = SackBlocks::default();
                for (start, end) in blocks {
                    sack.push(SeqNum::new(start), SeqNum::new(end));
                }
                TcpOptions {
                    mss,
                    window_scale,
                    sack_permitted,
                    timestamps,
                    user_timeout: timeout
                        .and_then(|time| UserTimeout::new(Duration::from_secs(time))),
                    accurate_ecn: None,
                    fast_open: cookie.and_then(|len| FastOpenCookie::new(&[7; 16][..2 * len])),
                    sack,
                }
            },
        )
}

fn headers() -> impl Strategy<Value = TcpHeader> {
    let numbers = any::<(u16, u16, u32, u32, u16, u16)>();
    (numbers, 0_u16..0x200, options()).prop_map(|(numbers, flags, options)| {
        let (source_port, dest_port, seq, ack, window, urgent) = numbers;
        TcpHeader {
            source_port,
            dest_port,
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags: TcpFlags::from_bits_truncate(flags),
            window,
            urgent,
            header_len: 20 + options.emitted_len(),
            options,
        }
    })
}

/// The header with the cookie and the SACK blocks that fit beside its other options.
fn as_emitted(header: &TcpHeader) -> TcpHeader {
    let mut sack = SackBlocks::default();
    let mut others = TcpOptions {
        sack,
        fast_open: None,
        ..header.options
    };
    let cookie = header.options.fast_open;
    others.fast_open = cookie.filter(|cookie| cookie.fits_behind(others.emitted_len()));
    let room = 40_usize.saturating_sub(others.emitted_len() + 4) / 8;
    for (start, end) in header.options.sack.iter().take(room) {
        sack.push(start, end);
    }
    TcpHeader {
        options: TcpOptions { sack, ..others },
        ..*header
    }
}

/// What another implementation has read, in our words.
fn from_etherparse(bytes: &[u8]) -> Option<TcpHeader> {
    let (header, _) = etherparse::TcpHeader::from_slice(bytes).ok()?;
    let mut flags = TcpFlags::empty();
    flags.set(TcpFlags::FIN, header.fin);
    flags.set(TcpFlags::SYN, header.syn);
    flags.set(TcpFlags::RST, header.rst);
    flags.set(TcpFlags::PSH, header.psh);
    flags.set(TcpFlags::ACK, header.ack);
    flags.set(TcpFlags::URG, header.urg);
    flags.set(TcpFlags::ECE, header.ece);
    flags.set(TcpFlags::CWR, header.cwr);
    flags.set(TcpFlags::AE, header.ns);
    let mut options = TcpOptions::default();
    for element in header.options_iterator().map_while(Result::ok) {
        match element {
            TcpOptionElement::Noop => {}
            TcpOptionElement::MaximumSegmentSize(mss) => options.mss = Some(mss),
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift.min(14)),
            TcpOptionElement::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
            TcpOptionElement::SelectiveAcknowledgement(first, rest) => {
                options.sack = SackBlocks::default();
                for (start, end) in [Some(first)].into_iter().chain(rest).flatten() {
                    options.sack.push(SeqNum::new(start), SeqNum::new(end));
                }
            }
            TcpOptionElement::Timestamp(value, echo) => options.timestamps = Some((value, echo)),
        }
    }
    Some(TcpHeader {
        source_port: header.source_port,
        dest_port: header.destination_port,
        seq: SeqNum::new(header.sequence_number),
        ack: SeqNum::new(header.acknowledgment_number),
        flags,
        window: header.window_size,
        urgent: header.urgent_pointer,
        header_len: header.header_len(),
        options,
    })
}

/// One option, well-formed, of those that everybody knows.
fn known_option() -> impl Strategy<Value = Vec<u8>> {
    let block = prop::collection::vec(any::<u8>(), 8);
    prop_oneof![
        Just(vec![1]),
        any::<u16>().prop_map(|mss| [&[2, 4][..], &mss.to_be_bytes()].concat()),
        any::<u8>().prop_map(|shift| vec![3, 3, shift]),
        Just(vec![4, 2]),
        block
            .clone()
            .prop_map(|times| [&[8, 10][..], &times].concat()),
        prop::collection::vec(block, 1..=4).prop_map(|blocks| {
            let len = u8::try_from(2 + 8 * blocks.len()).expect("at most 34");
            [&[5, len][..], &blocks.concat()].concat()
        }),
    ]
}

fn parse_options(bytes: &[u8]) -> TcpOptions {
    TcpOptions::parse(bytes)
}

#[test]
fn options_stand_in_the_order_of_linux() {
    let mut options = TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some((1, 2)),
        ..TcpOptions::default()
    };
    let emitted = |options: &TcpOptions| {
        let mut head = HeadBuf::new();
        options.emit(&mut head);
        head.to_vec()
    };
    let syn = [
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
    ];
    assert_eq!(emitted(&options), syn);
    options.timestamps = None;
    assert_eq!(emitted(&options), [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7]);
    let mut data = TcpOptions {
        timestamps: Some((1, 2)),
        ..TcpOptions::default()
    };
    data.sack.push(SeqNum::new(3), SeqNum::new(4));
    let ack = [
        1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4,
    ];
    assert_eq!(emitted(&data), ack);
}

/// RFC 7413 §4.1.1: the option of fast open comes last, and in the lengths that it may have.
#[test]
fn a_fast_open_cookie_is_padded_behind() {
    for (cookie, option) in [
        (&[][..], &[34, 2, 1, 1][..]),
        (&[9, 8, 7, 6], &[34, 6, 9, 8, 7, 6, 1, 1]),
        (&[9, 8, 7, 6, 5, 4], &[34, 8, 9, 8, 7, 6, 5, 4]),
    ] {
        let options = TcpOptions {
            mss: Some(1460),
            fast_open: FastOpenCookie::new(cookie),
            ..TcpOptions::default()
        };
        let mut head = HeadBuf::new();
        options.emit(&mut head);
        assert_eq!(&head[..4], [2, 4, 5, 180]);
        assert_eq!(&head[4..], option);
        assert_eq!(parse_options(&head), options);
    }
    for bad in [&[34, 4, 1, 2][..], &[34, 7, 1, 2, 3, 4, 5]] {
        assert_eq!(parse_options(bad), TcpOptions::default());
    }
}

/// RFC 5482 §3.3, §3.4.
#[test]
fn a_user_timeout_has_kind_28_and_a_bit_for_minutes() {
    for (seconds, option) in [(300, [28, 4, 0x01, 0x2c]), (40_000, [28, 4, 0x82, 0x9b])] {
        let options = TcpOptions {
            user_timeout: UserTimeout::new(Duration::from_secs(seconds)),
            ..TcpOptions::default()
        };
        let mut head = HeadBuf::new();
        options.emit(&mut head);
        assert_eq!(&head[..], option);
        assert_eq!(parse_options(&head), options);
    }
    // The reserved value, and another length.
    for bad in [&[28, 4, 0, 0][..], &[28, 3, 1], &[28, 5, 0, 1, 2]] {
        assert_eq!(parse_options(bad), TcpOptions::default());
    }
}

#[test]
fn an_unknown_option_is_skipped() {
    let options = parse_options(&[254, 6, 1, 2, 3, 4, 2, 4, 5, 180]);
    assert_eq!(options.mss, Some(1460));
}

#[test]
fn an_impossible_length_ends_the_options_but_keeps_the_segment() {
    for bad in [&[254, 0][..], &[254, 1], &[254, 200, 1, 1], &[8]] {
        let options = parse_options(&[&[2, 4, 5, 180][..], bad].concat());
        assert_eq!(options.mss, Some(1460));
    }
    assert_eq!(parse_options(&[254, 0, 2, 4, 5, 180]).mss, None);
}

#[test]
fn a_known_option_of_the_wrong_length_is_ignored() {
    let options = parse_options(&[2, 3, 5, 3, 4, 7, 7, 5, 9, 1, 2, 3, 4, 5, 6, 7, 4, 2]);
    let expected = TcpOptions {
        sack_permitted: true,
        ..TcpOptions::default()
    };
    assert_eq!(options, expected);
    assert_eq!(parse_options(&[5, 2]), TcpOptions::default());
}

#[test]
fn a_window_scale_above_14_is_taken_for_14() {
    assert_eq!(parse_options(&[3, 3, 200, 0]).window_scale, Some(14));
}

#[test]
fn nothing_behind_the_end_of_the_list_counts() {
    assert_eq!(parse_options(&[0, 2, 4, 5, 180]), TcpOptions::default());
}

#[test]
fn refuses_a_header_that_is_cut_off_or_too_small() {
    let head = emit(&TcpHeader {
        options: TcpOptions {
            mss: Some(1),
            ..TcpOptions::default()
        },
        ..TcpHeader::default()
    });
    assert_eq!(TcpHeader::parse(&head[..19]), Err(DropReason::Truncated));
    assert_eq!(TcpHeader::parse(&head[..23]), Err(DropReason::Truncated));
    let mut small = head.clone();
    small[12] = 0x40;
    assert_eq!(TcpHeader::parse(&small), Err(DropReason::TransportHeader));
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn what_is_emitted_is_read_back(header in headers(), payload in bytes(20)) {
        let emitted = as_emitted(&header);
        let segment = [&emit(&header)[..], &payload].concat();
        prop_assert_eq!(TcpHeader::parse(&segment), Ok(emitted));
        // etherparse knows neither user timeouts nor cookies, and reads no further than to those.
        let mut known = header;
        known.options.user_timeout = None;
        known.options.fast_open = None;
        known.header_len = 20 + known.options.emitted_len();
        let segment = [&emit(&known)[..], &payload].concat();
        prop_assert_eq!(from_etherparse(&segment), Some(as_emitted(&known)));
    }

    #[test]
    fn smoltcp_reads_what_is_emitted(header in headers(), payload in bytes(20)) {
        let flags = TcpFlags::ACK | header.flags & TcpFlags::PSH;
        let header = as_emitted(&TcpHeader {
            source_port: header.source_port.max(1),
            dest_port: header.dest_port.max(1),
            flags,
            ..header
        });
        let segment = [&emit(&header)[..], &payload].concat();
        let packet = TcpPacket::new_checked(&segment[..]).expect("smoltcp reads it");
        let address = IpAddress::v4(0, 0, 0, 0);
        let caps = ChecksumCapabilities::ignored();
        let repr = TcpRepr::parse(&packet, &address, &address, &caps).expect("smoltcp reads it");
        let options = &header.options;
        prop_assert_eq!(repr.src_port, header.source_port);
        prop_assert_eq!(repr.dst_port, header.dest_port);
        prop_assert_eq!(repr.seq_number.0, header.seq.get().cast_signed());
        prop_assert_eq!(repr.ack_number.map(|ack| ack.0), Some(header.ack.get().cast_signed()));
        prop_assert_eq!(repr.window_len, header.window);
        prop_assert_eq!(repr.max_seg_size, options.mss);
        prop_assert_eq!(repr.window_scale, options.window_scale);
        prop_assert_eq!(repr.sack_permitted, options.sack_permitted);
        prop_assert_eq!(repr.timestamp.map(|times| (times.tsval, times.tsecr)), options.timestamps);
        // It keeps three blocks at most.
        for (block, range) in options.sack.iter().zip(repr.sack_ranges) {
            prop_assert_eq!(Some((block.0.get(), block.1.get())), range);
        }
        prop_assert_eq!(repr.payload, &payload[..]);
    }

    #[test]
    fn known_options_in_any_order_are_read_as_others_read_them(
        list in prop::collection::vec(known_option(), 0..6),
    ) {
        let mut options = list.concat();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let mut segment = vec![0; 20];
        segment[12] = u8::try_from((20 + options.len()) / 4).expect("at most 15") << 4;
        segment.extend_from_slice(&options);
        prop_assert_eq!(TcpHeader::parse(&segment).ok(), from_etherparse(&segment));
    }

    #[test]
    fn any_bytes_are_read_as_others_read_them(segment in bytes(80)) {
        let ours = TcpHeader::parse(&segment).ok();
        let theirs = from_etherparse(&segment);
        prop_assert_eq!(ours.is_some(), theirs.is_some());
        let bare = |header: TcpHeader| TcpHeader { options: TcpOptions::default(), ..header };
        prop_assert_eq!(ours.map(bare), theirs.map(bare));
    }

    #[test]
    fn no_options_make_it_panic(options in bytes(60)) {
        let _: TcpOptions = parse_options(&options);
    }
}
