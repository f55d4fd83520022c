//! Tables of the family `arp`: what they may say, and how ARP packets are asked about.

use super::program::{Decision, Filter};
use super::{Action, Base, Chain, ChainKind, Field, FilterError, Log, Part, Table, TableFamily};
use super::{Test, TupleField};
use crate::buf::Checksum;
use crate::conntrack::Tracked;
use crate::hook::{HookPoint, PacketView};
use crate::iface::IfaceId;
use crate::time::Instant;
use crate::wire::{IpHeader, arp};
use core::net::Ipv4Addr;

/// Where an ARP packet comes or goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArpPlace {
    pub(crate) at: HookPoint,
    pub(crate) iface: IfaceId,
}

impl Filter {
    /// Whether ARP packets are asked about at a point.
    pub(crate) fn has_arp(&self, at: HookPoint) -> bool {
        self.arp_chains.iter().any(|(point, _)| *point == at)
    }

    /// Whether an ARP packet of IPv4 over Ethernet passes; what is none is not asked about.
    pub(crate) fn ask_arp(
        &mut self,
        place: ArpPlace,
        bytes: &mut [u8],
        log: &mut Log,
        now: Instant,
    ) -> bool {
        let ArpPlace { at, iface } = place;
        let address = |at: usize| {
            let octets: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
            Some(Ipv4Addr::from(*octets))
        };
        let ends = address(SENDER).zip(address(TARGET));
        let Some((sender, target)) =
            ends.filter(|_| bytes.get(LENGTHS..LENGTHS + 2) == Some(&[6, 4]))
        else {
            return true;
        };
        let (comes, leaves) = match at {
            HookPoint::LocalIn => (Some(iface), None),
            _ => (None, Some(iface)),
        };
        // Rules look at its addresses as at those of a packet, and at nothing else of a header.
        let mut ip = IpHeader::new(sender.into(), target.into(), 0, 0);
        let mut view = PacketView {
            ip: &mut ip,
            len: arp::LEN,
            bytes,
            came_over: comes,
            leaves_over: leaves,
            mark: &mut 0,
            tracked: &mut Tracked::default(),
            checksum: Checksum::Unknown,
            front: None,
            given_to: None,
            goes_anew: false,
        };
        for index in 0..self.arp_chains.len() {
            let chain = match self.arp_chains.get(index) {
                Some((point, chain)) if *point == at => *chain,
                _ => continue,
            };
            if self.ask(chain, at, &mut view, None, log, now) != Decision::Accept {
                return false;
            }
        }
        true
    }
}

/// Checks that a table says nothing that its packets do not have.
pub(super) fn check_family(table: &Table) -> Result<(), FilterError> {
    for chain in &table.chains {
        let is_wrong = |base: Base| table.family == TableFamily::Arp && !base.is_for_arp();
        if chain.base.is_some_and(is_wrong) {
            return Err(FilterError::ArpHook(chain.name.clone()));
        }
        if !chain.fits(table.family) {
            return Err(FilterError::Family(chain.name.clone()));
        }
    }
    Ok(())
}

impl Base {
    /// Whether ARP packets can be asked about there.
    pub(super) fn is_for_arp(&self) -> bool {
        self.kind == ChainKind::Filter
            && matches!(self.at, HookPoint::LocalIn | HookPoint::LocalOut)
    }
}

impl Chain {
    fn fits(&self, family: TableFamily) -> bool {
        self.rules.iter().all(|rule| {
            let mut matches = rule.matches.iter();
            matches.all(|one| one.test.fits(family))
                && (family != TableFamily::Arp || rule.actions.iter().all(Action::is_for_arp))
        })
    }
}

impl Test {
    /// Whether packets of a family may have what it asks for.
    fn fits(&self, family: TableFamily) -> bool {
        let is_arp = family == TableFamily::Arp;
        match self {
            Self::Number(field, _) | Self::AnyBit(field, _) | Self::Masked { field, .. } => {
                field.fits(family)
            }
            Self::Tuple(tuples) => tuples.fields.iter().all(|part| match part {
                TupleField::Address(_) => !is_arp,
                TupleField::Number(field) => field.fits(family),
                TupleField::Station(field) => is_arp || field.is_of_frame(),
            }),
            Self::Has(part) => Field::Bits {
                part: *part,
                at: 0,
                len: 1,
            }
            .fits(family),
            Self::Address(..) | Self::RoutingAddress(..) => !is_arp,
            Self::ArpAddress(..) => is_arp,
            Self::Station(field, _) => is_arp || field.is_of_frame(),
            Self::ComesOver(_)
            | Self::LeavesOver(_)
            | Self::OverEthernet
            | Self::SentTo(_)
            | Self::Limit(_) => true,
        }
    }
}

impl Field {
    /// Whether packets of a family may have it.
    pub(super) const fn fits(self, family: TableFamily) -> bool {
        let is_arp = matches!(family, TableFamily::Arp);
        match self {
            Self::Bits {
                part: Part::Arp, ..
            } => is_arp,
            Self::Mark
            | Self::Length
            | Self::Network { .. }
            | Self::Bits {
                part: Part::Network,
                ..
            } => true,
            _ => !is_arp,
        }
    }
}

impl Action {
    /// Whether it can be done with ARP packets.
    pub(super) const fn is_for_arp(&self) -> bool {
        matches!(
            self,
            Self::Accept
                | Self::Drop
                | Self::Mark { .. }
                | Self::Log(_)
                | Self::Jump(_)
                | Self::Goto(_)
                | Self::Return
        )
    }
}

/// Where an ARP packet has the lengths of its addresses, and the protocol addresses where those are 6 and 4.
const LENGTHS: usize = 4;
const SENDER: usize = 14;
const TARGET: usize = 24;
