//! Reassembly against a naive one: a map of every byte.

use super::SeqNum;
use super::receiver::{Arrival, Receiver};
use super::segment::Payload;
use crate::buf::{Chunk, RxPacket};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

const IRS: SeqNum = SeqNum::new(0xffff_fa00);
const WINDOW: u32 = 20_000;

/// Smaller than the window, so that a run fills it.
const SPACE: u32 = 3000;

fn byte(position: u32) -> u8 {
    u8::try_from(position % 251).unwrap()
}

/// A packet with `len` bytes from `position` on (0 is the first byte of the stream), in pieces.
fn packet(position: u32, len: u32, pieces: u32) -> RxPacket {
    let bytes: Bytes = (position..position + len)
        .map(byte)
        .collect::<Vec<_>>()
        .into();
    let step = (len / pieces).max(1) as usize;
    let chunk = |bytes: Bytes| Chunk {
        pins: u32::try_from(bytes.len()).unwrap() + 60,
        bytes,
    };
    let starts = (0..len as usize).step_by(step);
    RxPacket {
        frags: starts
            .map(|at| chunk(bytes.slice(at..(at + step).min(len as usize))))
            .collect(),
        ..RxPacket::default()
    }
}

/// Lets `len` bytes from `position` on arrive.
fn receive(receiver: &mut Receiver, position: u32, len: u32, pieces: u32) -> Arrival {
    let mut packet = packet(position, len, pieces);
    let mut payload = Payload::behind(&mut packet, 0).expect("no headers");
    receiver.receive(IRS + 1 + position, &mut payload, len.min(1460))
}

fn receiver() -> Receiver {
    let mut receiver = Receiver::new(IRS, WINDOW as usize, 0, 1460);
    receiver.edge = receiver.nxt + WINDOW;
    receiver
}

fn everything(receiver: &mut Receiver) -> Vec<u8> {
    let mut out = std::vec![0; receiver.queue.len()];
    receiver.queue.read(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn it_holds_what_a_set_of_bytes_would(
        arrivals in prop::collection::vec((0..SPACE, 1..300_u32, 1..4_u32), 1..60),
    ) {
        let mut receiver = receiver();
        let mut model = BTreeSet::new();
        let mut got = 0_u32;
        let mut stream = Vec::new();
        for (position, len, pieces) in arrivals {
            let len = len.min(SPACE - position);
            if position + len <= got {
                continue;
            }
            let before = got;
            model.extend(position.max(got)..position + len);
            let arrival = receive(&mut receiver, position, len, pieces);
            while model.contains(&got) {
                got += 1;
            }
            prop_assert_eq!(receiver.nxt, IRS + 1 + got);
            prop_assert_eq!(arrival == Arrival::InOrder, position <= before);
            stream.extend(everything(&mut receiver));
            prop_assert_eq!(stream.len(), got as usize);
            // The blocks tell of bytes that are there, newest first, and none touches another.
            let blocks: Vec<_> = receiver.islands.tell(4).iter().collect();
            for &(left, right) in &blocks {
                let (left, right) = (left.distance_from(IRS + 1), right.distance_from(IRS + 1));
                prop_assert!((left..right).all(|position| model.contains(&position)));
                prop_assert!(!model.contains(&right) && !model.contains(&(left - 1)));
            }
            if arrival == Arrival::OutOfOrder {
                let (left, right) = blocks[0];
                let (left, right) = (left.distance_from(IRS + 1), right.distance_from(IRS + 1));
                prop_assert!(left <= position && position + len <= right);
            }
            receiver.on_ack_sent();
        }
        prop_assert!(stream.iter().enumerate().all(|(at, &is)| is == byte(u32::try_from(at).unwrap())));
    }
}

#[test]
fn an_early_fin_waits_for_its_place() {
    let mut receiver = receiver();
    assert!(!receiver.receive_fin(IRS + 11));
    assert!(!receiver.take_pending_fin());
    receive(&mut receiver, 0, 10, 1);
    assert!(receiver.take_pending_fin());
    assert!(receiver.finished && !receiver.take_pending_fin());
    assert_eq!(receiver.nxt, IRS + 12);
}

/// RFC 9293 §3.8.6.2.2: the edge moves by whole segments.
#[test]
fn the_edge_moves_by_whole_segments() {
    let mut receiver = receiver();
    receive(&mut receiver, 0, 20_000, 1);
    assert_eq!(receiver.advertise(), 0);
    receiver.held = receiver.queue.len();
    receiver.queue.clear();
    assert!(!receiver.consume(1459));
    assert_eq!(receiver.advertise(), 0);
    assert!(receiver.consume(1));
    assert_eq!(receiver.advertise(), 1460);
}

/// What is told as the mark is where an update falls due.
#[test]
fn the_window_mark_is_where_an_update_falls_due() {
    for scale in [0, 7] {
        let mut receiver = Receiver::new(IRS, 20_000, scale, 1460);
        receiver.edge = receiver.nxt + WINDOW;
        receive(&mut receiver, 0, 20_000, 1);
        receiver.advertise();
        receiver.held = receiver.queue.len();
        receiver.queue.clear();
        for _ in 0..3 {
            let left = usize::try_from(receiver.window_mark() - receiver.consumed).unwrap();
            assert!(!receiver.consume(left - 1));
            assert!(receiver.consume(1));
            receiver.advertise();
        }
    }
}
