//! DNS over the stack's own sockets (feature `dns`).

use super::names::sorted;
use crate::error::to_io;
use crate::net::{Net, NetBuilder};
use crate::sync::Mutex;
use crate::{TcpSocket, TcpStream, UdpSocket};
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::{
    DnsTcpStream, DnsUdpSocket, RuntimeProvider, TokioHandle, TokioTime,
};
use hickory_resolver::proto::rr::Name;
use net_core::{IfaceId, SocketError};
use std::fmt;
use std::future::Future;
use std::io;
#[cfg(feature = "dhcp")]
use std::net::Ipv4Addr;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Names by DNS, asked for over a stack.
pub(super) struct Dns {
    net: Net,
    /// Whom the configuration names; where that is somebody, nobody else is asked.
    given: Servers,
    /// Whom the leases of interfaces name.
    leased: Mutex<Vec<(IfaceId, Servers)>>,
    /// The latest resolver, and whom it asks. A task that panics leaves no question of another's half
    /// asked, so sockets stay unwind safe.
    latest: AssertUnwindSafe<Mutex<Option<Asking>>>,
}

/// A resolver, and whom it asks.
type Asking = (Servers, Resolver<Carrier>);

/// Whom to ask, and below which domains to try names without a dot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Servers {
    addresses: Vec<SocketAddr>,
    search: Vec<Name>,
}

/// Whom to ask, as the configuration says.
#[derive(Debug, Default)]
pub(super) struct DnsConfig {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
}

impl NetBuilder {
    /// Makes the stack ask the DNS server at `address` for names that it does not know, over its own
    /// sockets: by UDP, and by TCP where an answer does not fit. Of several servers the faster ones
    /// are asked first.
    ///
    /// Where none is named, the stack asks those that leases (`Dhcp`, feature `dhcp`) and router
    /// advertisements name, if there are any at the time.
    pub fn dns_server(mut self, address: SocketAddr) -> Self {
        self.names.dns.servers.push(address);
        self
    }

    /// Makes the stack try names without a dot below `domain` too, before the names as they are.
    /// [`build`](Self::build) says what is wrong with it.
    pub fn dns_search(mut self, domain: impl Into<String>) -> Self {
        self.names.dns.search.push(domain.into());
        self
    }
}

impl DnsConfig {
    /// What asks over `net`.
    pub(super) fn build(self, net: &Net) -> io::Result<Dns> {
        let search: Result<Vec<_>, _> = self.search.iter().map(Name::from_utf8).collect();
        let search = search.map_err(|error| {
            let what = format!("a search domain of {:?} is no name: {error}", self.search);
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        Ok(Dns {
            net: net.clone(),
            given: Servers {
                addresses: self.servers,
                search,
            },
            leased: Mutex::new(Vec::new()),
            latest: AssertUnwindSafe(Mutex::new(None)),
        })
    }
}

impl Servers {
    /// What a lease or a router on an interface says: the servers with DNS's port, those of the link with
    /// that (RFC 8106 §5.1), and domains as far as they are names.
    fn told<'a>(
        iface: IfaceId,
        addresses: impl Iterator<Item = IpAddr>,
        search: impl Iterator<Item = &'a str>,
    ) -> Self {
        Self {
            addresses: addresses
                .take(MAX_SERVERS)
                .map(|address| match address {
                    IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                        SocketAddrV6::new(v6, PORT, 0, iface.number()).into()
                    }
                    address => SocketAddr::new(address, PORT),
                })
                .collect(),
            search: search
                .filter_map(|domain| Name::from_utf8(domain).ok())
                .take(MAX_SERVERS)
                .collect(),
        }
    }

    /// Puts others behind these. The resolver tells servers apart by their addresses, so one of a link that
    /// has the address of another's is left out.
    fn append(&mut self, other: Self) {
        for address in other.addresses {
            let mut known = self.addresses.iter();
            if !known.any(|known| (known.ip(), known.port()) == (address.ip(), address.port())) {
                self.addresses.push(address);
            }
        }
        for domain in other.search {
            if !self.search.contains(&domain) {
                self.search.push(domain);
            }
        }
    }

    fn resolver(&self, net: &Net) -> io::Result<Resolver<Carrier>> {
        let servers = self.addresses.iter().copied().map(server).collect();
        let config = ResolverConfig::from_parts(None, self.search.clone(), servers);
        let carrier = Carrier {
            net: net.clone(),
            tasks: TokioHandle::default(),
            zoned: self.addresses.iter().filter_map(zoned).collect(),
        };
        let mut builder = Resolver::builder_with_config(config, carrier);
        let options = builder.options_mut();
        // The hosts of the stack are not those of the machine.
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map_err(io::Error::other)
    }
}

/// A server whose link has to be known. That of a global address is given by routes alone.
fn zoned(address: &SocketAddr) -> Option<SocketAddrV6> {
    match address {
        SocketAddr::V6(address)
            if address.scope_id() != 0 && address.ip().is_unicast_link_local() =>
        {
            Some(*address)
        }
        _ => None,
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

impl Dns {
    /// The addresses of `host`, each with `port`; `None` where there is nobody to ask.
    pub(super) fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> io::Result<Option<impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<>>> {
        let Some(resolver) = self.resolver()? else {
            return Ok(None);
        };
        let (net, host) = (self.net.clone(), host.to_owned());
        Ok(Some(async move {
            let found = resolver.lookup_ip(host.as_str()).await;
            let found = found.map_err(|error| explain(&host, &error))?;
            Ok(sorted(&net, found.iter().collect(), port))
        }))
    }

    /// An interface has a lease that names servers and domains.
    #[cfg(feature = "dhcp")]
    pub(super) fn lease(&self, iface: IfaceId, servers: &[Ipv4Addr], domains: &[&str]) {
        let addresses = servers.iter().copied().map(IpAddr::V4);
        let told = Servers::told(iface, addresses, domains.iter().copied());
        let mut leased = self.leased.lock();
        // Renewed, it keeps its place.
        match leased.iter_mut().find(|(other, _)| *other == iface) {
            Some((_, known)) => *known = told,
            None => leased.push((iface, told)),
        }
    }

    /// The lease of an interface has ended.
    #[cfg(feature = "dhcp")]
    pub(super) fn end_lease(&self, iface: IfaceId) {
        self.leased.lock().retain(|(other, _)| *other != iface);
    }

    /// What asks the servers that there are now.
    fn resolver(&self) -> io::Result<Option<Resolver<Carrier>>> {
        let servers = self.servers();
        if servers.addresses.is_empty() {
            return Ok(None);
        }
        if let Some((known, resolver)) = &*self.latest.lock()
            && *known == servers
        {
            return Ok(Some(resolver.clone()));
        }
        let resolver = servers.resolver(&self.net)?;
        let before = self.latest.lock().replace((servers, resolver.clone()));
        // Whoever drops a resolver may drop its sockets, which takes locks of the stack.
        drop(before);
        Ok(Some(resolver))
    }

    /// Those of the configuration, or else those of leases and routers.
    fn servers(&self) -> Servers {
        let mut servers = self.given.clone();
        if !servers.addresses.is_empty() {
            return servers;
        }
        let (ifaces, told): (Vec<_>, Vec<_>) = self.net.engine().look(|core| {
            let stack = core.stack();
            let ifaces = stack.ifaces().map(|(iface, _)| iface);
            let told =
                |iface| Servers::told(iface, stack.dns_servers(iface), stack.dns_search(iface));
            ifaces.map(|iface| (iface, told(iface))).unzip()
        });
        // A lease ends with its interface.
        for (iface, lease) in &*self.leased.lock() {
            if ifaces.contains(iface) {
                servers.append(lease.clone());
            }
        }
        told.into_iter().for_each(|told| servers.append(told));
        servers
    }
}

fn explain(host: &str, error: &NetError) -> io::Error {
    let kind = match error {
        NetError::Timeout => io::ErrorKind::TimedOut,
        NetError::Io(error) => error.kind(),
        error if error.is_no_records_found() || error.is_nx_domain() => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("cannot resolve {host:?}: {error}"))
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

/// The stack as the resolver sees it.
#[derive(Clone)]
struct Carrier {
    net: Net,
    tasks: TokioHandle,
    zoned: Arc<[SocketAddrV6]>,
}

impl Carrier {
    /// The name of the interface of the link that a server was told of on, where the link matters.
    ///
    /// A socket to the server is bound to it: on another link the same address is somebody else's (RFC 4007
    /// §6), and the resolver compares sources by address and port alone.
    fn interface(&self, server: SocketAddr) -> io::Result<Option<String>> {
        let mut all = self.zoned.iter();
        let is_meant = |zoned: &&SocketAddrV6| {
            (IpAddr::V6(*zoned.ip()), zoned.port()) == (server.ip(), server.port())
        };
        let Some(zoned) = all.find(is_meant) else {
            return Ok(None);
        };
        let iface = IfaceId::from_number(zoned.scope_id());
        let name = self.net.engine().look(|core| {
            let mut ifaces = core.stack().ifaces();
            ifaces.find_map(|(id, config)| (Some(id) == iface).then(|| config.name.clone()))
        });
        name.map(Some)
            .ok_or_else(|| to_io(SocketError::NoSuchInterface))
    }
}

impl RuntimeProvider for Carrier {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Datagrams;
    type Tcp = Stream;

    fn create_handle(&self) -> TokioHandle {
        self.tasks.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        bind: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>> {
        let carrier = self.clone();
        Box::pin(async move {
            let socket = match server {
                SocketAddr::V4(_) => TcpSocket::new_v4_on(&carrier.net),
                SocketAddr::V6(_) => TcpSocket::new_v6_on(&carrier.net),
            }?;
            if let Some(interface) = carrier.interface(server)? {
                socket.bind_device(Some(interface.as_bytes()))?;
            }
            if let Some(address) = bind {
                socket.bind(address)?;
            }
            socket.set_nodelay(true)?;
            let limit = timeout.unwrap_or(CONNECT);
            tokio::time::timeout(limit, socket.connect(server))
                .await?
                .map(Stream)
        })
    }

    fn bind_udp(
        &self,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Datagrams>> + Send>> {
        let carrier = self.clone();
        Box::pin(async move {
            let socket = match local {
                SocketAddr::V4(_) => UdpSocket::new_v4_on(&carrier.net),
                SocketAddr::V6(_) => UdpSocket::new_v6_on(&carrier.net),
            }?;
            if let Some(interface) = carrier.interface(server)? {
                socket.bind_device(Some(interface.as_bytes()))?;
            }
            socket.bind_to(local)?;
            Ok(Datagrams(socket))
        })
    }
}

/// A socket to one server.
struct Datagrams(UdpSocket);

impl DnsUdpSocket for Datagrams {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        let source = ready!(self.0.poll_recv_from(cx, &mut buf))?;
        Poll::Ready(Ok((buf.filled().len(), source)))
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(cx, buf, target)
    }
}

/// A stream with the traits of `futures::io`.
struct Stream(TcpStream);

impl DnsTcpStream for Stream {
    type Time = TokioTime;
}

impl futures_io::AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl futures_io::AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// How long a connection to a server may take, where the resolver does not say.
const CONNECT: Duration = Duration::from_secs(5);
/// The port of DNS (RFC 1035 §4.2).
const PORT: u16 = 53;
/// Servers, and domains, that are taken of one lease or router.
const MAX_SERVERS: usize = 8;
