//! What hosts and routers tell each other about multicast groups, the same for IPv4
//! ([`igmp`](super::igmp)) and IPv6 ([`mld`](super::mld)).

use crate::time::Duration;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A message about memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership<'a> {
    /// A router asks.
    Query(Query<'a>),
    /// A host that knows no sources says that it is a member of a group.
    Member {
        /// Which version of the protocol it speaks.
        version: Version,
        /// The group.
        group: IpAddr,
    },
    /// Such a host says that it is one no more.
    Leave {
        /// The group.
        group: IpAddr,
    },
    /// A host tells its memberships or what changed about them.
    Report(Records<'a>),
}

/// The generation of a message: of IGMPv1, of IGMPv2 and MLDv1, of IGMPv3 and MLDv2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// IGMPv1: no leave (RFC 1112).
    First,
    /// IGMPv2 (RFC 2236) and MLDv1 (RFC 2710).
    Second,
    /// IGMPv3 (RFC 3376) and MLDv2 (RFC 3810): sources.
    Third,
}

/// What a router asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Which version of the protocol the router speaks.
    pub version: Version,
    /// Time within which to answer.
    pub max_response: Duration,
    /// The group asked for; unspecified: all.
    pub group: IpAddr,
    /// Routers are not to change their timers.
    pub suppress: bool,
    /// How many losses in a row the router provides for, 0–7; 0 leaves it open.
    pub robustness: u8,
    /// Time between general queries.
    pub interval: Duration,
    /// The sources asked for; none: all.
    pub sources: Sources<'a>,
}

/// Addresses of one family, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources<'a> {
    /// Of IPv4.
    V4(&'a [[u8; 4]]),
    /// Of IPv6.
    V6(&'a [[u8; 16]]),
}

impl<'a> Sources<'a> {
    /// Reads the `count` addresses at the front of `bytes`, and what follows them.
    pub(super) fn split(bytes: &'a [u8], count: usize, v4: bool) -> Option<(Self, &'a [u8])> {
        let len = count * address_len(v4);
        let (addresses, rest) = bytes.split_at_checked(len)?;
        let sources = if v4 {
            Self::V4(addresses.as_chunks().0)
        } else {
            Self::V6(addresses.as_chunks().0)
        };
        Some((sources, rest))
    }

    /// No address.
    pub(super) const fn none(v4: bool) -> Self {
        if v4 { Self::V4(&[]) } else { Self::V6(&[]) }
    }

    /// The bytes, one address behind the other.
    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::V4(list) => list.as_flattened(),
            Self::V6(list) => list.as_flattened(),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::V4(list) => list.len(),
            Self::V6(list) => list.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The addresses.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let (v4, v6): (&[[u8; 4]], &[[u8; 16]]) = match *self {
            Self::V4(list) => (list, &[]),
            Self::V6(list) => (&[], list),
        };
        let v4 = v4.iter().map(|&octets| Ipv4Addr::from(octets).into());
        v4.chain(v6.iter().map(|&octets| Ipv6Addr::from(octets).into()))
    }
}

/// What a record says about its group (RFC 3376 §4.2.12, RFC 3810 §5.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// These sources are listened to.
    IsInclude,
    /// All sources but these are listened to.
    IsExclude,
    /// From now on these sources are listened to.
    ToInclude,
    /// From now on all sources but these are listened to.
    ToExclude,
    /// These sources are listened to as well, from now on.
    AllowNew,
    /// These sources are not listened to any more.
    BlockOld,
}

impl RecordKind {
    const ALL: [Self; 6] = [
        Self::IsInclude,
        Self::IsExclude,
        Self::ToInclude,
        Self::ToExclude,
        Self::AllowNew,
        Self::BlockOld,
    ];

    fn from_number(number: u8) -> Option<Self> {
        let index = usize::from(number).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }

    const fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// What a host says about one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What about it.
    pub kind: RecordKind,
    /// The group.
    pub group: IpAddr,
    /// The sources that it is about.
    pub sources: Sources<'a>,
}

impl<'a> Record<'a> {
    /// Reads the record at the front of `bytes`, and what follows it. A record of a kind that nobody
    /// knows is passed over: `None` inside.
    fn split(bytes: &'a [u8], v4: bool) -> Option<(Option<Self>, &'a [u8])> {
        let (&[kind, auxiliary, c, d], rest) = bytes.split_first_chunk()?;
        let (group, rest) = Sources::split(rest, 1, v4)?;
        let group = group.iter().next()?;
        let count = usize::from(u16::from_be_bytes([c, d]));
        let (sources, rest) = Sources::split(rest, count, v4)?;
        let (_, rest) = rest.split_at_checked(usize::from(auxiliary) * 4)?;
        let record = RecordKind::from_number(kind).map(|kind| Self {
            kind,
            group,
            sources,
        });
        Some((record, rest))
    }

    /// Appends the record.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&[self.kind.number(), 0]);
        out.extend_from_slice(&count.to_be_bytes());
        put_address(self.group, out);
        out.extend_from_slice(self.sources.as_bytes());
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        let v4 = self.group.is_ipv4();
        4 + (1 + self.sources.len()) * address_len(v4)
    }

    /// Never: even a record without sources names its group.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

/// The records of a report, whose lengths have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records<'a> {
    bytes: &'a [u8],
    count: u16,
    v4: bool,
}

impl<'a> Records<'a> {
    /// Checks that `count` records lie in `bytes`. What follows them is ignored.
    pub(super) fn parse(bytes: &'a [u8], count: u16, v4: bool) -> Option<Self> {
        let mut rest = bytes;
        for _ in 0..count {
            (_, rest) = Record::split(rest, v4)?;
        }
        Some(Self { bytes, count, v4 })
    }

    /// The records of kinds that are known.
    pub fn iter(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let Self { bytes, count, v4 } = *self;
        let mut rest = bytes;
        (0..count).filter_map(move |_| {
            let (record, behind) = Record::split(rest, v4)?;
            rest = behind;
            record
        })
    }
}

/// Appends an address as it is on the wire.
pub(super) fn put_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}

const fn address_len(v4: bool) -> usize {
    if v4 { 4 } else { 16 }
}

/// A number in the form with `mantissa` bits of fraction and three of exponent that codes above the
/// largest plain one have (RFC 3376 §4.1.1, RFC 3810 §5.1.3).
pub(super) const fn decode(code: u32, mantissa: u32) -> u32 {
    let plain = 1 << (mantissa + 3);
    if code < plain {
        return code;
    }
    let exponent = code >> mantissa & 7;
    let fraction = code & ((1 << mantissa) - 1);
    (fraction | 1 << mantissa) << (exponent + 3)
}

/// The code of the largest number that is not above `number`.
pub(super) const fn encode(number: u32, mantissa: u32) -> u32 {
    let plain = 1 << (mantissa + 3);
    if number < plain {
        return number;
    }
    let top = (1_u32 << (mantissa + 1)) - 1;
    let mut exponent = 0;
    while exponent < 7 && number >> (exponent + 3) > top {
        exponent += 1;
    }
    let fraction = match number >> (exponent + 3) {
        above if above > top => top,
        fraction => fraction,
    };
    plain | exponent << mantissa | fraction & ((1 << mantissa) - 1)
}
