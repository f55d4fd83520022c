//! IGMP (RFC 1112 appendix I, RFC 2236, RFC 3376): memberships in IPv4 groups.

use super::checksum::checksum;
use super::membership::{
    Membership, Query, Record, Records, Sources, Version, decode, encode, put_address,
};
use crate::stats::DropReason;
use crate::time::Duration;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// Protocol number of IGMP.
pub const PROTOCOL: u8 = 2;

/// Where hosts that know sources send their reports (RFC 3376 §4.2.14).
pub const ALL_ROUTERS_V3: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
/// Where leaves go (RFC 2236 §9).
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

/// Reads a message; all of it must lie in `bytes`.
///
/// # Errors
/// [`DropReason::Truncated`] if it is cut off; [`DropReason::TransportChecksum`]; and
/// [`DropReason::Membership`] for a message that is not known, or a group that is none.
pub fn parse(bytes: &[u8]) -> Result<Membership<'_>, DropReason> {
    let (&[kind, code, _, _, a, b, c, d], rest) = bytes
        .split_first_chunk::<MIN_LEN>()
        .ok_or(DropReason::Truncated)?;
    if checksum(bytes) != 0 {
        return Err(DropReason::TransportChecksum);
    }
    let address = Ipv4Addr::new(a, b, c, d);
    let group = || match address.is_multicast() {
        true => Ok(IpAddr::V4(address)),
        false => Err(DropReason::Membership),
    };
    Ok(match kind {
        QUERY => Membership::Query(query(code, address, rest)?),
        REPORT_V1 => Membership::Member {
            version: Version::First,
            group: group()?,
        },
        REPORT_V2 => Membership::Member {
            version: Version::Second,
            group: group()?,
        },
        LEAVE => Membership::Leave { group: group()? },
        REPORT_V3 => {
            let count = u16::from_be_bytes([c, d]);
            let records = Records::parse(rest, count, true).ok_or(DropReason::Truncated)?;
            Membership::Report(records)
        }
        _ => return Err(DropReason::Membership),
    })
}

/// RFC 3376 §7.1 tells the versions by length and code.
fn query(code: u8, group: Ipv4Addr, rest: &[u8]) -> Result<Query<'_>, DropReason> {
    if !(group.is_unspecified() || group.is_multicast()) {
        return Err(DropReason::Membership);
    }
    let old = Query {
        version: Version::Second,
        max_response: TENTH * u32::from(code),
        group: group.into(),
        suppress: false,
        robustness: 0,
        interval: Duration::ZERO,
        sources: Sources::none(true),
    };
    if rest.is_empty() {
        return Ok(match code {
            // RFC 1112 appendix I: the group means nothing.
            0 => Query {
                version: Version::First,
                max_response: TENTH * 100,
                group: Ipv4Addr::UNSPECIFIED.into(),
                ..old
            },
            _ => old,
        });
    }
    let (&[flags, interval, c, d], rest) =
        rest.split_first_chunk().ok_or(DropReason::Membership)?;
    let count = usize::from(u16::from_be_bytes([c, d]));
    let (sources, _) = Sources::split(rest, count, true).ok_or(DropReason::Truncated)?;
    Ok(Query {
        version: Version::Third,
        max_response: TENTH * decode(code.into(), MANTISSA),
        suppress: flags & SUPPRESS != 0,
        robustness: flags & ROBUSTNESS,
        interval: Duration::from_secs(decode(interval.into(), MANTISSA).into()),
        sources,
        ..old
    })
}

/// A query as it is on the wire.
#[must_use]
pub fn emit_query(query: &Query<'_>) -> Vec<u8> {
    let tenths = u32::try_from(query.max_response.as_millis() / 100).unwrap_or(u32::MAX);
    let code = match query.version {
        Version::First => 0,
        Version::Second => tenths.clamp(1, 255),
        Version::Third => encode(tenths, MANTISSA),
    };
    let mut out = [QUERY, u8::try_from(code).unwrap_or(u8::MAX), 0, 0].to_vec();
    put_address(query.group, &mut out);
    if query.version == Version::Third {
        let suppress = if query.suppress { SUPPRESS } else { 0 };
        let seconds = u32::try_from(query.interval.as_secs()).unwrap_or(u32::MAX);
        let interval = u8::try_from(encode(seconds, MANTISSA)).unwrap_or(u8::MAX);
        out.extend_from_slice(&[suppress | query.robustness & ROBUSTNESS, interval]);
        let count = u16::try_from(query.sources.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(query.sources.as_bytes());
    }
    finish(out)
}

/// The message of a host that is a member of `group`, in the old versions.
#[must_use]
pub fn emit_member(version: Version, group: Ipv4Addr) -> Vec<u8> {
    let kind = match version {
        Version::First => REPORT_V1,
        Version::Second | Version::Third => REPORT_V2,
    };
    emit_old(kind, group)
}

/// The message of a host that is a member of `group` no more.
#[must_use]
pub fn emit_leave(group: Ipv4Addr) -> Vec<u8> {
    emit_old(LEAVE, group)
}

/// A report with these records.
#[must_use]
pub fn emit_report(records: &[Record<'_>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    let mut out = [REPORT_V3, 0, 0, 0, 0, 0].to_vec();
    out.extend_from_slice(&count.to_be_bytes());
    for record in records {
        record.emit(&mut out);
    }
    finish(out)
}

fn emit_old(kind: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut out = [kind, 0, 0, 0].to_vec();
    out.extend_from_slice(&group.octets());
    finish(out)
}

/// Fills in the checksum.
fn finish(mut out: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&out);
    if let Some(place) = out.get_mut(2..4) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    out
}

/// Bytes of a message in the old versions, and in front of the records of the new one.
pub const MIN_LEN: usize = 8;

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_V3: u8 = 0x22;

const SUPPRESS: u8 = 0x08;
const ROBUSTNESS: u8 = 0x07;
/// Bits of fraction in codes.
const MANTISSA: u32 = 4;
/// The unit of response times.
const TENTH: Duration = Duration::from_millis(100);
