//! Interfaces: what one is to be, adding and removing them at run time, and how they are.

use super::Net;
use crate::device::{Device, Loopback};
use crate::driver::BoundDevice;
use crate::error::to_io;
use net_core::advertising::RouterAdvertising;
use net_core::autoconf::{AddressStatus, Defence};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::route::Route;
use net_core::time::Instant;
use net_core::wire::MacAddr;
use net_core::{IfaceConfig, SocketError, Stack};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A device with its settings, to become an interface of a stack.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::device::Switch;
/// use net_tokio::{Interface, Net};
/// let net = Net::builder().build()?;
/// let switch = Switch::new();
/// net.attach(Interface::new("eth0", switch.port()).address("10.7.0.2/24"))?;
/// assert_eq!(net.interfaces().len(), 2);
/// net.detach("eth0")?;
/// assert_eq!(net.interfaces().len(), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before it is attached"]
pub struct Interface {
    name: String,
    device: Box<dyn Device>,
    loopback: bool,
    mtu: Option<u16>,
    addresses: Vec<IpCidr>,
    routes: Vec<(IpCidr, Option<IpAddr>)>,
    autoconfigures: bool,
    temporary_addresses: bool,
    link_local: bool,
    checks_addresses: bool,
    defence: Option<Defence>,
    advertising: Option<RouterAdvertising>,
    /// The first argument that made no sense.
    mistake: Option<io::Error>,
}

impl Interface {
    /// An interface called `name` over `device`, without an address.
    pub fn new(name: impl Into<String>, device: impl Device) -> Self {
        Self {
            name: name.into(),
            device: Box::new(device),
            loopback: false,
            mtu: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            autoconfigures: false,
            temporary_addresses: false,
            link_local: false,
            checks_addresses: true,
            defence: None,
            advertising: None,
            mistake: None,
        }
    }

    pub(super) fn loopback() -> Self {
        let cidr = |address, prefix_len| IpCidr {
            address,
            prefix_len,
        };
        Self {
            loopback: true,
            addresses: vec![
                cidr(Ipv4Addr::LOCALHOST.into(), 8),
                cidr(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            ..Self::new("lo", Loopback::new())
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An address with the length of its on-link prefix: `10.7.0.2/24`, `fd07::2/64`. Without a length
    /// it is a host's (`/32`, `/128`). One of IPv6 on an Ethernet is
    /// [checked first](Self::check_addresses), one of IPv4 where conflicts are
    /// [detected](Self::detect_conflicts).
    pub fn address(mut self, address: impl AsRef<str>) -> Self {
        match parse_cidr(address.as_ref()) {
            Ok(cidr) => self.addresses.push(cidr),
            Err(error) => self.note(error),
        }
        self
    }

    /// Sends what no other route covers, of the gateway's address family, through it. The gateway is taken for a
    /// neighbour, also where it is in the prefix of no address.
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        let prefix = IpCidr {
            address: match gateway {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            prefix_len: 0,
        };
        self.routes.push((prefix, Some(gateway)));
        self
    }

    /// Sends what goes to `prefix` through it, by the router `via` if there is one.
    pub fn route(mut self, prefix: impl AsRef<str>, via: impl Into<Option<IpAddr>>) -> Self {
        match parse_cidr(prefix.as_ref()) {
            Ok(prefix) => self.routes.push((prefix, via.into())),
            Err(error) => self.note(error),
        }
        self
    }

    /// Has it configure IPv6 by itself, on an Ethernet: it gets a link-local address, and addresses,
    /// routes and DNS servers as routers advertise them (RFC 4862, RFC 4861, RFC 8106).
    /// [`InterfaceStatus`] tells what it has got.
    pub fn autoconfigure(mut self) -> Self {
        self.autoconfigures = true;
        self
    }

    /// Has it configure IPv6 by itself, and begin connections from addresses at random that serve for a
    /// day, so that nobody follows the host by them (RFC 8981).
    pub fn temporary_addresses(mut self) -> Self {
        self.temporary_addresses = true;
        self.autoconfigure()
    }

    /// Has it choose an address of 169.254.0.0/16 by itself, on an Ethernet: for a link where nobody gives
    /// addresses (RFC 3927). It is used once it is known that nobody else has it, after some seconds, and
    /// given up for another when somebody insists on it.
    pub fn link_local(mut self) -> Self {
        self.link_local = true;
        self
    }

    /// Whether its addresses of IPv6 are checked before they are used, on an Ethernet: after one to two
    /// seconds they are, unless somebody else has them (RFC 4862 §5.4); [`InterfaceStatus::states`] tells, and
    /// [`Net::wait_for_addresses`] waits for it. Until then, as with Linux, sockets cannot be bound to them
    /// (`AddrNotAvailable`), and nothing goes to their prefix (`NetworkUnreachable`, where no other route
    /// leads there). On by default. Off, they are used at once, as with a DupAddrDetectTransmits of 0 (§5.1):
    /// for a link whose addresses are known to be given once, such as a [`Switch`](crate::device::Switch)
    /// of a test. An interface that [configures itself](Self::autoconfigure) always checks them, and
    /// on a link that is no Ethernet there is nobody to ask.
    pub fn check_addresses(mut self, on: bool) -> Self {
        self.checks_addresses = on;
        self
    }

    /// Has it check addresses of IPv4 before they are used, on an Ethernet: after four to seven seconds they
    /// are, unless another host has them (RFC 5227 §2.1); [`InterfaceStatus::states`] tells, and
    /// [`Net::wait_for_addresses`] waits for it. `defence` says what becomes of one in use that another host
    /// insists on. Off by default, as with Linux, which leaves this to programs (`arping -D`): until the check is
    /// over, sockets cannot be bound to them (`AddrNotAvailable`). A client of DHCP checks its
    /// leases itself.
    pub fn detect_conflicts(mut self, defence: Defence) -> Self {
        self.defence = Some(defence);
        self
    }

    /// What it advertises as a router, on an Ethernet, once it [forwards](Net::set_forwarding) (RFC 4861 §6.2): by
    /// that hosts configure themselves. It has a link-local address, or forms one.
    /// [`Net::advertising`] changes that later.
    pub fn router_advertising(mut self, config: RouterAdvertising) -> Self {
        self.advertising = Some(config);
        self
    }

    /// Limits its packets to `mtu` bytes, where the device could take larger ones.
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Keeps the first mistake.
    fn note(&mut self, error: io::Error) {
        self.mistake.get_or_insert(error);
    }

    /// Makes the stack know it, whole or not at all.
    pub(super) fn join(self, stack: &mut Stack, now: Instant) -> io::Result<BoundDevice> {
        let Self {
            name,
            device,
            loopback,
            mtu,
            addresses,
            routes,
            autoconfigures,
            temporary_addresses,
            link_local,
            checks_addresses,
            defence,
            advertising,
            mistake,
        } = self;
        if let Some(mistake) = mistake {
            return Err(mistake);
        }
        let explain = |error| {
            let io_error = to_io(error);
            io::Error::new(io_error.kind(), format!("interface {name}: {error}"))
        };
        let kind = match device.mac() {
            _ if loopback => IfaceKind::Loopback,
            Some(mac) => IfaceKind::Ethernet(mac),
            None => IfaceKind::PointToPoint,
        };
        let config = IfaceConfig {
            name: name.clone(),
            kind,
            mtu: mtu.map_or(device.mtu(), |mtu| mtu.min(device.mtu())),
            addresses,
        };
        let iface = stack.add_iface(config, device.caps()).map_err(explain)?;
        for (prefix, via) in routes {
            let route = Route {
                prefix,
                via,
                iface,
                source: None,
                metric: 0,
            };
            if let Err(error) = stack.add_route_onlink(route) {
                stack.remove_iface(iface);
                return Err(explain(error));
            }
        }
        if temporary_addresses {
            stack
                .set_temporary_addresses(iface, true)
                .map_err(explain)?;
        }
        let mut begun = Ok(());
        if checks_addresses {
            begun = stack.check_addresses(iface, now);
        }
        if defence.is_some() {
            begun = begun.and_then(|()| stack.set_conflict_detection(iface, defence, now));
        }
        if autoconfigures {
            begun = begun.and_then(|()| stack.autoconfigure(iface, now));
        }
        if link_local {
            begun = begun.and_then(|()| stack.set_link_local_v4(iface, true, now));
        }
        if let Some(config) = advertising {
            begun = begun.and_then(|()| stack.set_router_advertising(iface, config, now));
        }
        if let Err(error) = begun {
            stack.remove_iface(iface);
            return Err(explain(error));
        }
        Ok(BoundDevice {
            name,
            iface,
            device,
            loopback,
        })
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interface")
            .field("name", &self.name)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// How an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// The address of its station, if it is on an Ethernet.
    pub mac: Option<MacAddr>,
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// Its addresses; none once its device has failed.
    pub addresses: Vec<IpCidr>,
    /// The same with how far each is, and with those that are not used yet or may not be.
    pub states: Vec<AddressStatus>,
    /// DNS servers that its routers have told.
    pub dns_servers: Vec<IpAddr>,
    /// Domains in which its routers have told to search for names.
    pub dns_search: Vec<String>,
    /// Packets that its device has lost because the stack had not fetched those before
    /// ([`Device::overruns`]); `None` where nobody can tell.
    pub overruns: Option<u64>,
    /// Why its device has failed, if it has: then its addresses and routes are gone.
    pub failure: Option<String>,
}

impl Net {
    /// Adds an interface while the stack runs.
    ///
    /// # Errors
    /// `InvalidInput` for an argument that makes no sense (which one, the text says), also a name that
    /// is taken; or that the stack has ended.
    pub fn attach(&self, interface: Interface) -> io::Result<()> {
        let engine = self.engine();
        engine.act(|core, _| {
            let now = core.now();
            let joined = interface.join(core.stack_mut(), now);
            Ok(joined.map(|bound| engine.add_device(core, bound)))
        })?
    }

    /// Removes an interface with its addresses and routes, and gives its device back. What waits for
    /// the device is dropped; connections over it find another way or time out.
    ///
    /// # Errors
    /// `NotFound` if there is no interface of that name; or that the stack has ended.
    pub fn detach(&self, name: &str) -> io::Result<Box<dyn Device>> {
        let gone = self.engine().act(|core, _| Ok(core.detach(name)))?;
        gone.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("the stack has no interface {name}"),
            )
        })
    }

    /// Gives an interface another address, as [`Interface::address`] would have. One of IPv6 on an
    /// Ethernet is used once it is known that nobody else has it, after about a second; one of IPv4 at once, or after
    /// four to seven seconds where [conflicts are detected](Interface::detect_conflicts).
    ///
    /// # Errors
    /// `InvalidInput` for an address that makes no sense, `AddrInUse` where the interface has it, the
    /// kernel's ENODEV where there is no such interface.
    pub fn add_address(&self, name: &str, address: impl AsRef<str>) -> io::Result<()> {
        let cidr = parse_cidr(address.as_ref())?;
        let iface = self.interface_id(name)?;
        self.engine().act(|core, _| {
            let now = core.now();
            core.stack_mut().add_address(iface, cidr, now)
        })
    }

    /// Whether routers on an interface may name better first hops to single destinations (RFC 4861 §8, RFC
    /// 1122 §3.2.2.2). Off by default; an interface that [configures itself](Interface::autoconfigure)
    /// follows those of IPv6, and one that forwards follows none.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn set_accept_redirects(&self, name: &str, on: bool) -> io::Result<()> {
        let iface = self.interface_id(name)?;
        self.engine()
            .control(|core, _| core.stack_mut().set_accept_redirects(iface, on))
    }

    /// Whether hosts are told of better first hops than this stack where it forwards what they send over the
    /// interface that it came over (RFC 1812 §5.2.7.2, RFC 4861 §8.2). On by default.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn set_send_redirects(&self, name: &str, on: bool) -> io::Result<()> {
        let iface = self.interface_id(name)?;
        self.engine()
            .control(|core, _| core.stack_mut().set_send_redirects(iface, on))
    }

    /// Whether an interface of Ethernet chooses an address of 169.254.0.0/16 by itself, as with
    /// [`Interface::link_local`].
    ///
    /// # Errors
    /// `InvalidInput` for an interface that is no Ethernet, the kernel's ENODEV where there is no such
    /// interface.
    pub fn set_link_local(&self, name: &str, on: bool) -> io::Result<()> {
        let iface = self.interface_id(name)?;
        self.engine()
            .act(|core, now| core.stack_mut().set_link_local_v4(iface, on, now))
    }

    /// Takes an address from an interface. Connections from it stay, and time out.
    ///
    /// # Errors
    /// `AddrNotAvailable` where the interface has it not, the kernel's ENODEV where there is no such
    /// interface.
    pub fn remove_address(&self, name: &str, address: IpAddr) -> io::Result<()> {
        let iface = self.interface_id(name)?;
        self.engine().act(|core, _| {
            let now = core.now();
            match core.stack_mut().remove_address(iface, address, now) {
                true => Ok(()),
                false => Err(SocketError::AddressNotAvailable),
            }
        })
    }

    /// The interfaces, also those whose devices have failed.
    #[must_use]
    pub fn interfaces(&self) -> Vec<InterfaceStatus> {
        let all: Vec<_> = self.engine().look(|core| core.interfaces().collect());
        let asked = all.into_iter().map(|(status, overruns)| InterfaceStatus {
            overruns: overruns.count(),
            ..status
        });
        asked.collect()
    }
}

/// `10.7.0.2/24` and the like.
fn parse_cidr(text: &str) -> io::Result<IpCidr> {
    let (address, prefix_len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match prefix_len {
            Some(len) => len.parse().ok().filter(|len| *len <= longest)?,
            None => longest,
        };
        Some(IpCidr {
            address,
            prefix_len,
        })
    });
    parsed.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{text:?} is no address with prefix length, such as 10.7.0.2/24 or fd07::2/64"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_come_with_a_prefix_length() {
        let cidr = parse_cidr("10.7.0.2/24").expect("valid");
        assert_eq!(cidr.address, IpAddr::from([10, 7, 0, 2]));
        assert_eq!(cidr.prefix_len, 24);
        assert_eq!(parse_cidr("fd07::2").expect("valid").prefix_len, 128);
    }

    #[test]
    fn a_malformed_address_is_refused_by_name() {
        for text in ["10.7.0.2/33", "fd07::2/129", "10.7.0/8", "", "/24"] {
            let error = parse_cidr(text).expect_err("malformed");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(text));
        }
    }
}
