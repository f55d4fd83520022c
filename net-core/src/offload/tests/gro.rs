use super::{PLAIN, flat, flat_rx, flow, merge, payload, received, segments, tcp_packet};
use crate::buf::{Checksum, Gso, GsoKind, RxPacket};
use crate::tcp::SeqNum;
use crate::wire::{IpHeader, TcpFlags, TcpHeader};
use std::vec;
use std::vec::Vec;

/// `count` segments of 1000 bytes each, one behind the other.
fn run(ip: &IpHeader, tcp: &TcpHeader, count: usize) -> Vec<RxPacket> {
    let packet = tcp_packet(ip, tcp, payload(1000 * count, &[]), Some(1000));
    let mut out = segments(packet, PLAIN);
    out.drain().map(|packet| received(packet, true)).collect()
}

/// One segment of its own.
fn one(ip: &IpHeader, tcp: &TcpHeader, len: usize) -> RxPacket {
    received(tcp_packet(ip, tcp, payload(len, &[]), None), true)
}

fn lens(packets: &[RxPacket]) -> Vec<usize> {
    packets.iter().map(RxPacket::len).collect()
}

#[test]
fn a_run_becomes_one_packet_that_says_what_it_is() {
    let (ip, tcp) = flow(0, false);
    let merged = merge(run(&ip, &tcp, 5));
    assert_eq!(merged.len(), 1);
    let packet = &merged[0];
    assert_eq!(packet.meta.checksum, Checksum::Verified);
    let gso = Gso {
        kind: GsoKind::Tcp4,
        size: 1000,
        ecn: false,
    };
    assert_eq!(packet.meta.gso, Some(gso));
    assert_eq!(packet.frags.len(), 4);
    let header = IpHeader::parse(&packet.frame, packet.len()).expect("the header was kept right");
    assert_eq!(header.payload_len, 32 + 5000);
}

#[test]
fn a_shorter_segment_is_the_last() {
    let (ip, mut tcp) = flow(0, false);
    let mut packets = Vec::new();
    for len in [1000, 1000, 300, 1000, 1000] {
        packets.push(one(&ip, &tcp, len));
        tcp.seq += u32::try_from(len).expect("short");
    }
    assert_eq!(lens(&merge(packets)), [52 + 2300, 52 + 2000]);
}

#[test]
fn a_longer_segment_begins_anew() {
    let (ip, mut tcp) = flow(0, false);
    let first = one(&ip, &tcp, 300);
    tcp.seq += 300;
    assert_eq!(merge([first, one(&ip, &tcp, 301)]).len(), 2);
}

#[test]
fn psh_ends_a_run_and_is_kept() {
    let (ip, mut tcp) = flow(0, true);
    let first = one(&ip, &tcp, 1000);
    tcp.seq += 1000;
    tcp.flags |= TcpFlags::PSH;
    let second = one(&ip, &tcp, 1000);
    tcp.seq += 1000;
    let third = one(&ip, &tcp, 1000);
    let merged = merge([first, second, third]);
    assert_eq!(lens(&merged), [72 + 2000, 72 + 1000]);
    for packet in &merged {
        let header = TcpHeader::parse(&packet.frame[40..]).expect("our own");
        assert_eq!(header.flags, TcpFlags::ACK | TcpFlags::PSH);
    }
}

#[test]
fn a_gap_is_left_open() {
    let (ip, tcp) = flow(0, false);
    let mut packets = run(&ip, &tcp, 6);
    packets.remove(2);
    assert_eq!(lens(&merge(packets)), [52 + 2000, 52 + 3000]);
}

#[test]
fn whatever_differs_keeps_segments_apart() {
    let (ip, tcp) = flow(0, false);
    let next = TcpHeader {
        seq: tcp.seq + 1000,
        ..tcp
    };
    let mut others = vec![
        (IpHeader { ttl: 63, ..ip }, next),
        (IpHeader { tos: 1, ..ip }, next),
        (
            IpHeader {
                source: "192.0.2.9".parse().expect("an address"),
                ..ip
            },
            next,
        ),
        (
            IpHeader {
                dont_fragment: false,
                ..ip
            },
            next,
        ),
        (flow(0, true).0, next),
    ];
    let changes: [fn(&mut TcpHeader); 12] = [
        |tcp| tcp.ack += 1,
        |tcp| tcp.window += 1,
        |tcp| tcp.urgent += 1,
        |tcp| tcp.source_port += 1,
        |tcp| tcp.options.timestamps = Some((0, 10)),
        |tcp| tcp.options.timestamps = None,
        |tcp| tcp.flags |= TcpFlags::FIN,
        |tcp| tcp.flags |= TcpFlags::ECE,
        |tcp| tcp.flags |= TcpFlags::CWR,
        |tcp| tcp.flags |= TcpFlags::URG,
        |tcp| tcp.flags |= TcpFlags::AE,
        |tcp| tcp.flags -= TcpFlags::ACK,
    ];
    for change in changes {
        let mut changed = next;
        change(&mut changed);
        others.push((ip, changed));
    }
    assert_eq!(
        merge([one(&ip, &tcp, 1000), one(&ip, &next, 1000)]).len(),
        1
    );
    for (ip2, tcp2) in others {
        let merged = merge([one(&ip, &tcp, 1000), one(&ip2, &tcp2, 1000)]);
        assert_eq!(merged.len(), 2, "{ip2:?} {tcp2:?}");
        assert!(merged.iter().all(|packet| packet.meta.gso.is_none()));
    }
}

#[test]
fn whatever_differs_keeps_segments_over_ipv6_apart() {
    let (ip, tcp) = flow(0, true);
    let next = TcpHeader {
        seq: tcp.seq + 1000,
        ..tcp
    };
    let changes: [fn(&mut IpHeader, &mut TcpHeader); 7] = [
        |ip, _| ip.ttl += 1,
        |ip, _| ip.tos = 1,
        |ip, _| ip.source = "2001:db8::77".parse().expect("an address"),
        |ip, _| ip.dest = "2001:db8::77".parse().expect("an address"),
        |_, tcp| tcp.ack += 1,
        |_, tcp| tcp.window += 1,
        |_, tcp| tcp.options.timestamps = Some((0, 10)),
    ];
    let pair = |ip2: &IpHeader, tcp2: &TcpHeader| [one(&ip, &tcp, 1000), one(ip2, tcp2, 1000)];
    assert_eq!(merge(pair(&ip, &next)).len(), 1);
    for (index, change) in changes.iter().enumerate() {
        let (mut ip, mut next) = (ip, next);
        change(&mut ip, &mut next);
        assert_eq!(merge(pair(&ip, &next)).len(), 2, "change {index}");
    }
    let mut labelled = pair(&ip, &next);
    labelled[1].frame[3] ^= 1;
    assert_eq!(merge(labelled).len(), 2, "another flow label");
}

/// The checksum of TCP does not cover the hop count, and a header that agrees with the one before may
/// still not be what was sent.
#[test]
fn a_wrong_header_checksum_is_not_merged() {
    let (ip, tcp) = flow(0, false);
    let mut packets = run(&ip, &tcp, 3);
    packets[1].frame[10] ^= 1;
    assert_eq!(lens(&merge(packets)), [52 + 1000; 3]);
}

/// Sums of a run's first packet are used for those that follow.
#[test]
fn a_segment_with_a_wrong_bit_in_its_headers_stays_as_it_is() {
    for v6 in [false, true] {
        for (timestamps, dont_fragment) in [(true, true), (false, true), (true, false)] {
            let (ip, mut tcp) = flow(0, v6);
            let ip = IpHeader {
                dont_fragment,
                ..ip
            };
            if !timestamps {
                tcp.options.timestamps = None;
            }
            assert_eq!(merge(run(&ip, &tcp, 3)).len(), 1);
            let headers = run(&ip, &tcp, 1)[0].len() - 1000;
            for bit in 0..8 * headers {
                let mut packets = run(&ip, &tcp, 3);
                packets[1].frame[bit / 8] ^= 0x80 >> (bit % 8);
                let wrong = packets[1].frame.to_vec();
                let merged = merge(packets);
                let kept = merged.iter().find(|packet| flat_rx(packet) == wrong);
                let kept = kept.unwrap_or_else(|| panic!("{ip:?} {tcp:?} {bit}"));
                assert_eq!(kept.meta.gso, None);
                // No checksum covers the class, the flow label and the hop limit of IPv6.
                let uncovered = v6 && ((4..32).contains(&bit) || bit / 8 == 7);
                if !uncovered {
                    assert_eq!(kept.meta.checksum, Checksum::Unknown, "{ip:?} {bit}");
                }
            }
        }
    }
}

#[test]
fn a_wrong_length_is_not_merged() {
    for v6 in [false, true] {
        let (ip, tcp) = flow(0, v6);
        let next = TcpHeader {
            seq: tcp.seq + 1000,
            ..tcp
        };
        let mut longer = one(&ip, &next, 900);
        longer.frame.extend_from_slice(&[0; 2]);
        assert_eq!(merge([one(&ip, &tcp, 1000), longer]).len(), 2);
    }
}

/// Their ports are all that is looked at first.
#[test]
fn flows_of_two_hosts_with_the_same_ports_stay_apart() {
    let (ip, tcp) = flow(0, false);
    let other = IpHeader {
        source: "192.0.2.9".parse().expect("an address"),
        ..ip
    };
    let (first, second) = (run(&ip, &tcp, 2), run(&other, &tcp, 2));
    let merged = merge(first.into_iter().chain(second));
    assert_eq!(lens(&merged), [52 + 2000; 2]);
    let source =
        |packet: &RxPacket| IpHeader::parse(&packet.frame, packet.len()).map(|it| it.source);
    assert_eq!(source(&merged[0]), Ok(ip.source));
    assert_eq!(source(&merged[1]), Ok(other.source));
}

#[test]
fn without_df_the_identification_must_count_up() {
    let (ip, tcp) = flow(0, false);
    let ip = IpHeader {
        dont_fragment: false,
        id: 41,
        ..ip
    };
    let next = TcpHeader {
        seq: tcp.seq + 1000,
        ..tcp
    };
    for (id, count) in [(42, 1), (41, 2), (43, 2)] {
        let second = one(&IpHeader { id, ..ip }, &next, 1000);
        assert_eq!(merge([one(&ip, &tcp, 1000), second]).len(), count);
    }
}

#[test]
fn a_wrong_checksum_stays_for_the_stack_to_count() {
    let (ip, tcp) = flow(0, false);
    let mut packets = run(&ip, &tcp, 5);
    packets[2].frame[100] ^= 1;
    let corrupt = packets[2].frame.clone();
    let merged = merge(packets);
    assert_eq!(lens(&merged), [52 + 2000, 52 + 1000, 52 + 2000]);
    assert_eq!(merged[1].frame, corrupt);
    assert_eq!(merged[1].meta.checksum, Checksum::Unknown);
}

#[test]
fn data_does_not_overtake_a_pure_acknowledgement() {
    let (ip, tcp) = flow(0, false);
    let mut packets = run(&ip, &tcp, 4);
    let ack = TcpHeader {
        ack: SeqNum::new(8),
        seq: tcp.seq + 2000,
        ..tcp
    };
    packets.insert(2, one(&ip, &ack, 0));
    assert_eq!(lens(&merge(packets)), [52 + 2000, 52, 52 + 2000]);
}

#[test]
fn flows_may_take_turns() {
    let runs: Vec<_> = (0..8)
        .map(|number| {
            let (ip, tcp) = flow(number, number % 2 == 0);
            run(&ip, &tcp, 6)
        })
        .collect();
    let mut turns = Vec::new();
    let mut queues: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    for _ in 0..6 {
        turns.extend(queues.iter_mut().filter_map(Iterator::next));
    }
    let merged = merge(turns);
    assert_eq!(merged.len(), 8);
    assert!(merged.iter().all(|packet| packet.frags.len() == 5));
}

#[test]
fn more_flows_than_places_lose_nothing() {
    let mut packets = Vec::new();
    let runs: Vec<_> = (0..20)
        .map(|number| run(&flow(number, false).0, &flow(number, false).1, 2))
        .collect();
    for turn in 0..2 {
        packets.extend(runs.iter().map(|run| {
            let packet = &run[turn];
            RxPacket::from_frame(packet.frame.clone())
        }));
    }
    let before: usize = lens(&packets).iter().sum();
    let merged = merge(packets);
    assert_eq!(merged.len(), 40);
    assert_eq!(lens(&merged).iter().sum::<usize>(), before);
}

#[test]
fn a_merged_packet_stays_within_64_kib() {
    let (ip, tcp) = flow(0, true);
    let merged = merge((0..4).flat_map(|part| {
        let part = TcpHeader {
            seq: tcp.seq + part * 20_000,
            ..tcp
        };
        run(&ip, &part, 20)
    }));
    assert!(merged.iter().all(|packet| packet.len() <= 65535));
    assert_eq!(merged.len(), 2);
    let total: usize = merged.iter().map(|packet| packet.len() - 72).sum();
    assert_eq!(total, 80_000);
}

#[test]
fn a_super_segment_from_the_device_stays_alone() {
    let (ip, tcp) = flow(0, false);
    let mut packets = run(&ip, &tcp, 3);
    let whole = tcp_packet(&ip, &tcp, payload(3000, &[]), Some(1000));
    let mut first = RxPacket::from_frame(bytes::BytesMut::from(&flat(&whole)[..]));
    first.meta.gso = whole.meta.gso;
    first.meta.checksum = whole.meta.checksum;
    packets.insert(0, first);
    assert_eq!(lens(&merge(packets)), [52 + 3000, 52 + 3000]);
}
