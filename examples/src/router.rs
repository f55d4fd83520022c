//! The parts of the example `router`: two interfaces, the rules between them, a lease for the outer one, and
//! advertisements on the inner one.

use anyhow::Context as _;
use clap::Args;
use net_core::advertising::{AdvPrefix, RouterAdvertising};
use net_core::filter::Ruleset;
use net_tokio::device::{Device, Tap, Tun};
use net_tokio::{Dhcp, Interface, Net};
use std::convert::Infallible;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The networks on both sides, and what may pass.
#[derive(Debug, Clone, Args)]
pub struct RouterOptions {
    /// Name of the TUN to the inner network, of the TAP where a prefix is advertised there: one that exists is used,
    /// another one is made.
    #[arg(long, default_value = "lan0")]
    pub inside: String,
    /// The router's address there.
    #[arg(long, value_name = "ADDRESS/LEN", default_value = "10.7.0.1/24")]
    pub inside_address: String,
    /// A prefix of IPv6 that the router advertises there, such as `fd07::/64`: hosts form addresses from it, and
    /// the router has the first one. It is their default router where its own gateway is one of IPv6.
    #[arg(long, value_name = "PREFIX/64", value_parser = prefix_of_64)]
    pub inside_prefix6: Option<Ipv6Addr>,
    /// Name of the TUN to the outer network; of the TAP where its address is leased.
    #[arg(long, default_value = "wan0")]
    pub outside: String,
    /// The router's address there, or `dhcp` for one that a server there leases.
    #[arg(long, value_name = "ADDRESS/LEN|dhcp", default_value = "10.9.0.1/24")]
    pub outside_address: OutsideAddress,
    /// The next router outwards, where no lease names it.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<IpAddr>,
    /// A file with rules, in place of those that are built in.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

/// Where the router's address in the outer network comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideAddress {
    /// It is this one.
    Given(String),
    /// A DHCP server leases it.
    Leased,
}

impl FromStr for OutsideAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "dhcp" => Self::Leased,
            given => Self::Given(given.to_owned()),
        })
    }
}

impl RouterOptions {
    /// Brings the router up, but for an address that is to be leased; call it inside a tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the rules, or missing for the devices.
    pub fn build(&self) -> anyhow::Result<Net> {
        let rules = match &self.rules {
            Some(file) => {
                fs::read_to_string(file).with_context(|| format!("{}", file.display()))?
            }
            None => built_in(&self.inside, &self.outside),
        };
        let rules: Ruleset = rules.parse().context("the rules")?;
        let net = Net::builder().build()?;
        // In force before the first packet can come in.
        net.set_filter(rules)?;
        net.attach(self.inner_interface()?)?;
        let mut outside = Interface::new(&self.outside, self.outer_device()?);
        if let OutsideAddress::Given(address) = &self.outside_address {
            outside = outside.address(address);
        }
        if let Some(gateway) = self.gateway {
            outside = outside.gateway(gateway);
        }
        net.attach(outside)?;
        for interface in [&self.inside, &self.outside] {
            net.set_forwarding(interface, true)?;
        }
        Ok(net)
    }

    /// Begins to ask for the outer address, where that is to be leased.
    ///
    /// # Errors
    /// As [`Dhcp::start`] says.
    pub fn lease(&self, net: &Net) -> anyhow::Result<Option<Dhcp>> {
        Ok(match self.outside_address {
            OutsideAddress::Given(_) => None,
            OutsideAddress::Leased => Some(Dhcp::start(net, &self.outside)?),
        })
    }

    /// Only on an Ethernet routers advertise themselves.
    fn inner_interface(&self) -> anyhow::Result<Interface> {
        let name = &self.inside;
        let Some(prefix) = self.inside_prefix6 else {
            let inside = Interface::new(name, Tun::builder(name).build()?);
            return Ok(inside.address(&self.inside_address));
        };
        let inside = Interface::new(name, Tap::builder(name).build()?);
        let first = Ipv6Addr::from_bits(prefix.to_bits() | 1);
        let leads_out = self.gateway.is_some_and(|gateway| gateway.is_ipv6());
        let advertising = RouterAdvertising {
            adv_send_advertisements: true,
            adv_default_lifetime: (!leads_out).then_some(Duration::ZERO),
            adv_prefix_list: vec![AdvPrefix::new(prefix, 64)],
            ..RouterAdvertising::default()
        };
        Ok(inside
            .address(&self.inside_address)
            .address(format!("{first}/64"))
            .router_advertising(advertising))
    }

    /// Leases are given to stations of an Ethernet.
    fn outer_device(&self) -> anyhow::Result<Box<dyn Device>> {
        Ok(match self.outside_address {
            OutsideAddress::Given(_) => Box::new(Tun::builder(&self.outside).build()?),
            OutsideAddress::Leased => Box::new(Tap::builder(&self.outside).build()?),
        })
    }
}

/// The prefix in `fd07::/64`.
fn prefix_of_64(text: &str) -> Result<Ipv6Addr, String> {
    let prefix = text.strip_suffix("/64").and_then(|text| text.parse().ok());
    let is_one = |prefix: &Ipv6Addr| prefix.segments()[4..] == [0; 4] && !prefix.is_multicast();
    prefix
        .filter(is_one)
        .ok_or_else(|| "it is a prefix of 64 bits, such as fd07::/64".to_owned())
}

/// A firewall that translates what leaves.
fn built_in(inside: &str, outside: &str) -> String {
    format!(
        r#"
table inet router {{
    chain post {{
        type nat hook postrouting priority srcnat
        oifname "{outside}" masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "{inside}" oifname "{outside}" ct state new accept
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "lo" accept
        icmp type echo-request limit rate 10/second accept
        icmpv6 type {{ echo-request, nd-router-solicit, nd-router-advert }} accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_understood() {
        let rules: Result<Ruleset, _> = built_in("lan0", "wan0").parse();
        assert!(rules.is_ok(), "{rules:?}");
    }

    #[test]
    fn a_prefix_to_advertise_has_64_bits() {
        assert_eq!(
            prefix_of_64("fd07::/64"),
            Ok("fd07::".parse().expect("one"))
        );
        for text in [
            "fd07::/48",
            "fd07::1/64",
            "fd07::",
            "10.7.0.0/24",
            "ff02::/64",
        ] {
            assert!(prefix_of_64(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_outer_address_is_given_or_leased() {
        let read = |text: &str| text.parse::<OutsideAddress>().expect("any text");
        assert_eq!(read("dhcp"), OutsideAddress::Leased);
        let given = OutsideAddress::Given("10.9.0.1/24".to_owned());
        assert_eq!(read("10.9.0.1/24"), given);
    }
}
