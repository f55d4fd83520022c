//! Options of neighbour discovery (RFC 4861 §4.6, RFC 4191 §2.3, RFC 8106 §5, RFC 3971 §5.3.2).

use crate::stats::DropReason;
use crate::time::Duration;
use crate::wire::MacAddr;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// Seconds for which something is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(pub u32);

impl Lifetime {
    /// For ever.
    pub const INFINITE: Self = Self(u32::MAX);

    /// How long that is; `None` for ever.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::INFINITE => None,
            Self(seconds) => Some(Duration::from_secs(seconds as u64)),
        }
    }
}

/// How much a router or route is to be preferred to others (RFC 4191 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Preference {
    /// Less than usual.
    Low,
    /// As usual.
    #[default]
    Medium,
    /// More than usual.
    High,
}

impl Preference {
    /// Reads the two bits 3 and 4 of a flags byte; `None` for the reserved value.
    pub(super) const fn from_flags(flags: u8) -> Option<Self> {
        match flags >> 3 & 3 {
            0b00 => Some(Self::Medium),
            0b01 => Some(Self::High),
            0b11 => Some(Self::Low),
            _ => None,
        }
    }

    pub(super) const fn to_flags(self) -> u8 {
        match self {
            Self::Medium => 0b00 << 3,
            Self::High => 0b01 << 3,
            Self::Low => 0b11 << 3,
        }
    }
}

/// A prefix of the link (RFC 4861 §4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; the bits behind it are 0.
    pub prefix: Ipv6Addr,
    /// Its length in bits, 0–128.
    pub prefix_len: u8,
    /// Addresses in it are on the link.
    pub on_link: bool,
    /// Addresses may be formed from it.
    pub autonomous: bool,
    /// For how long it is on the link, and addresses formed from it are valid.
    pub valid: Lifetime,
    /// For how long these are preferred.
    pub preferred: Lifetime,
}

/// A prefix that is reached by the router that says so (RFC 4191 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInformation {
    /// The prefix; the bits behind it are 0.
    pub prefix: Ipv6Addr,
    /// Its length in bits, 0–128.
    pub prefix_len: u8,
    /// How much the router is to be preferred to others for it.
    pub preference: Preference,
    /// For how long.
    pub lifetime: Lifetime,
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdpOption<'a> {
    /// Link-layer address of the sender.
    SourceLinkLayer(MacAddr),
    /// Link-layer address of the target.
    TargetLinkLayer(MacAddr),
    /// A prefix of the link.
    Prefix(PrefixInformation),
    /// The beginning of the packet that was redirected.
    RedirectedHeader(&'a [u8]),
    /// The MTU of the link.
    Mtu(u32),
    /// Tells one's own solicitations from those of others (RFC 7527 §4.1); six bytes or more.
    Nonce(&'a [u8]),
    /// A route by the router.
    Route(RouteInformation),
    /// Recursive DNS servers (RFC 8106 §5.1).
    DnsServers {
        /// For how long they may be used.
        lifetime: Lifetime,
        /// Their addresses, 16 bytes each.
        servers: &'a [[u8; 16]],
    },
    /// Domains to search (RFC 8106 §5.2).
    DnsSearch {
        /// For how long they may be used.
        lifetime: Lifetime,
        /// Names as sequences of labels (RFC 1035 §3.1), then zeros.
        domains: &'a [u8],
    },
    /// Anything else, also a known option that breaks its rules.
    Other {
        /// Type of the option.
        kind: u8,
        /// What follows type and length.
        data: &'a [u8],
    },
}

/// The options of a message, whose lengths have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NdpOptions<'a>(&'a [u8]);

impl<'a> NdpOptions<'a> {
    /// Checks that options of whole lengths fill `bytes`.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, DropReason> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, _, rest) = split(rest).ok_or(DropReason::Ndp)?;
        }
        Ok(Self(bytes))
    }

    /// The link-layer address of the sender, if it is told.
    #[must_use]
    pub fn source_link_layer(self) -> Option<MacAddr> {
        self.into_iter().find_map(|option| match option {
            NdpOption::SourceLinkLayer(mac) => Some(mac),
            _ => None,
        })
    }

    /// The link-layer address of the target, if it is told.
    #[must_use]
    pub fn target_link_layer(self) -> Option<MacAddr> {
        self.into_iter().find_map(|option| match option {
            NdpOption::TargetLinkLayer(mac) => Some(mac),
            _ => None,
        })
    }

    /// The nonce, if there is one.
    #[must_use]
    pub fn nonce(self) -> Option<&'a [u8]> {
        self.into_iter().find_map(|option| match option {
            NdpOption::Nonce(nonce) => Some(nonce),
            _ => None,
        })
    }
}

impl<'a> IntoIterator for NdpOptions<'a> {
    type Item = NdpOption<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter(self.0)
    }
}

/// The options in their order.
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = NdpOption<'a>;

    fn next(&mut self) -> Option<NdpOption<'a>> {
        let (kind, data, rest) = split(self.0)?;
        self.0 = rest;
        Some(NdpOption::read(kind, data).unwrap_or(NdpOption::Other { kind, data }))
    }
}

/// Type and data of the first option, and the others; `None` for one of length 0, or cut off.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let &[kind, units] = bytes.first_chunk::<2>()?;
    let (option, rest) = bytes.split_at_checked(usize::from(units) * UNIT)?;
    Some((kind, option.get(2..)?, rest))
}

impl<'a> NdpOption<'a> {
    /// Reads what follows type and length of a known option that obeys its rules.
    fn read(kind: u8, data: &'a [u8]) -> Option<Self> {
        Some(match kind {
            SOURCE_LINK_LAYER => Self::SourceLinkLayer(station(data)?),
            TARGET_LINK_LAYER => Self::TargetLinkLayer(station(data)?),
            PREFIX => Self::Prefix(PrefixInformation::read(data.try_into().ok()?)?),
            REDIRECTED_HEADER => Self::RedirectedHeader(data.get(6..)?),
            MTU => {
                let &[_, _, mtu @ ..] = <&[u8; 6]>::try_from(data).ok()?;
                Self::Mtu(u32::from_be_bytes(mtu))
            }
            NONCE => Self::Nonce(data),
            ROUTE => Self::Route(RouteInformation::read(data)?),
            DNS_SERVERS => {
                let (lifetime, data) = lifetime_and_rest(data)?;
                let (servers, []) = data.as_chunks() else {
                    return None;
                };
                Self::DnsServers { lifetime, servers }
            }
            DNS_SEARCH => {
                let (lifetime, domains) = lifetime_and_rest(data)?;
                Self::DnsSearch { lifetime, domains }
            }
            _ => return None,
        })
    }

    /// Appends the option, filled up with zeros to a multiple of eight bytes. What is longer than an
    /// option can be, 2,040 bytes, is cut off.
    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.kind(), 0]);
        match *self {
            Self::SourceLinkLayer(mac) | Self::TargetLinkLayer(mac) => {
                out.extend_from_slice(&mac.octets());
            }
            Self::Prefix(prefix) => prefix.emit(out),
            Self::RedirectedHeader(packet) => {
                out.extend_from_slice(&[0; 6]);
                out.extend_from_slice(packet);
            }
            Self::Mtu(mtu) => {
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&mtu.to_be_bytes());
            }
            Self::Nonce(data) | Self::Other { data, .. } => out.extend_from_slice(data),
            Self::Route(route) => route.emit(out),
            Self::DnsServers { lifetime, servers } => {
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&lifetime.0.to_be_bytes());
                out.extend_from_slice(servers.as_flattened());
            }
            Self::DnsSearch { lifetime, domains } => {
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&lifetime.0.to_be_bytes());
                out.extend_from_slice(domains);
            }
        }
        out.truncate(start + MAX_OPTION_LEN);
        let units = (out.len() - start).div_ceil(UNIT);
        out.resize(start + units * UNIT, 0);
        if let Some(place) = out.get_mut(start + 1) {
            *place = u8::try_from(units).unwrap_or(u8::MAX);
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::SourceLinkLayer(_) => SOURCE_LINK_LAYER,
            Self::TargetLinkLayer(_) => TARGET_LINK_LAYER,
            Self::Prefix(_) => PREFIX,
            Self::RedirectedHeader(_) => REDIRECTED_HEADER,
            Self::Mtu(_) => MTU,
            Self::Nonce(_) => NONCE,
            Self::Route(_) => ROUTE,
            Self::DnsServers { .. } => DNS_SERVERS,
            Self::DnsSearch { .. } => DNS_SEARCH,
            Self::Other { kind, .. } => *kind,
        }
    }
}

impl PrefixInformation {
    fn read(data: &[u8; 30]) -> Option<Self> {
        let (&[prefix_len, flags], rest) = data.split_first_chunk()?;
        let (&valid, rest) = rest.split_first_chunk()?;
        let (&preferred, rest) = rest.split_first_chunk()?;
        let prefix = prefix_of(rest.last_chunk::<16>()?, prefix_len)?;
        Some(Self {
            prefix,
            prefix_len,
            on_link: flags & ON_LINK != 0,
            autonomous: flags & AUTONOMOUS != 0,
            valid: Lifetime(u32::from_be_bytes(valid)),
            preferred: Lifetime(u32::from_be_bytes(preferred)),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let on_link = if self.on_link { ON_LINK } else { 0 };
        let autonomous = if self.autonomous { AUTONOMOUS } else { 0 };
        out.extend_from_slice(&[self.prefix_len, on_link | autonomous]);
        out.extend_from_slice(&self.valid.0.to_be_bytes());
        out.extend_from_slice(&self.preferred.0.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.prefix.octets());
    }
}

impl RouteInformation {
    fn read(data: &[u8]) -> Option<Self> {
        let (&[prefix_len, flags, lifetime @ ..], prefix) = data.split_first_chunk::<6>()?;
        // With the reserved value the option MUST be ignored (RFC 4191 §2.3).
        let preference = Preference::from_flags(flags)?;
        let mut octets = [0; 16];
        octets.get_mut(..prefix.len())?.copy_from_slice(prefix);
        if prefix.len() * 8 < usize::from(prefix_len) {
            return None;
        }
        Some(Self {
            prefix: prefix_of(&octets, prefix_len)?,
            prefix_len,
            preference,
            lifetime: Lifetime(u32::from_be_bytes(lifetime)),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.prefix_len, self.preference.to_flags()]);
        out.extend_from_slice(&self.lifetime.0.to_be_bytes());
        let bytes = usize::from(self.prefix_len).div_ceil(64) * UNIT;
        let octets = self.prefix.octets();
        out.extend_from_slice(octets.get(..bytes).unwrap_or(&octets));
    }
}

/// The first `len` bits of an address; `None` if it has not so many.
fn prefix_of(octets: &[u8; 16], len: u8) -> Option<Ipv6Addr> {
    let behind = 128_u32.checked_sub(u32::from(len))?;
    let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
    Some(Ipv6Addr::from_bits(u128::from_be_bytes(*octets) & mask))
}

/// The address in a link-layer option of Ethernet; one that no single station can have is ignored.
fn station(data: &[u8]) -> Option<MacAddr> {
    let mac = MacAddr::new(data.try_into().ok()?);
    mac.is_unicast().then_some(mac)
}

fn lifetime_and_rest(data: &[u8]) -> Option<(Lifetime, &[u8])> {
    let (&[_, _, lifetime @ ..], rest) = data.split_first_chunk::<6>()?;
    (!rest.is_empty()).then(|| (Lifetime(u32::from_be_bytes(lifetime)), rest))
}

/// Bytes of the longest option.
pub(crate) const MAX_OPTION_LEN: usize = u8::MAX as usize * UNIT;

/// Options are multiples of so many bytes.
const UNIT: usize = 8;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const PREFIX: u8 = 3;
const REDIRECTED_HEADER: u8 = 4;
const MTU: u8 = 5;
const NONCE: u8 = 14;
const ROUTE: u8 = 24;
const DNS_SERVERS: u8 = 25;
const DNS_SEARCH: u8 = 31;

const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;
