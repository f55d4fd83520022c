//! Several VLANs over one Ethernet (IEEE 802.1Q): a device for each.

use super::{Device, Overruns, register};
use crate::clock::Clock;
use bytes::Buf as _;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::time::Instant;
use net_core::wire::vlan::{TAG_LEN, VlanId, VlanTag};
use net_core::wire::{EtherType, EthernetHeader, MacAddr, ethernet};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// An Ethernet whose frames belong to several VLANs. A handle, cheap to clone; the device below lives
/// as long as a handle or a port.
///
/// Each [port](Self::vlan) is a device of its own, with the address of the station below: it sends
/// with its tag and gets what has it, the tag taken off. The ports may be interfaces of one stack or of
/// several.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::wire::vlan::VlanId;
/// use net_tokio::device::{Switch, Trunk};
/// use net_tokio::{Net, PingSocket};
/// let switch = Switch::new();
/// let ten = VlanId::new(10).expect("a number of a VLAN");
/// let host = |address: &str| {
///     let trunk = Trunk::new(switch.port())?;
///     Net::builder().device("eth0.10", trunk.vlan(ten)?).address(address).build()
/// };
/// let (one, _two) = (host("10.7.0.1/24")?, host("10.7.0.2/24")?);
/// let ping = PingSocket::new_v4_on(&one)?;
/// ping.request([10, 7, 0, 2].into(), 1, b"over vlan 10").await?;
/// assert_eq!(ping.reply().await?.data, "over vlan 10");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Trunk {
    shared: Arc<Shared>,
}

impl Trunk {
    /// A trunk over a device of Ethernet frames.
    ///
    /// # Errors
    /// `InvalidInput` for a device of IP packets.
    pub fn new(device: impl Device) -> io::Result<Self> {
        let mac = device.mac().ok_or_else(|| {
            let text = "only Ethernet has VLANs: the device carries IP packets";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                mac,
                mtu: device.mtu(),
                one_piece: device.caps().one_piece,
                caps: DeviceCaps {
                    // Whether a device cuts behind a tag is not known.
                    tso: false,
                    uso: false,
                    // The tag goes into the head.
                    one_piece: false,
                    ..device.caps()
                },
                inline: device.inline(),
                bell: Arc::default(),
                state: Mutex::new(State {
                    device: Box::new(device),
                    ports: Vec::new(),
                    rx: RxBatch::default(),
                    counters: TrunkCounters::default(),
                }),
            }),
        })
    }

    /// The device for the frames of one VLAN.
    ///
    /// # Errors
    /// `AddrInUse` where there is one already.
    pub fn vlan(&self, id: VlanId) -> io::Result<TrunkPort> {
        self.port(Some(id))
    }

    /// The device for the frames that belong to no VLAN: without a tag, or with one that has a priority
    /// alone.
    ///
    /// # Errors
    /// `AddrInUse` where there is one already.
    pub fn untagged(&self) -> io::Result<TrunkPort> {
        self.port(None)
    }

    /// What became of frames that no port has got.
    #[must_use]
    pub fn counters(&self) -> TrunkCounters {
        self.shared.state().counters
    }

    fn port(&self, id: Option<VlanId>) -> io::Result<TrunkPort> {
        let mut state = self.shared.state();
        if state.port(id).is_some() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.ports.push(Port {
            id,
            queue: VecDeque::new(),
            held: 0,
            overruns: 0,
            alarm: None,
        });
        Ok(TrunkPort {
            id,
            shared: self.shared.clone(),
        })
    }
}

/// Counters of a [`Trunk`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrunkCounters {
    /// Frames of a VLAN that has no port.
    pub unknown: u64,
    /// Frames without a whole header, or with the reserved number.
    pub malformed: u64,
    /// Frames for a port that had not fetched those before.
    pub overruns: u64,
}

/// The device of one VLAN of a [`Trunk`].
pub struct TrunkPort {
    id: Option<VlanId>,
    shared: Arc<Shared>,
}

impl Device for TrunkPort {
    fn caps(&self) -> DeviceCaps {
        self.shared.caps
    }

    fn mtu(&self) -> u16 {
        self.shared.mtu
    }

    fn mac(&self) -> Option<MacAddr> {
        Some(self.shared.mac)
    }

    fn attach(&mut self, clock: Clock) {
        self.shared.state().device.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        self.shared.bell.register(self.id, cx);
        let bell = Waker::from(self.shared.bell.clone());
        let mut below = Context::from_waker(&bell);
        let mut others = Vec::new();
        let mut state = self.shared.state();
        if let Some(port) = state.port(self.id) {
            // Its driver is awake, and will say again when to wake it.
            port.alarm = None;
        }
        let mut result = Poll::Ready(Ok(0));
        for _ in 0..MAX_TURNS {
            if state.waiting(self.id) {
                break;
            }
            result = state.fetch(&mut below, budget, &mut others);
            if !matches!(result, Poll::Ready(Ok(_))) {
                break;
            }
        }
        let count = state.take(self.id, batch, budget);
        drop(state);
        self.shared
            .bell
            .ring(others.iter().filter(|&&id| id != self.id));
        if let Poll::Ready(Err(_)) = result {
            // The end of the device is the end of every port.
            self.shared.bell.wake_by_ref();
        }
        match result {
            _ if count > 0 => Poll::Ready(Ok(count)),
            Poll::Ready(Ok(_)) => {
                // Only others have got something until now.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            result => result,
        }
    }

    /// Those of this VLAN; what the device below has lost belongs to nobody yet.
    fn overruns(&self) -> Overruns {
        let mut state = self.shared.state();
        state.port(self.id).map_or(0, |port| port.overruns).into()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        if let Some(id) = self.id {
            for packet in batch.packets_mut() {
                // What the device gave back has its tag.
                if usize::from(packet.meta.link_len) == ethernet::HEADER_LEN {
                    add_tag(packet, VlanTag::new(id));
                }
            }
        }
        if self.shared.one_piece {
            for packet in batch.packets_mut() {
                packet.put_together();
            }
        }
        self.shared.bell.register(self.id, cx);
        let bell = Waker::from(self.shared.bell.clone());
        let mut below = Context::from_waker(&bell);
        self.shared.state().device.poll_send(&mut below, batch, now)
    }

    fn inline(&self) -> bool {
        self.shared.inline
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.shared.state().device.poll_timeout()
    }

    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        self.shared.bell.register(self.id, cx);
        let bell = Waker::from(self.shared.bell.clone());
        let mut below = Context::from_waker(&bell);
        let mut state = self.shared.state();
        if let Some(port) = state.port(self.id) {
            port.alarm = Some(at);
        }
        // The device below keeps one time alone, and whoever is woken too early says his again.
        let first = state.ports.iter().filter_map(|port| port.alarm).min();
        state.device.wake_at(&mut below, first.unwrap_or(at))
    }
}

impl Drop for TrunkPort {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let at = state.ports.iter().position(|port| port.id == self.id);
        let gone = at.map(|at| state.ports.swap_remove(at));
        drop(state);
        drop(gone);
        self.shared.bell.forget(self.id);
        // The device may have told this port alone that it has something.
        self.shared.bell.wake_by_ref();
    }
}

impl fmt::Debug for TrunkPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrunkPort")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What ports and handles share.
struct Shared {
    mac: MacAddr,
    mtu: u16,
    caps: DeviceCaps,
    inline: bool,
    /// The device takes frames in one piece only.
    one_piece: bool,
    bell: Arc<Bell>,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("mac", &self.mac)
            .finish_non_exhaustive()
    }
}

struct State {
    device: Box<dyn Device>,
    ports: Vec<Port>,
    /// Empty between calls.
    rx: RxBatch,
    counters: TrunkCounters,
}

/// The frames that wait for one VLAN's stack.
struct Port {
    id: Option<VlanId>,
    queue: VecDeque<RxPacket>,
    /// Bytes in the queue, with an overhead for each frame.
    held: usize,
    /// Frames that there was no room for.
    overruns: u64,
    /// When its driver wants to be woken.
    alarm: Option<Instant>,
}

impl State {
    fn port(&mut self, id: Option<VlanId>) -> Option<&mut Port> {
        self.ports.iter_mut().find(|port| port.id == id)
    }

    fn waiting(&mut self, id: Option<VlanId>) -> bool {
        self.port(id).is_some_and(|port| !port.queue.is_empty())
    }

    /// Receives from the device, and sorts what it gets; `news` are the VLANs that got something.
    fn fetch(
        &mut self,
        cx: &mut Context<'_>,
        budget: usize,
        news: &mut Vec<Option<VlanId>>,
    ) -> Poll<io::Result<usize>> {
        let result = self.device.poll_recv(cx, &mut self.rx, budget);
        let mut rx = std::mem::take(&mut self.rx);
        for mut frame in rx.drain() {
            match take_tag(&mut frame) {
                Ok(id) => self.sort(id, frame, news),
                Err(Malformed) => self.counters.malformed += 1,
            }
        }
        self.rx = rx;
        result
    }

    fn sort(&mut self, id: Option<VlanId>, frame: RxPacket, news: &mut Vec<Option<VlanId>>) {
        let cost = cost_of(&frame);
        match self.port(id) {
            Some(port) if port.held + cost <= ROOM => {
                port.held += cost;
                port.queue.push_back(frame);
                if !news.contains(&id) {
                    news.push(id);
                }
            }
            Some(port) => {
                port.overruns += 1;
                self.counters.overruns += 1;
            }
            None => self.counters.unknown += 1,
        }
    }

    /// Moves up to `budget` frames of a VLAN into `batch`; how many.
    fn take(&mut self, id: Option<VlanId>, batch: &mut RxBatch, budget: usize) -> usize {
        let Some(port) = self.port(id) else {
            return 0;
        };
        let count = budget.min(port.queue.len());
        for frame in port.queue.drain(..count) {
            port.held -= cost_of(&frame);
            batch.push(frame);
        }
        count
    }
}

/// Wakes the drivers of all ports when the device below has something.
#[derive(Debug, Default)]
struct Bell {
    wakers: Mutex<Vec<(Option<VlanId>, Option<Waker>)>>,
}

/// Bytes of memory that a frame which waits keeps alive.
fn cost_of(frame: &RxPacket) -> usize {
    frame.len().max(frame.meta.pins as usize) + OVERHEAD
}

impl Bell {
    fn register(&self, id: Option<VlanId>, cx: &Context<'_>) {
        let mut wakers = self.wakers();
        match wakers.iter_mut().find(|(own, _)| *own == id) {
            Some((_, waker)) => register(waker, cx),
            None => wakers.push((id, Some(cx.waker().clone()))),
        }
    }

    fn forget(&self, id: Option<VlanId>) {
        let mut wakers = self.wakers();
        let at = wakers.iter().position(|(own, _)| *own == id);
        let gone = at.map(|at| wakers.swap_remove(at));
        drop(wakers);
        drop(gone);
    }

    /// Wakes the drivers of these VLANs.
    fn ring<'a>(&self, ids: impl Iterator<Item = &'a Option<VlanId>>) {
        for id in ids {
            let wakers = self.wakers();
            let found = wakers.iter().find(|(own, _)| own == id);
            let waker = found.and_then(|(_, waker)| waker.clone());
            drop(wakers);
            super::wake(waker);
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<(Option<VlanId>, Option<Waker>)>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers: Vec<_> = self
            .wakers()
            .iter()
            .map(|(_, waker)| waker.clone())
            .collect();
        wakers.into_iter().for_each(super::wake);
    }
}

/// A frame that cannot be one.
#[derive(Debug)]
struct Malformed;

/// Takes the tag off a frame that has one; the VLAN that it belongs to.
fn take_tag(frame: &mut RxPacket) -> Result<Option<VlanId>, Malformed> {
    let header = EthernetHeader::parse(&frame.frame).map_err(|_| Malformed)?;
    if header.ethertype != EtherType::VLAN {
        return Ok(None);
    }
    let behind = frame.frame.get(ethernet::HEADER_LEN..).ok_or(Malformed)?;
    let (tag, _) = VlanTag::parse(behind).map_err(|_| Malformed)?;
    frame.frame.copy_within(..ADDRESSES, TAG_LEN);
    frame.frame.advance(TAG_LEN);
    Ok(tag.id)
}

/// Puts a tag behind the addresses of a frame.
fn add_tag(packet: &mut TxPacket, tag: VlanTag) {
    packet.head.prepend(TAG_LEN);
    let head = &mut *packet.head;
    head.copy_within(TAG_LEN..TAG_LEN + ADDRESSES, 0);
    let [a, b] = EtherType::VLAN.0.to_be_bytes();
    let [c, d] = tag.to_control().to_be_bytes();
    head[ADDRESSES..ADDRESSES + TAG_LEN].copy_from_slice(&[a, b, c, d]);
    packet.meta.link_len += TAG_BYTES;
    packet.meta.header_len += u16::from(TAG_BYTES);
}

/// Bytes of both addresses at the front of a frame.
const ADDRESSES: usize = 12;
/// Bytes of a tag, as `link_len` counts them.
const TAG_BYTES: u8 = 4;
/// Bytes that may wait for one VLAN.
const ROOM: usize = 4 << 20;
/// Bytes that a frame counts beside its own.
const OVERHEAD: usize = 256;
/// How often a port asks the device below while that has only frames of others.
const MAX_TURNS: u32 = 8;
