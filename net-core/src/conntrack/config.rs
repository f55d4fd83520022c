//! How flows are tracked.

use crate::time::Duration;

/// Settings of the tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackConfig {
    /// Flows that are remembered at once; for one more, one goes that is closing or that nobody has
    /// answered, and where none is found soon the packet is dropped. 262,144.
    pub max_flows: usize,
    /// Take a TCP segment that begins no connection for one of a connection from before the tracker
    /// began, and trust its windows. On.
    pub loose: bool,
    /// How long flows are remembered without a packet.
    pub timeouts: Timeouts,
}

/// How long flows are remembered without a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP while it opens or closes; at least four minutes (RFC 5382 REQ-5). 240 s.
    pub tcp_transitory: Duration,
    /// An established connection of TCP; at least two hours and four minutes (RFC 5382 REQ-5).
    /// 5 days, as in Linux.
    pub tcp_established: Duration,
    /// TCP after both ends have closed. 120 s.
    pub tcp_time_wait: Duration,
    /// TCP after a reset (RFC 7857 §2.1 asks for some time). 10 s.
    pub tcp_close: Duration,
    /// UDP that nobody has answered; at least two minutes (RFC 4787 REQ-5). 120 s.
    pub udp: Duration,
    /// UDP that goes both ways (RFC 4787 REQ-5 recommends this). 300 s.
    pub udp_stream: Duration,
    /// An echo; at least one minute (RFC 5508 REQ-1). 60 s.
    pub icmp: Duration,
    /// Other protocols. 600 s.
    pub other: Duration,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self {
            max_flows: 1 << 18,
            loose: true,
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_transitory: Duration::from_secs(240),
            tcp_established: Duration::from_secs(5 * 86_400),
            tcp_time_wait: Duration::from_secs(120),
            tcp_close: Duration::from_secs(10),
            udp: Duration::from_secs(120),
            udp_stream: Duration::from_secs(300),
            icmp: Duration::from_secs(60),
            other: Duration::from_secs(600),
        }
    }
}
