//! DNS over the stack's own sockets (feature `dns`).

use crate::net::{Net, NetBuilder};
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
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A resolver that asks over a stack.
pub(super) struct Dns {
    /// A task that panics leaves no question of another's half asked, so sockets stay unwind safe.
    resolver: AssertUnwindSafe<Resolver<Carrier>>,
}

/// Whom to ask.
#[derive(Debug, Default)]
pub(super) struct DnsConfig {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
}

impl NetBuilder {
    /// Makes the stack ask the DNS server at `address` for names that it does not know, over its own
    /// sockets: by UDP, and by TCP where an answer does not fit. Of several servers the faster ones
    /// are asked first.
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
    /// The resolver, if there is anybody to ask.
    pub(super) fn build(self, net: &Net) -> io::Result<Option<Dns>> {
        if self.servers.is_empty() {
            return Ok(None);
        }
        let search: Result<Vec<_>, _> = self.search.iter().map(Name::from_utf8).collect();
        let search = search.map_err(|error| {
            let what = format!("a search domain of {:?} is no name: {error}", self.search);
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        let servers = self.servers.into_iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, search, servers);
        let carrier = Carrier {
            net: net.clone(),
            tasks: TokioHandle::default(),
        };
        let mut builder = Resolver::builder_with_config(config, carrier);
        let options = builder.options_mut();
        // The hosts of the stack are not those of the machine.
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Some(Dns {
            resolver: AssertUnwindSafe(resolver),
        }))
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
    /// The addresses of `host`, each with `port`.
    pub(super) fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<> {
        let (resolver, host) = (Resolver::clone(&self.resolver), host.to_owned());
        async move {
            let found = resolver.lookup_ip(host.as_str()).await;
            let found = found.map_err(|error| explain(&host, &error))?;
            Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
        }
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
}

impl RuntimeProvider for Carrier {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = UdpSocket;
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
        let net = self.net.clone();
        Box::pin(async move {
            let socket = match server {
                SocketAddr::V4(_) => TcpSocket::new_v4_on(&net),
                SocketAddr::V6(_) => TcpSocket::new_v6_on(&net),
            }?;
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
        _server: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<UdpSocket>> + Send>> {
        let net = self.net.clone();
        Box::pin(async move { UdpSocket::bind_on(&net, local).await })
    }
}

impl DnsUdpSocket for UdpSocket {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        let source = ready!(Self::poll_recv_from(self, cx, &mut buf))?;
        Poll::Ready(Ok((buf.filled().len(), source)))
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        Self::poll_send_to(self, cx, buf, target)
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
