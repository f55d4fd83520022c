//! A stack behind a TUN or TAP of this host, from command line options.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use net_tokio::Net;
use net_tokio::device::{Device, Tap, Tun};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};
use std::net::{IpAddr, SocketAddr};
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
    /// The host's address on the device, and the stack's way to everywhere else; one per family.
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
        let mut net = Net::builder().device(name, self.device(name)?);
        for address in &self.address {
            net = net.address(address);
        }
        for &gateway in &self.gateway {
            net = net.gateway(gateway);
        }
        if let Some(micros) = self.busy_poll {
            net = net.busy_poll(Duration::from_micros(micros));
        }
        net.build().context("bringing the stack up")
    }

    /// Whether the options make sense together.
    fn check(&self) -> anyhow::Result<()> {
        let own = self.address.iter().map(|text| parse(text));
        let own: Vec<_> = own.collect::<anyhow::Result<_>>()?;
        if let Some(mtu) = self.mtu.filter(|&mtu| mtu < IPV6_MIN_MTU)
            && let Some((address, _)) = own.iter().find(|(address, _)| address.is_ipv6())
        {
            bail!(
                "an MTU of {mtu} is too small for {address}: IPv6 needs {IPV6_MIN_MTU} (RFC 8200 §5)"
            );
        }
        for (number, gateway) in self.gateway.iter().enumerate() {
            let mut others = self.gateway.iter().take(number);
            if let Some(other) = others.find(|other| other.is_ipv4() == gateway.is_ipv4()) {
                bail!("{other} and {gateway} are gateways of one family: name one of them");
            }
            if own.iter().any(|(address, _)| address == gateway) {
                bail!("the gateway {gateway} is an address of the stack itself");
            }
            let reaches = |&(address, len): &(IpAddr, u8)| is_within(*gateway, address, len);
            let is_link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
            if !is_link_local && !own.iter().any(reaches) {
                bail!(
                    "the gateway {gateway} is in none of the networks of --address {}",
                    self.address.join(", ")
                );
            }
        }
        Ok(())
    }

    fn device(&self, name: &str) -> anyhow::Result<Box<dyn Device>> {
        let host_addresses = if exists(name)? {
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
            for (address, prefix_len) in host_addresses {
                tun = tun.host_address(address, prefix_len);
            }
            return Ok(Box::new(tun.build()?));
        }
        let mut tap = Tap::builder(name).offload(offload);
        if let Some(mtu) = self.mtu {
            tap = tap.mtu(mtu);
        }
        for (address, prefix_len) in host_addresses {
            tap = tap.host_address(address, prefix_len);
        }
        Ok(Box::new(tap.build()?))
    }

    /// The stack's own addresses with a port, to listen on.
    ///
    /// # Errors
    /// An address that cannot be understood.
    pub fn sockets(&self, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
        self.address
            .iter()
            .map(|address| Ok(SocketAddr::new(parse(address)?.0, port)))
            .collect()
    }

    /// The host's addresses on a device that we make: the gateways, or each network's first address.
    fn host_addresses(&self) -> anyhow::Result<Vec<(IpAddr, u8)>> {
        let mut addresses = Vec::new();
        for text in &self.address {
            let (own, prefix_len) = parse(text)?;
            let gateway = self
                .gateway
                .iter()
                .find(|gateway| gateway.is_ipv4() == own.is_ipv4());
            let host = match gateway {
                Some(&gateway) => gateway,
                None => neighbour(own),
            };
            addresses.push((host, prefix_len));
        }
        Ok(addresses)
    }
}

/// Whether there is an interface of that name.
fn exists(name: &str) -> anyhow::Result<bool> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(name_to_index(&any, name).is_ok())
}

fn parse(text: &str) -> anyhow::Result<(IpAddr, u8)> {
    let (address, prefix_len) = text
        .split_once('/')
        .with_context(|| format!("{text} lacks its prefix length, for example 10.7.0.2/24"))?;
    let address = address
        .parse()
        .with_context(|| format!("{address} is not an IP address"))?;
    let prefix_len = prefix_len
        .parse()
        .with_context(|| format!("{prefix_len} is not a prefix length"))?;
    Ok((address, prefix_len))
}

/// Whether an address is in the network that another one and the length of its prefix make.
fn is_within(address: IpAddr, network: IpAddr, prefix_len: u8) -> bool {
    let len = u32::from(prefix_len);
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(two)) => {
            let differs = one.to_bits() ^ two.to_bits();
            differs.leading_zeros() >= len
        }
        (IpAddr::V6(one), IpAddr::V6(two)) => {
            let differs = one.to_bits() ^ two.to_bits();
            differs.leading_zeros() >= len
        }
        _ => false,
    }
}

/// The smallest MTU in bytes of a link that carries IPv6 (RFC 8200 §5).
const IPV6_MIN_MTU: u16 = 1280;

/// The same address with 1 as its last byte, or 2 if that is the stack's own.
fn neighbour(own: IpAddr) -> IpAddr {
    let replace = |last: &mut u8| *last = if *last == 1 { 2 } else { 1 };
    match own {
        IpAddr::V4(address) => {
            let [a, b, c, mut last] = address.octets();
            replace(&mut last);
            [a, b, c, last].into()
        }
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            replace(&mut octets[15]);
            octets.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: &str, gateway: &[&str]) -> TunOptions {
        TunOptions {
            tun: Some("t".into()),
            tap: None,
            address: vec![address.into()],
            gateway: gateway.iter().filter_map(|g| g.parse().ok()).collect(),
            mtu: None,
            offload: Switch::On,
            busy_poll: None,
        }
    }

    #[test]
    fn the_host_gets_the_gateway_address_on_a_new_tun() {
        let hosts = options("10.7.0.2/16", &["fd07::1", "10.7.0.9"]).host_addresses();
        assert_eq!(hosts.ok(), Some(vec![([10, 7, 0, 9].into(), 16)]));
    }

    #[test]
    fn without_a_gateway_the_host_gets_another_address_of_the_network() {
        let hosts = options("10.7.0.1/24", &[]).host_addresses();
        assert_eq!(hosts.ok(), Some(vec![([10, 7, 0, 2].into(), 24)]));
    }

    #[test]
    fn options_that_make_no_sense_together_are_refused_with_the_reason() {
        let checked = |gateway: &[&str]| options("10.7.0.2/16", gateway).check();
        assert!(checked(&[]).is_ok() && checked(&["10.7.99.1", "fe80::1"]).is_ok());
        for (gateway, reason) in [
            (&["10.7.0.1", "10.7.0.3"][..], "10.7.0.1 and 10.7.0.3"),
            (&["10.8.0.1"], "10.8.0.1 is in none"),
            (&["fd07::1"], "fd07::1 is in none"),
            (&["10.7.0.2"], "the stack itself"),
        ] {
            let error = checked(gateway).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
        }
        let mut small = options("fd07::2/64", &["fd07::1"]);
        small.mtu = Some(1000);
        let error = small.check().expect_err("too small");
        assert!(error.to_string().contains("1280"), "{error}");
        small.mtu = Some(1280);
        assert!(small.check().is_ok());
    }

    #[test]
    fn an_address_without_prefix_length_is_refused_with_an_example() {
        let error = options("10.7.0.2", &[]).host_addresses().unwrap_err();
        assert!(error.to_string().contains("10.7.0.2/24"));
    }
}
