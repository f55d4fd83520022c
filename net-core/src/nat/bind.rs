//! Settling what the packets of a flow are translated to.

use super::mappings::{Endpoint, Mappings};
use super::ports::{self, Chance, MAX_MAPPED_TRIES};
use super::{Translation, TranslationKind};
use crate::conntrack::{Flow, FlowStatus, Tracker, Tuple};
use crate::filter::End;
use crate::stats::DropReason;
use crate::wire::ip;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

/// Settles one end of the flow that a packet begins: as `translation` says, or, without one, left alone
/// unless its answers would be taken for another flow's. `own` is the address for
/// [`Masquerade`](TranslationKind::Masquerade) and [`Redirect`](TranslationKind::Redirect).
pub(crate) fn bind(
    tracker: &mut Tracker,
    flow: &mut Flow,
    end: End,
    translation: Option<&Translation>,
    own: Option<IpAddr>,
) -> Result<(), DropReason> {
    let is_settled = match end {
        End::Source => FlowStatus::SOURCE_SETTLED,
        End::Dest => FlowStatus::DEST_SETTLED,
    };
    flow.status |= is_settled;
    // What its packets are by now.
    let now = flow.reply.inverse();
    let new = match translation {
        Some(translation) => translated(tracker, flow, &now, end, translation, own)?,
        None if end == End::Source && is_taken(tracker, &now) && !has_ports(&now) => {
            return Err(DropReason::NatExhausted);
        }
        None if end == End::Source && is_taken(tracker, &now) => {
            let ports = port_class(&now);
            with_free_port(tracker, &now, &ports, None).ok_or(DropReason::NatExhausted)?
        }
        None => return Ok(()),
    };
    flow.reply = new.inverse();
    if translation.is_some_and(|translation| translation.kind == TranslationKind::Masquerade) {
        flow.status |= FlowStatus::MASQUERADED;
    }
    flow.status |= match end {
        End::Source => FlowStatus::SNAT,
        End::Dest => FlowStatus::DNAT,
    };
    Ok(())
}

/// What the packets of a flow become.
fn translated(
    tracker: &mut Tracker,
    flow: &mut Flow,
    now: &Tuple,
    end: End,
    translation: &Translation,
    own: Option<IpAddr>,
) -> Result<Tuple, DropReason> {
    let chosen = match (translation.kind, translation.addresses) {
        (TranslationKind::Masquerade | TranslationKind::Redirect, _) => {
            Some(own.ok_or(DropReason::NatExhausted)?)
        }
        (_, Some((first, last))) => Some(within(first, last, &flow.original)),
        (_, None) => None,
    };
    let mut new = *now;
    let place = match end {
        End::Source => &mut new.source,
        End::Dest => &mut new.dest,
    };
    if let Some(address) = chosen {
        if address.is_ipv4() != place.is_ipv4() {
            return Err(DropReason::NatExhausted);
        }
        *place = address;
    }
    if matches!(new.protocol, DCCP | UDP_LITE) {
        // Their checksums cover the addresses, and nobody here mends those.
        return Err(DropReason::NatExhausted);
    }
    if !has_ports(&new) {
        return Ok(new);
    }
    if end == End::Dest {
        if let Some((low, high)) = translation.ports
            && !new.is_query()
        {
            let span = u64::from(high.saturating_sub(low)) + 1;
            let step = u16::try_from(tracker.table.rng().below(span)).unwrap_or(0);
            new.dest_port = low + step;
        }
        return Ok(new);
    }
    let inner = translation.endpoint_independent.then(|| {
        flow.status |= FlowStatus::ENDPOINT_INDEPENDENT;
        Endpoint::source_of(&flow.original)
    });
    if let Some(port) = inner.and_then(|inner| tracker.mappings.port(inner, new.source)) {
        new.source_port = port;
        if !is_taken(tracker, &new) {
            return Ok(new);
        }
        return Err(DropReason::NatExhausted);
    }
    let ports = match translation.ports {
        Some((low, high)) => low..=high,
        None => port_class(&new),
    };
    with_free_port(tracker, &new, &ports, inner.as_ref()).ok_or(DropReason::NatExhausted)
}

/// One of the addresses, for one inner host always the same (RFC 4787 REQ-2, "paired").
fn within(first: IpAddr, last: IpAddr, original: &Tuple) -> IpAddr {
    let folded = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let (low, high) = (folded(first), folded(last));
    let count = high.saturating_sub(low).saturating_add(1);
    let at = low + folded(original.source) % count;
    match first {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(at).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(at).into(),
    }
}

/// The tuple with a source port whose answers are nobody else's: its own if that will do, else another of
/// the range. Of those that are to stand for an endpoint towards everybody, some hundred are looked at.
fn with_free_port(
    tracker: &mut Tracker,
    wanted: &Tuple,
    ports: &RangeInclusive<u16>,
    inner: Option<&Endpoint>,
) -> Option<Tuple> {
    let is_mapped = |mappings: &Mappings, tuple: &Tuple| {
        let outer = Endpoint::source_of(tuple);
        inner.is_some_and(|inner| mappings.is_taken(&outer, inner))
    };
    if ports.contains(&wanted.source_port)
        && !is_mapped(&tracker.mappings, wanted)
        && !is_taken(tracker, wanted)
    {
        return Some(*wanted);
    }
    let Tracker {
        table, mappings, ..
    } = tracker;
    let chance = Chance::new(ports, |bound| table.rng().below(bound));
    let with_port = |source_port| Tuple {
        source_port,
        ..*wanted
    };
    let is_used = |port| table.find(&with_port(port).inverse()).is_some();
    let found = if inner.is_some() {
        let fits = |port| !is_mapped(mappings, &with_port(port)) && !is_used(port);
        ports::by_chance(wanted, ports, chance, MAX_MAPPED_TRIES, fits)
    } else {
        ports::find(&mut mappings.crowds, wanted, ports, chance, is_used)
    };
    found.map(with_port)
}

/// Whether the answers to packets like this belong to a flow already.
fn is_taken(tracker: &Tracker, tuple: &Tuple) -> bool {
    tracker.table.find(&tuple.inverse()).is_some()
}

/// The ports among which one may stand for another (RFC 4787 REQ-3a): the well-known ones, and the rest.
fn port_class(tuple: &Tuple) -> RangeInclusive<u16> {
    match tuple.source_port {
        _ if tuple.is_query() => 0..=u16::MAX,
        0..=1023 => 1..=1023,
        _ => 1024..=u16::MAX,
    }
}

const fn has_ports(tuple: &Tuple) -> bool {
    matches!(tuple.protocol, ip::TCP | ip::UDP) || tuple.is_query()
}

const DCCP: u8 = 33;
const UDP_LITE: u8 = 136;
