//! What the stack keeps for each interface.

use super::{DeviceCaps, DeviceQueue, IfaceConfig, ReversePath};
use crate::advertising::Advertiser;
use crate::autoconf::Autoconf;
use crate::iface::IfaceKind;
use crate::ip::best_source;
use crate::multicast::Memberships;
use crate::seed::Rng;
use crate::socket::SocketQueue;
use crate::stack::TimerId;
use crate::time::Instant;
use alloc::boxed::Box;
use core::net::IpAddr;
use core::num::NonZeroU8;

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
    /// Who sends on the same link by a detour is told.
    pub(crate) sends_redirects: bool,
    /// How many packet sockets want to see frames for other stations.
    pub(crate) promiscuous: u32,
    /// Which sources may come in.
    pub(crate) reverse_path: ReversePath,
    /// The next IPv4 identification.
    pub(crate) next_id: u16,
    /// Until then no address is defended again (RFC 5227 §2.4).
    pub(crate) defended_until: Instant,
    /// The groups of IPv4 and of IPv6 that it is in.
    memberships: [Memberships; 2],
    /// Goes off when something is to be said about them.
    pub(crate) membership_timer: Option<TimerId>,
    /// What it knows by itself, and from routers.
    pub(crate) autoconf: Autoconf,
    /// What it advertises as a router, where somebody has said.
    pub(crate) advertiser: Option<Box<Advertiser>>,
    /// Goes off when the next advertisement is due.
    pub(crate) advertising_timer: Option<TimerId>,
}

impl Iface {
    /// An idle interface.
    pub(crate) fn new(config: IfaceConfig, caps: DeviceCaps, rng: &mut Rng) -> Self {
        let [low, high, ..] = rng.next_u64().to_le_bytes();
        let reports = config.kind != IfaceKind::Loopback;
        Self {
            config,
            caps,
            queue: DeviceQueue::default(),
            departure: None,
            ready: SocketQueue::default(),
            blocked: SocketQueue::default(),
            forwarding: false,
            sends_redirects: true,
            promiscuous: 0,
            reverse_path: ReversePath::Off,
            next_id: u16::from_le_bytes([low, high]),
            defended_until: Instant::ZERO,
            memberships: [Memberships::new(reports), Memberships::new(reports)],
            membership_timer: None,
            autoconf: Autoconf::default(),
            advertiser: None,
            advertising_timer: None,
        }
    }

    /// The address to send from towards `dest`.
    pub(crate) fn source_for(&self, dest: IpAddr) -> Option<IpAddr> {
        let all = self.config.addresses.iter();
        let all = all.map(|cidr| (*cidr, self.autoconf.standing(cidr.address)));
        best_source(all, dest)
    }

    /// The largest packet to an address: what a router has said of IPv6 (RFC 4861 §6.3.4) or whoever gives the
    /// interface its addresses of IPv4, if anybody has.
    pub(crate) fn mtu_to(&self, dest: IpAddr) -> u16 {
        let link = &self.autoconf.link;
        let told = if dest.is_ipv6() {
            link.mtu
        } else {
            link.mtu_v4
        };
        told.map_or(self.config.mtu, |told| told.min(self.config.mtu))
    }

    /// How many hops packets to an address may make, if a router has said so.
    pub(crate) fn hop_limit_to(&self, dest: IpAddr) -> Option<NonZeroU8> {
        self.autoconf.link.hop_limit.filter(|_| dest.is_ipv6())
    }

    /// The groups of the family of `address`.
    pub(crate) const fn memberships(&self, address: IpAddr) -> &Memberships {
        let [v4, v6] = &self.memberships;
        match address {
            IpAddr::V4(_) => v4,
            IpAddr::V6(_) => v6,
        }
    }

    /// The same, to change.
    pub(crate) const fn memberships_mut(&mut self, address: IpAddr) -> &mut Memberships {
        let [v4, v6] = &mut self.memberships;
        match address {
            IpAddr::V4(_) => v4,
            IpAddr::V6(_) => v6,
        }
    }

    /// The groups of both families.
    pub(crate) fn all_memberships(&mut self) -> &mut [Memberships; 2] {
        &mut self.memberships
    }
}
