use super::*;
use proptest::prelude::*;
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
        let mut trie: Trie<u32, u32> = Trie::new();
        let mut model: Vec<(u32, u8, u32)> = Vec::new();
        for (value, op) in (0_u32..).zip(ops) {
            match op {
                Op::Insert(key, len) => {
                    *trie.entry(key, len, || value) = value;
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
                    let found = trie.longest(key).map(|(len, &value)| (len, value));
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(trie.values().count(), model.len());
            prop_assert!(trie.nodes() < (2 * model.len()).max(1));
        }
    }

    #[test]
    fn wide_keys_match_their_longest_prefix(
        keys in proptest::collection::vec((any::<u128>(), 0_u8..=128), 1..50),
        probe in any::<u128>(),
    ) {
        let mut trie: Trie<u128, u8> = Trie::new();
        for &(key, len) in &keys {
            let near = if len > 64 { probe ^ (key >> len.min(127)) } else { key };
            trie.entry(near, len, || len);
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
    let mut trie: Trie<u32, &str> = Trie::new();
    trie.entry(0x0a00_0000, 8, || "ten");
    trie.entry(0, 0, || "default");
    trie.entry(0x0a07_0002, 32, || "host");
    trie.entry(0x0a07_0000, 16, || "ten seven");
    let names: Vec<&str> = trie.matches(0x0a07_0002).map(|(_, name)| *name).collect();
    assert_eq!(names, ["default", "ten", "ten seven", "host"]);
    assert_eq!(trie.longest(0x0a08_0000), Some((8, &"ten")));
}
