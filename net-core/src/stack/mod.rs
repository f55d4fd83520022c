//! The stack: interfaces, sockets and protocols under one owner.

mod addresses;
mod advertising;
mod anycast;
mod arp;
mod device_queue;
mod dispatch;
mod echo;
mod egress;
mod events;
mod filter;
mod foreign;
mod forward;
mod given;
mod hooks;
mod icmp;
mod ifaces;
mod ingress;
mod ip_input;
mod ip_options;
mod ip_output;
mod limits;
mod link;
mod link_local;
mod membership;
mod multicast;
mod ndp;
mod neighbors;
mod next_hops;
mod original_dst;
mod packet_sockets;
mod path_mtu;
mod protocols;
mod proxies;
mod raw;
mod raw_sockets;
mod reassembly;
mod redirects;
mod reject;
mod replace;
mod route_text;
mod router_options;
mod router_probes;
mod routers;
mod routing;
mod sent_options;
mod sockets;
mod strays;
mod summaries;
mod taps;
mod tcp;
mod temporary;
mod timers;
mod told_routes;
mod track;
mod udp;
mod udp_groups;
mod udp_route;
mod udp_sockets;
mod wheel;

pub(crate) use dispatch::Dispatch;
use echo::EchoTakers;
use egress::Handed;
pub use egress::{MAX_TX_BATCH, Transmit};
pub(crate) use limits::{AnswerLimits, Budget, TokenBucket};
use raw::RawTable;
pub use sockets::Kind;
use taps::TapTable;
pub(crate) use tcp::TcpTables;
pub(crate) use timers::TimerKey;
pub(crate) use udp::UdpTables;
#[doc(hidden)] // For its bench.
pub use wheel::{TimerId, Wheel};

use crate::buf::{TxBatch, TxPacket};
use crate::config::Config;
use crate::hook::{Hooks, ProtocolHandler};
use crate::iface::Iface;
use crate::ip::{Identifications, LocalAddresses, PathMtus, Reassembler};
use crate::neighbor::NeighborCache;
use crate::qdisc::Dropped;
use crate::route::Policy;
use crate::seed::{Key, Rng, Seed};
use crate::socket::{SocketQueue, SocketTable};
use crate::stats::Stats;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A TCP/IP stack.
///
/// It does nothing by itself. Bring in what the world did with the `handle_*` methods, say what the
/// application wants with plain verbs ([`connect`](Self::connect), [`close`](Self::close) …), and
/// then ask what follows: [`poll_transmit`](Self::poll_transmit) for packets to send,
/// [`poll_event`](Self::poll_event) for sockets that changed, [`poll_timeout`](Self::poll_timeout)
/// for when to come back. Any call is legal in any order at any time; `now` never goes back.
///
/// ```
/// use net_core::{Config, Instant, Seed, Stack};
/// let stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// assert_eq!(stack.poll_timeout(), None);
/// ```
#[derive(Debug)]
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) sockets: SocketTable,
    pub(crate) dispatch: Dispatch,
    pub(crate) tcp: TcpTables,
    pub(crate) udp: UdpTables,
    raw: RawTable,
    echo_takers: EchoTakers,
    /// Who speaks protocols that the stack does not, by number.
    protocols: Vec<(u8, Box<dyn ProtocolHandler>)>,
    taps: TapTable,
    pub(crate) wheel: Wheel<TimerKey>,
    pub(crate) routes: Policy,
    /// Set while prefixes are in tables that have lost their routes with an interface.
    gone_routes_timer: Option<TimerId>,
    /// Chooses among ways that share what goes to a prefix.
    pub(crate) flow_key: Key,
    /// Chooses addresses of interfaces.
    stable_key: Key,
    /// By [`IfaceId::index`](crate::IfaceId::index); `None` where one was removed.
    pub(crate) ifaces: Vec<Option<Iface>>,
    pub(crate) hooks: Hooks,
    /// For the hash tables of filters.
    filter_key: Key,
    /// For the tables of flows.
    track_seed: Seed,
    /// Whether flows are followed whatever the filter needs.
    tracking: bool,
    pub(crate) addresses: LocalAddresses,
    pub(crate) neighbors: NeighborCache,
    /// What is to be said about addresses of others.
    proxies: proxies::ProxyAnswers,
    reassembler: Reassembler,
    /// Set while fragments wait.
    reassembly_timer: Option<TimerId>,
    identifications: Identifications,
    /// How much paths of datagrams take.
    path_mtus: PathMtus,
    /// Set while something is known of them.
    path_mtu_timer: Option<TimerId>,
    pub(crate) events: SocketQueue,
    pub(crate) stats: Stats,
    pub(crate) limits: AnswerLimits,
    pub(crate) memory: Budget,
    pub(crate) rng: Rng,
    /// Where a super-segment lies while it is cut.
    uncut: TxPacket,
    /// Where its segments lie on their way into a queue.
    cut: TxBatch,
    /// What a socket has just sent, on its way into a queue.
    turn: TxBatch,
    /// What a discipline has just dropped.
    dropped: Dropped,
    /// Where there are other stacks with the same addresses.
    strays: Option<strays::Strays>,
    /// Packets that have left, to be used again.
    #[expect(clippy::vec_box, reason = "they move between queues, and are large")]
    spare: Vec<Box<TxPacket>>,
    /// The latest `now` of any call.
    pub(crate) clock: Instant,
    /// No router that did not answer is asked again before.
    router_probes_due: Instant,
    /// Other routers may have contradicted this one on some interface, which is to be written down.
    has_inconsistency: bool,
}

impl Stack {
    /// A stack without interfaces. All its randomness comes from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: Seed, now: Instant) -> Self {
        Self {
            sockets: SocketTable::new(config.max_sockets),
            dispatch: Dispatch::new(),
            tcp: TcpTables::new(&config, seed),
            udp: UdpTables::new(&config, seed),
            raw: RawTable::default(),
            echo_takers: EchoTakers::default(),
            protocols: Vec::new(),
            taps: TapTable::default(),
            wheel: Wheel::new(now),
            routes: Policy::default(),
            gone_routes_timer: None,
            flow_key: seed.key("flows"),
            stable_key: config.stable_secret.unwrap_or(seed).key("stable addresses"),
            ifaces: Vec::new(),
            hooks: Hooks::default(),
            filter_key: seed.key("filter"),
            track_seed: seed.part("flows", 0),
            tracking: false,
            addresses: LocalAddresses::default(),
            neighbors: NeighborCache::new(seed.key("neighbors"), &mut seed.rng("neighbors")),
            proxies: proxies::ProxyAnswers::default(),
            reassembler: Reassembler::new(&config, seed),
            reassembly_timer: None,
            identifications: Identifications::new(seed.key("ip identifications")),
            path_mtus: PathMtus::new(seed.key("path mtus")),
            path_mtu_timer: None,
            events: SocketQueue::default(),
            stats: Stats::default(),
            limits: AnswerLimits::new(&config, now),
            memory: Budget::new(config.memory),
            rng: seed.rng("stack"),
            uncut: TxPacket::default(),
            cut: TxBatch::default(),
            turn: TxBatch::default(),
            dropped: Dropped::default(),
            strays: None,
            spare: Vec::new(),
            clock: now,
            router_probes_due: Instant::MAX,
            has_inconsistency: false,
            config,
        }
    }

    /// What the stack was created with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What it did and what it dropped.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How many sockets there are; a closed TCP connection counts until the protocol is done too.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Bytes of memory that received and unsent payload and fragments hold alive, of [`Config::memory`].
    #[must_use]
    pub const fn memory_used(&self) -> usize {
        self.memory.used()
    }
}

#[cfg(test)]
mod tests;
