//! A stack behind a TUN or TAP of this host, from command line options.

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use net_core::iface::IpCidr;
use net_tokio::Net;
use net_tokio::device::{Device, Tap, Tun};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Which TUN or TAP, and which addresses on it.
#[derive(Debug, Clone, Args)]
pub struct TunOptions {
    /// Name of the TUN: one that exists is used as it is set up, another one is made.
    #[arg(long, value_name = "NAME", required_unless_present = "tap")]
    pub tun: Option<String>,
    /// Name of a TAP instead: the stack is a station of its own on an Ethernet with the host.
    #[arg(long, value_name = "NAME", conflicts_with = "tun")]
    pub tap: Option<String>,
    /// An address of the stack with its prefix length, for example 10.7.0.2/24; may be repeated.
    #[arg(long, value_name = "ADDRESS/LEN", required = true)]
    pub address: Vec<String>,
    /// The stack's way to everywhere else, one per family. A device that is made gives the host this
    /// address; one that exists keeps the addresses that it has.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<IpAddr>,
    /// Largest IP packet in bytes [default: as the TUN has it, 1500 for a new one].
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u16>,
    /// Whether to leave segmentation and checksums to the host.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub offload: Switch,
    /// How long the driver asks the device for packets before it goes to sleep [default: as it learns].
    #[arg(long, value_name = "MICROSECONDS")]
    pub busy_poll: Option<u64>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl TunOptions {
    /// Opens or makes the device and brings the stack up; call it inside a tokio runtime.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn build(&self) -> anyhow::Result<Net> {
        let Some(name) = self.tun.as_ref().or(self.tap.as_ref()) else {
            bail!("name a device with --tun or --tap");
        };
        self.check()?;
        let is_there = exists(name)?;
        let mut net = Net::builder().device(name, self.device(name, is_there)?);
        for address in &self.address {
            net = net.address(address);
        }
        for &gateway in &self.gateway {
            net = net.gateway(gateway);
        }
        if let Some(micros) = self.busy_poll {
            net = net.busy_poll(Duration::from_micros(micros));
        }
        let net = net.build().context("bringing the stack up")?;
        if is_there {
            for hint in self.hints(name) {
                eprintln!("hint: {hint}");
            }
        }
        Ok(net)
    }

    /// What may keep the host from reaching a stack behind the device `name`, which others have set up.
    #[must_use]
    pub fn hints(&self, name: &str) -> Vec<String> {
        let networks = self.networks().unwrap_or_default();
        let lacking = networks.iter().enumerate().filter(|&(number, network)| {
            let is_told_of = networks.iter().take(number).any(|earlier| {
                earlier.prefix_len == network.prefix_len && earlier.contains(network.address)
            });
            let from = source_to(network.address);
            !is_told_of && !from.is_some_and(|from| network.contains(from))
        });
        let hints = lacking.map(|(_, network)| {
            let (own, len) = (network.address, network.prefix_len);
            let host = match self.host_in(network, &networks) {
                Some(host) => host.to_string(),
                None => "ADDRESS".into(),
            };
            format!(
                "the host has no address beside {own}/{len} and may not reach it: \
                 `ip address add {host}/{len} dev {name}`"
            )
        });
        hints.collect()
    }

    /// Whether the options make sense together.
    fn check(&self) -> anyhow::Result<()> {
        let own = self.networks()?;
        if let Some(mtu) = self.mtu.filter(|&mtu| mtu < IPV6_MIN_MTU)
            && let Some(v6) = own.iter().find(|network| network.address.is_ipv6())
        {
            let address = v6.address;
            bail!(
                "an MTU of {mtu} is too small for {address}: IPv6 needs {IPV6_MIN_MTU} (RFC 8200 §5)"
            );
        }
        for (number, gateway) in self.gateway.iter().enumerate() {
            let mut others = self.gateway.iter().take(number);
            if let Some(other) = others.find(|other| other.is_ipv4() == gateway.is_ipv4()) {
                bail!("{other} and {gateway} are gateways of one family: name one of them");
            }
            if own.iter().any(|network| network.address == *gateway) {
                bail!("the gateway {gateway} is an address of the stack itself");
            }
            if !own
                .iter()
                .any(|network| network.address.is_ipv4() == gateway.is_ipv4())
            {
                bail!("the gateway {gateway} is of a family of which --address names no address");
            }
            let is_reached = own.iter().any(|network| network.contains(*gateway));
            if !is_link_local(*gateway) && !is_reached {
                bail!(
                    "the gateway {gateway} is in none of the networks of --address {}",
                    self.address.join(", ")
                );
            }
        }
        Ok(())
    }

    fn device(&self, name: &str, is_there: bool) -> anyhow::Result<Box<dyn Device>> {
        let host_addresses = if is_there {
            Vec::new()
        } else {
            self.host_addresses()?
        };
        let offload = self.offload == Switch::On;
        if self.tap.is_none() {
            let mut tun = Tun::builder(name).offload(offload);
            if let Some(mtu) = self.mtu {
                tun = tun.mtu(mtu);
            }
            for host in host_addresses {
                tun = tun.host_address(host.address, host.prefix_len);
            }
            return Ok(Box::new(tun.build()?));
        }
        let mut tap = Tap::builder(name).offload(offload);
        if let Some(mtu) = self.mtu {
            tap = tap.mtu(mtu);
        }
        for host in host_addresses {
            tap = tap.host_address(host.address, host.prefix_len);
        }
        Ok(Box::new(tap.build()?))
    }

    /// The stack's own addresses with a port, to listen on.
    ///
    /// # Errors
    /// An address that cannot be understood.
    pub fn sockets(&self, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
        let networks = self.networks()?.into_iter();
        Ok(networks
            .map(|network| SocketAddr::new(network.address, port))
            .collect())
    }

    /// The stack's own addresses with the networks that they are in.
    fn networks(&self) -> anyhow::Result<Vec<IpCidr>> {
        self.address.iter().map(|text| parse(text)).collect()
    }

    /// The host's addresses on a device that we make: in each network the gateway, or the first address
    /// that is free.
    fn host_addresses(&self) -> anyhow::Result<Vec<IpCidr>> {
        let networks = self.networks()?;
        let mut hosts: Vec<IpCidr> = Vec::new();
        for network in &networks {
            let prefix_len = network.prefix_len;
            let is_served = hosts
                .iter()
                .any(|host| host.prefix_len == prefix_len && network.contains(host.address));
            if is_served {
                continue;
            }
            let Some(address) = self.host_in(network, &networks) else {
                let own = network.address;
                bail!(
                    "{own}/{prefix_len} leaves the host no address beside the stack's: name a shorter \
                     prefix, or make the device and its route first"
                );
            };
            hosts.push(IpCidr {
                address,
                prefix_len,
            });
        }
        // Beside the others: it is on the link, and leads into no network of the stack.
        let on_link = self.gateway.iter().copied().filter(|&at| is_link_local(at));
        hosts.extend(
            on_link
                .filter(|&at| networks.iter().all(|network| !network.contains(at)))
                .map(|address| IpCidr {
                    address,
                    prefix_len: 64,
                }),
        );
        Ok(hosts)
    }

    /// The host's address in a network of the stack's: the gateway, if it is in there, or the first that
    /// none of the stack's addresses is.
    fn host_in(&self, network: &IpCidr, own: &[IpCidr]) -> Option<IpAddr> {
        let mut gateways = self.gateway.iter().copied();
        gateways
            .find(|&gateway| network.contains(gateway))
            .or_else(|| first_free(network, own))
    }
}

/// Whether there is an interface of that name.
fn exists(name: &str) -> anyhow::Result<bool> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(name_to_index(&any, name).is_ok())
}

fn parse(text: &str) -> anyhow::Result<IpCidr> {
    let (address, prefix_len) = text
        .split_once('/')
        .with_context(|| format!("{text} lacks its prefix length, for example 10.7.0.2/24"))?;
    let address = address
        .parse()
        .with_context(|| format!("{address} is not an IP address"))?;
    let prefix_len = prefix_len
        .parse()
        .with_context(|| format!("{prefix_len} is not a prefix length"))?;
    let most = IpCidr::max_prefix_len(address);
    ensure!(
        prefix_len <= most,
        "{text}: a prefix of this family has at most {most} bits"
    );
    Ok(IpCidr {
        address,
        prefix_len,
    })
}

/// The first address that a host may have in a network and that is none of `own`: not the network's own
/// and not its broadcast address, unless it has two addresses only (RFC 3021, RFC 6164).
fn first_free(network: &IpCidr, own: &[IpCidr]) -> Option<IpAddr> {
    let bits = IpCidr::max_prefix_len(network.address) - network.prefix_len;
    let last = u128::MAX.checked_shr(128 - u32::from(bits)).unwrap_or(0);
    let (first, last) = match (bits, network.address) {
        (0, _) => return None,
        (1, _) => (0, 1),
        (_, IpAddr::V4(_)) => (1, last - 1),
        (_, IpAddr::V6(_)) => (1, last),
    };
    // One more than are taken: among them is one that is free, if any is.
    let numbers = (first..=last).take(own.len() + 1);
    let mut candidates = numbers.map(|number| numbered(network, number));
    candidates.find(|at| own.iter().all(|taken| taken.address != *at))
}

/// The address in a network whose bits behind the prefix are `number`.
fn numbered(network: &IpCidr, number: u128) -> IpAddr {
    let len = u32::from(network.prefix_len);
    match network.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
            let host = u32::try_from(number).unwrap_or(u32::MAX) & !mask;
            Ipv4Addr::from_bits(address.to_bits() & mask | host).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask | number & !mask).into()
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The address that the host would send from to `dest`. Nothing is sent.
fn source_to(dest: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match dest {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((dest, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The smallest MTU in bytes of a link that carries IPv6 (RFC 8200 §5).
const IPV6_MIN_MTU: u16 = 1280;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: &[&str], gateway: &[&str]) -> TunOptions {
        TunOptions {
            tun: Some("t".into()),
            tap: None,
            address: address.iter().map(|&text| text.into()).collect(),
            gateway: gateway.iter().filter_map(|g| g.parse().ok()).collect(),
            mtu: None,
            offload: Switch::On,
            busy_poll: None,
        }
    }

    /// What the host gets on a device that we make.
    fn hosts(address: &[&str], gateway: &[&str]) -> Vec<String> {
        let hosts = options(address, gateway).host_addresses();
        let texts = hosts.expect("room").into_iter();
        texts
            .map(|host| format!("{}/{}", host.address, host.prefix_len))
            .collect()
    }

    #[test]
    fn the_host_gets_the_gateway_address_on_a_new_tun() {
        let both = ["fd07::1", "10.7.0.9"];
        assert_eq!(hosts(&["10.7.0.2/16"], &both), ["10.7.0.9/16"]);
    }

    #[test]
    fn without_a_gateway_the_host_gets_another_address_of_the_network() {
        for (own, host) in [
            ("10.7.0.1/24", "10.7.0.2/24"),
            ("10.7.0.2/24", "10.7.0.1/24"),
            ("10.7.0.130/25", "10.7.0.129/25"),
            ("10.7.0.129/25", "10.7.0.130/25"),
            ("10.7.0.6/30", "10.7.0.5/30"),
            ("10.7.0.6/31", "10.7.0.7/31"),
            ("10.7.0.7/31", "10.7.0.6/31"),
            ("10.7.0.2/0", "0.0.0.1/0"),
            ("fd07::2/64", "fd07::1/64"),
            ("fd07::1/64", "fd07::2/64"),
            ("fd07::8003/113", "fd07::8001/113"),
            ("fd07::4/127", "fd07::5/127"),
            ("fd07::4/0", "::1/0"),
        ] {
            assert_eq!(hosts(&[own], &[]), [host], "{own}");
        }
    }

    #[test]
    fn a_network_of_one_address_leaves_the_host_none() {
        for own in ["10.7.0.2/32", "fd07::2/128"] {
            let error = options(&[own], &[]).host_addresses().expect_err(own);
            assert!(error.to_string().starts_with(own), "{error}");
        }
    }

    #[test]
    fn the_host_has_an_address_in_each_network_of_the_stack() {
        let two = ["10.7.0.2/24", "10.8.0.2/24"];
        assert_eq!(hosts(&two, &["10.7.0.9"]), ["10.7.0.9/24", "10.8.0.1/24"]);
        assert_eq!(hosts(&two, &["10.8.0.9"]), ["10.7.0.1/24", "10.8.0.9/24"]);
        // Several addresses in one network: one that none of them is.
        let three = ["10.7.0.1/24", "10.7.0.2/24", "10.7.0.3/24"];
        assert_eq!(hosts(&three, &[]), ["10.7.0.4/24"]);
        // A gateway of the link is the host's, and no address of the network.
        let both = hosts(&["fd07::2/64"], &["fe80::1"]);
        assert_eq!(both, ["fd07::1/64", "fe80::1/64"]);
    }

    #[test]
    fn options_that_make_no_sense_together_are_refused_with_the_reason() {
        let checked = |gateway: &[&str]| options(&["10.7.0.2/16"], gateway).check();
        assert!(checked(&[]).is_ok() && checked(&["10.7.99.1"]).is_ok());
        for (gateway, reason) in [
            (&["10.7.0.1", "10.7.0.3"][..], "10.7.0.1 and 10.7.0.3"),
            (&["10.8.0.1"], "10.8.0.1 is in none"),
            (&["fd07::1"], "fd07::1 is of a family"),
            (&["10.7.99.1", "fe80::1"], "fe80::1 is of a family"),
            (&["10.7.0.2"], "the stack itself"),
        ] {
            let error = checked(gateway).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
        }
        let both = options(&["fd07::2/64", "10.7.0.2/16"], &["fe80::1", "10.7.0.1"]);
        assert!(both.check().is_ok());
        let mut small = options(&["fd07::2/64"], &["fd07::1"]);
        small.mtu = Some(1000);
        let error = small.check().expect_err("too small");
        assert!(error.to_string().contains("1280"), "{error}");
        small.mtu = Some(1280);
        assert!(small.check().is_ok());
    }

    #[test]
    fn an_address_without_a_prefix_length_that_can_be_is_refused() {
        for (own, reason) in [
            ("10.7.0.2", "10.7.0.2/24"),
            (
                "10.7.0.2/33",
                "10.7.0.2/33: a prefix of this family has at most 32",
            ),
            (
                "fd07::2/129",
                "fd07::2/129: a prefix of this family has at most 128",
            ),
            ("10.7.0.2/256", "256 is not a prefix length"),
            ("10.7.2/24", "10.7.2 is not an IP address"),
        ] {
            let error = options(&[own], &[]).check().expect_err(own);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
