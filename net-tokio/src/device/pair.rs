//! Two stacks joined in memory.

use super::link::{Link, LinkStats};
use super::{Device, LinkConfig, register, wake};
use crate::clock::Clock;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::seed::Seed;
use net_core::time::Instant;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A link in memory between two stacks.
///
/// `a` says how packets of the first end reach the second, `b` the reverse. All chance comes from
/// `seed`, and time from tokio's clock, so under `tokio::time::pause` a run repeats exactly.
///
/// ```
/// use net_tokio::device::{Device, LinkConfig, pair};
/// let (near, far) = pair(LinkConfig::default(), LinkConfig::default(), net_core::Seed::from_u64(1));
/// assert_eq!((near.mtu(), far.mtu()), (1500, 1500));
/// assert_eq!(near.stats().counters().sent, 0);
/// ```
#[must_use]
pub fn pair(a: LinkConfig, b: LinkConfig, seed: Seed) -> (PairEnd, PairEnd) {
    let clock = Clock::new();
    let a = Arc::new(Link::new(a, seed, "link a", clock));
    let b = Arc::new(Link::new(b, seed, "link b", clock));
    let end = |outward: &Arc<Link>, inward: &Arc<Link>| PairEnd {
        outward: outward.clone(),
        inward: inward.clone(),
        clock,
    };
    (end(&a, &b), end(&b, &a))
}

/// One end of a [`pair`]. When it goes, what is sent to it is dropped.
#[derive(Debug)]
pub struct PairEnd {
    outward: Arc<Link>,
    inward: Arc<Link>,
    clock: Clock,
}

impl PairEnd {
    /// The counters of the direction that this end sends into.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            link: self.outward.clone(),
        }
    }
}

impl Device for PairEnd {
    fn caps(&self) -> DeviceCaps {
        let link = &self.outward.config;
        DeviceCaps {
            tx_checksum: link.offload,
            tso: link.offload,
            uso: link.offload,
            software_gro: !self.inward.config.offload || self.inward.config.impairs(),
            one_piece: false,
        }
    }

    fn mtu(&self) -> u16 {
        self.outward.config.mtu
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
        let link = &*self.inward;
        let mut state = link.state();
        // What is there already, as on a perfect link, needs no look at the clock.
        let count = match state.link.poll_timeout() {
            None => 0,
            Some(Instant::ZERO) => state.link.receive(batch, budget, Instant::ZERO),
            Some(_) => state.link.receive(batch, budget, link.clock.now()),
        };
        if count == 0 {
            register(&mut state.reader, cx);
            return Poll::Pending;
        }
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let link = &*self.outward;
        let now = link.clock.instant(self.clock.deadline(now));
        let mut state = link.state();
        let first = state.link.poll_timeout();
        let mut taken = 0;
        for packet in batch.packets() {
            if state.link.is_full() {
                register(&mut state.writer, cx);
                break;
            }
            state.link.send(packet, now);
            taken += 1;
        }
        batch.drop_front(taken);
        let reader = if state.link.poll_timeout() == first {
            None
        } else {
            state.reader.take()
        };
        drop(state);
        wake(reader);
        if batch.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn inline(&self) -> bool {
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let at = self.inward.state().link.poll_timeout()?;
        Some(self.clock.instant(self.inward.clock.deadline(at)))
    }
}

impl Drop for PairEnd {
    fn drop(&mut self) {
        let mut state = self.inward.state();
        let abandoned = state.link.close();
        let writer = state.writer.take();
        drop(state);
        drop(abandoned);
        wake(writer);
    }
}
