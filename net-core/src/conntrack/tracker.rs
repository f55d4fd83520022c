//! Packets and the flows they belong to.

use super::ahead::Ahead;
use super::flow::Flow;
use super::state::FlowRef;
use super::table::{FlowTable, NoRoom};
use super::tcp::{Fit, Glance};
use super::tuple::{Kind, QUOTED_AT, Transport};
use super::{Direction, FlowInfo, FlowState, FlowStatus, TrackConfig, Tracked, Tuple};
use crate::buf::RxPacket;
use crate::hook::PacketView;
use crate::icmp::Quoted;
use crate::nat::Mappings;
use crate::seed::Seed;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IpHeader, ip};
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

/// Follows flows.
#[derive(Debug)]
pub(crate) struct Tracker {
    config: TrackConfig,
    pub(crate) table: FlowTable,
    /// The flow that the packet on its way now begins.
    pending: Option<Flow>,
    ahead: Ahead,
    pub(crate) mappings: Mappings,
    stats: TrackStats,
}

/// What the tracker has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TrackStats {
    /// Flows that are remembered now.
    pub flows: usize,
    /// Flows that have begun.
    pub begun: u64,
    /// Flows that ran out of time.
    pub expired: u64,
    /// Flows that had to go for new ones.
    pub evicted: u64,
    /// Flows that were forgotten as their packets began a new one, or as their translation had lost its address.
    pub forgotten: u64,
    /// Packets that would have begun a flow, but the table was full of others in use, or their tuple
    /// was another's.
    pub refused: u64,
    /// Packets that fitted no flow and could begin none.
    pub invalid: u64,
    /// ICMP errors about flows.
    pub related: u64,
}

impl Tracker {
    pub(crate) fn new(config: TrackConfig, seed: Seed, now: Instant) -> Self {
        Self {
            table: FlowTable::new(config.max_flows, seed, now),
            mappings: Mappings::new(seed.key("endpoint mappings")),
            config,
            pending: None,
            ahead: Ahead::default(),
            stats: TrackStats::default(),
        }
    }

    /// Packets are about to be tracked, in this order: their flows are looked up together where that is worth
    /// it.
    pub(crate) fn look_ahead(&mut self, packets: &[RxPacket]) {
        if packets.len() > 1 && self.table.len() >= LARGE {
            self.ahead.look(&self.table, packets);
        } else {
            self.ahead.clear();
        }
    }

    /// The packet with this place in what was looked up is taken in from now on.
    #[inline]
    pub(crate) fn turn_to(&mut self, at: usize) {
        self.ahead.turn_to(at);
    }

    /// How often a look ahead has been of use.
    #[cfg(test)]
    pub(crate) fn used_ahead(&self) -> usize {
        self.ahead.used
    }

    /// Finds out what a packet belongs to, unless somebody has.
    #[inline]
    pub(crate) fn track(
        &mut self,
        packet: &mut PacketView<'_>,
        transport: Transport,
        now: Instant,
    ) {
        if packet.tracked.state().is_some() {
            return;
        }
        let header = packet.bytes.get(transport.at..).unwrap_or_default();
        let (source, dest) = (packet.ip.source, packet.ip.dest);
        let tracked = match Tuple::of(source, dest, transport.protocol, header) {
            Kind::Of(tuple) => {
                let len = packet.len.saturating_sub(transport.at);
                let segment = match transport.protocol {
                    ip::TCP => Glance::of(header, len),
                    _ => None,
                };
                self.track_flow(tuple, segment.as_ref(), now)
            }
            Kind::Error => self.track_error(dest, header),
            Kind::Untracked => Tracked::alone(FlowState::Untracked),
            Kind::Unknown => Tracked::alone(FlowState::Invalid),
        };
        if tracked.state() == Some(FlowState::Invalid) {
            self.stats.invalid += 1;
        }
        *packet.tracked = tracked;
    }

    /// A packet cannot be told to belong to any flow, unless somebody has.
    pub(crate) fn refuse(&mut self, packet: &mut PacketView<'_>) {
        if packet.tracked.state().is_none() {
            *packet.tracked = Tracked::alone(FlowState::Invalid);
            self.stats.invalid += 1;
        }
    }

    #[inline]
    fn track_flow(&mut self, tuple: Tuple, segment: Option<&Glance>, now: Instant) -> Tracked {
        let timeouts = &self.config.timeouts;
        let hint = self.ahead.take(&tuple);
        if let Some((index, direction)) = self.table.find_hinted(&tuple, hint)
            && let Some(flow) = self.table.get_mut(index)
        {
            let before = flow.expires;
            let fit = if before <= now {
                Fit::BeginsAnew
            } else {
                flow.follow(direction, segment, timeouts, now)
            };
            let answered = flow.status.contains(FlowStatus::SEEN_REPLY);
            let ends_sooner = flow.expires < before;
            match fit {
                Fit::Fits => {
                    if ends_sooner {
                        self.table.hasten(index);
                    }
                    let state = match direction {
                        Direction::Original if !answered => FlowState::New,
                        _ => FlowState::Established,
                    };
                    return Tracked::of(state, FlowRef::Known(index), direction);
                }
                Fit::Invalid => return Tracked::alone(FlowState::Invalid),
                Fit::BeginsAnew => self.forget(index),
            }
        }
        let TrackConfig {
            loose, timeouts, ..
        } = &self.config;
        self.pending = Flow::begin(tuple, segment, *loose, timeouts, now);
        match self.pending {
            Some(_) => Tracked::of(FlowState::New, FlowRef::Pending, Direction::Original),
            None => Tracked::alone(FlowState::Invalid),
        }
    }

    /// An ICMP error goes the way of the answers to what it quotes: to whom that came from.
    fn track_error(&mut self, dest: IpAddr, message: &[u8]) -> Tracked {
        let quoted = message.get(QUOTED_AT..).and_then(Quoted::read);
        let quoted = quoted.filter(|quoted| quoted.ip.source == dest);
        let found = quoted.and_then(|quoted| {
            let header = message.get(QUOTED_AT + quoted.ip.header_len..)?;
            let (source, dest) = (quoted.ip.source, quoted.ip.dest);
            match Tuple::of(source, dest, quoted.ip.protocol, header) {
                Kind::Of(tuple) => self.table.find(&tuple.inverse()),
                _ => None,
            }
        });
        match found {
            Some((index, direction)) => {
                self.stats.related += 1;
                Tracked::of(FlowState::Related, FlowRef::Known(index), direction)
            }
            None => Tracked::alone(FlowState::Invalid),
        }
    }

    /// The packet has passed: the flow that it begins is remembered. What the packet is now.
    #[inline]
    pub(crate) fn confirm(&mut self, tracked: Tracked) -> Result<Tracked, DropReason> {
        let Some(flow) = self.take_pending(tracked) else {
            return Ok(tracked);
        };
        let mapped = flow.clone();
        match self.table.add(flow) {
            Ok((index, gone)) => {
                self.mappings.keep(&mapped);
                self.stats.begun += 1;
                if let Some(gone) = gone {
                    self.stats.evicted += 1;
                    self.mappings.release(&gone);
                }
                let known = FlowRef::Known(index);
                Ok(Tracked::of(FlowState::New, known, Direction::Original))
            }
            Err(reason) => {
                self.stats.refused += 1;
                Err(match reason {
                    NoRoom::Full => DropReason::FlowTableFull,
                    NoRoom::Clash => DropReason::FlowClash,
                })
            }
        }
    }

    /// The flow that a packet belongs to.
    pub(crate) fn flow(&self, tracked: Tracked) -> Option<&Flow> {
        match tracked.flow()? {
            FlowRef::Known(index) => self.table.get(index),
            FlowRef::Pending => self.pending.as_ref(),
        }
    }

    /// Where the first packet of a flow was to go, before anything was translated; either tuple of the
    /// flow tells which.
    pub(crate) fn original_dest(&self, tuple: &Tuple) -> Option<SocketAddr> {
        let (index, _) = self.table.find(tuple)?;
        let original = self.table.get(index)?.tuple(Direction::Original);
        Some(SocketAddr::new(original.dest, original.dest_port))
    }

    /// What a packet was when it came, which leaves like this.
    pub(crate) fn before(&self, header: &IpHeader, bytes: &[u8]) -> Option<Tuple> {
        let now = Tuple::of_packet(header, bytes)?;
        let (index, direction) = self.table.find(&now.inverse())?;
        Some(*self.table.get(index)?.tuple(direction.opposite()))
    }

    pub(crate) fn flow_mut(&mut self, tracked: Tracked) -> Option<&mut Flow> {
        match tracked.flow()? {
            FlowRef::Known(index) => self.table.get_mut(index),
            FlowRef::Pending => self.pending.as_mut(),
        }
    }

    /// The flow that the packet begins, out of the tracker, to be bound and put back.
    pub(crate) fn take_pending(&mut self, tracked: Tracked) -> Option<Flow> {
        tracked.begins().then(|| self.pending.take()).flatten()
    }

    pub(crate) fn put_pending(&mut self, flow: Flow) {
        self.pending = Some(flow);
    }

    /// Forgets flows whose time has come, up to a few hundred at once.
    pub(crate) fn expire(&mut self, now: Instant) {
        for _ in 0..MAX_EXPIRIES {
            match self.table.expire(now) {
                Ok(Some(gone)) => {
                    self.stats.expired += 1;
                    self.mappings.release(&gone);
                }
                Ok(None) => {}
                Err(()) => return,
            }
        }
    }

    pub(crate) fn flows(&self, now: Instant) -> impl Iterator<Item = FlowInfo> {
        self.table.iter().map(move |flow| flow.info(now))
    }

    /// The flows in some places; `None` behind the last of them.
    pub(crate) fn flows_in(
        &self,
        places: Range<usize>,
        now: Instant,
    ) -> Option<impl Iterator<Item = FlowInfo>> {
        let places = places.start..places.end.min(self.table.slots());
        let places = Some(places).filter(|places| !places.is_empty())?;
        let places = places.filter_map(|place| u32::try_from(place).ok());
        Some(places.filter_map(move |place| Some(self.table.get(place)?.info(now))))
    }

    pub(crate) fn stats(&self) -> TrackStats {
        TrackStats {
            flows: self.table.len(),
            ..self.stats
        }
    }

    /// Forgets the flow that a packet belongs to, if it is remembered.
    pub(crate) fn forget_flow_of(&mut self, tracked: Tracked) {
        if let Some(FlowRef::Known(index)) = tracked.flow() {
            self.forget(index);
        }
    }

    pub(crate) fn forget(&mut self, index: u32) {
        if let Some(gone) = self.table.remove(index) {
            self.stats.forgotten += 1;
            self.mappings.release(&gone);
        }
    }
}

/// Flows that are more than the caches of a core keep beside all else.
pub(crate) const LARGE: usize = 1 << 13;
/// Timers that one call looks at.
const MAX_EXPIRIES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn datagrams(source_port: u16) -> Tuple {
        Tuple {
            source: Ipv4Addr::new(10, 9, 0, 9).into(),
            dest: Ipv4Addr::new(10, 7, 0, 9).into(),
            protocol: ip::UDP,
            source_port,
            dest_port: 53,
        }
    }

    /// A translation that ends in the answers of a flow that is known: whose they are could not be told.
    #[test]
    fn a_flow_whose_answers_would_be_anothers_does_not_begin() {
        let config = TrackConfig::default();
        let mut tracker = Tracker::new(config, Seed::from_u64(1), Instant::ZERO);
        let first = tracker.track_flow(datagrams(1), None, Instant::ZERO);
        assert!(tracker.confirm(first).is_ok());
        let second = tracker.track_flow(datagrams(2), None, Instant::ZERO);
        let mut flow = tracker.take_pending(second).expect("it begins");
        flow.reply = datagrams(1).inverse();
        tracker.put_pending(flow);
        let confirmed = tracker.confirm(second);
        assert_eq!(confirmed.err(), Some(DropReason::FlowClash));
        let stats = tracker.stats();
        assert_eq!((stats.begun, stats.refused), (1, 1));
        // With answers of its own it does.
        let third = tracker.track_flow(datagrams(2), None, Instant::ZERO);
        assert!(tracker.confirm(third).is_ok());
    }
}
