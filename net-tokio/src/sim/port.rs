//! A simulated host's end of a link, as its driver sees it.

use super::world::World;
use crate::device::Device;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::sim::PortId;
use net_core::time::Instant;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The device at a port of the simulated network.
#[derive(Debug)]
pub(super) struct Port {
    world: Arc<World>,
    id: PortId,
    offload: bool,
    mtu: u16,
}

impl Port {
    pub(super) fn new(world: Arc<World>, id: PortId) -> Self {
        let state = world.state();
        let config = state.fabric.link(id).config();
        let (offload, mtu) = (config.offload, config.mtu);
        drop(state);
        Self {
            world,
            id,
            offload,
            mtu,
        }
    }
}

impl Device for Port {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            tx_checksum: self.offload,
            tso: self.offload,
            uso: self.offload,
            software_gro: false,
            one_piece: false,
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        match self.world.state().receive(self.id, batch, budget, cx) {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        if self.world.state().transmit(self.id, batch, now, cx) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn inline(&self) -> bool {
        true
    }

    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        self.world.state().wake_at(self.id, at, cx);
        true
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.world.state().close(self.id);
    }
}
