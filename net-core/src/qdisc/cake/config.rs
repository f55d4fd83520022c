//! How a [`Cake`](super::Cake) shapes and shares.

use super::super::Rate;
use super::super::units::{Size, Time};
use crate::time::Duration;
use core::fmt;
use core::ops::RangeInclusive;

/// The parameters of a [`Cake`](super::Cake).
///
/// They are read and written as by `tc qdisc … cake`:
///
/// ```
/// use net_core::qdisc::{CakeConfig, CakeTins, Rate};
/// let config: CakeConfig = "bandwidth 20mbit diffserv4 rtt 50ms overhead 18 mpu 64".parse()?;
/// assert_eq!(config.bandwidth, Some(Rate::from_bits(20_000_000)));
/// assert_eq!(config.tins, CakeTins::Diffserv4);
/// # Ok::<(), net_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CakeConfig {
    /// The rate that is shaped to, counted in bytes with their overhead; at least 64 bytes a second.
    /// Without one (the default), or with 0, packets leave as fast as the device takes them.
    pub bandwidth: Option<Rate>,
    /// Which classes of traffic are kept apart. [`Diffserv3`](CakeTins::Diffserv3).
    pub tins: CakeTins,
    /// Between whom the link is shared. [`TripleIsolate`](CakeIsolation::TripleIsolate).
    pub isolation: CakeIsolation,
    /// Clear the codepoint of packets once it has been looked at. Off.
    pub wash: bool,
    /// Which acknowledgements are dropped because later ones say the same.
    /// [`Off`](CakeAckFilter::Off).
    pub ack_filter: CakeAckFilter,
    /// Cut super-segments before they come in. On.
    pub split_gso: bool,
    /// The round trip that most flows have, to which the queues' limits are fitted, at most 2⁶⁴ ns.
    /// 100 ms; one that is twice or half as long does as well.
    pub rtt: Duration,
    /// Bytes that each packet takes up beyond those of IP (−64–256); `None` counts packets as they are
    /// on the device (`raw`, the default).
    pub overhead: Option<i16>,
    /// The least that a packet takes up, with its overhead (0–256). 0.
    pub mpu: u16,
    /// Into what the link cuts packets. [`Plain`](CakeFraming::Plain).
    pub framing: CakeFraming,
    /// Bytes of memory for the packets of all flows; one packet may always wait. `None` (the default) or 0
    /// is what four round trips at the bandwidth take, at least 4 MiB; 15 MB where there is no bandwidth.
    ///
    /// A packet counts with its bytes on the wire and those of its descriptor. The buffers that hold it
    /// can be larger: a small forwarded packet keeps the whole receive buffer that it came in, up to 2 KiB,
    /// and a segment cut from a super-segment keeps all of it.
    pub memory_limit: Option<u64>,
}

impl Default for CakeConfig {
    fn default() -> Self {
        Self {
            bandwidth: None,
            tins: CakeTins::default(),
            isolation: CakeIsolation::default(),
            wash: false,
            ack_filter: CakeAckFilter::default(),
            split_gso: true,
            rtt: Duration::from_millis(100),
            overhead: None,
            mpu: 0,
            framing: CakeFraming::default(),
            memory_limit: None,
        }
    }
}

impl CakeConfig {
    /// The same with what is outside of its range at the nearest end of it, and without what is 0 to say
    /// that there is none.
    pub(super) fn within_ranges(self) -> Self {
        Self {
            bandwidth: self.bandwidth.filter(|rate| rate.bytes() > 0),
            rtt: self.rtt.min(MAX_RTT),
            overhead: self
                .overhead
                .map(|more| more.clamp(*OVERHEAD.start(), *OVERHEAD.end())),
            mpu: self.mpu.min(MAX_MPU),
            memory_limit: self.memory_limit.filter(|&limit| limit > 0),
            ..self
        }
    }

    /// The wait that a standing queue may cost.
    pub(super) fn target(&self) -> Duration {
        (self.rtt / 20).max(Duration::from_micros(1))
    }

    /// Bytes that all packets may take up in memory.
    pub(super) fn memory_limit(&self) -> u64 {
        let four_trips = |rate: Rate| {
            let bytes = u128::from(rate.bytes()) * self.rtt.as_micros() * 4 / 1_000_000;
            u64::try_from(bytes).unwrap_or(u64::MAX).max(LEAST_MEMORY)
        };
        let fitted = || self.bandwidth.map_or(MOST_MEMORY, four_trips);
        self.memory_limit
            .unwrap_or_else(|| fitted().min(MOST_MEMORY))
    }
}

/// As `tc qdisc show` does.
impl fmt::Display for CakeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bandwidth,
            tins,
            isolation,
            wash,
            ack_filter,
            split_gso,
            rtt,
            overhead,
            mpu,
            framing,
            memory_limit,
        } = *self;
        match bandwidth {
            Some(rate) => write!(f, "bandwidth {rate} ")?,
            None => f.write_str("bandwidth unlimited ")?,
        }
        write!(f, "{} {} nonat ", tins.name(), isolation.name())?;
        f.write_str(if wash { "wash " } else { "nowash " })?;
        f.write_str(match ack_filter {
            CakeAckFilter::Off => "no-ack-filter ",
            CakeAckFilter::On => "ack-filter ",
            CakeAckFilter::Aggressive => "ack-filter-aggressive ",
        })?;
        f.write_str(if split_gso { "" } else { "no-" })?;
        write!(f, "split-gso rtt {} ", Time(rtt))?;
        f.write_str(match (framing, overhead) {
            (CakeFraming::Atm, None) => "raw atm ",
            (CakeFraming::Ptm, None) => "raw ptm ",
            (CakeFraming::Plain, None) => "raw ",
            (CakeFraming::Atm, Some(_)) => "atm ",
            (CakeFraming::Ptm, Some(_)) => "ptm ",
            (CakeFraming::Plain, Some(_)) => "noatm ",
        })?;
        write!(f, "overhead {}", overhead.unwrap_or(0))?;
        if mpu > 0 {
            write!(f, " mpu {mpu}")?;
        }
        memory_limit.map_or(Ok(()), |limit| write!(f, " memlimit {}", Size(limit)))
    }
}

/// The classes of traffic that a [`Cake`](super::Cake) keeps apart, by the codepoints of packets (RFC
/// 2474, RFC 4594). A class goes ahead of those before it in its list until it has had its share of the bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CakeTins {
    /// All packets are equal.
    BestEffort,
    /// Eight, by the old precedence (RFC 791 §3.1); each has 7/8 of the one before it.
    Precedence,
    /// Best effort, bulk (1/16), voice (1/4).
    #[default]
    Diffserv3,
    /// Best effort, bulk (1/16), video (1/2), voice (1/4).
    Diffserv4,
    /// Eight, from lower effort to network control; each has 7/8 of the one before it.
    Diffserv8,
}

/// Between whom a [`Cake`](super::Cake) shares the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CakeIsolation {
    /// One queue.
    FlowBlind,
    /// Hosts that send.
    SourceHost,
    /// Hosts that are sent to.
    DestHost,
    /// Pairs of hosts.
    Hosts,
    /// Flows: addresses, ports and protocol.
    Flows,
    /// Hosts that send, and between the flows of each.
    DualSourceHost,
    /// Hosts that are sent to, and between the flows of each.
    DualDestHost,
    /// Hosts of either side, and between the flows of each.
    #[default]
    TripleIsolate,
}

/// Which acknowledgements of TCP a [`Cake`](super::Cake) drops while later ones of the same connection wait
/// behind them: on a link that is much narrower than the way back, they take up much of it.
/// Looked at are the first 64 packets of a queue: behind more data than that nothing is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CakeAckFilter {
    /// None.
    #[default]
    Off,
    /// The first of two that are superfluous, so that one of them always stays.
    On,
    /// Also one that is alone.
    Aggressive,
}

/// What the link makes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CakeFraming {
    /// They stay as they are.
    #[default]
    Plain,
    /// Cells of 53 bytes with 48 bytes each, the last of them padded.
    Atm,
    /// 65 bytes for each 64.
    Ptm,
}

/// What each packet may take up beyond its bytes.
pub(super) const OVERHEAD: RangeInclusive<i16> = -64..=256;
/// The largest [`CakeConfig::mpu`].
pub(super) const MAX_MPU: u16 = 256;
/// What the text form can say.
const MAX_RTT: Duration = Duration::from_nanos(u64::MAX);
/// The least that is waited in where a bandwidth says how much.
const LEAST_MEMORY: u64 = 4 << 20;
/// The bytes on the wire of 10,240 packets of an Ethernet.
const MOST_MEMORY: u64 = 10_240 * 1514;
