//! Whom a stack asks for the addresses of a name: itself, its table of hosts, its DNS servers.

use super::Found;
#[cfg(feature = "dns")]
use super::dns::{Dns, DnsConfig};
use crate::net::Net;
use crate::net::NetBuilder;
#[cfg(all(feature = "dns", feature = "dhcp"))]
use net_core::IfaceId;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a stack knows of names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    hosts: HashMap<String, Vec<IpAddr>>,
    #[cfg(feature = "dns")]
    dns: Option<Dns>,
}

/// What a stack is to know of names.
#[derive(Debug, Default)]
pub(crate) struct NamesConfig {
    hosts: HashMap<String, Vec<IpAddr>>,
    #[cfg(feature = "dns")]
    pub(super) dns: DnsConfig,
}

impl NetBuilder {
    /// Makes the stack know the name `host`, which may be given several addresses, before any DNS.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::{Net, TcpListener, TcpStream};
    /// let net = Net::builder().host("db", [127, 0, 0, 7]).build()?;
    /// let _listener = TcpListener::bind_on(&net, "db:5432").await?;
    /// let stream = TcpStream::connect_on(&net, "db:5432").await?;
    /// assert_eq!(stream.peer_addr()?.to_string(), "127.0.0.7:5432");
    /// # Ok(())
    /// # }
    /// ```
    pub fn host(mut self, host: impl AsRef<str>, address: impl Into<IpAddr>) -> Self {
        self.names.add(host.as_ref(), address.into());
        self
    }

    /// Makes the stack know the hosts of a table in the format of `/etc/hosts`: an address and its
    /// names on each line, `#` before comments. [`build`](Self::build) says what is wrong with it.
    pub fn hosts(mut self, table: impl AsRef<str>) -> Self {
        for line in table.as_ref().lines() {
            let (line, _comment) = line.split_once('#').unwrap_or((line, ""));
            let mut words = line.split_whitespace();
            let Some(address) = words.next() else {
                continue;
            };
            match address.parse() {
                Ok(address) => words.for_each(|host| self.names.add(host, address)),
                Err(_) => self.note(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{address:?} is no address to begin a line of a hosts table with"),
                )),
            }
        }
        self
    }
}

impl NamesConfig {
    fn add(&mut self, host: &str, address: IpAddr) {
        let addresses = self.hosts.entry(canonical(host)).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// The names of the stack `net`, which is to carry the questions to its servers.
    pub(crate) fn build(self, net: &Net) -> io::Result<Names> {
        let _carrier = net;
        Ok(Names {
            hosts: self.hosts,
            #[cfg(feature = "dns")]
            dns: Some(self.dns.build(net)?),
        })
    }
}

impl Names {
    /// The addresses of `host` for `net`, whose names these are, each with `port`.
    pub(super) fn resolve(&self, net: &Net, host: &str, port: u16) -> Found {
        if let Some(addresses) = known(host, port) {
            return Found::at_once(Ok(addresses));
        }
        if let Some(addresses) = self.hosts.get(&canonical(host)) {
            return Found::at_once(Ok(sorted(net, addresses.clone(), port)));
        }
        #[cfg(feature = "dns")]
        if let Some(dns) = &self.dns {
            match dns.resolve(host, port) {
                Ok(Some(answer)) => return Found::later(answer),
                Ok(None) => {}
                Err(error) => return Found::at_once(Err(error)),
            }
        }
        Found::at_once(Err(unknown(host)))
    }

    /// An interface has a lease that names DNS servers and domains.
    #[cfg(all(feature = "dns", feature = "dhcp"))]
    pub(crate) fn lease(&self, iface: IfaceId, servers: &[Ipv4Addr], domains: &[&str]) {
        if let Some(dns) = &self.dns {
            dns.lease(iface, servers, domains);
        }
    }

    /// The lease of an interface has ended.
    #[cfg(all(feature = "dns", feature = "dhcp"))]
    pub(crate) fn end_lease(&self, iface: IfaceId) {
        if let Some(dns) = &self.dns {
            dns.end_lease(iface);
        }
    }
}

/// What needs no table: address literals, and `localhost` with the names below it (RFC 6761 §6.3).
pub(super) fn known(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(ip, port)]);
    }
    let name = canonical(host);
    (name == "localhost" || name.ends_with(".localhost")).then(|| {
        let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        with_port(&both, port)
    })
}

/// The error for a name that no table has, where there is nobody else to ask.
fn unknown(host: &str) -> io::Error {
    let advice = if cfg!(feature = "dns") {
        "name a DNS server with NetBuilder::dns_server, or have a lease or a router name one"
    } else {
        "for DNS, build net-tokio with the feature `dns`"
    };
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("cannot resolve {host:?}: it is not in the hosts table of this stack; {advice}"),
    )
}

/// Addresses of one host in the order in which to try them (RFC 6724 §6). Those behind the first
/// [`MAX_SORTED`] stay as they came.
pub(super) fn sorted(net: &Net, mut addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let count = addresses.len().min(MAX_SORTED);
    if count > 1 {
        net.engine()
            .look(|core| core.stack().sort_destinations(&mut addresses[..count]));
    }
    with_port(&addresses, port)
}

/// A route is looked up for each, while nothing else in the stack goes on.
const MAX_SORTED: usize = 64;

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let with_port = |ip: &IpAddr| SocketAddr::new(*ip, port);
    addresses.iter().map(with_port).collect()
}

/// Names are the same whatever their case (RFC 4343), with or without the dot of the root.
fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(addresses: Option<Vec<SocketAddr>>) -> Vec<String> {
        let addresses = addresses.expect("known");
        addresses.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn literals_and_localhost_need_no_table() {
        assert_eq!(strings(known("10.0.0.1", 7)), ["10.0.0.1:7"]);
        assert_eq!(strings(known("::1", 7)), ["[::1]:7"]);
        for host in ["localhost", "LocalHost.", "a.b.localhost"] {
            assert_eq!(strings(known(host, 7)), ["127.0.0.1:7", "[::1]:7"]);
        }
        for host in ["localhost.example", "notlocalhost", "example.com", ""] {
            assert_eq!(known(host, 7), None);
        }
    }

    #[test]
    fn a_hosts_table_has_addresses_names_and_comments() {
        let builder = Net::builder().hosts(
            "# a table\n10.0.0.1 one ONE.example # and\n\n10.0.0.2\ttwo\nfd07::1 one\n10.0.0.1 one",
        );
        let hosts = builder.names.hosts;
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(hosts["one"], [ip("10.0.0.1"), ip("fd07::1")]);
        assert_eq!(hosts["one.example"], [ip("10.0.0.1")]);
        assert_eq!(hosts["two"], [ip("10.0.0.2")]);
        assert_eq!(hosts.len(), 3);
    }
}
