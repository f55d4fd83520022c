//! What time does to a connection. One deadline is registered for all its timers: the earliest.

use super::State;
use super::connection::{Connection, Context};
use super::cork::cork_deadline;
use super::rtt::nanos;
use crate::SocketError;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::time::Instant;

/// Retransmissions of an orphan: nobody waits for its outcome (Linux's `tcp_orphan_retries`).
const ORPHAN_RETRIES: u8 = 8;

/// R1 of RFC 9293 §3.8.3 (SHLD-10): after so many retransmissions the path is in doubt.
pub(crate) const R1: u8 = 3;

impl Connection {
    /// The earliest of its timers; `Instant::MAX` if none runs.
    pub(crate) fn deadline(&self) -> Instant {
        self.retransmit_at
            .min(self.recovery.probe.at)
            .min(self.recovery.rack.reorder_at)
            .min(self.receiver.delayed_ack.at)
            .min(self.persist_at)
            .min(self.keepalive_at)
            .min(self.cork_at)
            .min(self.give_up_at)
            .min(self.pacer.wake_at)
    }

    /// Starts the timers that the present situation calls for; after every touch.
    pub(crate) fn update_timers(&mut self, cx: &Context<'_>) {
        let stuck = self.state.is_synchronised()
            && self.una == self.nxt
            && !self.fin_sent
            && (self.unsent_len() > 0 || self.fin_queued)
            && self.next_data(cx).is_none();
        if !stuck {
            self.persist_at = Instant::MAX;
            self.stalled_since = Instant::MAX;
            if !self.is_corked(cx) {
                self.cork_at = Instant::MAX;
            }
        } else if self.is_corked(cx) && self.wnd > 0 {
            if self.cork_at == Instant::MAX {
                self.cork_at = cork_deadline(cx.now);
            }
        } else if self.persist_at == Instant::MAX {
            self.stalled_since = self.stalled_since.min(cx.now);
            self.persist_at = cx.now + self.rtt.backed_off(self.persist_backoff);
        }
        self.arm_pacing(cx);
    }

    /// Runs every timer that is due. Afterwards the connection may want to send, or be closed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.receiver.delayed_ack.at <= now {
            let (min, rto) = (nanos(cx.config.delayed_ack), self.rtt.rto_nanos());
            self.receiver.delayed_ack.on_timeout(min, rto);
            self.receiver.acknowledge();
        }
        if self.recovery.rack.reorder_at <= now {
            self.on_reordering_timeout(cx);
        }
        if self.recovery.probe.at <= now {
            // It puts the retransmission timer off.
            self.on_probe_timeout(cx);
        }
        if self.retransmit_at <= now {
            self.on_retransmit_timeout(cx);
        }
        if self.persist_at <= now {
            self.on_persist(cx);
        }
        if self.keepalive_at <= now {
            self.on_keepalive(cx);
        }
        if self.give_up_at <= now {
            self.give_up_at = Instant::MAX;
            self.give_up();
        }
        self.pacer.release(now);
        if self.cork_at <= now {
            self.cork_at = Instant::MAX;
            self.force_partial = must("9293 MUST-60");
        }
    }

    /// RFC 6298 §5.4–5.7.
    fn on_retransmit_timeout(&mut self, cx: &mut Context<'_>) {
        self.retransmit_at = Instant::MAX;
        let unconfirmed = self.is_unconfirmed();
        if self.una == self.nxt && !self.syn_due && !unconfirmed {
            return;
        }
        self.retries = self.retries.saturating_add(1);
        if self.gives_up(cx) {
            self.give_up();
            return;
        }
        // SHLD-9: whoever wants to know can find the connection in trouble.
        self.notify |= self.retries == R1;
        cx.stats.tcp_timeouts += 1;
        self.counters.timeouts += 1;
        self.counters.timeout_recoveries.begin(cx.now);
        if must("9293 MUST-19") {
            self.rtt.back_off();
        }
        self.restart_retransmit_timer(cx);
        if unconfirmed || matches!(self.state, State::SynSent | State::SynReceived) {
            self.syn_due = true;
            cx.stats.tcp_retransmits += 1;
            return;
        }
        if cx.config.ecn_fallback {
            self.ecn.on_timeout();
        }
        self.judge_mtu_probe_at_timeout(cx);
        self.suspect_black_hole(cx);
        self.begin_loss_recovery(cx);
    }

    /// The retransmission timer runs for an RTO from now.
    pub(crate) fn restart_retransmit_timer(&mut self, cx: &Context<'_>) {
        self.retransmit_at = self.next_timeout(cx.now);
        if let Some(limit) = self.user_timeout(cx).filter(|_| self.retries > 0) {
            // It must be looked at when it ends, not at the next retransmission behind it.
            self.retransmit_at = self.retransmit_at.min(self.waiting_since + limit);
        }
    }

    /// Whether the retransmissions have reached their limit (R2 of RFC 9293 §3.8.3) or the user
    /// timeout (RFC 5482).
    fn gives_up(&self, cx: &Context<'_>) -> bool {
        if self.has_waited_too_long(self.waiting_since, cx) {
            return true;
        }
        let limit = match self.state {
            State::SynSent => cx.settings.syn_retries,
            State::SynReceived => cx.config.syn_ack_retries,
            _ if self.is_unconfirmed() => cx.config.syn_ack_retries,
            _ if self.orphan => cx.config.retries.min(ORPHAN_RETRIES),
            _ => cx.config.retries,
        };
        self.retries > limit && must("9293 MUST-20")
    }

    /// Ends the connection because the peer is silent: for the reason that the network gave, if any.
    fn give_up(&mut self) {
        let reason = self.soft_error().unwrap_or(SocketError::TimedOut);
        self.terminate(Some(reason));
    }

    /// What an ICMP error has said of the path since the peer was heard last.
    pub(crate) fn soft_error(&self) -> Option<SocketError> {
        let (error, at) = self.soft_error?;
        (at >= self.heard_at).then_some(error)
    }

    /// The window is closed, or too small for a segment (RFC 9293 §3.8.6.1).
    fn on_persist(&mut self, cx: &mut Context<'_>) {
        self.probes = self.probes.saturating_add(1);
        let too_long = self.has_waited_too_long(self.stalled_since, cx);
        // A peer that answers, however long its window is closed, keeps the count of probes at zero.
        // For an orphan that is not enough: its data must get somewhere, or peers could make us keep
        // any amount of it for ever.
        if too_long
            || (self.orphan && self.persist_backoff >= ORPHAN_RETRIES)
            || self.probes > cx.config.retries
        {
            self.give_up();
            return;
        }
        self.persist_backoff = self.persist_backoff.saturating_add(1);
        self.persist_at = cx.now + self.rtt.backed_off(self.persist_backoff);
        if self.wnd > 0 {
            self.force_partial = true;
        } else {
            self.probe_due = must("9293 MUST-36");
        }
    }

    /// RFC 9293 §3.8.4.
    fn on_keepalive(&mut self, cx: &mut Context<'_>) {
        self.keepalive_at = Instant::MAX;
        let settings = cx.settings;
        if !wants_keepalive(settings) || !self.state.is_synchronised() {
            return;
        }
        let idle_until = self.heard_at + settings.keepalive_time;
        if self.probes == 0 && idle_until > cx.now && must("9293 MUST-26") {
            self.keepalive_at = idle_until;
            return;
        }
        if self.una != self.nxt {
            // Data is outstanding: the retransmission timer watches over the peer's life.
            self.keepalive_at = cx.now + settings.keepalive_interval;
            return;
        }
        let dead = match self.user_timeout(cx) {
            // RFC 5482 §4.2: not before the user timeout.
            Some(_) => self.probes > 0 && self.has_waited_too_long(self.heard_at, cx),
            None if must("9293 MUST-29") => self.probes >= settings.keepalive_probes,
            None => self.probes > 0,
        };
        if dead {
            self.give_up();
            return;
        }
        self.probes = self.probes.saturating_add(1);
        self.probe_due = true;
        self.keepalive_at = cx.now + settings.keepalive_interval;
    }

    /// Starts or stops the keepalive timer as the settings say.
    pub(crate) fn arm_keepalive(&mut self, settings: &TcpSettings, now: Instant) {
        self.keepalive_at = if wants_keepalive(settings) && self.state.is_synchronised() {
            (self.heard_at + settings.keepalive_time).max(now)
        } else {
            Instant::MAX
        };
    }

    /// Stops every timer.
    pub(crate) fn disarm(&mut self) {
        self.retransmit_at = Instant::MAX;
        self.recovery.probe.at = Instant::MAX;
        self.recovery.rack.reorder_at = Instant::MAX;
        self.receiver.delayed_ack.at = Instant::MAX;
        self.persist_at = Instant::MAX;
        self.keepalive_at = Instant::MAX;
        self.cork_at = Instant::MAX;
        self.give_up_at = Instant::MAX;
        self.pacer.wake_at = Instant::MAX;
    }
}

/// Whether an idle peer is to be asked whether it is still there.
fn wants_keepalive(settings: &TcpSettings) -> bool {
    settings.keepalive && must("9293 MUST-24") || !must("9293 MUST-25")
}
