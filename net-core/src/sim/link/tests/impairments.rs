//! What a link does to packets at random or on request.

use super::*;
use crate::wire::TcpFlags;

#[test]
fn jitter_keeps_the_order() {
    let mut link = link(LinkConfig {
        delay: Duration::from_millis(3),
        jitter: Duration::from_millis(2),
        ..LinkConfig::default()
    });
    for number in 0..200 {
        link.send(&datagram(100, number, 0), us(u64::from(number) * 10));
    }
    let arrivals = drain(&mut link);
    assert!(arrivals.is_sorted());
    assert_eq!(arrivals.len(), 200);
    assert!(arrivals.iter().all(|(at, _)| *at >= ms(3) && *at < ms(8)));
}

#[test]
fn shares_are_met_in_the_long_run() {
    let mut link = link(LinkConfig {
        loss_ppm: 100_000,
        duplicate_ppm: 200_000,
        reorder_ppm: 50_000,
        corrupt_ppm: 10_000,
        ..LinkConfig::default()
    });
    let packet = datagram(100, 0, 0);
    let mut batch = RxBatch::default();
    for number in 0..100_000 {
        link.send(&packet, us(number));
        link.receive(&mut batch, 64, us(number));
        batch.clear();
    }
    let counters = *link.counters();
    let within =
        |count: u64, most: core::ops::Range<u64>| assert!(most.contains(&count), "{counters:?}");
    within(counters.lost, 9_500..10_500);
    within(counters.duplicated, 17_200..18_800);
    within(counters.overtaken, 4_200..4_800);
    within(counters.corrupted, 750..1_050);
}

/// RFC 3168 §5: only what says that it is ECN-capable.
#[test]
fn a_share_of_what_is_ecn_capable_is_marked_and_nothing_else() {
    const EXPERIENCED: u8 = 3;
    for (ecn, share) in [(0, 0..1), (1, 2_850..3_150), (2, 2_850..3_150)] {
        let mut link = link(LinkConfig {
            mark_ppm: 300_000,
            ..LinkConfig::default()
        });
        let packet = datagram(100, 0, ecn);
        let mut batch = RxBatch::default();
        let mut marked = 0;
        for number in 0..10_000 {
            link.send(&packet, us(number));
            link.receive(&mut batch, 64, us(number));
            for packet in batch.drain() {
                let bytes = bytes_of(&packet);
                let header = IpHeader::parse(&bytes, bytes.len()).expect("a good checksum");
                assert!([ecn, EXPERIENCED].contains(&header.tos));
                marked += u64::from(header.tos == EXPERIENCED);
            }
        }
        assert!(share.contains(&marked), "{ecn}: {marked}");
        assert_eq!(link.counters().marked, marked);
    }
}

#[test]
fn losses_come_in_bursts() {
    let mut link = link(LinkConfig {
        burst_loss: Some(GilbertElliott {
            good_to_bad_ppm: 10_000,
            bad_to_good_ppm: 200_000,
            good_loss_ppm: 0,
            bad_loss_ppm: 1_000_000,
        }),
        ..LinkConfig::default()
    });
    let packet = datagram(100, 0, 0);
    let mut bursts = Vec::new();
    let (mut before, mut length) = (0, 0_u32);
    for number in 0..100_000 {
        link.send(&packet, us(number));
        let lost = link.counters().lost;
        if lost > before {
            length += 1;
        } else if length > 0 {
            bursts.push(core::mem::take(&mut length));
        }
        before = lost;
        link.receive(&mut RxBatch::default(), 64, us(number));
    }
    // 1 / (1 + 20) of the packets, five in a row in the mean.
    assert!((4_000..5_600).contains(&before), "{before}");
    let mean = bursts.iter().sum::<u32>() * 10 / u32::try_from(bursts.len()).unwrap();
    assert!((45..55).contains(&mean), "{mean}");
}

#[test]
fn listed_packets_are_lost_and_no_others() {
    let mut link = link(LinkConfig {
        lose: std::vec![4, 1],
        ..LinkConfig::default()
    });
    send(&mut link, 6, 100, Instant::ZERO);
    assert_eq!(numbers(&drain(&mut link)), [0, 2, 3, 5]);
}

#[test]
fn a_predicate_picks_what_is_lost() {
    let mut link = link(LinkConfig::default());
    link.lose_if(|passing| passing.number == 0 || passing.at == ms(3));
    for number in 0..6 {
        link.send(&datagram(100, number, 0), ms(number.into()));
    }
    assert_eq!(numbers(&drain(&mut link)), [1, 2, 4, 5]);
}

#[test]
fn acknowledgements_are_lost_apart_from_what_carries_data() {
    let mut link = link(LinkConfig {
        ack_loss_ppm: 1_000_000,
        ..LinkConfig::default()
    });
    for _ in 0..10 {
        link.send(&segment(TcpFlags::ACK, b""), Instant::ZERO);
        link.send(&segment(TcpFlags::ACK, b"data"), Instant::ZERO);
        link.send(&segment(TcpFlags::SYN | TcpFlags::ACK, b""), Instant::ZERO);
        link.send(&segment(TcpFlags::FIN | TcpFlags::ACK, b""), Instant::ZERO);
    }
    assert_eq!(drain(&mut link).len(), 30);
    assert_eq!(link.counters().lost, 10);
}

#[test]
fn what_is_held_back_is_overtaken_by_no_more_than_was_asked() {
    let mut link = link(LinkConfig {
        delay: Duration::from_millis(50),
        reorder_ppm: 100_000,
        reorder_by: Some(Duration::from_millis(20)),
        ..LinkConfig::default()
    });
    for number in 0..250 {
        link.send(&datagram(100, number, 0), ms(number.into()));
    }
    let arrivals = drain(&mut link);
    assert!(!numbers(&arrivals).is_sorted());
    let overtaken = link.counters().overtaken;
    assert!((10..50).contains(&overtaken), "{overtaken}");
    for (at, number) in arrivals {
        let late = at - Duration::from_millis(50 + u64::from(number));
        assert!(late <= ms(20), "{late:?}");
    }
}

#[test]
fn a_copy_arrives_beside_the_original() {
    let mut link = link(LinkConfig {
        duplicate_ppm: 1_000_000,
        delay: Duration::from_millis(1),
        ..LinkConfig::default()
    });
    send(&mut link, 2, 500, Instant::ZERO);
    assert_eq!(numbers(&drain(&mut link)), [0, 0, 1, 1]);
}

#[test]
fn a_flipped_bit_is_one_and_the_checksum_was_complete_before() {
    let mut link = link(LinkConfig {
        corrupt_ppm: 1_000_000,
        offload: true,
        ..LinkConfig::default()
    });
    let packet = datagram(1400, 9, 0);
    let mut whole = BytesMut::new();
    crate::buf::crossing::copy_completed(&packet, &mut whole);
    link.send(&packet, Instant::ZERO);
    let mut batch = RxBatch::default();
    link.receive(&mut batch, 1, Instant::ZERO);
    let arrived = &batch.packets()[0];
    assert_eq!(arrived.meta.checksum, Checksum::Unknown);
    let flipped: u32 = bytes_of(arrived)
        .iter()
        .zip(&whole)
        .map(|(is, was)| (is ^ was).count_ones())
        .sum();
    assert_eq!(flipped, 1);
}

#[test]
fn a_black_hole_swallows_what_the_mtu_lets_through() {
    let mut link = link(LinkConfig {
        black_hole: Some(1400),
        ..LinkConfig::default()
    });
    for len in [1400, 1401, 1500, 1501] {
        link.send(&datagram(len, 0, 0), Instant::ZERO);
    }
    let counters = *link.counters();
    assert_eq!((counters.black_holed, counters.too_big), (2, 1));
    assert_eq!(drain(&mut link).len(), 1);
}
