//! An Ethernet switch in memory: any number of stacks on one link.

use super::{Device, Overruns, register};
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

    fn overruns(&self) -> Overruns {
        let state = self.shared.state();
        let port = state.ports.get(self.index).and_then(Option::as_ref);
        port.map_or(0, |port| port.overruns).into()
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
        let mut last = None;
        for packet in batch.packets() {
            state.switch(self.index, packet, &mut last, now, &mut wakes);
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
    /// Frames that there was no room for.
    overruns: u64,
    reader: Option<Waker>,
}

/// Where a station was seen.
#[derive(Debug, Clone, Copy)]
struct Station {
    port: usize,
    at: Instant,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// To one port.
    To(usize),
    /// Its station is behind the port that it came from.
    Back,
    /// To every other port.
    Everywhere,
}

impl State {
    /// Sends a frame from a port on its way. One between the same stations as the `last`, which came from
    /// this port just now, goes where that went: there is nothing to learn from it.
    fn switch(
        &mut self,
        from: usize,
        packet: &TxPacket,
        last: &mut Option<(EthernetHeader, Way)>,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        let Ok(header) = EthernetHeader::parse(&packet.head) else {
            self.counters.malformed += 1;
            return;
        };
        let ends = (header.source, header.dest);
        let way = match *last {
            Some((before, way)) if (before.source, before.dest) == ends => way,
            _ => {
                self.learn(header.source, from, now);
                self.way(header.dest, from, now)
            }
        };
        *last = Some((header, way));
        match way {
            Way::Back => self.counters.filtered += 1,
            Way::To(port) => {
                self.counters.forwarded += 1;
                self.deliver(port, packet, wakes);
            }
            Way::Everywhere => {
                self.counters.flooded += 1;
                for port in (0..self.ports.len()).filter(|&port| port != from) {
                    self.deliver(port, packet, wakes);
                }
            }
        }
    }

    /// Where frames for a station go.
    fn way(&self, dest: MacAddr, from: usize, now: Instant) -> Way {
        let station = self.stations.get(&dest);
        let known = station.filter(|station| now.saturating_since(station.at) < AGING_TIME);
        match known.map(|station| station.port) {
            Some(port) if port == from => Way::Back,
            Some(port) => Way::To(port),
            None => Way::Everywhere,
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
            port.overruns += 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use net_core::wire::EtherType;

    /// SPEC 95.
    #[test]
    fn a_port_that_is_not_looked_after_loses_frames_and_counts_them() {
        let switch = Switch::new();
        let (mut here, there, elsewhere) = (switch.port(), switch.port(), switch.port());
        let mut cx = Context::from_waker(Waker::noop());
        let count = ROOM / 60_000 + 1;
        for _ in 0..count {
            let mut batch = TxBatch::default();
            let header = EthernetHeader {
                dest: MacAddr::BROADCAST,
                source: here.mac,
                ethertype: EtherType::NONE,
            };
            let packet = batch.slot();
            header.emit(&mut packet.head);
            packet.body.push(bytes::Bytes::from_static(&[0; 60_000]));
            let sent = here.poll_send(&mut cx, &mut batch, Instant::ZERO);
            assert!(matches!(sent, Poll::Ready(Ok(()))), "nobody waits");
        }
        let lost = there.overruns().count().expect("it counts");
        assert!((1..4).contains(&lost), "{lost} of {count}");
        assert_eq!(elsewhere.overruns().count(), Some(lost));
        assert_eq!(here.overruns().count(), Some(0));
        assert_eq!(switch.counters().queue_full, 2 * lost);
    }

    #[test]
    fn what_one_frame_of_a_batch_teaches_holds_for_the_next() {
        let [a, b] = [1, 2].map(|last| MacAddr::new([2, 0, 0, 0, 0, last]));
        let switch = Switch::new();
        let (mut here, mut there) = (switch.port(), switch.port());
        let send = |port: &mut SwitchPort, ends: &[(MacAddr, MacAddr)]| {
            let mut batch = TxBatch::default();
            for &(source, dest) in ends {
                let ethertype = EtherType::NONE;
                let header = EthernetHeader {
                    dest,
                    source,
                    ethertype,
                };
                header.emit(&mut batch.slot().head);
            }
            let mut cx = Context::from_waker(Waker::noop());
            let sent = port.poll_send(&mut cx, &mut batch, Instant::ZERO);
            assert!(matches!(sent, Poll::Ready(Ok(()))));
            let SwitchCounters {
                forwarded,
                flooded,
                filtered,
                ..
            } = switch.counters();
            (forwarded, flooded, filtered)
        };
        assert_eq!(send(&mut there, &[(b, a), (b, a)]), (0, 2, 0));
        assert_eq!(send(&mut here, &[(a, b), (a, b)]), (2, 2, 0));
        // The second station has moved to the first's port in between.
        assert_eq!(send(&mut here, &[(a, b), (b, a), (a, b)]), (3, 2, 2));
    }
}
