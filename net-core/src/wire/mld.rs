//! MLD (RFC 2710, RFC 3810): memberships in IPv6 groups, as ICMPv6 messages.

use super::ip;
use super::membership::{
    Membership, Query, Record, Records, Sources, Version, decode, encode, put_address,
};
use crate::stats::DropReason;
use crate::time::Duration;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// Where hosts that know sources send their reports (RFC 3810 §5.2.14).
pub const ALL_ROUTERS_V2: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// The Hop-by-Hop Options header in front of every message: Router Alert for MLD (RFC 2711 §2.1), and
/// padding.
pub(crate) const ROUTER_ALERT: [u8; 8] = [ip::ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// Reads a message, which begins at its ICMPv6 type; all of it must lie in `bytes`. Its checksum is
/// verified elsewhere.
///
/// # Errors
/// [`DropReason::Truncated`] if it is cut off; [`DropReason::Membership`] for a message that is not
/// known, or a group that is none.
pub fn parse(bytes: &[u8]) -> Result<Membership<'_>, DropReason> {
    let (&[kind, _, _, _, a, b, c, d], rest) = bytes
        .split_first_chunk::<FIRST>()
        .ok_or(DropReason::Truncated)?;
    if kind == REPORT_V2 {
        let count = u16::from_be_bytes([c, d]);
        let records = Records::parse(rest, count, false).ok_or(DropReason::Truncated)?;
        return Ok(Membership::Report(records));
    }
    let (octets, rest) = rest
        .split_first_chunk::<16>()
        .ok_or(DropReason::Truncated)?;
    let address = Ipv6Addr::from(*octets);
    let group = || match address.is_multicast() {
        true => Ok(IpAddr::V6(address)),
        false => Err(DropReason::Membership),
    };
    let code = u16::from_be_bytes([a, b]);
    Ok(match kind {
        QUERY => Membership::Query(query(code, address, rest)?),
        REPORT_V1 => Membership::Member {
            version: Version::Second,
            group: group()?,
        },
        DONE => Membership::Leave { group: group()? },
        _ => return Err(DropReason::Membership),
    })
}

/// RFC 3810 §8.1 tells the versions by length.
fn query(code: u16, group: Ipv6Addr, rest: &[u8]) -> Result<Query<'_>, DropReason> {
    if !(group.is_unspecified() || group.is_multicast()) {
        return Err(DropReason::Membership);
    }
    let old = Query {
        version: Version::Second,
        max_response: Duration::from_millis(code.into()),
        group: group.into(),
        suppress: false,
        robustness: 0,
        interval: Duration::ZERO,
        sources: Sources::none(false),
    };
    if rest.is_empty() {
        return Ok(old);
    }
    let (&[flags, interval, c, d], rest) =
        rest.split_first_chunk().ok_or(DropReason::Membership)?;
    let count = usize::from(u16::from_be_bytes([c, d]));
    let (sources, _) = Sources::split(rest, count, false).ok_or(DropReason::Truncated)?;
    let seconds = decode(interval.into(), INTERVAL_MANTISSA);
    Ok(Query {
        version: Version::Third,
        max_response: Duration::from_millis(decode(code.into(), RESPONSE_MANTISSA).into()),
        suppress: flags & SUPPRESS != 0,
        robustness: flags & ROBUSTNESS,
        interval: Duration::from_secs(seconds.into()),
        sources,
        ..old
    })
}

/// A query, its checksum left 0.
#[must_use]
pub fn emit_query(query: &Query<'_>) -> Vec<u8> {
    let millis = u32::try_from(query.max_response.as_millis()).unwrap_or(u32::MAX);
    let code = match query.version {
        Version::First | Version::Second => millis,
        Version::Third => encode(millis, RESPONSE_MANTISSA),
    };
    let code = u16::try_from(code).unwrap_or(u16::MAX);
    let mut out = first(QUERY, code, 0);
    put_address(query.group, &mut out);
    if query.version == Version::Third {
        let suppress = if query.suppress { SUPPRESS } else { 0 };
        let seconds = u32::try_from(query.interval.as_secs()).unwrap_or(u32::MAX);
        let interval = u8::try_from(encode(seconds, INTERVAL_MANTISSA)).unwrap_or(u8::MAX);
        out.extend_from_slice(&[suppress | query.robustness & ROBUSTNESS, interval]);
        let count = u16::try_from(query.sources.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(query.sources.as_bytes());
    }
    out
}

/// The message of a host that is a member of `group`, in the old version; its checksum left 0.
#[must_use]
pub fn emit_member(group: Ipv6Addr) -> Vec<u8> {
    let mut out = first(REPORT_V1, 0, 0);
    out.extend_from_slice(&group.octets());
    out
}

/// The message of a host that is a member of `group` no more; its checksum left 0.
#[must_use]
pub fn emit_done(group: Ipv6Addr) -> Vec<u8> {
    let mut out = first(DONE, 0, 0);
    out.extend_from_slice(&group.octets());
    out
}

/// A report with these records, its checksum left 0.
#[must_use]
pub fn emit_report(records: &[Record<'_>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    let mut out = first(REPORT_V2, 0, count);
    for record in records {
        record.emit(&mut out);
    }
    out
}

/// Type, code, checksum, and two numbers.
fn first(kind: u8, one: u16, two: u16) -> Vec<u8> {
    let [a, b] = one.to_be_bytes();
    let [c, d] = two.to_be_bytes();
    [kind, 0, 0, 0, a, b, c, d].to_vec()
}

/// Whether an ICMPv6 message of this type is one about memberships.
#[must_use]
pub const fn is_mld(kind: u8) -> bool {
    matches!(kind, QUERY | REPORT_V1 | DONE | REPORT_V2)
}

const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const DONE: u8 = 132;
const REPORT_V2: u8 = 143;

/// Bytes in front of the group, or of the records.
const FIRST: usize = 8;
const SUPPRESS: u8 = 0x08;
const ROBUSTNESS: u8 = 0x07;
/// Bits of fraction in the code of the response time, in milliseconds.
const RESPONSE_MANTISSA: u32 = 12;
/// Bits of fraction in the code of the query interval, in seconds.
const INTERVAL_MANTISSA: u32 = 4;
