//! Tests of the receive queue against a plain vector of bytes, and of what it holds alive.

use super::{Chunk, RecvQueue};
use crate::wire::tests::cases;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use smallvec::SmallVec;
use std::vec;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Op {
    Push {
        len: usize,
        pins: u32,
    },
    Read(usize),
    Peek(usize, usize),
    Take(usize),
    Discard(usize),
    Append(Vec<(usize, u32)>),
    /// Into another queue and back, as the application's half takes from the connection's.
    MoveOut,
    Clear,
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0_usize), Just(1), 2_usize..50, 100_usize..1600]
}

fn pins() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1_u32), Just(1500), Just(2048), Just(65_600)]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        10 => (sizes(), pins()).prop_map(|(len, pins)| Op::Push { len, pins }),
        4 => (0_usize..2500).prop_map(Op::Read),
        2 => (0_usize..3000, 0_usize..2500).prop_map(|(offset, len)| Op::Peek(offset, len)),
        3 => (0_usize..2500).prop_map(Op::Take),
        2 => (0_usize..2500).prop_map(Op::Discard),
        2 => prop::collection::vec((sizes(), pins()), 0..5).prop_map(Op::Append),
        1 => Just(Op::MoveOut),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 0..60)
}

/// Bytes that differ from their neighbours, and where the next ones go on.
#[derive(Default)]
struct Source(usize);

impl Source {
    fn chunk(&mut self, len: usize, pins: u32) -> Chunk {
        let bytes: Vec<u8> = (self.0..self.0 + len)
            .map(|at| (at % 251).to_le_bytes()[0])
            .collect();
        self.0 += len;
        let pins = pins.max(u32::try_from(len).expect("short"));
        Chunk {
            bytes: bytes.into(),
            pins,
        }
    }
}

fn filled(count: usize, len: usize, pins: u32) -> RecvQueue {
    let mut queue = RecvQueue::default();
    let mut source = Source::default();
    for _ in 0..count {
        queue.push(source.chunk(len, pins));
    }
    queue
}

#[test]
fn a_segment_pins_no_more_than_twice_its_payload_and_256_bytes() {
    for len in [1, 200, 1448] {
        for pins in [len, 2 * len + 256, 2 * len + 257, 2048, 65_600] {
            let pins = u32::try_from(pins).expect("short");
            for count in [1, 2, 3, 10, 100, 1000, 5000] {
                let queue = filled(count, len, pins);
                assert_eq!(queue.len(), count * len);
                let bound = count * (2 * len + 256);
                assert!(
                    queue.pins() <= bound,
                    "{count} segments of {len} bytes in buffers of {pins} pin {}",
                    queue.pins()
                );
            }
        }
    }
}

/// As a segment does that came alone: its data lies behind the headers in its frame, and there is no
/// other piece.
#[test]
fn single_bytes_are_copied_together() {
    let mut queue = RecvQueue::default();
    for byte in 0..1000_u32 {
        let mut frame = BytesMut::from(&byte.to_le_bytes()[..1]);
        queue.push_frame(&mut frame, 2048);
        queue.push_all(&mut SmallVec::new());
        assert!(queue.is_copied());
    }
    assert_eq!(queue.len(), 1000);
    assert!(queue.pins() <= 4096, "{}", queue.pins());
}

#[test]
fn pieces_in_one_go_are_as_one_by_one() {
    for pins in [0, 1448, 4000] {
        let mut sources = [Source::default(), Source::default()];
        let (mut one_by_one, mut at_once) = (RecvQueue::default(), RecvQueue::default());
        for count in [1, 5, 2] {
            let mut chunks = SmallVec::new();
            for len in [1448, 1, 0, 700].into_iter().take(count) {
                one_by_one.push(sources[0].chunk(len, pins));
                chunks.push(sources[1].chunk(len, pins));
            }
            at_once.push_all(&mut chunks);
            assert!(chunks.is_empty());
            assert_eq!(at_once.len(), one_by_one.len());
            assert_eq!(at_once.pins(), one_by_one.pins());
        }
        let (mut expected, mut read) = (vec![0; 8000], vec![0; 8000]);
        let len = one_by_one.read(&mut expected);
        assert_eq!((at_once.read(&mut read), read), (len, expected));
    }
}

#[test]
fn a_large_segment_is_not_copied() {
    let mut source = Source::default();
    let chunk = source.chunk(1448, 2048);
    let place = chunk.bytes.as_ptr();
    let mut queue = RecvQueue::default();
    queue.push(chunk);
    let taken = queue.take(usize::MAX).expect("a piece");
    assert_eq!(taken.as_ptr(), place);
}

#[test]
fn an_empty_queue_pins_next_to_nothing() {
    for (len, pins) in [(1, 2048), (200, 2048), (1448, 2048), (1448, 65_600)] {
        let mut queue = filled(5000, len, pins);
        queue.discard(usize::MAX);
        assert!(queue.is_empty());
        queue.clear();
        assert!(
            queue.pins() <= 1024,
            "{len}-byte segments leave {}",
            queue.pins()
        );
    }
}

#[test]
fn what_was_moved_out_holds_no_memory_any_more() {
    let piece = |len: u32| Chunk {
        bytes: vec![0; len as usize].into(),
        pins: len,
    };
    let (mut into, mut from) = (RecvQueue::default(), RecvQueue::default());
    for len in [1000, 2000, 3000] {
        from.push(piece(len));
        into.append(&mut from);
        assert_eq!((from.len(), from.pins()), (0, 0));
    }
    assert_eq!((into.len(), into.pins()), (6000, 6000));
}

#[test]
fn appending_to_an_empty_queue_moves_everything() {
    let mut from = filled(10, 1448, 2048);
    let mut into = RecvQueue::default();
    into.append(&mut from);
    assert_eq!((into.len(), from.len()), (14_480, 0));
    assert_eq!(from.pins(), 0);
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn it_behaves_as_a_plain_vector(ops in ops()) {
        let mut source = Source::default();
        let mut queue = RecvQueue::default();
        let mut model: Vec<u8> = Vec::new();
        for op in ops {
            match op {
                Op::Push { len, pins } => {
                    let chunk = source.chunk(len, pins);
                    model.extend_from_slice(&chunk.bytes);
                    queue.push(chunk);
                }
                Op::Read(len) => {
                    let mut out = vec![0; len];
                    let done = queue.read(&mut out);
                    prop_assert_eq!(done, len.min(model.len()));
                    let expected: Vec<u8> = model.drain(..done).collect();
                    prop_assert_eq!(&out[..done], &expected[..]);
                }
                Op::Peek(offset, len) => {
                    let mut out = vec![0; len];
                    let done = queue.peek(offset, &mut out);
                    let rest = model.get(offset..).unwrap_or_default();
                    prop_assert_eq!(done, len.min(rest.len()));
                    prop_assert_eq!(&out[..done], &rest[..done]);
                }
                Op::Take(max) => {
                    let piece = queue.take(max);
                    prop_assert_eq!(piece.is_none(), model.is_empty());
                    let piece: Bytes = piece.unwrap_or_default();
                    prop_assert!(piece.len() <= max);
                    prop_assert!(!piece.is_empty() || max == 0 || model.is_empty());
                    let expected: Vec<u8> = model.drain(..piece.len()).collect();
                    prop_assert_eq!(&piece[..], &expected[..]);
                }
                Op::Discard(count) => {
                    queue.discard(count);
                    model.drain(..count.min(model.len()));
                }
                Op::Append(chunks) => {
                    let mut other = RecvQueue::default();
                    for (len, pins) in chunks {
                        let chunk = source.chunk(len, pins);
                        model.extend_from_slice(&chunk.bytes);
                        other.push(chunk);
                    }
                    queue.append(&mut other);
                    prop_assert!(other.is_empty());
                }
                Op::MoveOut => {
                    let mut other = RecvQueue::default();
                    other.append(&mut queue);
                    prop_assert!(queue.is_empty());
                    queue = other;
                }
                Op::Clear => {
                    queue.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.is_empty(), model.is_empty());
        }
        let mut rest = vec![0; queue.len()];
        prop_assert_eq!(queue.read(&mut rest), rest.len());
        prop_assert_eq!(rest, model);
    }

    #[test]
    fn what_is_appended_keeps_the_bound(
        parts in prop::collection::vec((1_usize..200, prop_oneof![Just(1_usize), Just(200), Just(1448)]), 1..6),
        pins in pins(),
    ) {
        let mut queue = RecvQueue::default();
        let mut bound = 0;
        for (count, len) in parts {
            queue.append(&mut filled(count, len, pins));
            bound += count * (2 * len + 256);
        }
        prop_assert!(queue.pins() <= bound, "{} over {}", queue.pins(), bound);
    }

    #[test]
    fn a_reader_that_stays_behind_keeps_no_more_than_the_bound(
        steps in prop::collection::vec((0_usize..60, 0_usize..3000), 1..40),
        len in prop_oneof![Just(1_usize), Just(200), Just(1448)],
    ) {
        // The room that was needed once may stay, but must not grow with what was read.
        let mut queue = RecvQueue::default();
        let mut source = Source::default();
        let mut most = 0;
        for (count, read) in steps {
            for _ in 0..count {
                queue.push(source.chunk(len, 65_600));
            }
            most = most.max(queue.len());
            prop_assert!(queue.pins() <= 4 * most + 1024, "{} for {}", queue.pins(), most);
            let mut out = vec![0; read];
            queue.read(&mut out);
        }
    }
}
