use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Op {
    Insert(u32, u8),
    Remove(usize),
    Lookup(u32),
}

/// Keys that often share prefixes.
fn key() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0_u32..8, 0_u32..8).prop_map(|(high, low)| high << 29 | low),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (key(), 0_u8..=32).prop_map(|(key, len)| Op::Insert(key, len)),
        2 => any::<usize>().prop_map(Op::Remove),
        3 => key().prop_map(Op::Lookup),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_linear_scan(ops in proptest::collection::vec(op(), 1..200)) {
        let mut trie: Trie<u32> = Trie::new();
        let mut model: Vec<(u32, u8, u32)> = Vec::new();
        for (value, op) in (0_u32..).zip(ops) {
            match op {
                Op::Insert(key, len) => {
                    trie.insert(key, len, value);
                    let key = key.masked(len);
                    model.retain(|&(k, l, _)| (k, l) != (key, len));
                    model.push((key, len, value));
                }
                Op::Remove(which) if !model.is_empty() => {
                    let (key, len, value) = model.swap_remove(which % model.len());
                    prop_assert_eq!(trie.remove(key, len), Some(value));
                    prop_assert_eq!(trie.remove(key, len), None);
                }
                Op::Remove(_) => {}
                Op::Lookup(key) => {
                    let expected = model
                        .iter()
                        .filter(|&&(k, len, _)| key.masked(len) == k)
                        .max_by_key(|&&(_, len, _)| len)
                        .map(|&(_, len, value)| (len, value));
                    let found = trie.longest(key);
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(trie.len(), model.len());
        }
        let mut listed: Vec<_> = trie.iter().collect();
        listed.sort_unstable();
        model.sort_unstable();
        prop_assert_eq!(&listed, &model);
        let keys: Vec<u32> = (0..150_u32).map(|n| n.wrapping_mul(0x9e37_79b9)).collect();
        let mut found = vec![None; keys.len()];
        trie.longest_of(&keys, &mut found);
        for (key, found) in keys.into_iter().zip(found) {
            prop_assert_eq!(trie.longest(key), found);
            prop_assert_eq!(trie.matches(key).last(), found);
        }
    }

    #[test]
    fn wide_keys_match_their_longest_prefix(
        keys in proptest::collection::vec((any::<u128>(), 0_u8..=128), 1..50),
        probe in any::<u128>(),
    ) {
        let mut trie: Trie<u128> = Trie::new();
        for &(key, len) in &keys {
            let near = if len > 64 { probe ^ (key >> len.min(127)) } else { key };
            trie.insert(near, len, u32::from(len));
        }
        let expected = keys
            .iter()
            .filter(|&&(key, len)| {
                let near = if len > 64 { probe ^ (key >> len.min(127)) } else { key };
                near.masked(len) == probe.masked(len)
            })
            .map(|&(_, len)| len)
            .max();
        prop_assert_eq!(trie.longest(probe).map(|(len, _)| len), expected);
    }
}

#[test]
fn prefixes_of_a_key_come_from_short_to_long() {
    let mut trie: Trie<u32> = Trie::new();
    for (key, len) in [
        (0x0a00_0000, 8),
        (0, 0),
        (0x0a07_0002, 32),
        (0x0a07_0000, 16),
    ] {
        assert_eq!(trie.insert(key, len, u32::from(len) + 100), None);
    }
    let found: Vec<_> = trie.matches(0x0a07_0002).collect();
    assert_eq!(found, [(0, 100), (8, 108), (16, 116), (32, 132)]);
    assert_eq!(trie.longest(0x0a08_0000), Some((8, 108)));
    assert_eq!(trie.get(0x0a07_0000, 16), Some(116));
    assert_eq!(trie.get(0x0a07_0000, 17), None);
}

#[test]
fn what_is_taken_out_leaves_its_room_to_others() {
    let mut trie: Trie<u128> = Trie::new();
    let mut filled = 0;
    for round in 0..10_u128 {
        let keys = (0..2000_u128).map(|n| (n + round) << 100 | n << 64);
        for (value, key) in (0..).zip(keys.clone()) {
            trie.insert(key, 64, value);
        }
        filled = filled.max(trie.memory());
        for key in keys {
            assert!(trie.remove(key, 64).is_some());
        }
        assert_eq!((trie.len(), trie.iter().count()), (0, 0));
    }
    assert!(
        trie.memory() <= filled * 5 / 4,
        "{} of {filled}",
        trie.memory()
    );
}
