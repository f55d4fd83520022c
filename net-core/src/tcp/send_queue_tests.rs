//! The send queue against a plain vector.

use super::send_queue::SendQueue;
use bytes::Bytes;
use proptest::prelude::*;
use smallvec::SmallVec;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Op {
    Push { len: usize, behind_unsent: bool },
    Slice { offset: usize, max: usize },
    Release { count: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (
            prop_oneof![0..20_usize, 400..600_usize, 1000..5000_usize],
            any::<bool>()
        )
            .prop_map(|(len, behind_unsent)| Op::Push { len, behind_unsent }),
        (0..20_000_usize, 1..8000_usize).prop_map(|(offset, max)| Op::Slice { offset, max }),
        (0..3000_usize).prop_map(|count| Op::Release { count }),
    ]
}

proptest! {
    #[test]
    fn it_holds_what_a_vector_would(ops in prop::collection::vec(op(), 1..120)) {
        let (mut queue, mut model, mut next) = (SendQueue::default(), Vec::new(), 0_usize);
        for op in ops {
            match op {
                Op::Push { len, behind_unsent } => {
                    let data: Vec<u8> = (next..next + len).map(|n| u8::try_from(n % 251).unwrap()).collect();
                    next += len;
                    model.extend_from_slice(&data);
                    queue.push(Bytes::from(data), behind_unsent);
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
