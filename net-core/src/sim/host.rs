//! A simulated host: a stack, its ends of links, and what runs on it.

use super::application::Application;
use super::fabric::{Fabric, PortId};
use crate::buf::{RxBatch, TxBatch};
use crate::iface::{DeviceCaps, IfaceConfig, IfaceId, IfaceKind, IpCidr};
use crate::route::Route;
use crate::stack::{Stack, Transmit};
use crate::time::Instant;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A stack with its ends of links.
#[derive(Debug)]
pub(super) struct Host<A> {
    pub(super) stack: Stack,
    pub(super) app: A,
    /// Its addresses, of each end of a link in turn.
    pub(super) addresses: Vec<IpAddr>,
    ports: Vec<Port>,
    rx: RxBatch,
    /// It was touched since it was last settled.
    pub(super) touched: bool,
}

#[derive(Debug)]
struct Port {
    id: PortId,
    iface: IfaceId,
    /// What the link had no room for.
    tx: TxBatch,
}

impl<A: Application> Host<A> {
    pub(super) fn new(stack: Stack, app: A) -> Self {
        Self {
            stack,
            app,
            addresses: Vec::new(),
            ports: Vec::new(),
            rx: RxBatch::default(),
            touched: true,
        }
    }

    /// Adds an interface for an end of a link. The first one gets the default routes.
    pub(super) fn add_port(&mut self, port: PortId, addresses: &[IpAddr], fabric: &Fabric) {
        let outward = fabric.link(port).config();
        let offload = outward.offload;
        let caps = DeviceCaps {
            tx_checksum: offload,
            tso: offload,
            uso: offload,
            software_gro: false,
            one_piece: false,
        };
        let config = IfaceConfig {
            name: format!("link{}", self.ports.len()),
            kind: IfaceKind::PointToPoint,
            mtu: outward.mtu,
            addresses: addresses.iter().copied().map(host_prefix).collect(),
        };
        let iface = self
            .stack
            .add_iface(config, caps)
            .expect("an MTU of 576 or more, and addresses of the simulation's own");
        if self.ports.is_empty() {
            for unspecified in [
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ] {
                let route = Route {
                    prefix: IpCidr {
                        address: unspecified,
                        prefix_len: 0,
                    },
                    via: None,
                    iface,
                    source: None,
                    metric: 0,
                };
                self.stack.add_route(route).expect("the interface is there");
            }
        }
        self.addresses.extend_from_slice(addresses);
        self.ports.push(Port {
            id: port,
            iface,
            tx: TxBatch::default(),
        });
    }

    /// Brings in what has arrived at an end of a link.
    pub(super) fn receive(&mut self, port: PortId, fabric: &mut Fabric, now: Instant) {
        self.touched = true;
        let Some(iface) = self.ports.iter().find(|own| own.id == port) else {
            return;
        };
        while fabric.receive(port, &mut self.rx, BUDGET) > 0 {
            self.stack.handle_batch(iface.iface, &mut self.rx, now);
            self.rx.clear();
        }
    }

    /// Lets the application act on what happened, and sends what follows from that, until nothing
    /// does; when the host has something to do next.
    pub(super) fn settle(&mut self, fabric: &mut Fabric, now: Instant) -> Option<Instant> {
        self.touched = false;
        self.act(now);
        loop {
            for port in &mut self.ports {
                port.transmit(&mut self.stack, fabric, now);
            }
            // What was sent may have made room for more.
            if !self.act(now) {
                break;
            }
        }
        let timers = [self.stack.poll_timeout(), self.app.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    /// Hands events to the application; whether there were any.
    fn act(&mut self, now: Instant) -> bool {
        let mut acted = false;
        while self.app.takes_events()
            && let Some(event) = self.stack.poll_event()
        {
            acted = true;
            self.app.handle_event(event, &mut self.stack, now);
        }
        acted
    }

    /// Runs the timers that are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.touched = true;
        if self.stack.poll_timeout().is_some_and(|at| at <= now) {
            self.stack.handle_timeout(now);
        }
        if self.app.poll_timeout().is_some_and(|at| at <= now) {
            self.app.handle_timeout(&mut self.stack, now);
        }
    }
}

impl Port {
    /// Sends what the stack has for this end, as long as the link takes it.
    fn transmit(&mut self, stack: &mut Stack, fabric: &mut Fabric, now: Instant) {
        loop {
            let state = stack.poll_transmit(self.iface, &mut self.tx, now);
            let more = state == Transmit::More;
            if self.tx.is_empty() || !fabric.transmit(self.id, &mut self.tx, now) || !more {
                return;
            }
        }
    }
}

/// An address that is alone on its link.
fn host_prefix(address: IpAddr) -> IpCidr {
    IpCidr {
        address,
        prefix_len: IpCidr::max_prefix_len(address),
    }
}

/// The addresses of the end of a link with this number: 10.x.y.z and, where the MTU allows, fd00::z.
pub(super) fn addresses_of(number: u32, mtu: u16) -> Vec<IpAddr> {
    let v4 = Ipv4Addr::from_bits(NETWORK_V4 | number & 0x00ff_ffff);
    let v6 = Ipv6Addr::from_bits(NETWORK_V6 | u128::from(number));
    let mut addresses = alloc::vec![IpAddr::V4(v4)];
    if mtu >= LEAST_MTU_V6 {
        addresses.push(IpAddr::V6(v6));
    }
    addresses
}

/// The addresses of the router with this number.
pub(super) fn addresses_of_router(number: u32) -> [IpAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::from_bits(ROUTERS_V4 | number & 0xffff)),
        IpAddr::V6(Ipv6Addr::from_bits(ROUTERS_V6 | u128::from(number))),
    ]
}

/// Packets that a stack takes in at once.
const BUDGET: usize = 64;
const NETWORK_V4: u32 = 0x0a00_0000;
const NETWORK_V6: u128 = 0xfd00 << 112;
const ROUTERS_V4: u32 = 0x0aff_0000;
const ROUTERS_V6: u128 = 0xfd00_00ff << 96;
/// RFC 8200 §5.
const LEAST_MTU_V6: u16 = 1280;
