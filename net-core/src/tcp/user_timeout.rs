//! How long sent data may stay unacknowledged before the connection ends, and what both sides tell
//! each other of that (RFC 5482).

use super::connection::{Connection, Context};
use super::segment::Segment;
use crate::config::TcpConfig;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::time::{Duration, Instant};
use crate::wire::UserTimeout;

/// The USER TIMEOUT of who has not chosen one (RFC 9293 §3.9.1.1), for the option: without it retransmissions
/// are counted.
const DEFAULT_USER_TIMEOUT: Duration = Duration::from_secs(300);
/// By how much a timeout that the peer may set is longer than that of retransmission at least: one is made.
const BEYOND_RTO: Duration = Duration::from_millis(1);

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
    /// ADV_UTO (§3): what the application has chosen, or the default, no longer than is waited.
    fn advertised(config: &TcpConfig, settings: &TcpSettings) -> Duration {
        let default = DEFAULT_USER_TIMEOUT.min(config.user_timeout_max);
        settings.user_timeout.unwrap_or(default)
    }

    /// §3: at the beginning of a connection, and whenever the application chooses another timeout,
    /// the peer is told in the next segment; its reliability is nobody's concern (§3.2).
    pub(crate) fn announce(&mut self, config: &TcpConfig, settings: &TcpSettings) {
        let advertised = UserTimeout::new(Self::advertised(config, settings));
        if config.user_timeout_option && advertised != self.told {
            self.told = advertised;
            self.due = advertised;
        }
    }
}

impl Connection {
    /// USER_TIMEOUT (§3.1): the application's; else, where options are enabled and the peer has sent one, the
    /// larger of the default and the peer's within limits, and longer than the retransmission timeout; `None`:
    /// retransmissions are counted.
    pub(crate) fn user_timeout(&self, cx: &Context<'_>) -> Option<Duration> {
        let own = cx.settings.user_timeout;
        own.filter(|_| must("9293 MUST-21")).or_else(|| {
            let remote = self.user_timeouts.remote?;
            let lowest = cx.config.user_timeout_min;
            let lowest = lowest.max(self.rtt.rto() + BEYOND_RTO);
            let advertised = UserTimeouts::advertised(cx.config, cx.settings);
            let longest = advertised.max(remote).max(lowest);
            Some(longest.min(cx.config.user_timeout_max))
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
