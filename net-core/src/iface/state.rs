//! What the stack keeps for each interface.

use super::{DeviceCaps, DeviceQueue, IfaceConfig, ReversePath};
use crate::seed::Rng;
use crate::socket::SocketQueue;
use crate::stack::TimerId;
use crate::time::Instant;

/// An interface at work.
#[derive(Debug)]
pub(crate) struct Iface {
    /// What it was added with.
    pub(crate) config: IfaceConfig,
    /// What its device does for us.
    pub(crate) caps: DeviceCaps,
    /// Finished packets that wait for the device.
    pub(crate) queue: DeviceQueue,
    /// Goes off when the next of them may leave.
    pub(crate) departure: Option<TimerId>,
    /// TCP sockets that want to transmit here.
    pub(crate) ready: SocketQueue,
    /// UDP sockets that found the queue full and wait for room.
    pub(crate) blocked: SocketQueue,
    /// What comes in for others goes on to them.
    pub(crate) forwarding: bool,
    /// How many packet sockets want to see frames for other stations.
    pub(crate) promiscuous: u32,
    /// Which sources may come in.
    pub(crate) reverse_path: ReversePath,
    /// The next IPv4 identification.
    pub(crate) next_id: u16,
    /// Until then no address is defended again (RFC 5227 §2.4).
    pub(crate) defended_until: Instant,
}

impl Iface {
    /// An idle interface.
    pub(crate) fn new(config: IfaceConfig, caps: DeviceCaps, rng: &mut Rng) -> Self {
        let [low, high, ..] = rng.next_u64().to_le_bytes();
        Self {
            config,
            caps,
            queue: DeviceQueue::default(),
            departure: None,
            ready: SocketQueue::default(),
            blocked: SocketQueue::default(),
            forwarding: false,
            promiscuous: 0,
            reverse_path: ReversePath::Off,
            next_id: u16::from_le_bytes([low, high]),
            defended_until: Instant::ZERO,
        }
    }
}
