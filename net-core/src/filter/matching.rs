//! Matches as packets meet them.

use super::fields::{Field, Fields};
use super::parts::routing_address;
use super::program::Filter;
use super::tuples::TupleMap;
use super::{Audience, StationField, Stations, Test};
use crate::iface::{IfaceId, IfaceKind};
use crate::stack::TokenBucket;
use crate::time::Instant;
use crate::wire::EthernetHeader;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// A match.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) kind: CheckKind,
    pub(super) negated: bool,
}

#[derive(Debug)]
pub(super) enum CheckKind {
    /// One that needs neither names nor memory.
    Plain(Test),
    /// The interface that a packet came over is among these.
    ComesOver(u32),
    /// The interface that it leaves over.
    LeavesOver(u32),
    Tuple(Arc<TupleMap>),
    Station(StationField, Stations),
    /// The packet came in over Ethernet.
    OverEthernet,
    SentTo(Audience),
    Limit(TokenBucket),
}

/// What matches look at beside the packet.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) interfaces: Vec<Interfaces>,
    /// The interfaces to Ethernet.
    pub(super) ethernet: SmallVec<[IfaceId; 4]>,
    /// The header of the frame that is being taken in, if any rule asks for it.
    pub(super) frame: Option<EthernetHeader>,
}

/// The interfaces with a name.
#[derive(Debug)]
pub(super) struct Interfaces {
    pub(super) patterns: Vec<String>,
    pub(super) ids: SmallVec<[IfaceId; 4]>,
}

impl Filter {
    /// Has the interfaces looked up anew that rules name, or ask for by their kind.
    pub(crate) fn resolve(&mut self, ifaces: &[(IfaceId, &str, IfaceKind)]) {
        for names in &mut self.around.interfaces {
            let fits = |name: &str, pattern: &String| match pattern.strip_suffix('*') {
                Some(front) => name.starts_with(front),
                None => name == pattern,
            };
            let patterns = &names.patterns;
            let is_named = |name| patterns.iter().any(|pattern| fits(name, pattern));
            let ids = ifaces.iter().filter(|(_, name, _)| is_named(name));
            names.ids = ids.map(|(id, ..)| *id).collect();
        }
        let ethernet = ifaces.iter().filter(|(.., kind)| kind.mac().is_some());
        self.around.ethernet = ethernet.map(|(id, ..)| *id).collect();
    }

    /// Whether any rule asks for what is in front of packets.
    pub(crate) const fn asks_for_frames(&self) -> bool {
        self.asks_for_frames
    }

    /// Notes the header of the frame that is being taken in.
    pub(crate) const fn set_frame(&mut self, frame: Option<EthernetHeader>) {
        self.around.frame = frame;
    }
}

impl Check {
    #[inline]
    pub(super) fn holds(&mut self, packet: &Fields<'_, '_>, around: &Around, now: Instant) -> bool {
        let is_among = |names: u32, iface: Option<IfaceId>| {
            let names = around.interfaces.get(names as usize);
            iface
                .zip(names)
                .is_some_and(|(iface, names)| names.ids.contains(&iface))
        };
        let holds = match &mut self.kind {
            CheckKind::Plain(test) => plain(test, packet),
            CheckKind::ComesOver(names) => Some(is_among(*names, packet.view.came_over)),
            CheckKind::LeavesOver(names) => Some(is_among(*names, packet.view.leaves_over)),
            CheckKind::Tuple(map) => {
                let frame = around.frame.as_ref();
                let applies = map.applies(packet, frame);
                applies.then(|| map.find(packet, frame).is_some())
            }
            CheckKind::Station(field, stations) => {
                let station = field.find(packet, around.frame.as_ref());
                station.map(|station| stations.contains(station))
            }
            CheckKind::OverEthernet => {
                let iface = packet.view.came_over;
                iface.map(|iface| around.ethernet.contains(&iface))
            }
            CheckKind::SentTo(audience) => {
                let frame = around.frame.as_ref();
                let frame = frame.filter(|_| packet.view.came_over.is_some());
                Some(Audience::of(frame) == *audience)
            }
            CheckKind::Limit(bucket) => Some(bucket.take(now)),
        };
        holds.is_some_and(|holds| holds != self.negated)
    }
}

/// Whether a test holds; `None` where the packet lacks the field.
#[inline]
fn plain(test: &Test, packet: &Fields<'_, '_>) -> Option<bool> {
    let read = |field: &Field| packet.read(*field);
    Some(match test {
        Test::Number(field, numbers) => numbers.contains(read(field)?),
        Test::Masked {
            field,
            mask,
            wanted,
        } => wanted.contains(read(field)? & mask),
        Test::AnyBit(field, bits) => read(field)? & bits != 0,
        Test::Address(end, addresses) | Test::ArpAddress(end, addresses) => {
            addresses.contains(packet.address(*end))
        }
        Test::Has(part) => packet.has(*part)?,
        Test::RoutingAddress(number, addresses) => {
            addresses.contains(routing_address(packet, *number)?.into())
        }
        Test::ComesOver(_)
        | Test::LeavesOver(_)
        | Test::Tuple(_)
        | Test::Station(..)
        | Test::OverEthernet
        | Test::SentTo(_)
        | Test::Limit(_) => return None,
    })
}
