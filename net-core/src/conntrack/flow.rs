//! A flow that is known.

use super::config::Timeouts;
use super::tcp::{Fit, Glance, TcpState, TcpTrack};
use super::{Direction, Tuple};
use crate::stack::TimerId;
use crate::time::{Duration, Instant};
use crate::wire::ip;

bitflags::bitflags! {
    /// What is known about a flow.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct FlowStatus: u8 {
        /// Its source is the address of the interface that it leaves over, and it is forgotten when that
        /// goes.
        const MASQUERADED = 0x01;
        /// It has been answered.
        const SEEN_REPLY = 0x02;
        /// It has been going both ways for long enough that it does not have to go for a new one.
        const ASSURED = 0x04;
        /// Its source is translated alike for every destination (RFC 4787 §4.1).
        const ENDPOINT_INDEPENDENT = 0x08;
        /// Its source is translated.
        const SNAT = 0x10;
        /// Its destination is translated.
        const DNAT = 0x20;
        /// It is settled whether its source is translated.
        const SOURCE_SETTLED = 0x40;
        /// It is settled whether its destination is translated.
        const DEST_SETTLED = 0x80;
    }
}

/// A flow. What packets of UDP need lies in its first two lines of 64 bytes, and in the third what those of TCP
/// need beside that.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct Flow {
    /// The tuple of its packets as they come in before anything is translated.
    pub(crate) original: Tuple,
    pub(crate) expires: Instant,
    pub(crate) mark: u32,
    pub(crate) status: FlowStatus,
    /// That of the packets that answer, as they come in.
    pub(crate) reply: Tuple,
    pub(crate) protocol: Protocol,
    /// Set while it is in the table.
    pub(crate) timer: Option<TimerId>,
}

const _: () = assert!(size_of::<Flow>() == 3 * 64, "no flow takes a fourth line");

/// What is remembered for each protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Tcp(TcpTrack),
    Udp,
    Icmp,
    Other,
}

/// A flow as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowInfo {
    /// The tuple of its packets as they come in.
    pub original: Tuple,
    /// That of the packets that answer, as they come in: what `original` is not the inverse of is
    /// translated.
    pub reply: Tuple,
    /// The state of a connection of TCP.
    pub tcp: Option<TcpState>,
    /// What is known about it.
    pub status: FlowStatus,
    /// Its mark.
    pub mark: u32,
    /// How long it is still remembered without a packet.
    pub expires_in: Duration,
}

impl FlowStatus {
    /// What rules may ask for: the bits that have the same meaning in the kernel.
    pub(crate) const NAMED: Self = Self::SEEN_REPLY
        .union(Self::ASSURED)
        .union(Self::SNAT)
        .union(Self::DNAT);
}

impl Flow {
    /// The flow that a packet begins; `None` if it can begin none.
    pub(crate) fn begin(
        tuple: Tuple,
        segment: Option<&Glance>,
        loose: bool,
        timeouts: &Timeouts,
        now: Instant,
    ) -> Option<Self> {
        if !tuple.may_begin() {
            return None;
        }
        let protocol = match tuple.protocol {
            ip::TCP => Protocol::Tcp(TcpTrack::begin(segment?, loose)?),
            ip::UDP => Protocol::Udp,
            ip::ICMP | ip::ICMPV6 => Protocol::Icmp,
            _ => Protocol::Other,
        };
        let mut flow = Self {
            original: tuple,
            reply: tuple.inverse(),
            expires: now,
            mark: 0,
            status: FlowStatus::empty(),
            protocol,
            timer: None,
        };
        flow.expires = now + flow.timeout(timeouts);
        Some(flow)
    }

    /// Follows a packet.
    #[inline]
    pub(crate) fn follow(
        &mut self,
        direction: Direction,
        segment: Option<&Glance>,
        timeouts: &Timeouts,
        now: Instant,
    ) -> Fit {
        if let Protocol::Tcp(track) = &mut self.protocol {
            let Some(segment) = segment else {
                return Fit::Invalid;
            };
            let fit = track.follow(direction, segment);
            if fit != Fit::Fits {
                return fit;
            }
        }
        match direction {
            Direction::Reply => self.status |= FlowStatus::SEEN_REPLY,
            Direction::Original if self.is_settled() => self.status |= FlowStatus::ASSURED,
            Direction::Original => {}
        }
        self.expires = now + self.timeout(timeouts);
        Fit::Fits
    }

    /// Reads something of each line that a packet of this protocol needs.
    #[inline]
    pub(crate) fn touch(&self, protocol: u8) -> u64 {
        let windows = match &self.protocol {
            // The packet's own protocol is known without a look at the flow.
            Protocol::Tcp(track) if protocol == ip::TCP => track.touch(),
            _ => 0,
        };
        self.expires.as_nanos() ^ u64::from(self.reply.dest_port) ^ windows
    }

    /// Whether its packets are changed.
    pub(crate) const fn is_translated(&self) -> bool {
        self.status
            .intersects(FlowStatus::SNAT.union(FlowStatus::DNAT))
    }

    /// Whether it may go for a new one.
    pub(crate) const fn may_go(&self) -> bool {
        let is_over = match &self.protocol {
            Protocol::Tcp(track) => track.state.is_over(),
            _ => false,
        };
        is_over || !self.status.contains(FlowStatus::ASSURED)
    }

    /// The tuple of the packets of a direction.
    pub(crate) const fn tuple(&self, direction: Direction) -> &Tuple {
        match direction {
            Direction::Original => &self.original,
            Direction::Reply => &self.reply,
        }
    }

    pub(crate) fn info(&self, now: Instant) -> FlowInfo {
        FlowInfo {
            original: self.original,
            reply: self.reply,
            tcp: match &self.protocol {
                Protocol::Tcp(track) => Some(track.state),
                _ => None,
            },
            status: self.status - FlowStatus::SOURCE_SETTLED - FlowStatus::DEST_SETTLED,
            mark: self.mark,
            expires_in: self.expires.saturating_since(now),
        }
    }

    /// Whether one more packet from where it began makes it assured: never where nobody answers, or
    /// strangers could fill the table for days.
    const fn is_settled(&self) -> bool {
        let stands = match &self.protocol {
            Protocol::Tcp(track) => matches!(track.state, TcpState::Established),
            _ => true,
        };
        stands && self.status.contains(FlowStatus::SEEN_REPLY)
    }

    const fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match &self.protocol {
            Protocol::Tcp(track) => match track.state {
                TcpState::Established if self.status.contains(FlowStatus::SEEN_REPLY) => {
                    timeouts.tcp_established
                }
                TcpState::TimeWait => timeouts.tcp_time_wait,
                TcpState::Close => timeouts.tcp_close,
                _ => timeouts.tcp_transitory,
            },
            Protocol::Udp if self.status.contains(FlowStatus::SEEN_REPLY) => timeouts.udp_stream,
            Protocol::Udp => timeouts.udp,
            Protocol::Icmp => timeouts.icmp,
            Protocol::Other => timeouts.other,
        }
    }
}
