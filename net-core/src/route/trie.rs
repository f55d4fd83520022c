//! A path-compressed binary trie for longest-prefix match.

use alloc::vec::Vec;

/// A fixed-width key, its most significant bit first: `u32` for IPv4, `u128` for IPv6.
pub(crate) trait TrieKey: Copy + Eq {
    /// Bits of the key.
    const BITS: u8;

    /// The bit at `position` from the front.
    fn bit(self, position: u8) -> bool;

    /// How many leading bits are the same in both.
    fn common(self, other: Self) -> u8;

    /// The first `len` bits, the rest zero.
    fn masked(self, len: u8) -> Self;
}

macro_rules! trie_key {
    ($($int:ty),*) => {$(
        impl TrieKey for $int {
            #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
            const BITS: u8 = <$int>::BITS as u8;

            fn bit(self, position: u8) -> bool {
                self.checked_shr(<$int>::BITS - 1 - u32::from(position.min(<Self as TrieKey>::BITS - 1)))
                    .is_some_and(|rest| rest & 1 == 1)
            }

            fn common(self, other: Self) -> u8 {
                u8::try_from((self ^ other).leading_zeros()).unwrap_or(<Self as TrieKey>::BITS)
            }

            fn masked(self, len: u8) -> Self {
                match len {
                    0 => 0,
                    len => self & <$int>::MAX
                        << <$int>::BITS.saturating_sub(u32::from(len)),
                }
            }
        }
    )*};
}

trie_key!(u32, u128);

/// Values by prefix; a lookup visits at most one node per distinct prefix length on its way.
///
/// Nodes live in one vector and name each other by index. A node without a value always has two
/// children, so there are fewer than twice as many nodes as prefixes.
#[derive(Debug)]
pub(crate) struct Trie<K, V> {
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    root: u32,
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    len: u8,
    children: [u32; 2],
    value: Option<V>,
}

const NONE: u32 = u32::MAX;

impl<K: TrieKey, V> Trie<K, V> {
    /// An empty trie.
    pub(crate) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            root: NONE,
        }
    }

    /// The value of exactly this prefix, made from `default` if it is not there.
    pub(crate) fn entry(&mut self, key: K, len: u8, default: impl FnOnce() -> V) -> &mut V {
        let len = len.min(K::BITS);
        let key = key.masked(len);
        let index = self.place(key, len);
        self.nodes[index as usize].value.get_or_insert_with(default)
    }

    /// The values of all prefixes of `key`, each with its prefix length, the shortest first.
    pub(crate) fn matches(&self, key: K) -> impl Iterator<Item = (u8, &V)> {
        let mut at = self.root;
        core::iter::from_fn(move || {
            loop {
                let node = self.nodes.get(at as usize)?;
                if node.key.common(key) < node.len {
                    return None;
                }
                at = if node.len < K::BITS {
                    node.children[usize::from(key.bit(node.len))]
                } else {
                    NONE
                };
                if let Some(value) = &node.value {
                    return Some((node.len, value));
                }
            }
        })
    }

    /// The value of the longest prefix of `key`.
    pub(crate) fn longest(&self, key: K) -> Option<(u8, &V)> {
        self.matches(key).last()
    }

    /// Takes a prefix out.
    pub(crate) fn remove(&mut self, key: K, len: u8) -> Option<V> {
        let (index, parent) = self.find(key.masked(len), len)?;
        let value = self.nodes[index as usize].value.take()?;
        self.shrink(index);
        if let Some(parent) = parent {
            self.shrink(parent);
        }
        Some(value)
    }

    /// Every value, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.nodes.iter().filter_map(|node| node.value.as_ref())
    }

    /// How many nodes are in use.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// The node of exactly this prefix and its parent.
    fn find(&self, key: K, len: u8) -> Option<(u32, Option<u32>)> {
        let (mut at, mut parent) = (self.root, None);
        loop {
            let node = self.nodes.get(at as usize)?;
            if node.len > len || node.key.common(key) < node.len {
                return None;
            }
            if node.len == len {
                return Some((at, parent));
            }
            parent = Some(at);
            at = node.children[usize::from(key.bit(node.len))];
        }
    }

    /// The node of exactly this prefix, made if it is not there.
    fn place(&mut self, key: K, len: u8) -> u32 {
        let mut link = Link::Root;
        loop {
            let at = self.follow(link);
            if at == NONE {
                let leaf = self.add(key, len, [NONE; 2]);
                self.set(link, leaf);
                return leaf;
            }
            let node = &self.nodes[at as usize];
            let (node_key, node_len) = (node.key, node.len);
            let common = node_key.common(key).min(node_len).min(len);
            if common == node_len {
                if node_len == len {
                    return at;
                }
                link = Link::Child(at, key.bit(node_len));
                continue;
            }
            let mut children = [NONE; 2];
            children[usize::from(node_key.bit(common))] = at;
            let upper = self.add(key.masked(common), common, children);
            self.set(link, upper);
            if common == len {
                return upper;
            }
            link = Link::Child(upper, key.bit(common));
        }
    }

    /// Removes a node that has no value and fewer than two children.
    fn shrink(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        let only = match node.children {
            _ if node.value.is_some() => return,
            [NONE, child] | [child, NONE] => child,
            _ => return,
        };
        let link = self.link_to(index);
        self.set(link, only);
        self.free.push(index);
    }

    /// Where a node hangs.
    fn link_to(&self, index: u32) -> Link {
        let key = self.nodes[index as usize].key;
        let mut link = Link::Root;
        loop {
            let at = self.follow(link);
            if at == index {
                return link;
            }
            link = Link::Child(at, key.bit(self.nodes[at as usize].len));
        }
    }

    fn follow(&self, link: Link) -> u32 {
        match link {
            Link::Root => self.root,
            Link::Child(parent, bit) => self.nodes[parent as usize].children[usize::from(bit)],
        }
    }

    fn set(&mut self, link: Link, to: u32) {
        match link {
            Link::Root => self.root = to,
            Link::Child(parent, bit) => {
                self.nodes[parent as usize].children[usize::from(bit)] = to;
            }
        }
    }

    fn add(&mut self, key: K, len: u8, children: [u32; 2]) -> u32 {
        let node = Node {
            key,
            len,
            children,
            value: None,
        };
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            return index;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("fewer routes than 2^31")
    }
}

/// A place that holds the index of a node.
#[derive(Clone, Copy)]
enum Link {
    Root,
    Child(u32, bool),
}

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
