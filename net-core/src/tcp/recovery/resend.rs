//! What recovery sends: lost data again, and loss probes.

use super::Phase;
use super::frto::Frto;
use crate::tcp::SeqNum;
use crate::tcp::congestion::CongestionControl;
use crate::tcp::connection::{Connection, Context};
use crate::tcp::output::Next;

impl Connection {
    /// The lost data to send again now.
    pub(in crate::tcp) fn next_retransmit(&self) -> Option<Next> {
        if self.board.lost() == 0 {
            return None;
        }
        let due = self.recovery.resend_due;
        if self.recovery.frto != Frto::Off && !due {
            // RFC 5682 §2.1: new data is sent in its place until the timeout is judged.
            return None;
        }
        let size = self.segment_size();
        let room = self.congestion_room();
        if room < size && self.in_flight() > 0 && !due {
            return None;
        }
        let max = self.whole_segments(room.max(size)).min(self.max_super());
        let (start, end) = self.board.next_lost(max)?;
        // RFC 7323 §2.4: not behind a window that has shrunk, but for the first segment, which
        // asks how large the window is (RFC 9293 MUST-34).
        let edge = self.una + self.wnd;
        let end = if start == self.una {
            end.min(edge.max(start + size))
        } else {
            end.min(edge)
        };
        start.before(end).then_some(Next::Retransmit { start, end })
    }

    /// The loss probe, where one is due (RFC 8985 §7.3).
    pub(in crate::tcp) fn next_loss_probe(&self) -> Option<Next> {
        if !self.recovery.probe.due {
            return None;
        }
        let unsent = u32::try_from(self.unsent_len()).unwrap_or(u32::MAX);
        let usable = (self.una + self.wnd).distance_from(self.nxt);
        let len = unsent.min(self.segment_size());
        if !self.fin_sent && len > 0 && len <= usable {
            let fin = self.fin_queued && len == unsent && usable > len;
            return Some(Next::Data { len, fin });
        }
        let (start, end) = self.last_segment()?;
        let fits = end.at_or_before(self.una + self.wnd);
        fits.then_some(Next::Retransmit { start, end })
    }

    /// The segment sent so far that ends at SND.NXT.
    fn last_segment(&self) -> Option<(SeqNum, SeqNum)> {
        let (start, end) = self.board.last_sent()?;
        let start = start.max(self.una);
        let data = end.distance_from(start) - u32::from(self.fin_sent);
        let behind = data.saturating_sub(1) / self.mss * self.mss;
        Some((start + behind, end))
    }

    /// Bytes of new data that may leave now.
    pub(in crate::tcp) fn room_for_new_data(&self, cx: &Context<'_>) -> u32 {
        if self.recovery.frto != Frto::Off && !self.recovery.resend_due {
            return self.recovery.frto.room();
        }
        let open = self.recovery.phase == Phase::Open;
        if open && !cx.config.recovery.limited_transmit && self.arrived() > 0 {
            // Without RFC 3042 what has arrived behind a hole lets nothing new out.
            let in_flight = self.in_flight() + self.arrived();
            return self.congestion.window().saturating_sub(in_flight);
        }
        self.congestion_room()
    }

    /// `bytes` of new data up to SND.NXT have left.
    pub(in crate::tcp) fn on_new_data_sent(&mut self, bytes: u32, cx: &mut Context<'_>) {
        self.count_probe(cx);
        self.recovery.on_sent(bytes, self.nxt);
        self.arm_loss_probe(cx);
    }

    /// `start..end` has left again.
    pub(in crate::tcp) fn on_data_resent(
        &mut self,
        start: SeqNum,
        end: SeqNum,
        cx: &mut Context<'_>,
    ) {
        self.count_probe(cx);
        let bytes = end.distance_from(start);
        self.recovery.on_resent(bytes, end, self.nxt, cx.now);
        self.on_mtu_probe_resent(start, end, cx.now);
        if start == self.una {
            // RFC 6298 §5: it must not leave once more earlier than an RTO from now.
            self.restart_retransmit_timer(cx);
        }
    }
    fn count_probe(&mut self, cx: &mut Context<'_>) {
        self.counters.loss_probes += u32::from(self.recovery.probe.due);
        cx.stats.tcp_loss_probes += u64::from(self.recovery.probe.due);
    }
}
