//! How long sent data may stay unacknowledged before the connection ends, and what both sides tell
//! each other of that (RFC 5482).

use super::connection::{Connection, Context};
use super::segment::Segment;
use crate::config::TcpConfig;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::time::{Duration, Instant};
use crate::wire::UserTimeout;

/// What a connection knows of user timeouts beside its socket's own.
#[derive(Debug, Default)]
pub(crate) struct UserTimeouts {
    /// REMOTE_UTO: the last that the peer told.
    pub(crate) remote: Option<Duration>,
    /// ADV_UTO is to be told.
    pub(crate) due: Option<UserTimeout>,
    /// The one told last.
    told: Option<UserTimeout>,
}

impl UserTimeouts {
    /// §3: at the beginning of a connection, and whenever the application chooses another timeout,
    /// the peer is told in the next segment; its reliability is nobody's concern (§3.2).
    pub(crate) fn announce(&mut self, config: &TcpConfig, settings: &TcpSettings) {
        let chosen = settings.user_timeout.and_then(UserTimeout::new);
        if config.user_timeout_option && chosen != self.told {
            self.told = chosen;
            self.due = chosen;
        }
    }
}

impl Connection {
    /// USER_TIMEOUT (§3.1): the application's; else, where options are enabled, the peer's within
    /// limits and not below the retransmission timeout; `None`: retransmissions are counted.
    pub(crate) fn user_timeout(&self, cx: &Context<'_>) -> Option<Duration> {
        let own = cx.settings.user_timeout;
        own.filter(|_| must("9293 MUST-21")).or_else(|| {
            let remote = self.user_timeouts.remote?;
            let lowest = cx.config.user_timeout_min.max(self.rtt.rto());
            Some(remote.max(lowest).min(cx.config.user_timeout_max))
        })
    }

    /// Takes the option of a segment in a synchronised state.
    pub(crate) fn hear_user_timeout(&mut self, segment: &Segment<'_>, cx: &Context<'_>) {
        if let Some(told) = segment.options.user_timeout
            && cx.config.user_timeout_option
        {
            self.user_timeouts.remote = told.duration();
        }
    }

    /// Whether data has waited for its acknowledgement since `since`, and too long.
    pub(crate) fn has_waited_too_long(&self, since: Instant, cx: &Context<'_>) -> bool {
        self.user_timeout(cx)
            .is_some_and(|limit| cx.now.saturating_since(since) >= limit)
    }
}
