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
    /// Routers to everywhere else, the preferred one first.
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers, the preferred one first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The domain in which names are looked up.
    pub domain: Option<String>,
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
        Some(Self {
            address,
            server,
            routers: match options.get(OptionCode::Router) {
                Some(DhcpOption::Router(routers)) => hosts(routers, address),
                _ => Vec::new(),
            },
            dns_servers: match options.get(OptionCode::DomainNameServer) {
                Some(DhcpOption::DomainNameServer(servers)) => hosts(servers, address),
                _ => Vec::new(),
            },
            domain: match options.get(OptionCode::DomainName) {
                Some(DhcpOption::DomainName(name)) => text(name),
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
        options.insert(DhcpOption::ParameterRequestList(vec![
            OptionCode::SubnetMask,
            OptionCode::Router,
            OptionCode::DomainNameServer,
            OptionCode::DomainName,
            OptionCode::AddressLeaseTime,
            OptionCode::Renewal,
            OptionCode::Rebinding,
        ]));
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

/// What an option of text says: nulls behind it are none of it (RFC 2132 §2).
fn text(told: &str) -> Option<String> {
    let text = told.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Routers, and DNS servers, that are remembered.
const MAX_SERVERS: usize = 8;
/// The least time after which a server may have a lease extended.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Bytes that every client takes (RFC 2131 §2), with the headers of IP and UDP.
const MAX_MESSAGE: u16 = 576;
