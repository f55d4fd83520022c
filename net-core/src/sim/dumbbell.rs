//! The usual topology of measurements: pairs of hosts that share one link.

use super::fabric::{NodeId, PortId};
use super::guard::Livelock;
use super::link::LinkConfig;
use super::network::Network;
use super::traffic::{Flow, Received, Sent, Traffic};
use crate::config::Config;
use crate::seed::Seed;
use crate::time::Duration;
use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Senders on one side, receivers on the other, and between them one link that is narrower than all
/// others. A single pair has nothing but that link.
///
/// ```
/// use net_core::sim::{Dumbbell, LinkConfig};
/// use net_core::time::Duration;
/// use net_core::{Config, Seed};
///
/// let link = LinkConfig {
///     rate_bps: Some(10_000_000),
///     delay: Duration::from_millis(10),
///     offload: true,
///     ..LinkConfig::default()
/// };
/// let pairs = [Config::default(), Config::default()];
/// let mut dumbbell = Dumbbell::new(Seed::from_u64(1), &pairs, link.clone(), link);
/// let flows = [0, 1].map(|pair| dumbbell.start(pair, |to| net_core::sim::Flow::of(100_000, to)));
/// dumbbell.run_for(Duration::from_secs(2))?;
/// assert!(flows.iter().all(|flow| dumbbell.received(*flow).unwrap().finished.is_some()));
/// # Ok::<(), net_core::sim::Livelock>(())
/// ```
#[derive(Debug)]
pub struct Dumbbell {
    network: Network<Traffic>,
    pairs: Vec<Pair>,
    bottleneck: PortId,
}

#[derive(Debug)]
struct Pair {
    sender: NodeId,
    receiver: NodeId,
    sink: SocketAddr,
}

/// A flow of a [`Dumbbell`]: its pair, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowId {
    /// Which pair of hosts.
    pub pair: usize,
    /// Which of the sender's flows.
    pub number: usize,
}

impl Dumbbell {
    /// A pair of hosts for each configuration. `there` is what becomes of packets from senders to
    /// receivers, `back` the reverse.
    ///
    /// # Panics
    /// Without any pair, or with an MTU below 576.
    #[must_use]
    pub fn new(seed: Seed, pairs: &[Config], there: LinkConfig, back: LinkConfig) -> Self {
        let mut network = Network::new(seed);
        let access = |towards: &LinkConfig| LinkConfig {
            mtu: towards.mtu,
            offload: towards.offload,
            ..LinkConfig::default()
        };
        let (out, home) = (access(&there), access(&back));
        let hosts: Vec<[NodeId; 2]> = (pairs.iter().enumerate())
            .map(|(number, config)| {
                ["sender", "receiver"].map(|role| {
                    let name = format!("{role} {number}");
                    network.add_host(name, config.clone(), Traffic::new())
                })
            })
            .collect();
        let bottleneck = match hosts[..] {
            [] => panic!("a dumbbell needs a pair of hosts"),
            [[sender, receiver]] => network.connect(sender, receiver, there, back)[0],
            _ => {
                let [left, right] = ["left", "right"].map(|name| network.add_router(name));
                for [sender, receiver] in &hosts {
                    network.connect(*sender, left, out.clone(), home.clone());
                    network.connect(right, *receiver, out.clone(), home.clone());
                }
                network.connect(left, right, there, back)[0]
            }
        };
        let pairs = hosts
            .into_iter()
            .map(|[sender, receiver]| {
                let sink = SocketAddr::new(network.address(receiver), PORT);
                network
                    .with(receiver, |traffic, stack, _| traffic.listen(stack, sink))
                    .expect("a free port on a new host");
                Pair {
                    sender,
                    receiver,
                    sink,
                }
            })
            .collect();
        Self {
            network,
            pairs,
            bottleneck,
        }
    }

    /// Begins a flow between a pair of hosts, as `flow` makes it for its address.
    pub fn start(&mut self, pair: usize, flow: impl FnOnce(SocketAddr) -> Flow) -> FlowId {
        let Pair { sender, sink, .. } = self.pairs[pair];
        let flow = flow(sink);
        let number = self
            .network
            .with(sender, |traffic, _, now| traffic.start(flow, now));
        FlowId { pair, number }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// As [`Network::step`].
    pub fn run_for(&mut self, time: Duration) -> Result<(), Livelock> {
        self.network.run_for(time)
    }

    /// Lets time pass until every flow that was started has ended, for `limit` at most; whether they
    /// have.
    ///
    /// # Errors
    /// As [`Network::step`].
    pub fn run_to_end(&mut self, limit: Duration) -> Result<bool, Livelock> {
        let pairs = &self.pairs;
        self.network.run_while(limit, |network| {
            pairs.iter().any(|pair| network.app(pair.sender).is_busy())
        })
    }

    /// A flow at its sender.
    #[must_use]
    pub fn sent(&self, flow: FlowId) -> &Sent {
        &self.network.app(self.pairs[flow.pair].sender).sent()[flow.number]
    }

    /// A flow at its receiver; `None` before it was accepted.
    #[must_use]
    pub fn received(&self, flow: FlowId) -> Option<&Received> {
        let local = self.sent(flow).local?;
        let receiver = self.pairs[flow.pair].receiver;
        self.network.app(receiver).received_from(local)
    }

    /// The sending host of a pair.
    #[must_use]
    pub fn sender(&self, pair: usize) -> NodeId {
        self.pairs[pair].sender
    }

    /// The receiving host of a pair.
    #[must_use]
    pub fn receiver(&self, pair: usize) -> NodeId {
        self.pairs[pair].receiver
    }

    /// The end of the shared link from which packets go to the receivers.
    #[must_use]
    pub const fn bottleneck(&self) -> PortId {
        self.bottleneck
    }

    /// Everything.
    #[must_use]
    pub const fn network(&self) -> &Network<Traffic> {
        &self.network
    }

    /// Everything, to change it.
    pub const fn network_mut(&mut self) -> &mut Network<Traffic> {
        &mut self.network
    }
}

/// Where receivers listen.
const PORT: u16 = 5001;
