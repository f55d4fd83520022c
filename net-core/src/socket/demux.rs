//! From a packet's four-tuple to what it belongs to, by one keyed hash.

use crate::seed::Key;
use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::{IpAddr, SocketAddr};
use hashbrown::HashMap;

/// A flow as seen from here: local and remote address and port.
///
/// IPv4 addresses are kept as IPv4-mapped IPv6 addresses, so a dual-stack socket's flows and an
/// IPv4 socket's flows share one map.
#[derive(Clone, Copy, Eq)]
#[cfg_attr(not(test), derive(PartialEq))]
pub(crate) struct FlowKey([u8; 36]);

impl FlowKey {
    /// The key of the flow between `local` and `remote`.
    pub(crate) fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        let mut bytes = [0; 36];
        let (addresses, ports) = bytes.split_at_mut(32);
        let (first, second) = addresses.split_at_mut(16);
        first.copy_from_slice(&octets(local.ip()));
        second.copy_from_slice(&octets(remote.ip()));
        let (first, second) = ports.split_at_mut(2);
        first.copy_from_slice(&local.port().to_be_bytes());
        second.copy_from_slice(&remote.port().to_be_bytes());
        Self(bytes)
    }

    /// The local end, in canonical form.
    pub(crate) fn local(&self) -> SocketAddr {
        self.end(0, 32)
    }

    /// The remote end, in canonical form.
    pub(crate) fn remote(&self) -> SocketAddr {
        self.end(16, 34)
    }

    /// All of it, to be hashed.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Both addresses without the ports, to be hashed.
    pub(crate) fn address_bytes(&self) -> &[u8] {
        self.0.get(..32).unwrap_or_default()
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn end(&self, address: usize, port: usize) -> SocketAddr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.0[address..address + 16]);
        let port = u16::from_be_bytes([self.0[port], self.0[port + 1]]);
        SocketAddr::new(IpAddr::from(octets).to_canonical(), port)
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Of two IPv4-mapped addresses what they have in common need not be hashed.
        let [local, remote, ports] = [12, 28, 32].map(|at| self.word(at));
        if self.0[..12] == MAPPED && self.0[16..28] == MAPPED {
            state.write_u64(u64::from(local) << 32 | u64::from(remote));
            state.write_u32(ports);
        } else {
            state.write(&self.0);
        }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowKey({:02x?})", self.0)
    }
}

/// A map from flows to values, hashed with a secret key so that peers cannot choose collisions.
#[derive(Debug)]
pub(crate) struct Demux<V> {
    map: HashMap<FlowKey, V, Key>,
}

impl<V> Demux<V> {
    /// An empty map.
    pub(crate) fn new(key: Key) -> Self {
        Self {
            map: HashMap::with_hasher(key),
        }
    }

    /// What the flow belongs to.
    pub(crate) fn get(&self, key: &FlowKey) -> Option<&V> {
        self.map.get(key)
    }

    /// Whether there is no flow at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether the flow is known.
    pub(crate) fn contains(&self, key: &FlowKey) -> bool {
        self.map.contains_key(key)
    }

    /// Adds or replaces a flow; what it belonged to before.
    pub(crate) fn insert(&mut self, key: FlowKey, value: V) -> Option<V> {
        self.map.insert(key, value)
    }

    /// Removes a flow; what it belonged to.
    pub(crate) fn remove(&mut self, key: &FlowKey) -> Option<V> {
        self.map.remove(key)
    }

    /// How many flows there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The keyed hash of a flow, to spread flows over the sockets that share a port.
    pub(crate) fn hash(&self, key: &FlowKey) -> u64 {
        self.map.hasher().hash_one(key)
    }
}

#[cfg(test)]
std::thread_local! {
    static COMPARISONS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

#[cfg(test)]
impl FlowKey {
    /// How often this thread has compared two keys.
    pub(crate) fn comparisons() -> u64 {
        COMPARISONS.get()
    }
}

#[cfg(test)]
impl PartialEq for FlowKey {
    fn eq(&self, other: &Self) -> bool {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0 == other.0
    }
}

/// What every IPv4-mapped IPv6 address begins with (RFC 4291 §2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The address as 16 octets, IPv4 as IPv4-mapped.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn finds_a_flow_by_its_four_tuple_only() {
        let mut demux = Demux::new(Seed::from_u64(1).key("test"));
        let key = FlowKey::new(addr("10.0.0.1:80"), addr("10.0.0.2:999"));
        assert_eq!(demux.insert(key, 1), None);
        let swapped = FlowKey::new(addr("10.0.0.2:999"), addr("10.0.0.1:80"));
        assert_eq!(demux.get(&key), Some(&1));
        assert_eq!(demux.get(&swapped), None);
        assert_eq!(demux.remove(&key), Some(1));
        assert_eq!(demux.len(), 0);
    }

    #[test]
    fn takes_an_ipv4_mapped_address_for_the_ipv4_address() {
        let plain = FlowKey::new(addr("10.0.0.1:80"), addr("10.0.0.2:999"));
        let mapped = FlowKey::new(addr("[::ffff:10.0.0.1]:80"), addr("[::ffff:10.0.0.2]:999"));
        assert_eq!(plain, mapped);
    }
}
