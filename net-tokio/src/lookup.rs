//! Names to addresses: the twin of tokio's `ToSocketAddrs` and `lookup_host`.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Resolves `host` to socket addresses.
///
/// Address literals and `localhost` (with the names below it, RFC 6761 §6.3) are answered at once
/// and without network. This stack asks no name server yet, so any other name is an error of kind
/// [`Unsupported`](io::ErrorKind::Unsupported).
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
    to_socket_addrs(host).await
}

/// What can be turned into socket addresses without blocking.
///
/// Sealed, with the implementations that tokio's trait of this name has. Strings are literals such
/// as `127.0.0.1:80` and `[::1]:80`, or `localhost:80`; see [`lookup_host`] for other names.
pub trait ToSocketAddrs: sealed::ToSocketAddrsPriv {}

/// The addresses that `target` stands for.
pub(crate) fn to_socket_addrs<T: ToSocketAddrs>(target: T) -> T::Future {
    target.to_socket_addrs(sealed::Internal)
}

/// Tries `attempt` on each address that `target` stands for until one succeeds, and returns the
/// last error otherwise, as tokio does.
pub(crate) async fn first_that<T, R>(
    target: T,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R>
where
    T: ToSocketAddrs,
{
    let mut last = None;
    for address in to_socket_addrs(target).await? {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// The error for a list of no addresses.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any address",
    )
}

/// Addresses of a host name, without network.
fn resolve(host: &str, port: u16) -> io::Result<Addresses> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)].into_iter());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let below_localhost = name
        .len()
        .checked_sub(".localhost".len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"));
    if name.eq_ignore_ascii_case("localhost") || below_localhost {
        let both = vec![
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port),
        ];
        return Ok(both.into_iter());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "cannot resolve {host:?}: this stack has no DNS client yet; use an address, or resolve the name on the host first"
        ),
    ))
}

/// Addresses of `host:port`.
fn resolve_pair(text: &str) -> io::Result<Addresses> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address].into_iter());
    }
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| invalid("invalid socket address: expected host:port"))?;
    let port = port
        .parse()
        .map_err(|_| invalid("invalid port value: expected 0 to 65535"))?;
    resolve(host, port)
}

type Addresses = std::vec::IntoIter<SocketAddr>;
type One = std::option::IntoIter<SocketAddr>;

mod sealed {
    use super::{Future, SocketAddr, io};

    #[expect(unnameable_types, reason = "the trait is sealed")]
    pub trait ToSocketAddrsPriv {
        type Iter: Iterator<Item = SocketAddr> + Send + 'static;
        type Future: Future<Output = io::Result<Self::Iter>> + Send + 'static;

        fn to_socket_addrs(&self, internal: Internal) -> Self::Future;
    }

    #[derive(Debug)]
    pub struct Internal;
}

/// One implementation: the trait itself and what `self` stands for.
macro_rules! addresses {
    ($($type:ty => $iter:ty: |$this:ident| $result:expr;)*) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::ToSocketAddrsPriv for $type {
            type Iter = $iter;
            type Future = Ready<io::Result<$iter>>;

            fn to_socket_addrs(&self, _: sealed::Internal) -> Self::Future {
                let $this = self;
                ready($result)
            }
        }
    )*};
}

addresses! {
    SocketAddr => One: |this| Ok(Some(*this).into_iter());
    SocketAddrV4 => One: |this| Ok(Some(SocketAddr::V4(*this)).into_iter());
    SocketAddrV6 => One: |this| Ok(Some(SocketAddr::V6(*this)).into_iter());
    (IpAddr, u16) => One: |this| Ok(Some(SocketAddr::from(*this)).into_iter());
    (Ipv4Addr, u16) => One: |this| Ok(Some(SocketAddr::from(*this)).into_iter());
    (Ipv6Addr, u16) => One: |this| Ok(Some(SocketAddr::from(*this)).into_iter());
    &[SocketAddr] => Addresses: |this| Ok(Vec::from(*this).into_iter());
    str => Addresses: |this| resolve_pair(this);
    String => Addresses: |this| resolve_pair(this);
    (&str, u16) => Addresses: |this| resolve(this.0, this.1);
    (String, u16) => Addresses: |this| resolve(&this.0, this.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T> sealed::ToSocketAddrsPriv for &T
where
    T: sealed::ToSocketAddrsPriv + ?Sized,
{
    type Iter = T::Iter;
    type Future = T::Future;

    fn to_socket_addrs(&self, internal: sealed::Internal) -> Self::Future {
        (**self).to_socket_addrs(internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(addresses: io::Result<Addresses>) -> Vec<String> {
        addresses
            .expect("resolves")
            .map(|address| address.to_string())
            .collect()
    }

    #[test]
    fn literals_and_localhost_need_no_network() {
        assert_eq!(strings(resolve_pair("[::1]:7")), ["[::1]:7"]);
        assert_eq!(strings(resolve("10.0.0.1", 7)), ["10.0.0.1:7"]);
        for host in ["localhost", "LocalHost.", "a.b.localhost"] {
            assert_eq!(strings(resolve(host, 7)), ["127.0.0.1:7", "[::1]:7"]);
        }
    }

    #[test]
    fn other_names_say_that_there_is_no_dns() {
        let error = resolve_pair("example.com:80").expect_err("no DNS");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("DNS"));
    }

    #[test]
    fn malformed_pairs_are_invalid_input() {
        for text in ["localhost", "localhost:99999", ":"] {
            let error = resolve_pair(text).expect_err("malformed");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
    }
}
