//! Names to addresses: the twin of tokio's `ToSocketAddrs` and `lookup_host`.

#[cfg(feature = "dns")]
mod dns;
mod names;

pub(crate) use names::{Names, NamesConfig};

use crate::net::Net;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Resolves `host` to socket addresses, with what the [current](Net::current) stack knows of names.
///
/// Address literals and `localhost` (with the names below it, RFC 6761 §6.3) are answered at once and
/// need no stack. Other names are looked up in the stack's [table of hosts](crate::NetBuilder::host);
/// with the feature `dns` its DNS servers are asked then: those of its configuration, or else those that
/// leases and router advertisements name. Several addresses come in the order in which to try them (RFC
/// 6724 §6): those that the stack can reach first.
///
/// # Errors
/// `InvalidInput` for what is no `host:port`, `NotFound` for a name that nobody has, `Unsupported`
/// where there is nobody to ask, and what the network says.
///
/// # Cancel safety
///
/// Cancel safe: nothing is held between polls.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let addresses: Vec<_> = net_tokio::lookup_host("localhost:80").await?.collect();
/// assert!(addresses.contains(&"127.0.0.1:80".parse().unwrap()));
/// # Ok(())
/// # }
/// ```
pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    host.to_socket_addrs(None, sealed::Internal).await
}

/// As [`lookup_host`], with what `net` knows of names.
///
/// # Errors
/// As for [`lookup_host`].
///
/// # Cancel safety
///
/// As for [`lookup_host`].
pub async fn lookup_host_on<T>(net: &Net, host: T) -> io::Result<impl Iterator<Item = SocketAddr>>
where
    T: ToSocketAddrs,
{
    to_socket_addrs(net, host).await
}

/// What can be turned into socket addresses without blocking.
///
/// Sealed, with the implementations that tokio's trait of this name has. Strings are literals such
/// as `127.0.0.1:80` and `[::1]:80`, or `name:80`; see [`lookup_host`] for names.
pub trait ToSocketAddrs: sealed::ToSocketAddrsPriv {}

/// The addresses that `target` stands for on `net`.
pub(crate) fn to_socket_addrs<T: ToSocketAddrs>(net: &Net, target: T) -> T::Future {
    target.to_socket_addrs(Some(net), sealed::Internal)
}

/// Tries `attempt` on each address that `target` stands for until one succeeds, and returns the
/// last error otherwise, as tokio does.
pub(crate) async fn first_that<T, R>(
    net: &Net,
    target: T,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R>
where
    T: ToSocketAddrs,
{
    let mut last = None;
    for address in to_socket_addrs(net, target).await? {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// The error for a list of no addresses.
pub(crate) fn no_address() -> io::Error {
    invalid("could not resolve to any address")
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Addresses of a name, now or later.
#[expect(unnameable_types, reason = "the trait that gives it is sealed")]
pub struct Found(State);

enum State {
    Now(Option<io::Result<Vec<SocketAddr>>>),
    #[cfg_attr(
        not(feature = "dns"),
        expect(dead_code, reason = "only DNS takes time")
    )]
    Later(Pin<Box<Answer>>),
}

type Answer = dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send;

impl Found {
    fn at_once(found: io::Result<Vec<SocketAddr>>) -> Self {
        Self(State::Now(Some(found)))
    }

    #[cfg(feature = "dns")]
    fn later(answer: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static) -> Self {
        Self(State::Later(Box::pin(answer)))
    }

    /// Addresses of `host`, as `net` knows it, or the current stack.
    fn host(net: Option<&Net>, host: &str, port: u16) -> Self {
        if let Some(net) = net {
            return net.names().resolve(net, host, port);
        }
        if let Some(addresses) = names::known(host, port) {
            return Self::at_once(Ok(addresses));
        }
        match Net::current() {
            Ok(net) => net.names().resolve(&net, host, port),
            Err(error) => Self::at_once(Err(error)),
        }
    }

    /// Addresses of `host:port`.
    fn pair(net: Option<&Net>, text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self::at_once(Ok(vec![address]));
        }
        match split(text) {
            Ok((host, port)) => Self::host(net, host, port),
            Err(error) => Self::at_once(Err(error)),
        }
    }
}

impl Future for Found {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let found = match &mut self.0 {
            State::Now(found) => found.take().expect("polled after it was ready"),
            State::Later(answer) => std::task::ready!(answer.as_mut().poll(cx)),
        };
        Poll::Ready(found.map(Vec::into_iter))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").finish_non_exhaustive()
    }
}

/// Host and port of `host:port`.
fn split(text: &str) -> io::Result<(&str, u16)> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| invalid("invalid socket address: expected host:port"))?;
    let port = port.parse();
    let port = port.map_err(|_| invalid("invalid port value: expected 0 to 65535"))?;
    Ok((host, port))
}

type Addresses = std::vec::IntoIter<SocketAddr>;
type One = std::option::IntoIter<SocketAddr>;

mod sealed {
    use super::{Future, Net, SocketAddr, io};

    #[expect(unnameable_types, reason = "the trait is sealed")]
    pub trait ToSocketAddrsPriv {
        type Iter: Iterator<Item = SocketAddr> + Send + 'static;
        type Future: Future<Output = io::Result<Self::Iter>> + Send + 'static;

        fn to_socket_addrs(&self, net: Option<&Net>, internal: Internal) -> Self::Future;
    }

    #[derive(Debug)]
    pub struct Internal;
}

/// One implementation: the trait itself and what `self` stands for, which needs nobody's help.
macro_rules! addresses {
    ($($type:ty => $iter:ty: |$this:ident| $result:expr;)*) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::ToSocketAddrsPriv for $type {
            type Iter = $iter;
            type Future = Ready<io::Result<$iter>>;

            fn to_socket_addrs(&self, _: Option<&Net>, _: sealed::Internal) -> Self::Future {
                let $this = self;
                ready(Ok($result.into_iter()))
            }
        }
    )*};
}

addresses! {
    SocketAddr => One: |this| Some(*this);
    SocketAddrV4 => One: |this| Some(SocketAddr::V4(*this));
    SocketAddrV6 => One: |this| Some(SocketAddr::V6(*this));
    (IpAddr, u16) => One: |this| Some(SocketAddr::from(*this));
    (Ipv4Addr, u16) => One: |this| Some(SocketAddr::from(*this));
    (Ipv6Addr, u16) => One: |this| Some(SocketAddr::from(*this));
    &[SocketAddr] => Addresses: |this| Vec::from(*this);
}

/// One implementation for what may be a name.
macro_rules! names {
    ($($type:ty: |$this:ident, $net:ident| $found:expr;)*) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::ToSocketAddrsPriv for $type {
            type Iter = Addresses;
            type Future = Found;

            fn to_socket_addrs(&self, net: Option<&Net>, _: sealed::Internal) -> Found {
                let ($this, $net) = (self, net);
                $found
            }
        }
    )*};
}

names! {
    str: |this, net| Found::pair(net, this);
    String: |this, net| Found::pair(net, this);
    (&str, u16): |this, net| Found::host(net, this.0, this.1);
    (String, u16): |this, net| Found::host(net, &this.0, this.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T> sealed::ToSocketAddrsPriv for &T
where
    T: sealed::ToSocketAddrsPriv + ?Sized,
{
    type Iter = T::Iter;
    type Future = T::Future;

    fn to_socket_addrs(&self, net: Option<&Net>, internal: sealed::Internal) -> Self::Future {
        (**self).to_socket_addrs(net, internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_pairs_are_invalid_input() {
        for text in ["localhost", "localhost:99999", ":"] {
            let error = split(text).expect_err("malformed");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
        assert_eq!(split("a:b:7").expect("the last colon counts"), ("a:b", 7));
    }
}
