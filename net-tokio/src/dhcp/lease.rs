//! What a server grants, and the messages that are exchanged about it (RFC 2131 §2, RFC 2132).

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode};
use net_core::iface::IpCidr;
use net_core::time::{Duration, Instant};
use net_core::wire::MacAddr;
use std::net::{IpAddr, Ipv4Addr};

/// An address with what belongs to it, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The address, with the length of the prefix of its network.
    pub address: IpCidr,
    /// Who grants it.
    pub server: Ipv4Addr,
    /// Routers to everywhere else, up to 8, the preferred one first; none where `routes` are told (RFC 3442).
    pub routers: Vec<Ipv4Addr>,
    /// Prefixes, and the router to each; `None`: the prefix is on the link (option 121, RFC 3442). One to
    /// everywhere may be among them, and is kept where there are more than 128. They come behind routes that were given, but one to a longer prefix is
    /// preferred as always: who answers on the link can draw traffic to himself.
    pub routes: Vec<(IpCidr, Option<Ipv4Addr>)>,
    /// DNS servers, up to 8, the preferred one first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The domain of the host, in which names are looked up if `search` names none.
    pub domain: Option<String>,
    /// Domains in which names are looked up, up to 8, in this order (option 119, RFC 3397).
    pub search: Vec<String>,
    /// The largest packet of IPv4 in bytes, where the interface could take larger ones (option 26, RFC 2132 §5.1).
    /// It is 576 at least, which every host takes (RFC 791 §3.1): what is less is passed over.
    pub mtu: Option<u16>,
    /// For how long it was granted; `None`: for ever.
    pub duration: Option<Duration>,
}

impl Lease {
    /// The leased address.
    #[must_use]
    pub const fn ip(&self) -> Ipv4Addr {
        match self.address.address {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// The domains in which names are looked up.
    #[cfg(feature = "dns")]
    pub(super) fn domains(&self) -> Vec<&str> {
        let only = self.domain.as_deref().filter(|_| self.search.is_empty());
        let all = self.search.iter().map(String::as_str);
        all.chain(only).collect()
    }

    /// What an offer or an acknowledgement grants; `None` where that cannot be.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let options = message.opts();
        let ip = message.yiaddr();
        if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_loopback() {
            return None;
        }
        let Some(&DhcpOption::ServerIdentifier(server)) = options.get(OptionCode::ServerIdentifier)
        else {
            return None;
        };
        let prefix_len = match options.get(OptionCode::SubnetMask) {
            Some(&DhcpOption::SubnetMask(mask)) => prefix_len(mask)?,
            _ => prefix_of_class(ip),
        };
        let duration = match options.get(OptionCode::AddressLeaseTime) {
            Some(&DhcpOption::AddressLeaseTime(u32::MAX)) => None,
            Some(&DhcpOption::AddressLeaseTime(seconds)) if seconds > 0 => {
                Some(Duration::from_secs(seconds.into()))
            }
            _ => return None,
        };
        let address = IpCidr {
            address: IpAddr::V4(ip),
            prefix_len,
        };
        let routes = match options.get(OptionCode::ClasslessStaticRoute) {
            Some(DhcpOption::ClasslessStaticRoute(all)) => {
                let all = all
                    .iter()
                    .map(|&(to, via)| (to.addr(), to.prefix_len(), via));
                Some(routes(all, address))
            }
            _ => None,
        };
        Some(Self {
            address,
            server,
            routers: match options.get(OptionCode::Router) {
                // RFC 3442: who is told of routes ignores the routers.
                Some(DhcpOption::Router(routers)) if routes.is_none() => hosts(routers, address),
                _ => Vec::new(),
            },
            routes: routes.unwrap_or_default(),
            dns_servers: match options.get(OptionCode::DomainNameServer) {
                Some(DhcpOption::DomainNameServer(servers)) => hosts(servers, address),
                _ => Vec::new(),
            },
            domain: match options.get(OptionCode::DomainName) {
                Some(DhcpOption::DomainName(name)) => text(name),
                _ => None,
            },
            search: match options.get(OptionCode::DomainSearch) {
                Some(DhcpOption::DomainSearch(names)) => {
                    let names = names.iter().filter_map(|name| domain(&name.to_ascii()));
                    names.take(MAX_SERVERS).collect()
                }
                _ => Vec::new(),
            },
            mtu: match options.get(OptionCode::InterfaceMtu) {
                Some(&DhcpOption::InterfaceMtu(mtu)) if mtu >= MIN_MTU => Some(mtu),
                _ => None,
            },
            duration,
        })
    }
}

/// When what has been granted is to be extended, and when it ends (RFC 2131 §4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// T1: its server is asked.
    pub(super) renew: Instant,
    /// T2: every server is asked.
    pub(super) rebind: Instant,
    pub(super) end: Instant,
}

impl Times {
    /// Those of a lease that was asked for at `asked`.
    pub(super) fn read(message: &Message, lease: &Lease, asked: Instant) -> Self {
        let Some(duration) = lease.duration else {
            let never = Instant::MAX;
            return Self {
                renew: never,
                rebind: never,
                end: never,
            };
        };
        let options = message.opts();
        let told = |code| match options.get(code) {
            Some(DhcpOption::Renewal(seconds) | DhcpOption::Rebinding(seconds)) => {
                Some(Duration::from_secs((*seconds).into()))
            }
            _ => None,
        };
        // Who is told to ask at once would never stop.
        let told = |code| told(code).filter(|&told| told >= MIN_WAIT);
        let rebind = told(OptionCode::Rebinding).filter(|&told| told < duration);
        let rebind = rebind.unwrap_or(duration / 8 * 7);
        let renew = told(OptionCode::Renewal).filter(|&told| told < rebind);
        let renew = renew.unwrap_or(duration / 2).min(rebind);
        Self {
            renew: asked + renew,
            rebind: asked + rebind,
            end: asked + duration,
        }
    }
}

/// A message of the client's.
pub(super) fn message(mac: MacAddr, xid: u32, secs: u16, kind: MessageType) -> Message {
    let nobody = Ipv4Addr::UNSPECIFIED;
    let mac = mac.octets();
    let mut message = Message::new_with_id(xid, nobody, nobody, nobody, nobody, &mac);
    message.set_secs(secs);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    // The type of Ethernet, and its address (RFC 2132 §9.14).
    let id = [&[1_u8][..], &mac].concat();
    options.insert(DhcpOption::ClientIdentifier(id));
    if matches!(kind, MessageType::Discover | MessageType::Request) {
        options.insert(DhcpOption::MaxMessageSize(MAX_MESSAGE));
        options.insert(DhcpOption::ParameterRequestList(REQUESTED.into()));
    }
    message
}

/// Asks the server to answer to everybody, as the client has no address yet (RFC 2131 §4.1).
pub(super) fn answer_to_all(message: &mut Message) {
    message.set_flags(Flags::default().set_broadcast());
}

/// The length of a prefix with this mask; `None` for one with holes.
fn prefix_len(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let len = bits.leading_ones();
    (bits.count_ones() == len && len > 0).then(|| u8::try_from(len).unwrap_or(32))
}

/// What is meant where no mask is told.
const fn prefix_of_class(ip: Ipv4Addr) -> u8 {
    match ip.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

/// Those that can be other hosts, as far as they are remembered.
fn hosts(addresses: &[Ipv4Addr], own: IpCidr) -> Vec<Ipv4Addr> {
    let hosts = addresses.iter().copied();
    hosts
        .filter(|&each| is_another_host(each, own))
        .take(MAX_SERVERS)
        .collect()
}

/// Whether an address can be that of somebody else than the one who has leased `own`.
fn is_another_host(address: Ipv4Addr, own: IpCidr) -> bool {
    let host_bits = u32::MAX.checked_shr(own.prefix_len.into()).unwrap_or(0);
    let is_to_all = own.contains(address.into())
        && host_bits > 1
        && [0, host_bits].contains(&(address.to_bits() & host_bits));
    // 0.0.0.0/8 is this network, and 240.0.0.0/4 has no hosts (RFC 1122 §3.2.1.3).
    let is_of_none = matches!(address.octets()[0], 0 | 127 | 224..);
    !is_of_none && !is_to_all && own.address != address
}

/// Routes to the prefixes that routers of the link can lead to, the first one to each. Bits behind a prefix
/// count as zero (RFC 3442).
fn routes(
    told: impl Iterator<Item = (Ipv4Addr, u8, Ipv4Addr)>,
    own: IpCidr,
) -> Vec<(IpCidr, Option<Ipv4Addr>)> {
    let mut routes: Vec<(IpCidr, Option<Ipv4Addr>)> = Vec::new();
    for (to, prefix_len, router) in told {
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix_len))
            .unwrap_or(0);
        let to = Ipv4Addr::from_bits(to.to_bits() & mask);
        let prefix = IpCidr {
            address: IpAddr::V4(to),
            prefix_len,
        };
        // Neither this host nor a group is behind a router.
        let is_of_hosts = prefix_len == 0 || !matches!(to.octets()[0], 127 | 224..);
        let can_lead = router.is_unspecified() || is_another_host(router, own);
        let is_new = routes.iter().all(|(known, _)| *known != prefix);
        if is_of_hosts && can_lead && is_new && (routes.len() < MAX_ROUTES || prefix_len == 0) {
            routes.push((
                prefix,
                Some(router).filter(|router| !router.is_unspecified()),
            ));
        }
    }
    routes
}

/// A domain that hosts can be in, without the dot at its end.
fn domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.');
    let is_of_hosts = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!name.is_empty() && name.bytes().all(is_of_hosts)).then(|| name.to_owned())
}

/// What an option of text says: nulls behind it are none of it (RFC 2132 §2).
fn text(told: &str) -> Option<String> {
    let text = told.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a server is asked for: routes in front of routers, as RFC 3442 wants it.
pub(super) const REQUESTED: [OptionCode; 10] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::DomainSearch,
    OptionCode::InterfaceMtu,
    OptionCode::AddressLeaseTime,
    OptionCode::Renewal,
    OptionCode::Rebinding,
];
/// Routers, DNS servers, and domains, that are remembered.
const MAX_SERVERS: usize = 8;
/// Routes that are remembered, beside one to everywhere: no option can be longer than a message, but a long one
/// may have hundreds.
const MAX_ROUTES: usize = 128;
/// Bytes that every host takes.
const MIN_MTU: u16 = 576;
/// The least time after which a server may have a lease extended.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Bytes that every client takes (RFC 2131 §2), with the headers of IP and UDP.
const MAX_MESSAGE: u16 = 576;
