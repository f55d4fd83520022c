//! The send queue against a plain vector.

use super::send_queue::SendQueue;
use bytes::Bytes;
use proptest::prelude::*;
use smallvec::SmallVec;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Op {
    Push { len: usize, behind_unsent: bool },
    PushCopy { len: usize, behind_unsent: bool },
    Slice { offset: usize, max: usize },
    Copy { offset: usize, len: usize },
    Release { count: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (
            prop_oneof![0..20_usize, 400..600_usize, 1000..5000_usize],
            any::<bool>()
        )
            .prop_map(|(len, behind_unsent)| Op::Push { len, behind_unsent }),
        (0..600_usize, any::<bool>())
            .prop_map(|(len, behind_unsent)| Op::PushCopy { len, behind_unsent }),
        (0..20_000_usize, 1..8000_usize).prop_map(|(offset, max)| Op::Slice { offset, max }),
        (0..20_000_usize, 1..100_usize).prop_map(|(offset, len)| Op::Copy { offset, len }),
        (0..3000_usize).prop_map(|count| Op::Release { count }),
    ]
}

/// The next bytes of a stream that never repeats itself for long.
fn bytes(next: &mut usize, len: usize) -> Vec<u8> {
    let start = *next;
    *next += len;
    (start..*next)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn it_holds_what_a_vector_would(ops in prop::collection::vec(op(), 1..120)) {
        let (mut queue, mut model, mut next) = (SendQueue::default(), Vec::new(), 0_usize);
        for op in ops {
            match op {
                Op::Push { len, behind_unsent } => {
                    let data = bytes(&mut next, len);
                    model.extend_from_slice(&data);
                    queue.push(Bytes::from(data), behind_unsent);
                }
                Op::PushCopy { len, behind_unsent } => {
                    let data = bytes(&mut next, len);
                    model.extend_from_slice(&data);
                    queue.push_copy(&data, behind_unsent);
                }
                Op::Copy { offset, len } => {
                    let offset = if model.is_empty() { 0 } else { offset % model.len() };
                    let mut out = std::vec![0; len.min(model.len() - offset)];
                    if queue.copy(offset, &mut out) {
                        prop_assert_eq!(&out[..], &model[offset..offset + out.len()]);
                    }
                }
                Op::Slice { offset, max } => {
                    let offset = if model.is_empty() { 0 } else { offset % model.len() };
                    let max = max.min(model.len() - offset);
                    let mut body = SmallVec::new();
                    let got = queue.slice(offset, max, &mut body);
                    let bytes: Vec<u8> = body.iter().flat_map(|piece| piece.iter().copied()).collect();
                    prop_assert!(got <= max && body.len() <= 8);
                    prop_assert!(got == max || body.len() == 8);
                    prop_assert_eq!(&bytes[..], &model[offset..offset + got]);
                }
                Op::Release { count } => {
                    queue.release(count);
                    model.drain(..count.min(model.len()));
                }
            }
            prop_assert_eq!(queue.len(), model.len());
        }
    }
}

/// SPEC 50: a hundred small writes make few pieces.
#[test]
fn small_pieces_that_wait_are_joined() {
    let mut queue = SendQueue::default();
    for _ in 0..100 {
        queue.push(Bytes::from_static(b"0123456789"), true);
    }
    let mut body = SmallVec::new();
    assert_eq!(queue.slice(0, 1000, &mut body), 1000);
    assert_eq!(body.len(), 1);
}

#[test]
fn a_slice_ends_at_eight_pieces() {
    let mut queue = SendQueue::default();
    for _ in 0..10 {
        queue.push(Bytes::from(std::vec![7; 600]), true);
    }
    let mut body = SmallVec::new();
    assert_eq!(queue.slice(0, 6000, &mut body), 4800);
    assert!(!body.spilled());
}

/// A request and its response, again and again, cost no memory.
#[test]
fn small_copies_live_in_the_same_room() {
    let mut queue = SendQueue::default();
    let mut exchange = || {
        queue.push_copy(b"12345", false);
        let mut out = [0; 5];
        assert!(queue.copy(0, &mut out));
        assert_eq!(&out, b"12345");
        queue.release(5);
    };
    exchange();
    let allocations = allocation_counter::measure(|| (0..1000).for_each(|_| exchange()));
    assert_eq!(allocations.count_total, 0);
}

/// Copies that wait are joined as pieces are, whatever their size, and their room is given back.
#[test]
fn copies_that_wait_are_joined() {
    for len in [10, 120, 256] {
        let mut queue = SendQueue::default();
        queue.push(Bytes::from(std::vec![7; 600]), false);
        for _ in 0..12 {
            queue.push_copy(&std::vec![7; len], true);
        }
        let mut body = SmallVec::new();
        assert_eq!(queue.slice(600, 12 * len, &mut body), 12 * len);
        assert_eq!(body.len(), 1, "{len} bytes each");
    }
}
