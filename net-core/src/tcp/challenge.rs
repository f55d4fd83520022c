//! Challenge ACKs (RFC 5961): what a segment that may be forged is answered with.

use super::connection::{Connection, Context};
use super::input::Disposition;
use crate::stats::DropReason;

impl Connection {
    /// Whether this connection may send another challenge ACK (RFC 5961 §7). The limit is the
    /// connection's own, so that what one peer provokes tells and takes nothing from another
    /// (against that section's side channel).
    pub(super) fn may_challenge(&mut self, cx: &Context<'_>) -> bool {
        let (interval, burst) = (cx.config.challenge_interval, cx.config.challenge_acks);
        let full_at = self.challenges_full_at.max(cx.now) + interval;
        let granted = full_at.saturating_since(cx.now) <= interval.saturating_mul(burst);
        if granted {
            self.challenges_full_at = full_at;
        }
        granted
    }

    /// Answers with a challenge ACK (RFC 5961).
    pub(super) fn challenge(&mut self, cx: &mut Context<'_>) -> Disposition {
        cx.stats.count_drop(DropReason::ChallengeAck);
        self.challenge_uncounted(cx)
    }

    /// The same for a segment that is counted already.
    pub(super) fn challenge_uncounted(&mut self, cx: &mut Context<'_>) -> Disposition {
        if self.may_challenge(cx) {
            cx.stats.tcp_challenge_acks += 1;
            self.receiver.acknowledge();
        } else {
            cx.stats.count_drop(DropReason::RateLimited);
        }
        Disposition::Keep
    }
}
