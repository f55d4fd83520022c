//! One round over the stack and its devices.

use super::busy::Traffic;
use super::mail::{ListenerEntry, Mail, PacketEntry, TcpEntry, UdpEntry};
use super::slots::Slots;
use super::warnings::{self, Warning, Warnings};
use crate::device::{Device, Overruns};
use crate::error::Ended;
use crate::net::InterfaceStatus;
use net_core::autoconf::AddressState;
use net_core::buf::{RxBatch, TxBatch};
use net_core::stack::{MAX_TX_BATCH, Transmit};
use net_core::time::Duration;
use net_core::{IfaceId, Instant, SocketError, SocketId, Stack};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What whoever has the run right works on.
pub(crate) struct Core {
    stack: Stack,
    slots: Slots,
    devices: Vec<Port>,
    rx: RxBatch,
    /// Rings the doorbell; what devices register.
    waker: Waker,
    /// Tasks that wait until no address is being checked.
    checks: Vec<Waker>,
    /// The latest time seen: callers read their own clocks, and time must not go back.
    now: Instant,
    /// Set by a shutdown: when to stop waiting for deliveries.
    pub(super) last_call: Option<Instant>,
    warnings: Warnings,
}

/// A device and the interface it serves.
pub(crate) struct BoundDevice {
    pub(crate) name: String,
    pub(crate) iface: IfaceId,
    pub(crate) device: Box<dyn Device>,
    /// It carries what the stack sends to itself.
    pub(crate) loopback: bool,
}

/// A device with what waits for it.
struct Port {
    bound: BoundDevice,
    /// On its way to the device; empty between rounds.
    tx: TxBatch,
    /// Packets that the device is likely to take at once.
    takes: usize,
    /// Why the device is of no more use.
    failure: Option<String>,
    supply: Supply,
}

/// How much is to be expected of a device. To find one dry costs a system call, which is better made
/// when the answer to a lone packet has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// It is read until it is dry.
    Several,
    /// The last time there was one packet.
    One,
    /// That one packet has been read, and whether it is the only one is not known.
    Open,
}

/// What a round leaves behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// There is more to do at once.
    pub(super) more: bool,
    /// When the next round is due though nobody rings.
    pub(super) next: Option<Instant>,
    /// When this round ended, as far as timers are concerned.
    pub(super) now: Instant,
    pub(super) traffic: Traffic,
    /// The stack has nothing left to do, ever.
    pub(super) ended: Option<Ended>,
}

impl Core {
    pub(super) fn new(stack: Stack, devices: Vec<BoundDevice>, waker: Waker, now: Instant) -> Self {
        Self {
            stack,
            slots: Slots::default(),
            devices: devices.into_iter().map(Port::new).collect(),
            rx: RxBatch::with_capacity(BUDGET),
            waker,
            checks: Vec::new(),
            now,
            last_call: None,
            warnings: Warnings::new(),
        }
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    pub(crate) fn stack_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// Makes a slot for a connection that is being opened.
    pub(crate) fn add_tcp(&mut self, id: SocketId) -> Arc<TcpEntry> {
        self.slots.add_tcp(id, false)
    }

    /// Makes a slot for a datagram socket.
    pub(crate) fn add_udp(&mut self, id: SocketId) -> Arc<UdpEntry> {
        let send_buffer = self.stack.config().udp.send_buffer;
        self.slots.add_udp(id, send_buffer)
    }

    /// Makes a slot for a packet socket.
    pub(crate) fn add_packet(&mut self, id: SocketId) -> Arc<PacketEntry> {
        self.slots.add_packet(id)
    }

    /// Makes a slot for a listener.
    pub(crate) fn add_listener(&mut self, id: SocketId) -> Arc<ListenerEntry> {
        self.slots.add_listener(id)
    }

    /// Brings in what an application has just written, the last byte of which is urgent.
    pub(crate) fn push_urgent(&mut self, entry: &TcpEntry) {
        self.slots.push_urgent(entry, &mut self.stack, self.now);
    }

    /// Takes a connection out as bytes, with all that was written and not read.
    pub(crate) fn freeze(
        &mut self,
        entry: &TcpEntry,
        wakes: &mut Vec<Waker>,
    ) -> Result<Vec<u8>, SocketError> {
        self.slots.freeze(entry, &mut self.stack, self.now, wakes)
    }

    /// Takes the slot out of a socket that lives on.
    pub(crate) fn detach_slot(&mut self, id: SocketId) {
        self.slots.detach(id);
    }

    /// Takes a device in.
    pub(super) fn add_device(&mut self, bound: BoundDevice) {
        self.devices.push(Port::new(bound));
    }

    /// Removes an interface and gives its device back.
    pub(crate) fn detach(&mut self, name: &str) -> Option<Box<dyn Device>> {
        let mut ports = self.devices.iter();
        let at = ports.position(|port| port.bound.name == name)?;
        let iface = self.devices.get(at)?.bound.iface;
        if self.stack.cease_advertising(iface, self.now) {
            self.transmit(self.now);
        }
        let port = self.devices.remove(at);
        self.stack.remove_iface(port.bound.iface);
        Some(port.bound.device)
    }

    /// How the interfaces are, and how to ask what they have lost, which is not in it: the host is asked
    /// without the lock.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (InterfaceStatus, Overruns)> + '_ {
        self.devices.iter().map(|port| {
            let mut known = self.stack.ifaces();
            let config = known.find_map(|(id, config)| (id == port.bound.iface).then_some(config));
            let status = InterfaceStatus {
                name: port.bound.name.clone(),
                mac: port.bound.device.mac(),
                mtu: config.map_or_else(|| port.bound.device.mtu(), |config| config.mtu),
                addresses: config
                    .map(|config| config.addresses.clone())
                    .unwrap_or_default(),
                states: self.stack.addresses(port.bound.iface).collect(),
                dns_servers: self.stack.dns_servers(port.bound.iface).collect(),
                dns_search: self
                    .stack
                    .dns_search(port.bound.iface)
                    .map(str::to_owned)
                    .collect(),
                overruns: None,
                failure: port.failure.clone(),
            };
            (status, port.bound.device.overruns())
        })
    }

    /// Whether addresses are being checked; then the task of `cx` is woken when none is any more.
    pub(crate) fn waits_for_checks(&mut self, cx: &Context<'_>) -> bool {
        let checks = self.checks_addresses();
        if checks && !self.checks.iter().any(|task| task.will_wake(cx.waker())) {
            self.checks.push(cx.waker().clone());
        }
        checks
    }

    fn checks_addresses(&self) -> bool {
        let ifaces = self.devices.iter().map(|port| port.bound.iface);
        let mut states = ifaces.flat_map(|iface| self.stack.addresses(iface));
        states.any(|status| status.state == AddressState::Tentative)
    }

    /// The time of the call under way.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Moves time on to `now`, unless it is there already.
    pub(super) fn tick(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Mail in, packets in, timers, packets out, events out. `wakes` collects the tasks to wake when
    /// the lock is released.
    pub(super) fn round(
        &mut self,
        mail: &Mail,
        abandoned: bool,
        clock: impl Fn() -> Instant,
        wakes: &mut Vec<Waker>,
    ) -> Outcome {
        let mut now = self.tick(clock());
        self.slots.reset_left(&mut self.stack, now);
        self.collect(mail, now, wakes);
        let mut more = false;
        if self.devices.iter().any(|port| port.supply == Supply::Open) {
            more |= self.transmit(now);
        }
        more |= self.receive(now, &clock);
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            now = self.tick(clock());
            self.stack.handle_timeout(now);
        }
        more |= self.transmit(now);
        more |= self.slots.deliver(&mut self.stack, now, wakes);
        tell_log(&mut self.stack);
        warnings::tell_inconsistency(&mut self.stack);
        if !self.checks.is_empty() && !self.checks_addresses() {
            wakes.append(&mut self.checks);
        }
        let stats = self.stack.stats();
        self.warnings.look(stats, now).for_each(Warning::say);
        let traffic = Traffic {
            received: stats.rx_packets,
            sent: stats.tx_packets,
        };
        Outcome {
            more,
            next: self.next_wake(),
            now,
            traffic,
            ended: self.is_over(abandoned, now),
        }
    }

    /// Brings in what the applications did.
    pub(super) fn collect(&mut self, mail: &Mail, now: Instant, wakes: &mut Vec<Waker>) {
        self.slots.collect(mail, &mut self.stack, now, wakes);
    }

    /// Stops everything that listens and lets go of every connection; what was written is delivered
    /// until `last_call`.
    pub(super) fn close_all(
        &mut self,
        mail: &Mail,
        last_call: Instant,
        now: Instant,
        wakes: &mut Vec<Waker>,
    ) {
        self.last_call = Some(self.last_call.map_or(last_call, |at| at.min(last_call)));
        self.collect(mail, now, wakes);
        self.slots.close_all(&mut self.stack, now, wakes);
    }

    /// Fails every socket that is still held.
    pub(super) fn fail_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.append(&mut self.checks);
        self.slots.fail_all(wakes);
    }

    /// Tells hosts that this is no router any more, where it was one.
    pub(super) fn cease_advertising(&mut self) {
        let mut was_router = false;
        for port in &self.devices {
            was_router |= self.stack.cease_advertising(port.bound.iface, self.now);
        }
        if was_router {
            self.transmit(self.now);
        }
    }

    /// Takes the devices out, and with them descriptors and registrations.
    pub(super) fn take_devices(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.devices)
    }

    fn is_over(&self, abandoned: bool, now: Instant) -> Option<Ended> {
        let delivered = self.stack.sockets() == 0;
        let late = self.last_call.is_some_and(|at| at <= now);
        if late || delivered && (abandoned || self.last_call.is_some()) {
            return Some(Ended::ShutDown);
        }
        let mut links = self
            .devices
            .iter()
            .filter(|port| !port.bound.loopback)
            .peekable();
        (links.peek().is_some() && links.all(|port| port.failure.is_some()))
            .then_some(Ended::DeviceFailed)
    }

    /// Brings in what the devices have, up to the budget; whether there may be more.
    fn receive(&mut self, now: Instant, clock: impl Fn() -> Instant) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        let mut more = false;
        for port in self
            .devices
            .iter_mut()
            .filter(|port| port.failure.is_none())
        {
            let mut left = BUDGET;
            if port.supply == Supply::One {
                left = 1;
            }
            while left > 0 {
                match port
                    .bound
                    .device
                    .poll_recv(&mut cx, &mut self.rx, left.min(SLICE))
                {
                    Poll::Ready(Ok(count)) => left = left.saturating_sub(count.max(1)),
                    Poll::Ready(Err(error)) => {
                        port.fail(&error, &mut self.stack);
                        break;
                    }
                    Poll::Pending => break,
                }
                if left == 0 || clock().saturating_since(now) > TIME_BUDGET {
                    more = true;
                    break;
                }
            }
            port.learn(self.rx.len());
            if !self.rx.is_empty() {
                self.stack.handle_batch(port.bound.iface, &mut self.rx, now);
                self.rx.clear();
            }
        }
        more
    }

    /// Hands out what the stack wants to send, until it is idle or the devices are full; whether
    /// there may be more at once. What a device has no room for goes back to the head of its queue.
    fn transmit(&mut self, now: Instant) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        let mut more = false;
        for port in self
            .devices
            .iter_mut()
            .filter(|port| port.failure.is_none())
        {
            let iface = port.bound.iface;
            for turn in 0.. {
                let (takes, tx) = (port.takes, &mut port.tx);
                let state = self.stack.poll_transmit_few(iface, takes, tx, now);
                if tx.is_empty() {
                    break;
                }
                match port.bound.device.poll_send(&mut cx, tx, now) {
                    Poll::Ready(Ok(())) => port.takes = (takes * 2).min(MAX_TX_BATCH),
                    Poll::Ready(Err(error)) => {
                        port.fail(&error, &mut self.stack);
                        break;
                    }
                    // Its waker is registered. Other news may bring us back before there is room, and
                    // then one packet will do to find that out.
                    Poll::Pending => {
                        port.takes = 1;
                        self.stack.requeue(iface, &mut port.tx);
                        break;
                    }
                }
                if state == Transmit::Idle {
                    break;
                }
                if turn == MAX_TX_TURNS {
                    more = true;
                    break;
                }
            }
        }
        more
    }

    /// When somebody has to run the next round; `None` also where a device sees to that.
    fn next_wake(&mut self) -> Option<Instant> {
        let next = self.next_deadline()?;
        let mut cx = Context::from_waker(&self.waker);
        let mut devices = self.devices.iter_mut();
        let seen_to = devices.any(|port| port.bound.device.wake_at(&mut cx, next));
        (!seen_to).then_some(next)
    }

    /// The earliest of what stack and devices wait for.
    fn next_deadline(&self) -> Option<Instant> {
        let devices = self
            .devices
            .iter()
            .filter(|port| port.failure.is_none())
            .filter_map(|port| port.bound.device.poll_timeout());
        devices
            .chain(self.stack.poll_timeout())
            .chain(self.last_call)
            .min()
    }
}

impl Port {
    fn new(bound: BoundDevice) -> Self {
        Self {
            bound,
            tx: TxBatch::with_capacity(MAX_TX_BATCH),
            takes: MAX_TX_BATCH,
            failure: None,
            supply: Supply::Several,
        }
    }

    /// Concludes from the packets that a round has brought how many the next one will.
    fn learn(&mut self, count: usize) {
        // Memory is found to be dry for nothing.
        if self.bound.device.inline() {
            return;
        }
        self.supply = match (self.supply, count) {
            (Supply::One, 1) => Supply::Open,
            (Supply::One | Supply::Open, 0) | (Supply::Open | Supply::Several, 1) => Supply::One,
            _ => Supply::Several,
        };
    }

    /// The device is of no more use: its interface goes, with its addresses and routes, so that what
    /// is sent finds another way or fails.
    fn fail(&mut self, error: &std::io::Error, stack: &mut Stack) {
        tracing::error!(device = %self.bound.name, %error, "device failed; its interface is removed");
        self.failure = Some(error.to_string());
        self.tx.clear();
        stack.remove_iface(self.bound.iface);
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Packets received from one device in one round.
const BUDGET: usize = 64;
/// Packets received between two looks at the clock.
const SLICE: usize = 8;
/// How long one device may be received from in one round.
const TIME_BUDGET: Duration = Duration::from_micros(50);
/// Full batches sent to one device in one round.
const MAX_TX_TURNS: u32 = 8;

/// Tells what rules of the filter have written down.
fn tell_log(stack: &mut Stack) {
    while let Some(entry) = stack.poll_filter_log() {
        let name = |iface: Option<IfaceId>| {
            let mut ifaces = stack.ifaces();
            let found = ifaces.find(|(id, _)| Some(*id) == iface);
            found.map(|(_, config)| config.name.as_str())
        };
        tracing::info!(
            target: "net_tokio::filter",
            at = ?entry.at,
            came_over = name(entry.came_over),
            leaves_over = name(entry.leaves_over),
            source = %entry.ip.source,
            dest = %entry.ip.dest,
            protocol = entry.ip.protocol,
            ports = ?entry.ports,
            len = entry.len,
            mark = entry.mark,
            "{}",
            entry.prefix
        );
    }
}
