//! How a stack behaves; every bound in one place, with its default.

pub use crate::socket::PortShare;

use crate::error::SocketError;
use crate::neighbor::NeighborConfig;
use crate::seed::Seed;
use crate::time::Duration;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

/// Settings of a stack, fixed at its creation.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sockets of all kinds that may exist at once; one more is `TooManySockets` (ENFILE). 1 Mi.
    pub max_sockets: usize,
    /// Bytes of payload that all queues together may hold alive. 1 GiB.
    pub memory: usize,
    /// Ports that the stack chooses from for itself (RFC 6056). 32768–60999.
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Which of them, where several stacks have the same addresses. All.
    pub port_share: PortShare,
    /// Settings of TCP.
    pub tcp: TcpConfig,
    /// Settings of UDP.
    pub udp: UdpConfig,
    /// How fragments are put together.
    pub reassembly: ReassemblyConfig,
    /// Time to live and hop limit of what the stack sends. 64.
    pub ttl: u8,
    /// ICMP errors, those of them that say how much fits, resets for no socket and challenge ACKs per second,
    /// each kind on its own
    /// (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f), RFC 5961 §7). 1000. Answers to echo requests are not among
    /// them, as in Linux: each request is answered, at its length, with its sender as the only receiver.
    pub answers_per_second: u32,
    /// How many of those answers may come at once. 100.
    pub answer_burst: u32,
    /// Settings of the neighbour cache (ARP and neighbour discovery).
    pub neighbor: NeighborConfig,
    /// Chooses the addresses of [`Stack::autoconfigure`](crate::Stack::autoconfigure): with the same one a
    /// host has the same addresses after it has started anew (RFC 7217 §5). By default the stack's seed.
    pub stable_secret: Option<Seed>,
}

/// Settings of TCP.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one mechanism")]
pub struct TcpConfig {
    /// Offer and accept timestamps (RFC 7323). On.
    pub timestamps: bool,
    /// Our clock of timestamps has another offset towards each peer (RFC 7323 §7.1). Off: all see the same clock,
    /// which tells for how long the stack runs. On.
    pub timestamp_offsets: bool,
    /// Offer and accept selective acknowledgements (RFC 2018). On.
    pub sack: bool,
    /// Offer and accept window scaling (RFC 7323). On.
    pub window_scaling: bool,
    /// Ask for and grant explicit congestion notification (RFC 3168). Off.
    pub ecn: bool,
    /// Where it is asked for, ask for accurate feedback (RFC 9768), and grant that; peers without it
    /// get the classic one. With `sack` it needs `recovery.dsack`. Off.
    pub accurate_ecn: bool,
    /// Where SYNs that ask for congestion notification are not answered, or nothing that can be marked arrives, go
    /// on without (RFC 3168 §6.1.1.1, RFC 9768 §3.1.4.1, §3.1.5). Off: go on asking, and granting. On.
    pub ecn_fallback: bool,
    /// With DCTCP, what has no new data can be marked on its way, too: SYN, SYN-ACK and RST, and with classic
    /// feedback ACKs, probes and what is sent again (RFC 8257 §3.6, §4.1). RFC 3168 forbids it: for networks
    /// whose every queue is the operator's own. Off.
    pub dctcp_capable_control: bool,
    /// Initial congestion window in segments (RFC 6928). 10.
    pub initial_window: u32,
    /// Segments by which one acknowledgement may widen the window in slow start: L of RFC 3465,
    /// which allows 2; 0: by as many as it acknowledges. A receiver that merges segments
    /// acknowledges dozens at once, and with a limit the window would grow by so many bytes a round
    /// trip where it ought to double. 0.
    pub abc_limit: u32,
    /// Pace every connection: its data leaves spread over the round trip, at twice cwnd / SRTT in
    /// slow start and 1.2 times that later. Off: only connections whose congestion control sets a
    /// rate, and sockets with a [`MaxPacingRate`](crate::socket::TcpOption::MaxPacingRate). Off.
    pub pacing: bool,
    /// End the first slow start of Reno and CUBIC when the round trip grows (HyStart++, RFC 9406). On.
    pub hystart: bool,
    /// After an idle time of a retransmission timeout the window decays to the initial window, by half
    /// for each (RFC 5681 §4.1, as in Linux). Off: it stays. BBR's stays always. On.
    pub slow_start_after_idle: bool,
    /// Samples of the delivery rate say whether the application limited them (draft-ietf-ccwg-bbr §4.1.2.4), so
    /// that BBR does not take its rate for the path's. Off: all count as the path's; how BBR goes on after an idle
    /// time does not change. On.
    pub app_limited_samples: bool,
    /// A super-segment of a paced connection is what its rate lets out in a millisecond. Off: as much as fits
    /// into a packet, and BBR counts with bursts of 64 KiB in both hosts: its window has room for three beside
    /// what is on the path, 192 KiB, which at 1 Mbit/s is a queue of 1.5 s. On.
    pub segment_autosizing: bool,
    /// For how long the path is kept busy by what one connection has waiting in front of a device with a queueing
    /// discipline, two segments at least and 1 MiB at most (as Linux's TSQ); `None`: no bound. 2 ms.
    pub device_queue_time: Option<Duration>,
    /// In place of that decay, keep a window that is not put to use for five minutes, but let it neither
    /// grow nor be trusted when something is lost (RFC 7661). Not with BBR. Off.
    pub cwnd_validation: bool,
    /// Congestion control of new sockets. CUBIC.
    pub congestion: CongestionAlgorithm,
    /// The share of a round trip's data, in percent and below 100, that may get lost in a probe of BBR before it
    /// ends it and bounds what is in flight (BBR.LossThresh). On paths that lose more at random, whatever is
    /// sent, the draft's value costs most of the bandwidth; a larger one has more overflow where flows share a
    /// small buffer. 2, as the draft has it.
    pub bbr_loss_threshold: u8,
    /// Receive buffer that new sockets begin with, in bytes; what is advertised, not what is
    /// allocated. 4 MiB.
    pub recv_buffer: usize,
    /// What it may grow to, at most 1 GiB: to twice what the application reads in a round trip. It
    /// decides which window scale is offered. 32 MiB.
    pub recv_buffer_max: usize,
    /// Let it grow so far. Off: only on sockets that ask for it
    /// ([`RecvBufferMax`](crate::socket::TcpOption::RecvBufferMax)). On.
    pub recv_autotuning: bool,
    /// Send buffer that new sockets begin with, in bytes; a limit, not an allocation. 4 MiB.
    pub send_buffer: usize,
    /// What it may grow to: to twice the congestion window. 32 MiB.
    pub send_buffer_max: usize,
    /// Let it grow so far. Off: only on sockets that ask for it
    /// ([`SendBufferMax`](crate::socket::TcpOption::SendBufferMax)). On.
    pub send_autotuning: bool,
    /// Unsent bytes at which a new socket stops being writable (`TCP_NOTSENT_LOWAT`): what waits
    /// here only grows cold in the caches. What is sent and unacknowledged counts against
    /// `send_buffer` alone. 128 KiB.
    pub notsent_lowat: usize,
    /// The largest backlog that listen() can ask for (`somaxconn`). 4096.
    pub max_backlog: u32,
    /// Half-open connections of all listeners together. 65536.
    pub max_half_open: usize,
    /// When SYNs are answered with cookies, without remembering them. While there is no room for half-open
    /// connections.
    pub syn_cookies: SynCookies,
    /// Connections in TIME_WAIT; one more is forgotten at once, as by the kernel. 65536.
    pub max_time_wait: usize,
    /// Retransmission timeout before the first measurement (RFC 6298 §2.1). 1 s.
    pub rto_initial: Duration,
    /// Least distance of the retransmission timeout from the round-trip time; Linux's, below RFC
    /// 6298 §2.4's 1 s. 200 ms.
    pub rto_min: Duration,
    /// Largest retransmission timeout (RFC 6298 §2.5). 120 s.
    pub rto_max: Duration,
    /// SYN retransmissions before connect() times out: one more than Linux's, so that it tries for
    /// three minutes at least (RFC 9293 MUST-23). 7.
    pub syn_retries: u8,
    /// SYN-ACK retransmissions before a half-open connection is dropped. 5.
    pub syn_ack_retries: u8,
    /// Retransmissions of the same data before the connection times out (RFC 9293 §3.8.3). 15.
    pub retries: u8,
    /// How long the acknowledgement of a lone segment waits for company at least (RFC 1122
    /// §4.2.3.2). 40 ms.
    pub delayed_ack: Duration,
    /// How long at most, where the application answers what it reads or the path is long; below the
    /// 500 ms of RFC 9293 MUST-58. 200 ms.
    pub delayed_ack_max: Duration,
    /// How long TIME_WAIT lasts: 2 × MSL. 60 s.
    pub time_wait: Duration,
    /// A SYN that is certainly newer begins a connection anew during that time (RFC 6191). Off: it is answered as
    /// any other segment. On.
    pub time_wait_reuse: bool,
    /// How long a connection that was frozen keeps its place
    /// ([`freeze_tcp`](crate::Stack::freeze_tcp)): what its peer sends meanwhile is dropped in silence. Zero: it
    /// keeps none, and the next segment of the peer is answered with a RST. 120 s.
    pub frozen_time: Duration,
    /// Connections that keep their places so; one more is not frozen. 65536.
    pub max_frozen: usize,
    /// How long a closed socket waits in FIN_WAIT_2 for the peer's FIN. 60 s.
    pub fin_wait_2: Duration,
    /// Connections that deliver what is left although their sockets are closed; one more is reset
    /// (`tcp_max_orphans`). 65536.
    pub max_orphans: usize,
    /// Challenge ACKs, and answers to bare ACKs from outside the window, that one connection may
    /// send at once (RFC 5961 §7). 10.
    pub challenge_acks: u32,
    /// The time in which one more may be sent. 500 ms.
    pub challenge_interval: Duration,
    /// Idle time before the first keepalive probe, on sockets that ask for them. 2 h.
    pub keepalive_time: Duration,
    /// Time between keepalive probes. 75 s.
    pub keepalive_interval: Duration,
    /// Unanswered keepalive probes before the connection times out. 9.
    pub keepalive_probes: u8,
    /// Tell peers the user timeouts of our sockets, and follow theirs on sockets without (RFC 5482's
    /// ENABLED). A socket without tells the default of RFC 9293 §3.9.1.1, five minutes. Off.
    pub user_timeout_option: bool,
    /// The shortest timeout that a connection has which follows its peer's option (RFC 5482's L_LIMIT): it
    /// matters where [`user_timeout_max`](Self::user_timeout_max) is below the default of five minutes, or
    /// retransmissions are as far apart. 100 s.
    pub user_timeout_min: Duration,
    /// The longest (U_LIMIT), also of the default where that is told. 1 h.
    pub user_timeout_max: Duration,
    /// Suspect packets to be too large for the path after four timeouts in a row, fall back to small
    /// ones and find out what it carries (RFC 4821, RFC 8899). On.
    pub mtu_probing: bool,
    /// Smallest segment size that a peer can make us use (against tiny-MSS attacks). 48.
    pub min_segment: u16,
    /// Data in SYNs.
    pub fast_open: FastOpenConfig,
    /// How losses are detected and repaired.
    pub recovery: RecoveryConfig,
}

/// TCP Fast Open (RFC 7413): who is known by a cookie may send data in its SYN, which the application gets
/// before the handshake is complete. Only for applications that can bear to get it twice (§6.1).
#[derive(Debug, Clone)]
pub struct FastOpenConfig {
    /// Sockets may ask for cookies and send data in SYNs, where they want to
    /// ([`TcpOption::FastOpenConnect`](crate::socket::TcpOption::FastOpenConnect)). Bit 1 of Linux's
    /// `tcp_fastopen`. Off.
    pub client: bool,
    /// Listeners may give cookies and take data, where they want to
    /// ([`TcpOption::FastOpen`](crate::socket::TcpOption::FastOpen)). Bit 2 of Linux's `tcp_fastopen`. Off.
    pub server: bool,
    /// How long listeners give a peer the same cookie, which they take until so much time has passed once
    /// more. 1 h.
    pub cookie_life: Duration,
    /// Peers whose cookies are remembered, and as many whose failures are; the ones that were not needed for
    /// the longest time go for new ones. 1024.
    pub max_peers: usize,
    /// How long SYNs to a port are ordinary ones after one with the option was not answered, or in vain
    /// (§4.1.3.1): twice as long after each further failure, up to 64 times. 60 s.
    pub hold_off: Duration,
}

/// How TCP detects losses and repairs them. Every switch may be turned off on its own.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one mechanism")]
pub struct RecoveryConfig {
    /// Find losses by time (RACK, RFC 8985); off: by counting (RFC 6675). Needs SACK. On.
    pub rack: bool,
    /// Probe for the loss of a flight's end (TLP, RFC 8985 §7). Needs `rack`. On.
    pub tail_loss_probe: bool,
    /// How long a peer may withhold the acknowledgement of a single segment (RFC 8985's
    /// TLP.max_ack_delay): a probe for one waits so much longer. 50 ms.
    pub max_ack_delay: Duration,
    /// Reduce the rate in proportion during fast recovery (RFC 9937); off: RFC 6675's window. On.
    pub prr: bool,
    /// Judge retransmission timeouts by the acknowledgements behind them (F-RTO, RFC 5682). On.
    pub frto: bool,
    /// Judge recoveries by timestamps, and undo spurious ones (Eifel, RFC 3522, RFC 4015). On.
    pub eifel: bool,
    /// Report segments that arrive twice (RFC 2883), and take a peer's reports as evidence that a
    /// recovery was spurious. On.
    pub dsack: bool,
    /// Let new data out for the first duplicate acknowledgements (RFC 3042). On.
    pub limited_transmit: bool,
}

/// How fragments are put together, and how much of strangers' data waits for that.
#[derive(Debug, Clone)]
pub struct ReassemblyConfig {
    /// Bytes of memory that fragments may hold alive, of [`Config::memory`] and at most a quarter of it;
    /// the oldest go for new ones. 4 MiB.
    pub memory: usize,
    /// How much of that one IPv4 address, or one IPv6 prefix of 64 bits, may have. 1 MiB.
    pub per_source: usize,
    /// Fragments of one packet. A packet of 65,535 bytes over a link of 576 has 119. 256.
    pub max_fragments: usize,
    /// How long a packet may take from its first fragment to arrive (RFC 1122 §3.3.2, RFC 8200 §4.5).
    /// 60 s.
    pub timeout: Duration,
}

/// Settings of UDP.
#[derive(Debug, Clone)]
pub struct UdpConfig {
    /// Bytes of memory that unread datagrams of a socket may hold alive. 1 MiB.
    pub recv_buffer: usize,
    /// Bytes of datagrams of a socket that may wait for the device. 1 MiB.
    pub send_buffer: usize,
}

/// When a listener answers SYNs with cookies (RFC 4987 §3.6): connections made that way know window
/// scaling, SACK and ECN only where the peer sends timestamps, and a lost SYN-ACK is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SynCookies {
    /// A full SYN queue drops SYNs.
    Never,
    /// While the listener's SYN queue, or that of all listeners together, is full.
    #[default]
    WhenFull,
    /// Every SYN.
    Always,
}

/// Which algorithm governs the congestion window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CongestionAlgorithm {
    /// NewReno (RFC 5681, RFC 6582).
    Reno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
    /// DCTCP (RFC 8257), for networks of one operator: sockets that use it negotiate ECN.
    Dctcp,
    /// BBR (draft-ietf-ccwg-bbr, as it was after revision 06, on 3 August 2026), the third version of the
    /// algorithm.
    Bbr,
    /// BBR's first version (draft-cardwell-iccrg-bbr-congestion-control-00), from which Linux's `bbr`
    /// came. Only to be like the kernel: it takes no loss for a sign, and so fills shallow buffers with
    /// losses and leaves little to loss-based flows beside it; [`Bbr`](Self::Bbr) mends both.
    Bbr1,
}

impl CongestionAlgorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[Self::Reno, Self::Cubic, Self::Dctcp, Self::Bbr, Self::Bbr1];

    /// Its name, as Linux has it (`TCP_CONGESTION`) but for the versions of BBR, of which the plain `bbr` is
    /// the current one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reno => "reno",
            Self::Cubic => "cubic",
            Self::Dctcp => "dctcp",
            Self::Bbr => "bbr",
            Self::Bbr1 => "bbr1",
        }
    }
}

impl fmt::Display for CongestionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By name.
///
/// ```
/// use net_core::config::CongestionAlgorithm;
/// assert_eq!("cubic".parse(), Ok(CongestionAlgorithm::Cubic));
/// assert!("vegas".parse::<CongestionAlgorithm>().is_err());
/// ```
impl FromStr for CongestionAlgorithm {
    type Err = SocketError;

    fn from_str(name: &str) -> Result<Self, SocketError> {
        let mut all = Self::ALL.iter().copied();
        all.find(|algorithm| algorithm.name() == name)
            .ok_or(SocketError::Unsupported(
                "a congestion control of that name",
            ))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_sockets: 1 << 20,
            memory: 1 << 30,
            ephemeral_ports: 32768..=60999,
            port_share: PortShare::ALL,
            tcp: TcpConfig::default(),
            udp: UdpConfig::default(),
            reassembly: ReassemblyConfig::default(),
            ttl: 64,
            answers_per_second: 1000,
            answer_burst: 100,
            neighbor: NeighborConfig::default(),
            stable_secret: None,
        }
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            timestamps: true,
            timestamp_offsets: true,
            sack: true,
            window_scaling: true,
            ecn: false,
            accurate_ecn: false,
            ecn_fallback: true,
            dctcp_capable_control: false,
            initial_window: 10,
            abc_limit: 0,
            pacing: false,
            hystart: true,
            slow_start_after_idle: true,
            app_limited_samples: true,
            segment_autosizing: true,
            device_queue_time: Some(Duration::from_millis(2)),
            cwnd_validation: false,
            congestion: CongestionAlgorithm::default(),
            bbr_loss_threshold: 2,
            recv_buffer: 4 << 20,
            recv_buffer_max: 32 << 20,
            recv_autotuning: true,
            send_buffer: 4 << 20,
            send_buffer_max: 32 << 20,
            send_autotuning: true,
            notsent_lowat: 128 << 10,
            max_backlog: 4096,
            max_half_open: 65536,
            syn_cookies: SynCookies::default(),
            max_time_wait: 65536,
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            syn_retries: 7,
            syn_ack_retries: 5,
            retries: 15,
            delayed_ack: Duration::from_millis(40),
            delayed_ack_max: Duration::from_millis(200),
            time_wait: Duration::from_secs(60),
            time_wait_reuse: true,
            frozen_time: Duration::from_secs(120),
            max_frozen: 65536,
            fin_wait_2: Duration::from_secs(60),
            max_orphans: 65536,
            challenge_acks: 10,
            challenge_interval: Duration::from_millis(500),
            keepalive_time: Duration::from_secs(7200),
            keepalive_interval: Duration::from_secs(75),
            keepalive_probes: 9,
            user_timeout_option: false,
            user_timeout_min: Duration::from_secs(100),
            user_timeout_max: Duration::from_secs(3600),
            mtu_probing: true,
            min_segment: 48,
            fast_open: FastOpenConfig::default(),
            recovery: RecoveryConfig::default(),
        }
    }
}

impl Default for FastOpenConfig {
    fn default() -> Self {
        Self {
            client: false,
            server: false,
            cookie_life: Duration::from_secs(3600),
            max_peers: 1024,
            hold_off: Duration::from_secs(60),
        }
    }
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            rack: true,
            tail_loss_probe: true,
            max_ack_delay: Duration::from_millis(50),
            prr: true,
            frto: true,
            eifel: true,
            dsack: true,
            limited_transmit: true,
        }
    }
}

impl Default for ReassemblyConfig {
    fn default() -> Self {
        Self {
            memory: 4 << 20,
            per_source: 1 << 20,
            max_fragments: 256,
            timeout: Duration::from_secs(60),
        }
    }
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            recv_buffer: 1 << 20,
            send_buffer: 1 << 20,
        }
    }
}
