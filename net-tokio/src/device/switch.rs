//! An Ethernet switch in memory: any number of stacks on one link.

use super::{Device, register};
use crate::clock::Clock;
use net_core::DeviceCaps;
use net_core::buf::crossing::{FRAME, shared};
use net_core::buf::{Pool, RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::time::{Duration, Instant};
use net_core::wire::{EthernetHeader, MacAddr};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A switch that learns which station is behind which port, and floods what it does not know
/// (IEEE 802.1D §7). A handle, cheap to clone; the switch lives as long as a handle or a port.
///
/// Frames cross it as they are: a super-segment stays whole, and a checksum that nobody has computed
/// is not computed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::device::Switch;
/// use net_tokio::{Net, UdpSocket};
/// let switch = Switch::new();
/// let host = |address: &str| Net::builder().device("eth0", switch.port()).address(address).build();
/// let (one, two) = (host("10.7.0.1/24")?, host("10.7.0.2/24")?);
/// let listener = UdpSocket::bind_on(&two, "10.7.0.2:53").await?;
/// let socket = UdpSocket::bind_on(&one, "10.7.0.1:0").await?;
/// socket.send_to(b"hello", "10.7.0.2:53").await?;
/// let mut word = [0; 5];
/// listener.recv_from(&mut word).await?;
/// assert_eq!(&word, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Switch {
    shared: Arc<Shared>,
}

impl Switch {
    /// A switch for IP packets of up to 1,500 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_mtu(1500)
    }

    /// A switch for IP packets of up to `mtu` bytes.
    #[must_use]
    pub fn with_mtu(mtu: u16) -> Self {
        Self {
            shared: Arc::new(Shared {
                mtu,
                clock: Clock::new(),
                state: Mutex::new(State {
                    ports: Vec::new(),
                    stations: HashMap::new(),
                    purged: Instant::ZERO,
                    frames: Pool::new(FRAME, 2048),
                    counters: SwitchCounters::default(),
                }),
            }),
        }
    }

    /// A new port, for a station with an address that no other port's has: 02:00:00:00:00:00 and
    /// up.
    #[must_use]
    pub fn port(&self) -> SwitchPort {
        let number = self.shared.state().ports.len() as u64;
        let [.., a, b, c, d, e] = number.to_be_bytes();
        self.port_for(MacAddr::new([2, a, b, c, d, e]))
    }

    /// A new port, for a station with this address.
    #[must_use]
    pub fn port_for(&self, mac: MacAddr) -> SwitchPort {
        let mut state = self.shared.state();
        state.ports.push(Some(Port::default()));
        SwitchPort {
            index: state.ports.len() - 1,
            mac,
            clock: self.shared.clock,
            shared: self.shared.clone(),
        }
    }

    /// What the switch has done so far.
    #[must_use]
    pub fn counters(&self) -> SwitchCounters {
        self.shared.state().counters
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

/// Counters of a [`Switch`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwitchCounters {
    /// Frames that went to the one port of their station.
    pub forwarded: u64,
    /// Frames that went to every port: to a group, or to a station that is not known.
    pub flooded: u64,
    /// Frames for a station behind the port that they came from.
    pub filtered: u64,
    /// Dropped: a port had no room; once for each port.
    pub queue_full: u64,
    /// Dropped: no Ethernet header.
    pub malformed: u64,
}

/// A port of a [`Switch`], and the station at it.
#[derive(Debug)]
pub struct SwitchPort {
    index: usize,
    mac: MacAddr,
    clock: Clock,
    shared: Arc<Shared>,
}

impl Device for SwitchPort {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            tx_checksum: true,
            tso: true,
            uso: true,
            software_gro: true,
            one_piece: false,
        }
    }

    fn mtu(&self) -> u16 {
        self.shared.mtu
    }

    fn mac(&self) -> Option<MacAddr> {
        Some(self.mac)
    }

    fn attach(&mut self, clock: Clock) {
        self.clock = clock;
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.shared.state();
        let Some(port) = state.ports.get_mut(self.index).and_then(Option::as_mut) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let count = budget.min(port.queue.len());
        for packet in port.queue.drain(..count) {
            port.held -= packet.len() + OVERHEAD;
            batch.push(packet);
        }
        if count == 0 {
            register(&mut port.reader, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let now = self.shared.clock.instant(self.clock.deadline(now));
        let mut wakes = Vec::new();
        let mut state = self.shared.state();
        for packet in batch.packets() {
            state.switch(self.index, packet, now, &mut wakes);
        }
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
        batch.clear();
        Poll::Ready(Ok(()))
    }

    fn inline(&self) -> bool {
        true
    }
}

impl Drop for SwitchPort {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let gone = state.ports.get_mut(self.index).and_then(Option::take);
        state
            .stations
            .retain(|_, station| station.port != self.index);
        drop(state);
        drop(gone);
    }
}

/// What ports and handles share.
#[derive(Debug)]
struct Shared {
    mtu: u16,
    clock: Clock,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    /// By number; `None` where one is gone.
    ports: Vec<Option<Port>>,
    stations: HashMap<MacAddr, Station>,
    /// When the stations were last looked through for old ones.
    purged: Instant,
    frames: Pool,
    counters: SwitchCounters,
}

#[derive(Debug, Default)]
struct Port {
    queue: VecDeque<RxPacket>,
    /// Bytes in the queue, with an overhead for each packet.
    held: usize,
    reader: Option<Waker>,
}

/// Where a station was seen.
#[derive(Debug, Clone, Copy)]
struct Station {
    port: usize,
    at: Instant,
}

impl State {
    /// Sends a frame from a port on its way.
    fn switch(&mut self, from: usize, packet: &TxPacket, now: Instant, wakes: &mut Vec<Waker>) {
        let Ok(header) = EthernetHeader::parse(&packet.head) else {
            self.counters.malformed += 1;
            return;
        };
        self.learn(header.source, from, now);
        let station = self.stations.get(&header.dest);
        let known = station.filter(|station| now.saturating_since(station.at) < AGING_TIME);
        match known.map(|station| station.port) {
            Some(port) if port == from => self.counters.filtered += 1,
            Some(port) => {
                self.counters.forwarded += 1;
                self.deliver(port, packet, wakes);
            }
            None => {
                self.counters.flooded += 1;
                for port in (0..self.ports.len()).filter(|&port| port != from) {
                    self.deliver(port, packet, wakes);
                }
            }
        }
    }

    fn learn(&mut self, source: MacAddr, port: usize, now: Instant) {
        if !source.is_unicast() {
            return;
        }
        let full = self.stations.len() >= MAX_STATIONS;
        if full && now.saturating_since(self.purged) >= PURGE_INTERVAL {
            self.purged = now;
            self.stations
                .retain(|_, station| now.saturating_since(station.at) < AGING_TIME);
        }
        let seen = Station { port, at: now };
        if self.stations.len() < MAX_STATIONS || self.stations.contains_key(&source) {
            self.stations.insert(source, seen);
        }
    }

    fn deliver(&mut self, port: usize, packet: &TxPacket, wakes: &mut Vec<Waker>) {
        let Some(port) = self.ports.get_mut(port).and_then(Option::as_mut) else {
            return;
        };
        let cost = packet.len() + OVERHEAD;
        if port.held + cost > ROOM {
            self.counters.queue_full += 1;
            return;
        }
        port.held += cost;
        port.queue.push_back(shared(packet, &mut self.frames));
        wakes.extend(port.reader.take());
    }
}

/// Bytes that may wait at a port.
const ROOM: usize = 16 << 20;
/// Bytes that a packet counts beside its own.
const OVERHEAD: usize = 256;
/// Stations that are remembered; frames to others are flooded.
const MAX_STATIONS: usize = 4096;
/// For how long a station that sends nothing is remembered (IEEE 802.1D §7.9.2).
const AGING_TIME: Duration = Duration::from_secs(300);
/// Old stations are looked for so often at most.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);
