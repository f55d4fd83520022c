//! RACK (RFC 8985 §6): what left well before something that has arrived, and has not, is lost.

use super::delivery::Delivery;
use super::ranges::Position;
use crate::tcp::SeqNum;
use crate::time::{Duration, Instant};

/// Loss recoveries for which a reordering window that duplicates have widened stays wide.
const PERSISTENCE: u8 = 16;

/// The state of RACK of one connection, under the RFC's names (§5.3).
#[derive(Debug)]
pub(crate) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq: of the newest transmission that arrived.
    newest: (Instant, Position),
    /// RACK.rtt: the round trip of the transmission that arrived last.
    rtt: Duration,
    /// How often reordering was seen.
    pub(crate) reorderings: u32,
    /// RACK.reo_wnd_mult: quarters of the smallest round trip that reordering may take.
    reo_wnd_mult: u32,
    /// RACK.reo_wnd_persist: loss recoveries until `reo_wnd_mult` is reset.
    reo_wnd_persist: u8,
    /// RACK.dsack_round: duplicates count once until this is acknowledged.
    dsack_round: Option<SeqNum>,
    /// When what is late now will be lost; `Instant::MAX`: nothing is late.
    pub(crate) reorder_at: Instant,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            newest: <_>::default(),
            rtt: Duration::ZERO,
            reorderings: 0,
            reo_wnd_mult: 1,
            reo_wnd_persist: PERSISTENCE,
            dsack_round: None,
            reorder_at: Instant::MAX,
        }
    }
}

impl Rack {
    /// §6.2 steps 2 and 3: something has arrived.
    pub(crate) fn on_delivery(&mut self, delivery: &Delivery) {
        if let Some(proven) = delivery.proven() {
            self.rtt = delivery.now.saturating_since(proven.0);
            self.newest = self.newest.max(proven);
        }
        if delivery.reordered {
            self.on_reordering();
        }
    }

    /// RACK.reordering_seen.
    pub(crate) const fn reordering_seen(&self) -> bool {
        self.reorderings > 0
    }

    /// Segments have overtaken each other.
    pub(crate) fn on_reordering(&mut self) {
        self.reorderings = self.reorderings.saturating_add(1);
    }

    /// The newest transmission that arrived: when it left, and its end.
    pub(crate) const fn newest(&self) -> (Instant, Position) {
        self.newest
    }

    /// RACK.rtt.
    pub(crate) const fn rtt(&self) -> Duration {
        self.rtt
    }

    /// §6.2 step 4: everything before `una` is acknowledged.
    pub(crate) fn on_advance(&mut self, una: SeqNum) {
        if self.dsack_round.is_some_and(|round| una.at_or_after(round)) {
            self.dsack_round = None;
        }
    }

    /// §6.2 step 4: the peer reports a duplicate, so the window was too small; once in each round
    /// trip. `nxt` is SND.NXT.
    pub(crate) fn on_duplicate(&mut self, nxt: SeqNum) {
        if self.dsack_round.is_none() {
            self.dsack_round = Some(nxt);
            self.reo_wnd_mult = self.reo_wnd_mult.saturating_add(1);
            self.reo_wnd_persist = PERSISTENCE;
        }
    }

    /// §6.2 step 4: a loss recovery has ended.
    pub(crate) fn on_recovered(&mut self) {
        self.reo_wnd_persist = self.reo_wnd_persist.saturating_sub(1);
        if self.reo_wnd_persist == 0 {
            self.reo_wnd_mult = 1;
        }
    }

    /// §6.2 step 4: RACK.reo_wnd. `hurry`: losses are being repaired, or as many segments have
    /// arrived behind the first hole as show a loss where there is no reordering.
    pub(crate) fn reordering_window(
        &self,
        hurry: bool,
        rtt_min: Duration,
        srtt: Duration,
    ) -> Duration {
        if hurry && !self.reordering_seen() {
            return Duration::ZERO;
        }
        (rtt_min / 4).saturating_mul(self.reo_wnd_mult).min(srtt)
    }
}
