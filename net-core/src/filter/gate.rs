//! Packets that no rule at a point can be about pass it unasked.

use super::chunks::Prefixes;
use super::program::{Filter, Step};
use super::run::{Need, Run};
use super::{ChainPolicy, End, TableFamily};
use crate::wire::{IpHeader, ipv6_ext};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a packet of one IP version has to have so that any rule may hold of some chains that accept
/// what none holds for. Most packets have nothing of it: that is told from the header that the stack has
/// read already, without taking the packet apart for rules.
#[derive(Debug)]
pub(crate) struct Gate {
    runs: Box<[Guard]>,
}

/// What a packet has to have so that a rule of a run may hold; for one that compares prefixes, an address
/// that is in.
#[derive(Debug)]
struct Guard {
    need: Need,
    prefixes: Option<(End, Arc<Prefixes>)>,
}

impl Gate {
    /// Whether no rule can hold for the packet that begins with these bytes, of which this is the header.
    #[inline]
    pub(crate) fn is_open(&self, ip: &IpHeader, bytes: &[u8]) -> bool {
        if ip.dest.is_ipv6() && ipv6_ext::is_extension(ip.protocol) {
            // The transport is further behind.
            return false;
        }
        let dest_port = || {
            let is_later = ip.fragment.is_some_and(|fragment| fragment.offset != 0);
            let port = bytes.get(ip.header_len..)?.get(2..4)?.first_chunk()?;
            (!is_later).then(|| u16::from_be_bytes(*port).into())
        };
        let mut runs = self.runs.iter();
        !runs.any(|run| run.need.is_met_by(ip, ip.protocol.into(), dest_port) && run.may_have(ip))
    }
}

impl Guard {
    fn of(need: Need, run: &Run) -> Self {
        let prefixes = match run {
            Run::Prefixes { end, rules } => Some((*end, Arc::clone(rules))),
            Run::Tuples { .. } => None,
        };
        Self { need, prefixes }
    }

    /// Whether the address is in that matters, if one does.
    #[inline]
    fn may_have(&self, ip: &IpHeader) -> bool {
        self.prefixes
            .as_ref()
            .is_none_or(|(end, prefixes)| prefixes.longest(end.address(ip)).is_some())
    }
}

impl Filter {
    /// That of some chains for packets of IPv4, or else of IPv6; `None` where one of them has to be
    /// asked about every packet.
    pub(crate) fn gate(&self, chains: impl Iterator<Item = u32>, is_v4: bool) -> Option<Gate> {
        let mut runs = Vec::new();
        for number in chains {
            let chain = self.chains.get(number as usize)?;
            let is_theirs = match chain.family {
                TableFamily::Inet => true,
                TableFamily::Ip => is_v4,
                TableFamily::Ip6 => !is_v4,
                TableFamily::Arp => false,
            };
            if !is_theirs {
                continue;
            }
            if chain.policy != ChainPolicy::Accept {
                return None;
            }
            for step in &chain.steps {
                match step {
                    Step::Run(Need::Unknown, _) | Step::Rule(_) => return None,
                    Step::Run(need, run) if need.is_for(is_v4) => {
                        runs.push(Guard::of(*need, self.runs.get(*run as usize)?));
                    }
                    Step::Run(..) => {}
                }
            }
        }
        let runs = runs.into();
        Some(Gate { runs })
    }
}
