//! Simulated hosts and what lies between them, under one clock.

use super::agenda::Agenda;
use super::application::Application;
use super::fabric::{Fabric, NodeId, PortId};
use super::guard::{Guard, Livelock, Step};
use super::host::{Host, addresses_of, addresses_of_router};
use super::link::LinkConfig;
use super::trace::Tracer;
use super::traffic::Traffic;
use crate::config::Config;
use crate::seed::Seed;
use crate::stack::Stack;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// A network of simulated hosts, each a [`Stack`] with its [`Application`]s.
///
/// Time stands still between two events, so a run takes as long as its packets need to be computed,
/// and it repeats exactly: the same seed and the same calls give the same packets, byte for byte.
///
/// ```
/// use net_core::sim::{Flow, LinkConfig, Network, Traffic};
/// use net_core::time::Duration;
/// use net_core::{Config, Seed};
///
/// let mut network = Network::new(Seed::from_u64(1));
/// let client = network.add_host("client", Config::default(), Traffic::new());
/// let server = network.add_host("server", Config::default(), Traffic::new());
/// let link = LinkConfig {
///     rate_bps: Some(10_000_000),
///     delay: Duration::from_millis(20),
///     offload: true,
///     ..LinkConfig::default()
/// };
/// network.connect(client, server, link.clone(), link);
/// let address = (network.address(server), 80).into();
/// network.with(server, |traffic, stack, _| traffic.listen(stack, address)).unwrap();
/// network.with(client, |traffic, _, now| traffic.start(Flow::of(100_000, address), now));
/// network.run_for(Duration::from_secs(2))?;
/// assert_eq!(network.app(server).received()[0].bytes, 100_000);
/// # Ok::<(), net_core::sim::Livelock>(())
/// ```
#[derive(Debug)]
pub struct Network<A = Traffic> {
    seed: Seed,
    now: Instant,
    fabric: Fabric,
    /// By node; `None` for switches and routers.
    hosts: Vec<Option<Box<Host<A>>>>,
    timers: Agenda,
    /// Hosts that were touched, at least once each.
    touched: Vec<NodeId>,
    /// Interfaces of hosts so far.
    addressed: u32,
    guard: Guard,
    tracer: Option<Tracer>,
}

impl<A: Application> Network<A> {
    /// A network without nodes. All its chance comes from `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            fabric: Fabric::new(seed.part("fabric", 0)),
            hosts: Vec::new(),
            timers: Agenda::default(),
            touched: Vec::new(),
            addressed: 0,
            guard: Guard::new(Guard::LIMIT),
            tracer: None,
        }
    }

    /// Gives up when more than `steps` things happen within one simulated millisecond;
    /// [`Guard::LIMIT`] by default.
    pub fn limit_steps(&mut self, steps: u64) {
        self.guard = Guard::new(steps);
    }

    /// Adds a host with a stack of its own.
    pub fn add_host(&mut self, name: impl Into<String>, config: Config, app: A) -> NodeId {
        let node = self.fabric.add_host(name);
        let seed = self.seed.part("hosts", node.index() as u64);
        let stack = Stack::new(config, seed, self.now);
        self.hosts.push(Some(Box::new(Host::new(stack, app))));
        self.timers.add();
        self.touched.push(node);
        node
    }

    /// Adds a switch, which passes packets on unchanged.
    pub fn add_switch(&mut self, name: impl Into<String>) -> NodeId {
        let node = self.fabric.add_switch(name);
        self.hosts.push(None);
        self.timers.add();
        node
    }

    /// Adds a router, which counts the time to live down and reports by ICMP what cannot go on.
    pub fn add_router(&mut self, name: impl Into<String>) -> NodeId {
        let number = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let node = self.fabric.add_router(name, &addresses_of_router(number));
        self.hosts.push(None);
        self.timers.add();
        node
    }

    /// Joins two nodes: `there` is what becomes of packets from `a` to `b`, `back` the reverse. The
    /// ends of the link at `a` and `b`.
    ///
    /// A host gets an interface with an address of both families; its first one also gets the
    /// default routes.
    ///
    /// # Panics
    /// If a node is not of this network, or the MTU of a host is below 576.
    pub fn connect(
        &mut self,
        a: NodeId,
        b: NodeId,
        there: LinkConfig,
        back: LinkConfig,
    ) -> [PortId; 2] {
        let mtus = [there.mtu, back.mtu];
        let ports = self.fabric.connect(a, b, there, back);
        for ((node, port), mtu) in [a, b].into_iter().zip(ports).zip(mtus) {
            if let Some(host) = &mut self.hosts[node.index()] {
                self.addressed += 1;
                let addresses = addresses_of(self.addressed, mtu);
                host.add_port(port, &addresses, &self.fabric);
                for address in addresses {
                    self.fabric.announce(node, address);
                }
            }
        }
        ports
    }

    /// What lies between the hosts.
    #[must_use]
    pub const fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// What lies between the hosts, to change links and routes.
    pub const fn fabric_mut(&mut self) -> &mut Fabric {
        &mut self.fabric
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The IPv4 address of a host's first interface.
    ///
    /// # Panics
    /// If it has none yet.
    #[must_use]
    pub fn address(&self, host: NodeId) -> IpAddr {
        *self.addresses(host).first().expect("a host with a link")
    }

    /// Every address of a host.
    ///
    /// # Panics
    /// If the node is no host.
    #[must_use]
    pub fn addresses(&self, host: NodeId) -> &[IpAddr] {
        &self.host(host).addresses
    }

    /// The stack of a host.
    ///
    /// # Panics
    /// If the node is no host.
    #[must_use]
    pub fn stack(&self, host: NodeId) -> &Stack {
        &self.host(host).stack
    }

    /// The stack of a host, to do something with. What follows happens when time goes on.
    ///
    /// # Panics
    /// If the node is no host.
    pub fn stack_mut(&mut self, host: NodeId) -> &mut Stack {
        self.touch(host);
        &mut self.host_mut(host).stack
    }

    /// What runs on a host.
    ///
    /// # Panics
    /// If the node is no host.
    #[must_use]
    pub fn app(&self, host: NodeId) -> &A {
        &self.host(host).app
    }

    /// Lets `act` do something with what runs on a host and with its stack.
    ///
    /// # Panics
    /// If the node is no host.
    pub fn with<R>(
        &mut self,
        host: NodeId,
        act: impl FnOnce(&mut A, &mut Stack, Instant) -> R,
    ) -> R {
        self.touch(host);
        let now = self.now;
        let host = self.host_mut(host);
        act(&mut host.app, &mut host.stack, now)
    }

    /// Goes on to the next thing that happens, if that is not after `until`; `false` if nothing
    /// does, and then it is `until`.
    ///
    /// # Errors
    /// [`Livelock`] where the simulation does not get on.
    pub fn step(&mut self, until: Instant) -> Result<bool, Livelock> {
        self.settle();
        let arrival = self.fabric.poll_timeout();
        let timer = self.timers.next().map(|(at, _)| at);
        let sample = self.tracer.as_ref().map(Tracer::next);
        let Some(next) = [arrival, timer, sample]
            .into_iter()
            .flatten()
            .min()
            .filter(|next| *next <= until)
        else {
            self.now = self.now.max(until);
            return Ok(false);
        };
        self.now = self.now.max(next);
        if sample == Some(next) {
            self.sample();
        }
        if arrival.is_some_and(|at| at <= self.now) {
            if let Some(port) = self.fabric.step(self.now) {
                self.guard.count(Step::Link(port), &self.fabric, self.now)?;
            }
            self.take_in();
        } else if let Some(number) = self.timers.pop(self.now) {
            let node = NodeId::new(number);
            self.guard
                .count(Step::Timer(node), &self.fabric, self.now)?;
            if let Some(Some(host)) = self.hosts.get_mut(number) {
                host.handle_timeout(self.now);
                self.touched.push(node);
            }
        }
        self.settle();
        Ok(true)
    }

    /// Runs until it is `until`.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run_until(&mut self, until: Instant) -> Result<(), Livelock> {
        while self.step(until)? {}
        Ok(())
    }

    /// Runs for `time`.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run_for(&mut self, time: Duration) -> Result<(), Livelock> {
        self.run_until(self.now + time)
    }

    /// Runs until `done`, which is asked after each step, for `limit` at most; whether it was done.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run_while(
        &mut self,
        limit: Duration,
        mut goes_on: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, Livelock> {
        let until = self.now + limit;
        while goes_on(self) {
            if !self.step(until)? {
                return Ok(!goes_on(self));
            }
        }
        Ok(true)
    }

    /// Samples from now on, every `interval`, the connections that applications
    /// [watch](Application::watched), and the queues of these links.
    ///
    /// # Panics
    /// If the interval is zero.
    pub fn trace(&mut self, interval: Duration, queues: &[PortId]) {
        self.tracer = Some(Tracer::new(interval, queues.to_vec(), self.now));
    }

    /// What was sampled so far.
    #[must_use]
    pub const fn traced(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// Keeps what goes through every interface of a node for [`capture`](Self::capture): the last
    /// 64 MiB of each.
    pub fn record(&mut self, node: NodeId) {
        for port in self.fabric.ports(node).to_vec() {
            self.fabric.record(port, RECORDED);
        }
    }

    /// What went through the interfaces of a node since [`record`](Self::record), as a pcapng file.
    #[must_use]
    pub fn capture(&self, node: NodeId) -> Vec<u8> {
        self.fabric.capture(self.fabric.ports(node))
    }

    fn host(&self, node: NodeId) -> &Host<A> {
        self.hosts[node.index()].as_ref().expect("a host")
    }

    fn host_mut(&mut self, node: NodeId) -> &mut Host<A> {
        self.hosts[node.index()].as_mut().expect("a host")
    }

    fn touch(&mut self, node: NodeId) {
        self.host_mut(node).touched = true;
        self.touched.push(node);
    }

    /// Hands to hosts what has arrived at their ends of links.
    fn take_in(&mut self) {
        while let Some(port) = self.fabric.poll_ready() {
            let node = self.fabric.node(port);
            if let Some(Some(host)) = self.hosts.get_mut(node.index()) {
                host.receive(port, &mut self.fabric, self.now);
                self.touched.push(node);
            }
        }
    }

    /// Lets every host that was touched do what follows.
    fn settle(&mut self) {
        while let Some(node) = self.touched.pop() {
            if let Some(Some(host)) = self.hosts.get_mut(node.index())
                && host.touched
            {
                let next = host.settle(&mut self.fabric, self.now);
                self.timers.set(node.index(), next);
            }
        }
    }

    fn sample(&mut self) {
        let Some(tracer) = &mut self.tracer else {
            return;
        };
        tracer.begin(self.now);
        for (node, host) in self.hosts.iter_mut().enumerate() {
            let Some(host) = host else { continue };
            let Host { stack, app, .. } = &mut **host;
            app.watched(&mut |number, id| {
                if let Some(info) = stack.tcp(id, self.now).and_then(|tcp| tcp.info()) {
                    tracer.sample(node, number, &info);
                }
            });
        }
        tracer.sample_queues(&self.fabric);
    }
}

/// Bytes that are kept of what goes through an interface each way.
const RECORDED: usize = 64 << 20;
