//! Classes of traffic.

use super::*;

#[test]
fn urgent_traffic_goes_first_up_to_its_share() {
    let voice = Bulk {
        tos: 46 << 2,
        ..bulk([3, 4], 5)
    };
    // Alone, and as one of several.
    let mut queue = cake("bandwidth 80mbit diffserv4 flows");
    let sent = share(&mut queue, &[voice], SECOND);
    assert_near(sent[0], 10_000_000, 1);
    let mut queue = cake("bandwidth 80mbit diffserv4 flows");
    let sent = share(&mut queue, &[bulk([1, 2], 1), voice], SECOND);
    assert_near(sent[1], 2_500_000, 3);
    assert_near(sent[0], 7_500_000, 3);
    // Lower effort has its sixteenth, and no more.
    let scavenger = Bulk {
        tos: 1 << 2,
        ..bulk([3, 4], 5)
    };
    let mut queue = cake("bandwidth 80mbit diffserv4 flows");
    let sent = share(&mut queue, &[bulk([1, 2], 1), scavenger], SECOND);
    assert_near(sent[1], 625_000, 5);
    // Within its share, what is urgent does not wait.
    let mut queue = cake("bandwidth 8mbit diffserv4");
    for number in 0..50 {
        queue.put(packet(1, 1000, number));
    }
    queue.take().unwrap();
    (0..2).for_each(|number| queue.put(between([1, 2], 1, 46 << 2, 200, 100 + number)));
    queue.now += ms(1);
    assert_eq!(queue.take().unwrap().meta.mark, 100);
}

#[test]
fn classes_share_by_weight_where_nothing_is_shaped() {
    let mut queue = cake("unlimited diffserv4");
    let number_of = |tos: u8| u32::from(tos >> 2);
    let mut sent = BTreeMap::<u32, u32>::new();
    let all = [0, 1 << 2, 34 << 2, 46 << 2];
    for tos in all {
        (0..2000).for_each(|_| queue.put(between([1, 2], 1, tos, 1000, number_of(tos))));
    }
    for _ in 0..1000 {
        *sent.entry(queue.take().unwrap().meta.mark).or_default() += 1;
    }
    // 1024 : 64 : 512 : 256.
    for (tos, part) in all.into_iter().zip([16, 1, 8, 4]) {
        let expected = 1000 * part / 29;
        let sent = sent[&number_of(tos)];
        assert!(
            sent.abs_diff(expected) <= 3,
            "{tos}: {sent}, not {expected}"
        );
    }
}

#[test]
fn codepoints_have_the_classes_of_tc() {
    let of = |tins: CakeTins, dscp: u8| tins.of(dscp);
    let classes = [0, 1, 8, 10, 16, 18, 26, 34, 44, 46, 48, 56];
    let expected = [
        (CakeTins::BestEffort, [0; 12]),
        (CakeTins::Precedence, [0, 0, 1, 1, 2, 2, 3, 4, 5, 5, 6, 7]),
        (CakeTins::Diffserv3, [0, 1, 1, 0, 0, 0, 0, 0, 2, 2, 2, 2]),
        (CakeTins::Diffserv4, [0, 1, 1, 0, 2, 2, 2, 2, 3, 3, 3, 3]),
        (CakeTins::Diffserv8, [2, 0, 1, 1, 5, 4, 3, 3, 6, 6, 7, 7]),
    ];
    for (tins, expected) in expected {
        assert_eq!(classes.map(|dscp| of(tins, dscp)), expected, "{tins:?}");
    }
}

#[test]
fn washing_clears_the_codepoint_once_it_was_looked_at() {
    let mut queue = cake("diffserv4 wash");
    queue.put(between([1, 2], 1, 0, 1000, 0));
    queue.put(between([1, 2], 1, 46 << 2 | 2, 1000, 1));
    let report = Details(&queue.qdisc).to_string();
    let backlog = report
        .lines()
        .find(|line| line.contains("backlog"))
        .unwrap();
    let backlog: Vec<_> = backlog.split_whitespace().skip(1).collect();
    assert_eq!(backlog, ["0b", "1000b", "0b", "1000b"]);
    while let Some(packet) = queue.take() {
        let mut bytes = bytes::BytesMut::new();
        packet.copy_to(&mut bytes);
        let header = IpHeader::parse(&bytes, bytes.len()).expect("its checksum is right");
        let ecn = if packet.meta.mark == 1 { 2 } else { 0 };
        assert_eq!(header.tos, ecn);
    }
}

#[test]
fn who_asks_for_a_neighbour_is_urgent() {
    let mut queue = cake("diffserv3");
    let mut arp = TxPacket::default();
    arp.head.prepend(28).copy_from_slice(&[0; 28]);
    arp.head.prepend(14)[12..].copy_from_slice(&[8, 6]);
    arp.meta.link_len = 14;
    queue.put(Box::new(arp));
    let report = Details(&queue.qdisc).to_string();
    let backlog = report
        .lines()
        .find(|line| line.contains("backlog"))
        .unwrap();
    assert_eq!(backlog.split_whitespace().last(), Some("42b"));
}
