use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Op<K> {
    Insert(K, u8),
    Remove(usize),
    Lookup(K),
}

/// Keys that often share prefixes.
fn key() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0_u32..8, 0_u32..8).prop_map(|(high, low)| high << 29 | low),
    ]
}

/// Keys that share few bits, some, or all but the last.
fn wide_key() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        (0_u128..3, 0_u32..126).prop_map(|(bits, at)| bits << at),
        (0_u128..4).prop_map(|low| u128::MAX - low),
    ]
}

fn ops<K: core::fmt::Debug + Clone>(
    key: impl Strategy<Value = K> + Clone + 'static,
    longest: u8,
) -> impl Strategy<Value = Vec<Op<K>>> {
    let op = prop_oneof![
        3 => (key.clone(), 0..=longest).prop_map(|(key, len)| Op::Insert(key, len)),
        2 => any::<usize>().prop_map(Op::Remove),
        3 => key.prop_map(Op::Lookup),
    ];
    proptest::collection::vec(op, 1..200)
}

impl<K: TrieKey> Trie<K> {
    /// One that has a shortcut from so many nodes on, and room for so many nodes and values.
    fn limited(large: usize, bound: u32) -> Self {
        Self {
            nodes: Arena::new(bound),
            values: Arena::new(bound),
            large,
            ..Self::new()
        }
    }
}

/// Does the same to a trie and to a list, and compares what they say.
fn agree<K: TrieKey + Ord + core::fmt::Debug>(
    mut trie: Trie<K>,
    ops: Vec<Op<K>>,
) -> Result<(), TestCaseError> {
    let mut model: Vec<(K, u8, u32)> = Vec::new();
    let mut keys = Vec::new();
    for (value, op) in (0_u32..).zip(ops) {
        match op {
            Op::Insert(key, len) => {
                let place = (key.masked(len), len);
                let is_it = |&(key, len, _): &(K, u8, u32)| (key, len) == place;
                let old = model.iter().position(is_it);
                let old = old.map(|old| model.swap_remove(old).2);
                prop_assert_eq!(trie.get(key, len), old);
                keys.push(key);
                match trie.insert(key, len, value) {
                    Ok(replaced) => {
                        prop_assert_eq!(replaced, old);
                        prop_assert_eq!(trie.get(key, len), Some(value));
                        model.push((place.0, len, value));
                    }
                    Err(Full) => prop_assert_eq!((trie.get(key, len), old), (None, None)),
                }
            }
            Op::Remove(which) if !model.is_empty() => {
                let (key, len, value) = model.swap_remove(which % model.len());
                prop_assert_eq!(trie.remove(key, len), Some(value));
                prop_assert_eq!(trie.remove(key, len), None);
            }
            Op::Remove(_) => {}
            Op::Lookup(key) => keys.push(key),
        }
        prop_assert_eq!(trie.len(), model.len());
    }
    let mut listed: Vec<_> = trie.iter().collect();
    listed.sort_unstable();
    model.sort_unstable();
    prop_assert_eq!(&listed, &model);
    let mut found = vec![None; keys.len()];
    trie.longest_of(&keys, &mut found);
    for (key, found) in keys.into_iter().zip(found) {
        let of_key = model.iter().filter(|&&(it, len, _)| key.masked(len) == it);
        let mut expected: Vec<_> = of_key.map(|&(_, len, value)| (len, value)).collect();
        expected.sort_unstable();
        prop_assert_eq!(trie.longest(key), expected.last().copied());
        prop_assert_eq!(found, expected.last().copied());
        prop_assert_eq!(trie.matches(key).collect::<Vec<_>>(), expected);
    }
    for at in 0..8_usize {
        let some = model.get(at * model.len() / 8);
        if let Some(&(key, len, _)) = some {
            goes_on_behind(&mut trie, key, len)?;
            goes_on_behind(&mut trie, key, len.saturating_sub(3))?;
            goes_on_behind(&mut trie, key, K::BITS)?;
        }
    }
    for (key, len, _) in model {
        trie.remove(key, len);
    }
    prop_assert_eq!(trie.iter().count(), 0);
    Ok(())
}

/// Compares what is behind a prefix, there or not, with what the whole list has behind it when it is there.
fn goes_on_behind<K: TrieKey + core::fmt::Debug>(
    trie: &mut Trie<K>,
    key: K,
    len: u8,
) -> Result<(), TestCaseError> {
    let key = key.masked(len);
    let found: Vec<_> = trie.iter_after(key, len).collect();
    let old = trie.get(key, len);
    if old.is_none() && trie.insert(key, len, 0).is_err() {
        return Ok(());
    }
    let is_other = |&(other, its_len, _): &(K, u8, u32)| (other, its_len) != (key, len);
    let expected: Vec<_> = trie.iter().skip_while(is_other).skip(1).collect();
    if old.is_none() {
        trie.remove(key, len);
    }
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #[test]
    fn agrees_with_a_linear_scan(ops in ops(key().boxed(), 32)) {
        agree(Trie::new(), ops)?;
    }

    #[test]
    fn wide_keys_agree_with_a_linear_scan(ops in ops(wide_key().boxed(), 128)) {
        agree(Trie::new(), ops)?;
    }

    #[test]
    fn with_a_shortcut_it_agrees_with_a_linear_scan(
        large in 0_usize..20,
        ops in ops(key().boxed(), 32),
    ) {
        agree(Trie::limited(large, NOWHERE), ops)?;
    }

    #[test]
    fn with_a_shortcut_wide_keys_agree_with_a_linear_scan(
        large in 0_usize..20,
        ops in ops(wide_key().boxed(), 128),
    ) {
        agree(Trie::limited(large, NOWHERE), ops)?;
    }

    #[test]
    fn a_full_one_refuses_what_is_new_and_agrees_with_a_linear_scan(
        bound in 0_u32..60,
        large in 0_usize..80,
        ops in ops(wide_key().boxed(), 128),
    ) {
        agree(Trie::limited(large, bound), ops)?;
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
        assert_eq!(trie.insert(key, len, u32::from(len) + 100), Ok(None));
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
            trie.insert(key, 64, value).unwrap();
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

#[test]
fn a_full_one_has_room_again_for_what_was_taken_out() {
    let mut trie: Trie<u32> = Trie::limited(LARGE, 500);
    let key = |n: u32| n.wrapping_mul(0x9e37_79b9);
    let all = || (0_u32..).map(key);
    let count = all().take_while(|&key| trie.insert(key, 32, 7).is_ok());
    let count = count.count();
    assert!((100..500).contains(&count), "{count}");
    let new = all().nth(count).unwrap();
    for old in all().take(count) {
        assert_eq!(trie.insert(new, 32, 8), Err(Full));
        assert_eq!(trie.remove(old, 32), Some(7));
        assert_eq!(trie.insert(old, 32, 7), Ok(None));
    }
    assert_eq!((trie.len(), trie.iter().count()), (count, count));
    assert!(
        all()
            .take(count)
            .all(|key| trie.longest(key) == Some((32, 7)))
    );
}

#[test]
fn a_large_one_has_a_shortcut_and_a_small_one_has_none() {
    let mut trie: Trie<u32> = Trie::new();
    for n in 0..300_000_u32 {
        trie.insert(n.wrapping_mul(0x9e37_79b9), 24, n).unwrap();
        assert_eq!(trie.shortcut.is_built(), trie.nodes.len() >= LARGE);
    }
    assert!(trie.shortcut.is_built());
    assert!(trie.shortcut.memory() <= trie.memory() / 2);
}

#[test]
fn prefixes_that_lie_far_apart_have_no_chains_of_nodes() {
    let mut trie: Trie<u128> = Trie::new();
    for n in 0..4096_u128 {
        let high = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff;
        trie.insert(0x2001 << 112 | high << 80, 48, 1).unwrap();
    }
    let each = trie.memory() / trie.len();
    // With chains it would be twice as much.
    assert!(each <= 100, "{each} bytes a prefix");
}
