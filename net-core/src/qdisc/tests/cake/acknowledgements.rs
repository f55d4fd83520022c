//! Acknowledgements that later ones make superfluous.

use super::*;
use crate::tcp::SeqNum;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};

/// An acknowledgement of all up to `ack`.
fn header(ack: u32) -> TcpHeader {
    TcpHeader {
        source_port: 5,
        dest_port: 80,
        ack: SeqNum::new(ack),
        flags: TcpFlags::ACK,
        window: 1000,
        options: TcpOptions {
            timestamps: Some((ack / 1000, ack / 1000)),
            ..TcpOptions::default()
        },
        ..TcpHeader::default()
    }
}

fn segment(header: &TcpHeader, data: &'static [u8], number: u32) -> Box<TxPacket> {
    let mut packet = TxPacket::default();
    packet.meta.mark = number;
    packet.body.push(Bytes::from_static(data));
    let len = header.emit(&mut packet.head) + data.len();
    let [source, dest] = [1, 2].map(|host| [10, 0, 0, host].into());
    IpHeader::new(source, dest, 6, len).emit(&mut packet.head);
    Box::new(packet)
}

#[test]
fn of_several_that_say_less_than_the_last_one_stays() {
    for (parameter, left) in [
        ("no-ack-filter", &[0, 1, 2, 3, 4][..]),
        ("ack-filter", &[3, 4]),
        ("ack-filter-aggressive", &[4]),
    ] {
        let mut queue = cake(parameter);
        for number in 0..5 {
            let header = header(1000 * (number + 1));
            queue.put(segment(&header, b"", number));
            queue.assert_counts_agree();
        }
        let lost = queue.lost();
        assert_eq!(lost.len(), 5 - left.len(), "{parameter}");
        assert!(
            lost.iter()
                .all(|&(_, reason)| reason == DropReason::AckFilter)
        );
        let report = Details(&queue.qdisc).to_string();
        let row = report.lines().find(|line| line.contains("ack_drop"));
        let dropped = row.unwrap().split_whitespace().nth(2).unwrap();
        assert_eq!(dropped, std::format!("{}", lost.len()));
        assert_eq!(queue.numbers(), left, "{parameter}");
        assert_eq!(queue.qdisc.stats().dropped, lost.len() as u64);
    }
}

#[test]
fn what_an_acknowledgement_alone_says_is_sent() {
    let sack = |header: &mut TcpHeader, start: u32, end: u32| {
        let pushed = header
            .options
            .sack
            .push(SeqNum::new(start), SeqNum::new(end));
        assert!(pushed);
    };
    type Change<'a> = &'a dyn Fn(&mut TcpHeader, &mut TcpHeader);
    let stays: [(&str, Change<'_>); 11] = [
        ("a duplicate", &|old, new| old.ack = new.ack),
        ("an older one comes later", &|old, _| {
            old.ack = SeqNum::new(9000);
        }),
        ("another flag", &|old, _| old.flags |= TcpFlags::PSH),
        ("a mark is told of", &|old, _| old.flags |= TcpFlags::ECE),
        ("a mark is told of no more", &|_, new| {
            new.flags |= TcpFlags::ECE;
        }),
        ("another counter of marks", &|old, _| {
            old.flags |= TcpFlags::AE;
        }),
        ("another connection", &|_, new| new.source_port = 6),
        ("a new connection", &|_, new| new.flags |= TcpFlags::SYN),
        ("a later time", &|old, _| {
            old.options.timestamps = Some((9, 1));
        }),
        ("an option of another kind", &|old, _| {
            old.options.window_scale = Some(1);
        }),
        ("data that came twice", &|old, new| {
            sack(old, 500, 700);
            sack(new, 3000, 4000);
        }),
    ];
    for (name, change) in stays {
        let (mut old, mut new) = (header(1000), header(2000));
        change(&mut old, &mut new);
        let mut queue = cake("flowblind ack-filter-aggressive");
        queue.put(segment(&old, b"", 0));
        queue.put(segment(&new, b"", 1));
        assert_eq!(queue.numbers(), [0, 1], "{name}");
    }
    let mut queue = cake("ack-filter-aggressive");
    queue.put(segment(&header(1000), b"data", 0));
    queue.put(segment(&header(2000), b"", 1));
    assert_eq!(queue.numbers(), [0, 1], "data");
}

#[test]
fn selective_acknowledgements_that_are_covered_go() {
    let with = |ack, blocks: &[(u32, u32)]| {
        let mut header = header(ack);
        header.options.timestamps = None;
        for &(start, end) in blocks {
            header
                .options
                .sack
                .push(SeqNum::new(start), SeqNum::new(end));
        }
        header
    };
    for (old, new, goes) in [
        // More of the same, and what the cumulative acknowledgement has reached.
        (
            with(1000, &[(2000, 3000)]),
            with(1000, &[(2000, 4000)]),
            true,
        ),
        (with(1000, &[(2000, 3000)]), with(3000, &[]), true),
        // As much, and something else.
        (
            with(1000, &[(2000, 3000)]),
            with(1000, &[(2000, 3000)]),
            false,
        ),
        (
            with(1000, &[(2000, 3000)]),
            with(1000, &[(5000, 7000)]),
            false,
        ),
    ] {
        let mut queue = cake("ack-filter-aggressive");
        queue.put(segment(&old, b"", 0));
        queue.put(segment(&new, b"", 1));
        let left = queue.numbers();
        assert_eq!(left == [1], goes, "{left:?}: {old:?} {new:?}");
    }
}

#[test]
fn data_goes_before_or_behind_and_keeps_its_place() {
    let mut queue = cake("ack-filter");
    for (number, data) in [
        (0, &b"data"[..]),
        (1, b""),
        (2, b""),
        (3, b"data"),
        (4, b""),
    ] {
        queue.put(segment(&header(1000 * (number + 1)), data, number));
    }
    // The last but one and the last made the first without data superfluous.
    assert_eq!(queue.numbers(), [0, 2, 3, 4]);
}
