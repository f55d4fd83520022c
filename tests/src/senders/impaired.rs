//! A TUN whose way in is a simulated link.

use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::seed::Seed;
use net_core::sim::{Link, LinkConfig};
use net_core::time::Instant;
use net_tokio::clock::Clock;
use net_tokio::device::{Device, Tun};
use std::io;
use std::task::{Context, Poll};

/// What the kernel sends over the TUN crosses the link before the stack receives it; what the stack
/// sends leaves at once.
pub(super) struct Impaired {
    tun: Tun,
    link: Link,
    clock: Clock,
    arrived: RxBatch,
}

impl Impaired {
    /// All chance of the link comes from `seed`.
    pub(super) fn new(tun: Tun, link: LinkConfig, seed: Seed) -> Self {
        Self {
            tun,
            link: Link::new(link, seed.rng("way in")),
            clock: Clock::new(),
            arrived: RxBatch::default(),
        }
    }
}

impl Device for Impaired {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            software_gro: true,
            ..self.tun.caps()
        }
    }

    fn mtu(&self) -> u16 {
        self.tun.mtu()
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
        let mut open = true;
        while open {
            match self.tun.poll_recv(cx, &mut self.arrived, budget) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => open = false,
            }
            let now = self.clock.now();
            for packet in self.arrived.drain() {
                self.link.forward(packet, now);
            }
            self.arrived.clear();
        }
        match self.link.receive(batch, budget, self.clock.now()) {
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
        self.tun.poll_send(cx, batch, now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }
}
