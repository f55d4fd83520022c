//! Socket options, typed.

use super::{IpSettings, MulticastSettings};
use crate::SocketError;
use crate::config::{CongestionAlgorithm, TcpConfig, UdpConfig};
use crate::time::Duration;

/// One option of a TCP socket and its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption {
    /// Send small segments at once (`TCP_NODELAY`, turns RFC 896 off).
    NoDelay(bool),
    /// Hold partial segments back for up to 200 ms (`TCP_CORK`).
    Cork(bool),
    /// Acknowledge at once (`TCP_QUICKACK`).
    QuickAck(bool),
    /// Probe idle connections (`SO_KEEPALIVE`).
    KeepAlive(bool),
    /// Idle time before the first probe (`TCP_KEEPIDLE`), at least 1 s.
    KeepAliveTime(Duration),
    /// Time between probes (`TCP_KEEPINTVL`), at least 1 s.
    KeepAliveInterval(Duration),
    /// Unanswered probes before time-out (`TCP_KEEPCNT`), 1–127.
    KeepAliveProbes(u8),
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`, RFC 5482).
    UserTimeout(Option<Duration>),
    /// What close does with unsent data (`SO_LINGER`); `Some(0)` resets.
    Linger(Option<Duration>),
    /// Send buffer in bytes (`SO_SNDBUF`, not doubled); it no longer grows.
    SendBuffer(usize),
    /// What the send buffer may grow to, at least its present size and at most 1 GiB.
    SendBufferMax(usize),
    /// Receive buffer in bytes (`SO_RCVBUF`, not doubled); it no longer grows.
    RecvBuffer(usize),
    /// What the receive buffer may grow to, at least its present size and at most 1 GiB. The window
    /// scale that a handshake has settled bounds the window of a connection that exists.
    RecvBufferMax(usize),
    /// Largest segment to use and to offer (`TCP_MAXSEG`), 88–32767.
    MaxSegment(u16),
    /// Unsent bytes at which the socket stops being writable (`TCP_NOTSENT_LOWAT`), at least 1.
    NotSentLowat(usize),
    /// SYN retransmissions (`TCP_SYNCNT`), 1–127.
    SynRetries(u8),
    /// Congestion control (`TCP_CONGESTION`); before the connection is made.
    Congestion(CongestionAlgorithm),
    /// Urgent data stays in the stream (`SO_OOBINLINE`).
    OobInline(bool),
    /// Pace, and at no more than so many bytes of payload a second (`SO_MAX_PACING_RATE`), at least
    /// 1; `None`: as the configuration and the congestion control say.
    MaxPacingRate(Option<u64>),
    /// A listener hands a connection out only when its first data is there, or when so much time has
    /// passed since the peer's SYN (`TCP_DEFER_ACCEPT`).
    DeferAccept(Option<Duration>),
    /// A listener takes data in SYNs, while no more than so many such connections wait for the rest of their
    /// handshake (`TCP_FASTOPEN`, RFC 7413 §4.2), at most
    /// [`max_backlog`](crate::config::TcpConfig::max_backlog); 0: none. Where
    /// [`FastOpenConfig::server`](crate::config::FastOpenConfig) allows it; not on a connection.
    FastOpen(u32),
    /// The SYN takes along what has been written by the time it leaves, if the peer's cookie is known; else
    /// it asks for one (`TCP_FASTOPEN_CONNECT`, RFC 7413 §4.2.2). Where
    /// [`FastOpenConfig::client`](crate::config::FastOpenConfig) allows it.
    FastOpenConnect(bool),
    /// Bind although connections in TIME_WAIT have the port (`SO_REUSEADDR`).
    ReuseAddress(bool),
    /// Share the port with other sockets that ask for it too (`SO_REUSEPORT`).
    ReusePort(bool),
    /// A bind to port 0 leaves the port to be chosen by connect, which can share it between
    /// connections to different peers (`IP_BIND_ADDRESS_NO_PORT`).
    BindAddressNoPort(bool),
    /// An IPv6 socket takes no IPv4 traffic (`IPV6_V6ONLY`).
    OnlyV6(bool),
}

/// The options of a TCP socket, to read back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one socket option")]
pub struct TcpSettings {
    /// See [`TcpOption::NoDelay`].
    pub nodelay: bool,
    /// See [`TcpOption::Cork`].
    pub cork: bool,
    /// See [`TcpOption::QuickAck`].
    pub quick_ack: bool,
    /// See [`TcpOption::KeepAlive`].
    pub keepalive: bool,
    /// See [`TcpOption::ReuseAddress`].
    pub reuse_address: bool,
    /// See [`TcpOption::ReusePort`].
    pub reuse_port: bool,
    /// See [`TcpOption::BindAddressNoPort`].
    pub bind_address_no_port: bool,
    /// See [`TcpOption::OnlyV6`].
    pub only_v6: bool,
    /// See [`TcpOption::KeepAliveTime`].
    pub keepalive_time: Duration,
    /// See [`TcpOption::KeepAliveInterval`].
    pub keepalive_interval: Duration,
    /// See [`TcpOption::KeepAliveProbes`].
    pub keepalive_probes: u8,
    /// See [`TcpOption::UserTimeout`].
    pub user_timeout: Option<Duration>,
    /// See [`TcpOption::Linger`].
    pub linger: Option<Duration>,
    /// See [`TcpOption::SendBuffer`].
    pub send_buffer: usize,
    /// See [`TcpOption::SendBufferMax`].
    pub send_buffer_max: usize,
    /// See [`TcpOption::RecvBuffer`].
    pub recv_buffer: usize,
    /// See [`TcpOption::RecvBufferMax`].
    pub recv_buffer_max: usize,
    /// See [`TcpOption::MaxSegment`].
    pub max_segment: Option<u16>,
    /// See [`TcpOption::NotSentLowat`].
    pub notsent_lowat: usize,
    /// See [`TcpOption::SynRetries`].
    pub syn_retries: u8,
    /// See [`TcpOption::Congestion`].
    pub congestion: CongestionAlgorithm,
    /// See [`TcpOption::OobInline`].
    pub oob_inline: bool,
    /// See [`TcpOption::MaxPacingRate`].
    pub max_pacing_rate: Option<u64>,
    /// See [`TcpOption::DeferAccept`].
    pub defer_accept: Option<Duration>,
    /// See [`TcpOption::FastOpen`].
    pub fast_open: u32,
    /// See [`TcpOption::FastOpenConnect`].
    pub fast_open_connect: bool,
    /// Options of the IP layer; see [`IpOption`](super::IpOption).
    pub ip: IpSettings,
}

impl TcpSettings {
    /// What a new socket starts with.
    #[must_use]
    pub fn new(config: &TcpConfig) -> Self {
        Self {
            nodelay: false,
            cork: false,
            quick_ack: false,
            keepalive: false,
            reuse_address: false,
            reuse_port: false,
            bind_address_no_port: false,
            only_v6: false,
            keepalive_time: config.keepalive_time,
            keepalive_interval: config.keepalive_interval,
            keepalive_probes: config.keepalive_probes,
            user_timeout: None,
            linger: None,
            send_buffer: config.send_buffer,
            send_buffer_max: ceiling(
                config.send_buffer,
                config.send_buffer_max,
                config.send_autotuning,
            ),
            recv_buffer: config.recv_buffer,
            recv_buffer_max: ceiling(
                config.recv_buffer,
                config.recv_buffer_max,
                config.recv_autotuning,
            ),
            max_segment: None,
            notsent_lowat: config.notsent_lowat,
            syn_retries: config.syn_retries,
            congestion: config.congestion,
            oob_inline: false,
            max_pacing_rate: None,
            defer_accept: None,
            fast_open: 0,
            fast_open_connect: false,
            ip: IpSettings::default(),
        }
    }
}

impl TcpSettings {
    /// Whether connections ask for explicit congestion notification and grant it: by configuration, or
    /// because their congestion control is nothing without.
    pub(crate) fn wants_ecn(&self, config: &TcpConfig) -> bool {
        config.ecn || self.congestion == CongestionAlgorithm::Dctcp
    }

    /// Whether that is to be with accurate feedback, which with selective acknowledgements needs
    /// duplicate ones (RFC 9768 §3.1.1).
    pub(crate) fn wants_accurate_ecn(&self, config: &TcpConfig) -> bool {
        let duplicates = config.recovery.dsack || !config.sack;
        config.accurate_ecn && duplicates && self.wants_ecn(config)
    }

    /// What the receive buffer may grow to in a connection's life. Where it does not by itself the application
    /// can still raise it, and the window scale of the handshake has to do for that.
    pub(crate) fn largest_recv_buffer(&self, config: &TcpConfig) -> usize {
        if config.recv_autotuning {
            self.recv_buffer_max
        } else {
            let most = config.recv_buffer_max.min(MAX_BUFFER);
            self.recv_buffer_max.max(most)
        }
    }

    /// Takes in one option. `active`: the socket listens or has a connection; `bound`: it has a
    /// local address.
    ///
    /// # Errors
    /// [`SocketError::InvalidInput`] names the range that the value is outside of, or the moment
    /// that has passed.
    pub(crate) fn set(
        &mut self,
        option: TcpOption,
        active: bool,
        bound: bool,
    ) -> Result<(), SocketError> {
        let check = |good: bool, rule: &'static str| {
            if good {
                Ok(())
            } else {
                Err(SocketError::InvalidInput(rule))
            }
        };
        let second = Duration::from_secs(1);
        match option {
            TcpOption::NoDelay(on) => self.nodelay = on,
            TcpOption::Cork(on) => self.cork = on,
            TcpOption::QuickAck(on) => self.quick_ack = on,
            TcpOption::KeepAlive(on) => self.keepalive = on,
            TcpOption::KeepAliveTime(time) => {
                check(time >= second, "the keepalive time is at least 1 s")?;
                self.keepalive_time = time;
            }
            TcpOption::KeepAliveInterval(time) => {
                check(time >= second, "the keepalive interval is at least 1 s")?;
                self.keepalive_interval = time;
            }
            TcpOption::KeepAliveProbes(count) => {
                check((1..=127).contains(&count), "keepalive probes are 1 to 127")?;
                self.keepalive_probes = count;
            }
            TcpOption::UserTimeout(time) => self.user_timeout = time,
            TcpOption::Linger(time) => self.linger = time,
            TcpOption::SendBuffer(size) => {
                self.send_buffer = size.clamp(MIN_SEND_BUFFER, MAX_BUFFER);
                self.send_buffer_max = self.send_buffer;
            }
            TcpOption::SendBufferMax(size) => {
                self.send_buffer_max = size.min(MAX_BUFFER).max(self.send_buffer);
            }
            TcpOption::RecvBuffer(size) => {
                self.recv_buffer = size.clamp(MIN_RECV_BUFFER, MAX_BUFFER);
                self.recv_buffer_max = self.recv_buffer;
            }
            TcpOption::RecvBufferMax(size) => {
                self.recv_buffer_max = size.min(MAX_BUFFER).max(self.recv_buffer);
            }
            TcpOption::MaxSegment(size) => {
                check(
                    (88..=32767).contains(&size),
                    "the largest segment is 88 to 32767 bytes",
                )?;
                self.max_segment = Some(size);
            }
            TcpOption::NotSentLowat(size) => self.notsent_lowat = size.max(1),
            TcpOption::SynRetries(count) => {
                check((1..=127).contains(&count), "SYN retries are 1 to 127")?;
                self.syn_retries = count;
            }
            TcpOption::Congestion(algorithm) => {
                check(
                    !active,
                    "congestion control is chosen before connect or listen",
                )?;
                self.congestion = algorithm;
            }
            TcpOption::OobInline(on) => self.oob_inline = on,
            TcpOption::MaxPacingRate(rate) => self.max_pacing_rate = rate.map(|rate| rate.max(1)),
            TcpOption::DeferAccept(time) => self.defer_accept = time,
            TcpOption::FastOpen(pending) => self.fast_open = pending,
            TcpOption::FastOpenConnect(on) => {
                check(!active, "fast open is chosen before connect")?;
                self.fast_open_connect = on;
            }
            TcpOption::ReuseAddress(on) => self.reuse_address = on,
            TcpOption::ReusePort(on) => self.reuse_port = on,
            TcpOption::BindAddressNoPort(on) => self.bind_address_no_port = on,
            TcpOption::OnlyV6(on) => {
                check(!bound, "only_v6 is chosen before bind")?;
                self.only_v6 = on;
            }
        }
        Ok(())
    }
}

/// The options of a UDP, ping or raw socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one socket option")]
pub struct UdpSettings {
    /// Bind although another socket that asks for it has the port (`SO_REUSEADDR`).
    pub reuse_address: bool,
    /// Share the port with other sockets that ask for it too (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// An IPv6 socket takes no IPv4 traffic (`IPV6_V6ONLY`).
    pub only_v6: bool,
    /// May send to broadcast addresses (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Keep what ICMP errors say about datagrams sent, for
    /// [`Udp::recv_error`](crate::udp::Udp::recv_error) (`IP_RECVERR`). Soft errors are reported then,
    /// too, and errors about datagrams of sockets that are not connected.
    pub recv_errors: bool,
    /// UDP datagrams over IPv4 leave without a checksum (`SO_NO_CHECK`, RFC 768). Over IPv6 there is
    /// always one (RFC 8200 §8.1).
    pub no_checksum: bool,
    /// Datagrams that a device has joined into one packet are received as one buffer, with their size in
    /// [`Datagram::segment`](crate::udp::Datagram::segment) (`UDP_GRO`). Not those to groups or to
    /// broadcast addresses, which have many receivers.
    pub gro: bool,
    /// The options of the IPv4 headers of what is received are told
    /// ([`Datagram::options`](crate::udp::Datagram::options), `IP_RECVOPTS`).
    pub recv_options: bool,
    /// What a raw socket sends begins with the IP header (`IP_HDRINCL`).
    pub header_included: bool,
    /// Multicast.
    pub multicast: MulticastSettings,
    /// Bytes of memory that unread datagrams may pin (`SO_RCVBUF`, not doubled).
    pub recv_buffer: usize,
    /// Bytes of datagrams that may wait for the device (`SO_SNDBUF`, not doubled).
    pub send_buffer: usize,
    /// Options of the IP layer; see [`IpOption`](super::IpOption).
    pub ip: IpSettings,
}

impl UdpSettings {
    /// What a new socket starts with.
    #[must_use]
    pub fn new(config: &UdpConfig) -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            only_v6: false,
            broadcast: false,
            recv_errors: false,
            no_checksum: false,
            gro: false,
            recv_options: false,
            header_included: false,
            multicast: MulticastSettings::default(),
            recv_buffer: config.recv_buffer,
            send_buffer: config.send_buffer,
            ip: IpSettings::default(),
        }
    }
}

impl UdpSettings {
    /// Lets `change` put others in the place of all of them, except what has an operation of its own: whether
    /// the socket is [transparent](super::IpOption::Transparent), for which it needs leave, and the interface
    /// that it is bound to.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        let guard = KeepGranted {
            before: self.ip,
            settings: self,
        };
        change(guard.settings)
    }
}

/// Puts back what was granted, also where the code in between panics.
struct KeepGranted<'a> {
    settings: &'a mut UdpSettings,
    before: IpSettings,
}

impl Drop for KeepGranted<'_> {
    fn drop(&mut self) {
        self.settings.ip.keep_granted(&self.before);
    }
}

/// The smallest send and receive buffers, in bytes; half of what Linux shows, which doubles.
const MIN_SEND_BUFFER: usize = 2304;
const MIN_RECV_BUFFER: usize = 1152;

/// What a buffer that begins with `size` may grow to, if it `grows`.
fn ceiling(size: usize, most: usize, grows: bool) -> usize {
    let most = if grows { most } else { size };
    most.min(MAX_BUFFER).max(size)
}

/// The largest buffers: the largest window (RFC 7323 §2.3).
const MAX_BUFFER: usize = 1 << 30;
