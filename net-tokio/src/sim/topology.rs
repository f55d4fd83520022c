//! Which hosts there are, where, and what lies between them.

use super::Sim;
use super::error::Cause;
use super::port::Port;
use super::world::World;
use crate::Net;
use net_core::Config;
use net_core::iface::IpCidr;
use net_core::seed::Seed;
use net_core::sim::{Fabric, LinkConfig, LinkCounters, NodeId, PortId, Queue};
use net_core::time::Duration;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Nodes by name, and what hosts are to be.
#[derive(Debug)]
pub(super) struct Topology {
    nodes: HashMap<String, NodeId>,
    /// In the order in which they were first named.
    hosts: Vec<Host>,
    /// Of hosts that nothing else is said about.
    link: LinkConfig,
}

#[derive(Debug)]
struct Host {
    name: String,
    node: NodeId,
    config: Config,
}

impl Sim {
    /// The IPv4 address of a host.
    pub fn address(&mut self, host: &str) -> IpAddr {
        let node = self.topology.host_node(&self.world, host);
        self.topology.addresses(node)[0]
    }

    /// The IPv6 address of a host.
    pub fn address_v6(&mut self, host: &str) -> IpAddr {
        let node = self.topology.host_node(&self.world, host);
        self.topology.addresses(node)[1]
    }

    /// Adds a switch.
    pub fn switch(&mut self, name: &str) {
        let node = self.world.state().fabric.add_switch(name);
        self.topology.insert(name, node);
    }

    /// Adds a router: it counts the time to live down, and reports by ICMP what cannot go on.
    pub fn router(&mut self, name: &str) {
        let mut state = self.world.state();
        let number = u32::try_from(self.topology.nodes.len()).unwrap_or(u32::MAX);
        let addresses = [
            IpAddr::V4(Ipv4Addr::from_bits(ROUTERS_V4 | number & 0xffff)),
            IpAddr::V6(Ipv6Addr::from_bits(ROUTERS_V6 | u128::from(number))),
        ];
        let node = state.fabric.add_router(name, &addresses);
        drop(state);
        self.topology.insert(name, node);
    }

    /// How packets go both ways between a host and the common switch, where nothing else was said:
    /// 1 ms each way, and nothing worse.
    pub fn link(&mut self, config: LinkConfig) {
        self.topology.link = config;
    }

    /// Joins two nodes: `there` is what becomes of packets from `a` to `b`, `back` the reverse. A
    /// host has one link.
    ///
    /// # Panics
    /// If a host has one already.
    pub fn connect(&mut self, a: &str, b: &str, there: LinkConfig, back: LinkConfig) {
        let ends = [a, b].map(|name| self.topology.node(&self.world, name));
        self.topology.connect(&self.world, ends, there, back);
    }

    /// Sends what goes to `prefix` from the switch or router `a` to its neighbour `b`, in place of the
    /// shortest way.
    ///
    /// # Panics
    /// If they are not connected.
    pub fn route(&mut self, prefix: IpCidr, a: &str, b: &str) {
        let port = self.topology.port(&self.world, a, b);
        let mut state = self.world.state();
        let node = state.fabric.node(port);
        state.fabric.add_route(node, prefix, port);
    }

    /// From `at` on, counted from the beginning, the direction from `a` to `b` of the link between
    /// them is another one.
    ///
    /// # Panics
    /// If they are not connected.
    pub fn change_at(&mut self, at: Duration, a: &str, b: &str, config: LinkConfig) {
        let port = self.topology.port(&self.world, a, b);
        let at = net_core::Instant::ZERO + at;
        self.world.state().fabric.change_at(port, at, config);
    }

    /// Puts another queueing discipline in front of the direction from `a` to `b`.
    ///
    /// # Panics
    /// If they are not connected.
    pub fn set_queue(&mut self, a: &str, b: &str, queue: Box<dyn Queue>) {
        let port = self.topology.port(&self.world, a, b);
        self.world.state().fabric.set_queue(port, queue);
    }

    /// What the direction from `a` to `b` of the link between them did.
    ///
    /// # Panics
    /// If they are not connected.
    #[must_use]
    pub fn counters(&self, a: &str, b: &str) -> LinkCounters {
        let port = self.topology.port(&self.world, a, b);
        *self.world.state().fabric.link(port).counters()
    }
}

impl Topology {
    pub(super) fn new() -> Self {
        Self {
            nodes: HashMap::new(),
            hosts: Vec::new(),
            link: LinkConfig {
                delay: Duration::from_millis(1),
                ..LinkConfig::default()
            },
        }
    }

    /// Makes sure that there is a host of this name.
    pub(super) fn host(&mut self, world: &World, name: &str) -> String {
        self.host_node(world, name);
        name.to_owned()
    }

    pub(super) fn configure(&mut self, world: &World, name: &str, config: Config) {
        let node = self.host_node(world, name);
        if let Some(host) = self.hosts.iter_mut().find(|host| host.node == node) {
            host.config = config;
        }
    }

    /// Joins the hosts without a link to a common switch.
    pub(super) fn complete(&mut self, world: &World) {
        let mut lonely: Vec<NodeId> = self.hosts.iter().map(|host| host.node).collect();
        lonely.retain(|node| world.state().fabric.ports(*node).is_empty());
        if lonely.is_empty() {
            return;
        }
        let switch = world.state().fabric.add_switch(SWITCH);
        self.nodes.insert(SWITCH.to_owned(), switch);
        for node in lonely {
            self.connect(world, [node, switch], self.link.clone(), self.link.clone());
        }
    }

    /// Brings the stacks up, in the runtime of the caller.
    pub(super) fn build(
        &self,
        world: &Arc<World>,
        seed: u64,
    ) -> Result<HashMap<String, Net>, Cause> {
        let seed = Seed::from_u64(seed);
        let mut nets = HashMap::new();
        for host in &self.hosts {
            let port = world.state().fabric.ports(host.node)[0];
            let [v4, v6] = self.addresses(host.node);
            let device = Port::new(Arc::clone(world), port);
            let narrow = crate::device::Device::mtu(&device) < LEAST_MTU_V6;
            let mut builder = Net::builder()
                .device("link0", device)
                .address(v4.to_string())
                .route("0.0.0.0/0", None);
            if !narrow {
                builder = builder.address(v6.to_string()).route("::/0", None);
            }
            let net = builder
                .config(host.config.clone())
                .seed(seed.part("simulated hosts", host.node.index() as u64))
                .build()
                .map_err(|error| Cause::Stack {
                    host: host.name.clone(),
                    error,
                })?;
            nets.insert(host.name.clone(), net);
        }
        Ok(nets)
    }

    /// The hosts' ends of links.
    pub(super) fn host_ports(&self, fabric: &Fabric) -> Vec<PortId> {
        let nodes = self.hosts.iter().map(|host| host.node);
        nodes.flat_map(|node| fabric.ports(node)).copied().collect()
    }

    fn insert(&mut self, name: &str, node: NodeId) {
        let before = self.nodes.insert(name.to_owned(), node);
        assert!(before.is_none(), "there is a node named {name} already");
    }

    fn node(&mut self, world: &World, name: &str) -> NodeId {
        match self.nodes.get(name) {
            Some(node) => *node,
            None => self.host_node(world, name),
        }
    }

    fn host_node(&mut self, world: &World, name: &str) -> NodeId {
        if let Some(host) = self.hosts.iter().find(|host| host.name == name) {
            return host.node;
        }
        let node = world.state().fabric.add_host(name);
        self.insert(name, node);
        self.hosts.push(Host {
            name: name.to_owned(),
            node,
            config: Config::default(),
        });
        node
    }

    fn connect(&self, world: &World, ends: [NodeId; 2], there: LinkConfig, back: LinkConfig) {
        let mut state = world.state();
        let [a, b] = ends;
        let ports = state.fabric.connect(a, b, there, back);
        for (node, port) in ends.into_iter().zip(ports) {
            let Some(host) = self.hosts.iter().find(|host| host.node == node) else {
                continue;
            };
            let links = state.fabric.ports(node).len();
            assert!(links == 1, "{} has a link already", host.name);
            for address in self.addresses(node) {
                state.fabric.announce(node, address);
            }
            state.fabric.record(port, RECORDED);
        }
    }

    /// The end at `a` of the link between two nodes.
    fn port(&self, world: &World, a: &str, b: &str) -> PortId {
        let [a, b] = [a, b].map(|name| self.nodes.get(name).copied());
        let state = world.state();
        let ports = a.map(|node| state.fabric.ports(node)).unwrap_or_default();
        ports
            .iter()
            .copied()
            .find(|port| Some(state.fabric.node(port.peer())) == b)
            .expect("two nodes with a link between them")
    }

    /// The addresses of a host, of both families.
    fn addresses(&self, node: NodeId) -> [IpAddr; 2] {
        let number = self.hosts.iter().position(|host| host.node == node);
        let number = u32::try_from(number.expect("a host") + 1).unwrap_or(u32::MAX);
        [
            IpAddr::V4(Ipv4Addr::from_bits(HOSTS_V4 | number & 0x00ff_ffff)),
            IpAddr::V6(Ipv6Addr::from_bits(HOSTS_V6 | u128::from(number))),
        ]
    }
}

const SWITCH: &str = "switch of all";
/// Bytes that are kept of what goes through a host's link each way.
const RECORDED: usize = 16 << 20;
const HOSTS_V4: u32 = 0x0a00_0000;
const HOSTS_V6: u128 = 0xfd00 << 112;
const ROUTERS_V4: u32 = 0x0aff_0000;
const ROUTERS_V6: u128 = 0xfd00_00ff << 96;
/// RFC 8200 §5.
const LEAST_MTU_V6: u16 = 1280;
