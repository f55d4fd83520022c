//! Every option of a TCP socket of the core, set and read back.

use net_core::config::CongestionAlgorithm;
use net_core::socket::{Family, TcpOption, TcpSettings};
use net_core::time::Duration;
use net_core::{Config, Instant, Seed, Stack};

/// An option, and whether the settings show it.
type Set = (TcpOption, fn(&TcpSettings) -> bool);

/// Every option of TCP, with a value that is not its default.
const OPTIONS: [Set; 26] = [
    (TcpOption::NoDelay(true), |s| s.nodelay),
    (TcpOption::Cork(true), |s| s.cork),
    (TcpOption::QuickAck(true), |s| s.quick_ack),
    (TcpOption::KeepAlive(true), |s| s.keepalive),
    (TcpOption::KeepAliveTime(MINUTE), |s| {
        s.keepalive_time == MINUTE
    }),
    (TcpOption::KeepAliveInterval(MINUTE), |s| {
        s.keepalive_interval == MINUTE
    }),
    (TcpOption::KeepAliveProbes(3), |s| s.keepalive_probes == 3),
    (TcpOption::UserTimeout(Some(MINUTE)), |s| {
        s.user_timeout == Some(MINUTE)
    }),
    (TcpOption::Linger(Some(MINUTE)), |s| {
        s.linger == Some(MINUTE)
    }),
    (TcpOption::SendBuffer(100_000), |s| s.send_buffer == 100_000),
    (TcpOption::SendBufferMax(110_000), |s| {
        s.send_buffer_max == 110_000
    }),
    (TcpOption::RecvBuffer(120_000), |s| s.recv_buffer == 120_000),
    (TcpOption::RecvBufferMax(130_000), |s| {
        s.recv_buffer_max == 130_000
    }),
    (TcpOption::MaxSegment(1000), |s| s.max_segment == Some(1000)),
    (TcpOption::NotSentLowat(5000), |s| s.notsent_lowat == 5000),
    (TcpOption::SynRetries(3), |s| s.syn_retries == 3),
    (TcpOption::Congestion(CongestionAlgorithm::Reno), |s| {
        s.congestion == CongestionAlgorithm::Reno
    }),
    (TcpOption::OobInline(true), |s| s.oob_inline),
    (TcpOption::MaxPacingRate(Some(1_000_000)), |s| {
        s.max_pacing_rate == Some(1_000_000)
    }),
    (TcpOption::DeferAccept(Some(MINUTE)), |s| {
        s.defer_accept == Some(MINUTE)
    }),
    (TcpOption::FastOpen(7), |s| s.fast_open == 7),
    (TcpOption::FastOpenConnect(true), |s| s.fast_open_connect),
    (TcpOption::ReuseAddress(true), |s| s.reuse_address),
    (TcpOption::ReusePort(true), |s| s.reuse_port),
    (TcpOption::BindAddressNoPort(true), |s| {
        s.bind_address_no_port
    }),
    (TcpOption::OnlyV6(true), |s| s.only_v6),
];

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn every_option_is_set_and_read_back() {
    let mut config = Config::default();
    (config.tcp.fast_open.client, config.tcp.fast_open.server) = (true, true);
    let mut stack = Stack::new(config, Seed::from_u64(1), Instant::ZERO);
    let id = stack.tcp_open(Family::V6).expect("a socket");
    for (number, (option, shows)) in OPTIONS.into_iter().enumerate() {
        let before = stack.tcp_settings(id).expect("a TCP socket");
        assert!(!shows(before), "{option:?} is the default");
        let set = stack.set_tcp_option(id, option, Instant::ZERO);
        assert_eq!(set, Ok(()), "{option:?}");
        // And none undoes another.
        let after = stack.tcp_settings(id).expect("a TCP socket");
        for (other, shows) in &OPTIONS[..=number] {
            assert!(shows(after), "{other:?} after {option:?}");
        }
    }
}
