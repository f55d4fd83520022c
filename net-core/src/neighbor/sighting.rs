//! What is concluded from a packet in which a neighbour says where it is.

use super::NeighborState;
use super::cache::{Context, NeighborCache};
use super::entry::{Step, Waiting};
use crate::iface::IfaceId;
use crate::must::must;
use crate::wire::MacAddr;
use alloc::collections::VecDeque;
use core::net::IpAddr;

/// A neighbour says something about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It asks for us, so that it will soon be needed: an ARP request, a solicitation with its
    /// link-layer address (RFC 4861 §7.2.3, §6.2.6).
    Asks(MacAddr),
    /// It says where it is, without having been asked by us: an ARP packet that is not for us
    /// (RFC 826's merge). What is not known already is not learnt.
    Mentions(MacAddr),
    /// It answers or advertises (RFC 4861 §7.2.5); an ARP reply is solicited and overrides.
    Adverts {
        /// Its link-layer address, if it is told.
        mac: Option<MacAddr>,
        /// It answers us alone.
        solicited: bool,
        /// It replaces an address that was known before.
        overrides: bool,
        /// Whether it is a router, if it says so.
        router: Option<bool>,
    },
    /// A router advertises itself or is the target of a redirect (RFC 4861 §6.3.4, §8.3).
    IsRouter(MacAddr),
}

impl NeighborCache {
    /// Concludes what follows from a sighting; the packets that may now be sent, and where to.
    pub(crate) fn handle_sighting(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        sighting: Sighting,
        cx: &mut Context<'_>,
    ) -> Option<(MacAddr, VecDeque<Waiting>)> {
        let index = match self.find(iface, address) {
            Some(index) => index,
            None => match sighting {
                Sighting::Asks(_) | Sighting::IsRouter(_) => self.create(iface, address, cx)?,
                Sighting::Mentions(_) | Sighting::Adverts { .. } => return None,
            },
        };
        match sighting {
            Sighting::Asks(mac) | Sighting::Mentions(mac) => self.told(index, mac, cx),
            Sighting::IsRouter(mac) => {
                self.entry_mut(index)?.router = true;
                self.told(index, mac, cx)
            }
            Sighting::Adverts {
                mac,
                solicited,
                overrides,
                router,
            } => {
                let is_accepted = self.accepts(iface, address, mac, overrides);
                if let Some(router) = router.filter(|_| is_accepted) {
                    self.entry_mut(index)?.router = router;
                }
                self.advertised(index, mac, solicited, overrides, cx)
            }
        }
    }

    /// A router shows itself without saying where it is: if it is known, it is a router (RFC 4861 §6.3.4,
    /// §8.3).
    pub(crate) fn note_router(&mut self, iface: IfaceId, address: IpAddr) {
        let index = self.find(iface, address);
        if let Some(entry) = index.and_then(|index| self.entry_mut(index)) {
            entry.router = true;
        }
    }

    /// It asks for routers: if it is known, it is none (RFC 4861 §6.2.6).
    pub(crate) fn note_host(&mut self, iface: IfaceId, address: IpAddr) {
        let index = self.find(iface, address);
        if let Some(entry) = index.and_then(|index| self.entry_mut(index)) {
            entry.router = !must("4861 MUST 6.2.6.7");
        }
    }

    /// Whether an advertisement is about a neighbour that is known, and not somebody else's claim to its
    /// address (RFC 4861 §7.2.5).
    pub(crate) fn accepts(
        &self,
        iface: IfaceId,
        address: IpAddr,
        mac: Option<MacAddr>,
        overrides: bool,
    ) -> bool {
        let entry = self.entry(iface, address);
        entry.is_some_and(|entry| match entry.state {
            NeighborState::Incomplete => mac.is_some(),
            NeighborState::Permanent => mac.is_none_or(|mac| mac == entry.mac),
            _ => overrides || mac.is_none_or(|mac| mac == entry.mac),
        })
    }

    /// It says in passing where it is: a change makes the entry STALE.
    fn told(
        &mut self,
        index: u32,
        mac: MacAddr,
        cx: &mut Context<'_>,
    ) -> Option<(MacAddr, VecDeque<Waiting>)> {
        let entry = self.entry_mut(index)?;
        if entry.state == NeighborState::Permanent || entry.mac == mac {
            return None;
        }
        entry.mac = mac;
        let step = entry.doubted(cx.config);
        self.settle(index, step, cx);
        self.release(index)
    }

    /// An advertisement (RFC 4861 §7.2.5).
    fn advertised(
        &mut self,
        index: u32,
        mac: Option<MacAddr>,
        solicited: bool,
        overrides: bool,
        cx: &mut Context<'_>,
    ) -> Option<(MacAddr, VecDeque<Waiting>)> {
        let iface = self.entry_mut(index)?.iface;
        let times = self.times(iface, cx.config);
        let entry = self.entry_mut(index)?;
        let step = match (entry.state, mac) {
            (NeighborState::Permanent, _) => return None,
            // Without a link-layer address it is of no use here.
            (NeighborState::Incomplete, None) => return None,
            (NeighborState::Incomplete, Some(mac)) => {
                entry.mac = mac;
                if solicited {
                    entry.reached(times, cx.now)
                } else {
                    entry.doubted(cx.config)
                }
            }
            (state, Some(mac)) if mac != entry.mac && !overrides => {
                // Somebody else claims the address: only doubt (rule I of RFC 4861 §7.2.5).
                if state != NeighborState::Reachable {
                    return None;
                }
                entry.doubted(cx.config)
            }
            (_, mac) => {
                let changed = mac.is_some_and(|mac| mac != entry.mac);
                if let Some(mac) = mac {
                    entry.mac = mac;
                }
                if solicited {
                    entry.reached(times, cx.now)
                } else if changed {
                    entry.doubted(cx.config)
                } else {
                    return None;
                }
            }
        };
        self.settle(index, step, cx);
        self.release(index)
    }

    /// Packets may not reach the neighbour any more: the next one makes it be asked.
    pub(crate) fn doubt(&mut self, index: u32, cx: &mut Context<'_>) {
        if let Some(entry) = self.entry_mut(index)
            && entry.state == NeighborState::Reachable
        {
            let step = entry.doubted(cx.config);
            self.settle(index, step, cx);
        }
    }

    /// Something has shown that packets reach the neighbour.
    pub(crate) fn confirm(&mut self, index: u32, cx: &mut Context<'_>) {
        let Some(entry) = self.entry_mut(index) else {
            return;
        };
        if !entry.confirmed(cx.now) {
            return;
        }
        let iface = entry.iface;
        let times = self.times(iface, cx.config);
        let step: Option<Step> = self
            .entry_mut(index)
            .map(|entry| entry.reached(times, cx.now));
        if let Some(step) = step {
            self.settle(index, step, cx);
        }
    }
}
