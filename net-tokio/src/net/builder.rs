//! Setting up a stack.

use super::own_runtime::OwnRuntime;
use super::shards::Place;
use super::{Interface, Net};
use crate::device::Device;
use crate::driver::{self, Time};
use crate::lookup::NamesConfig;
use net_core::advertising::RouterAdvertising;
use net_core::autoconf::Defence;
use net_core::socket::Policy;
use net_core::{Config, Seed, Stack};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;
use tokio::runtime;

/// What a [`Net`] is to consist of; from [`Net::builder`].
///
/// [`address`](Self::address), [`gateway`](Self::gateway), [`route`](Self::route) and
/// [`mtu`](Self::mtu) speak of the device added last. What is wrong with an argument is said by
/// [`build`](Self::build).
#[must_use = "nothing happens before build()"]
pub struct NetBuilder {
    config: Config,
    seed: Option<Seed>,
    policy: Option<Box<dyn Policy>>,
    interfaces: Vec<Interface>,
    loopback: bool,
    inline_rounds: bool,
    busy_poll: Option<Duration>,
    driver: Driver,
    driver_name: String,
    process_wide: bool,
    place: Option<Place>,
    pub(crate) names: NamesConfig,
    mistake: Option<io::Error>,
}

impl NetBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: Config::default(),
            seed: None,
            policy: None,
            interfaces: Vec::new(),
            loopback: true,
            inline_rounds: true,
            busy_poll: None,
            driver: Driver::Task,
            driver_name: "net-tokio driver".into(),
            process_wide: false,
            place: None,
            names: NamesConfig::default(),
            mistake: None,
        }
    }

    /// The stack of last resort: loopback only, on a thread of its own.
    pub(super) fn process_wide() -> Self {
        Self {
            driver: Driver::Thread,
            process_wide: true,
            ..Self::new()
        }
    }

    /// Adds an interface called `name` over `device`.
    pub fn device(mut self, name: impl Into<String>, device: impl Device) -> Self {
        self.interfaces.push(Interface::new(name, device));
        self
    }

    /// Gives the device added last an address with the length of its on-link prefix:
    /// `10.7.0.2/24`, `fd07::2/64`. Without a length it is a host's (`/32`, `/128`).
    pub fn address(mut self, address: impl AsRef<str>) -> Self {
        let address = address.as_ref();
        self.on_last_device("address", |interface| interface.address(address));
        self
    }

    /// Sends what no other route covers, of the gateway's address family, through the device added
    /// last. May be given once per family.
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        self.on_last_device("gateway", |interface| interface.gateway(gateway));
        self
    }

    /// Sends what goes to `prefix` through the device added last, by the router `via` if there is
    /// one.
    pub fn route(mut self, prefix: impl AsRef<str>, via: impl Into<Option<IpAddr>>) -> Self {
        let (prefix, via) = (prefix.as_ref(), via.into());
        self.on_last_device("route", |interface| interface.route(prefix, via));
        self
    }

    /// Has the device added last, an Ethernet, configure IPv6 by itself
    /// ([`Interface::autoconfigure`]).
    pub fn autoconfigure(mut self) -> Self {
        self.on_last_device("autoconfigure", Interface::autoconfigure);
        self
    }

    /// Whether the addresses of IPv6 of the device added last, an Ethernet, are checked before they are used,
    /// which takes one to two seconds ([`Interface::check_addresses`]). On by default.
    pub fn check_addresses(mut self, on: bool) -> Self {
        self.on_last_device("check_addresses", |interface| interface.check_addresses(on));
        self
    }

    /// Has addresses of IPv4 of the device added last, an Ethernet, checked before they are used, which takes four
    /// to seven seconds ([`Interface::detect_conflicts`]). Off by default.
    pub fn detect_conflicts(mut self, defence: Defence) -> Self {
        self.on_last_device("detect_conflicts", |interface| {
            interface.detect_conflicts(defence)
        });
        self
    }

    /// Has the device added last, an Ethernet, choose an address of IPv4 for its link
    /// ([`Interface::link_local`]).
    pub fn link_local(mut self) -> Self {
        self.on_last_device("link_local", Interface::link_local);
        self
    }

    /// Has the device added last, which configures IPv6 by itself, use temporary addresses, too
    /// ([`Interface::temporary_addresses`]).
    pub fn temporary_addresses(mut self) -> Self {
        self.on_last_device("temporary_addresses", Interface::temporary_addresses);
        self
    }

    /// What the device added last, an Ethernet, advertises as a router once it forwards
    /// ([`Interface::router_advertising`]).
    pub fn router_advertising(mut self, config: RouterAdvertising) -> Self {
        self.on_last_device("router_advertising", |interface| {
            interface.router_advertising(config)
        });
        self
    }

    /// Limits the packets of the device added last to `mtu` bytes, where the device could take
    /// larger ones.
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.on_last_device("mtu", |interface| interface.mtu(mtu));
        self
    }

    /// Settings and bounds of the stack.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Asks `policy` about everything that sockets of the stack do, and tells it of connections. It runs
    /// inside the stack: it must not use sockets of the same stack, nor wait for anybody who does. What
    /// tasks do then takes the lock of the stack each time. What goes when it is dropped, goes unasked.
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Some(Box::new(policy));
        self
    }

    /// The source of all the stack's randomness, to make a test repeatable. By default it comes from
    /// the operating system's entropy.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether the stack has an interface `lo` with 127.0.0.0/8 and ::1, which also carries what it
    /// sends to its own addresses. On by default.
    pub fn loopback(mut self, on: bool) -> Self {
        self.loopback = on;
        self
    }

    /// Whether a task that writes may move its packets itself where every device is in memory, instead of
    /// waking the driver, and one that would have to wait may do what the driver was woken for and has not
    /// begun. On by default; what is delivered is the same, and under tokio's paused clock loopback traffic
    /// then never waits for a timer.
    pub fn inline_rounds(mut self, on: bool) -> Self {
        self.inline_rounds = on;
        self
    }

    /// For how long after the last packet the driver asks its devices again and again before it goes to
    /// sleep (`SO_BUSY_POLL`). A packet that comes meanwhile need not wait for anybody to be woken, at
    /// the price of a core that is busy. The time is the host's, also under a paused clock.
    ///
    /// By default, and where a device is not in memory, the driver learns whether that pays: it stays
    /// awake for some 25 µs if the latest packet came as quickly, and sleeps at once where waiting was in
    /// vain. Zero keeps it from ever waiting awake.
    pub fn busy_poll(mut self, time: Duration) -> Self {
        self.busy_poll = Some(time);
        self
    }

    /// Who runs the driver. By default a task of the runtime that [`build`](Self::build) is called
    /// in.
    pub fn driver(mut self, driver: Driver) -> Self {
        self.driver = driver;
        self
    }

    /// How the driver's thread is called, where it has one. By default `net-tokio driver`.
    pub fn driver_name(mut self, name: impl Into<String>) -> Self {
        self.driver_name = name.into();
        self
    }

    /// Brings the stack up.
    ///
    /// # Errors
    /// `InvalidInput` for an argument that makes no sense (which one, the text says), `Other` where
    /// there is no runtime to run the driver, or the error of the operating system that refused
    /// entropy or a thread.
    pub fn build(mut self) -> io::Result<Net> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        if self.driver == Driver::Thread {
            return self.build_on_thread();
        }
        let runtime = runtime::Handle::try_current().map_err(|_| {
            io::Error::other(
                "Net::build needs a tokio runtime for its driver: call it inside one, or ask for Driver::Thread",
            )
        })?;
        let (net, driver) = self.assemble(Time::of_runtime())?;
        runtime.spawn(driver.run());
        Ok(net)
    }

    fn build_on_thread(self) -> io::Result<Net> {
        let runtime = OwnRuntime::new()?;
        let name = self.driver_name.clone();
        let (net, driver) = {
            let _guard = runtime.handle().enter();
            self.assemble(Time::real())?
        };
        thread::Builder::new()
            .name(name)
            .spawn(move || runtime.block_on(driver.run()))?;
        Ok(net)
    }

    /// Makes it one of several stacks with the same addresses.
    pub(super) fn place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    fn assemble(mut self, time: Time) -> io::Result<(Net, driver::Driver)> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => entropy()?,
        };
        if let Some(place) = &self.place {
            self.config.port_share = place.share;
        }
        let mut stack = Stack::new(self.config, seed, time.now());
        if let Some(policy) = self.policy {
            stack.set_policy(policy);
        }
        let mut devices = Vec::with_capacity(self.interfaces.len() + 1);
        let loopback = self.loopback.then(Interface::loopback);
        for interface in loopback.into_iter().chain(self.interfaces) {
            devices.push(interface.join(&mut stack, time.now())?);
        }
        if let Some(place) = self.place {
            place.join(&mut stack);
        }
        let parts = driver::Parts {
            stack,
            devices,
            time,
            inline_rounds: self.inline_rounds,
            busy_poll: self.busy_poll,
            process_wide: self.process_wide,
        };
        let (engine, driver) = driver::start(parts);
        Ok((Net::from_engine(engine, self.names)?, driver))
    }

    fn on_last_device(&mut self, what: &str, change: impl FnOnce(Interface) -> Interface) {
        match self.interfaces.pop() {
            Some(interface) => self.interfaces.push(change(interface)),
            None => self.note(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{what}(..) speaks of a device: add one with device(..) first"),
            )),
        }
    }

    /// Keeps the first mistake for `build` to return.
    pub(crate) fn note(&mut self, error: io::Error) {
        self.mistake.get_or_insert(error);
    }
}

impl fmt::Debug for NetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.interfaces.iter().map(Interface::name).collect();
        f.debug_struct("NetBuilder")
            .field("interfaces", &names)
            .finish_non_exhaustive()
    }
}

/// Who runs a stack's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Driver {
    /// A task of the runtime in which the stack was built. It answers soonest, since no thread has
    /// to be woken. A task that blocks that runtime stops the stack as well, and when the runtime
    /// ends, every socket of the stack fails at once.
    #[default]
    Task,
    /// A thread of its own. It depends on no runtime, so it suits a stack that several share, or
    /// that outlives them. Timers keep real time under a paused clock.
    Thread,
}

/// A seed from the operating system.
fn entropy() -> io::Result<Seed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(Seed::from_bytes(bytes))
}
