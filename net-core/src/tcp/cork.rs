//! `TCP_CORK`: partial segments wait for company until the cork is pulled, but not for ever.

use super::connection::{Connection, Context};
use crate::time::{Duration, Instant};

/// How long a corked partial segment may wait (`TCP_CORK`).
const CORK_LIMIT: Duration = Duration::from_millis(200);

impl Connection {
    /// A cork was pulled: what it held back leaves to its end, if Nagle's rule lets it, also where another
    /// cork comes before there is room for it to leave.
    pub(crate) fn pull_cork(&mut self, cx: &Context<'_>) {
        let unsent = u32::try_from(self.unsent_len()).unwrap_or(u32::MAX);
        if unsent > 0 && self.state.is_synchronised() && self.may_send_tail(unsent, cx) {
            self.uncorked = Some(self.nxt + unsent);
        }
    }

    /// Bytes that are still to leave of what a pulled cork held back.
    pub(super) fn uncorked_len(&self) -> u32 {
        let end = self.uncorked.filter(|&end| self.nxt.before(end));
        end.map_or(0, |end| end.distance_from(self.nxt))
    }

    /// Whether unsent data is held back by cork alone, so that a timer must release it.
    pub(crate) fn is_corked(&self, cx: &Context<'_>) -> bool {
        (cx.settings.cork || self.more) && self.unsent_len() > 0 && self.state.is_synchronised()
    }
}

/// The corked data's deadline, `CORK_LIMIT` from now.
pub(crate) fn cork_deadline(now: Instant) -> Instant {
    now + CORK_LIMIT
}
