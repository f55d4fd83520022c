//! Whole networks.

use super::*;
use crate::config::CongestionAlgorithm;
use crate::qdisc::{AnyQdisc, Cake, FqCodel, FqCodelConfig};
use crate::socket::TcpOption;
use crate::tcp::Limit;
use crate::time::{Duration, Instant};
use crate::{Config, Seed};
use core::net::SocketAddr;
use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

const PORT: u16 = 5001;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn link(rate_bps: u64, delay: Duration) -> LinkConfig {
    LinkConfig {
        rate_bps: Some(rate_bps),
        delay,
        offload: true,
        ..LinkConfig::default()
    }
}

/// Two hosts with one link between them, and the address of the second one's sink.
fn pair(seed: u64, there: LinkConfig, back: LinkConfig) -> (Network, [NodeId; 2], SocketAddr) {
    let mut network = Network::new(Seed::from_u64(seed));
    let client = network.add_host("client", Config::default(), Traffic::new());
    let server = network.add_host("server", Config::default(), Traffic::new());
    network.connect(client, server, there, back);
    let address = SocketAddr::new(network.address(server), PORT);
    network
        .with(server, |traffic, stack, _| traffic.listen(stack, address))
        .unwrap();
    (network, [client, server], address)
}

fn start(network: &mut Network, host: NodeId, flow: Flow) {
    network.with(host, |traffic, _, now| traffic.start(flow, now));
}

/// A bad link, what is sent over it, and the packets as a file.
fn bad_link(seed: u64) -> Vec<u8> {
    let bad = LinkConfig {
        loss_ppm: 10_000,
        jitter: ms(3),
        reorder_ppm: 20_000,
        duplicate_ppm: 5_000,
        corrupt_ppm: 1_000,
        ..link(20_000_000, ms(15))
    };
    let (mut network, [client, server], address) = pair(seed, bad.clone(), bad);
    network.record(client);
    for bytes in [1, 40_000, 700_000] {
        start(&mut network, client, Flow::of(bytes, address));
    }
    network.run_for(secs(60)).unwrap();
    let received = network.app(server).received();
    let mut bytes: Vec<_> = received.iter().map(|flow| flow.bytes).collect();
    bytes.sort_unstable();
    assert_eq!(bytes, [1, 40_000, 700_000]);
    assert!(received.iter().all(|flow| flow.finished.is_some()));
    network.capture(client)
}

#[test]
fn a_seed_gives_the_same_packets_byte_for_byte_and_another_one_does_not() {
    let first = bad_link(1);
    assert!(first.len() > 700_000);
    assert!(first == bad_link(1));
    assert!(first != bad_link(2));
}

#[test]
fn a_flow_fills_a_link() {
    let link = link(100_000_000, ms(20));
    let (mut network, [client, server], address) = pair(3, link.clone(), link);
    start(&mut network, client, Flow::endless(address));
    network.run_for(secs(2)).unwrap();
    let bytes = network.app(server).received()[0].bytes;
    // 1448 of 1500 bytes are payload; slow start takes its share.
    assert!((18_000_000..24_133_334).contains(&bytes), "{bytes}");
}

#[test]
fn a_finished_flow_says_how_long_it_took() {
    let link = link(100_000_000, ms(20));
    let (mut network, [client, server], address) = pair(4, link.clone(), link);
    let later = Flow::of(10_000, address).starting(Instant::from_millis(500));
    start(&mut network, client, later);
    network.run_for(secs(5)).unwrap();
    let sent = &network.app(client).sent()[0];
    let received = network
        .app(server)
        .received_from(sent.local.unwrap())
        .unwrap();
    assert_eq!((received.bytes, received.error), (10_000, None));
    assert_eq!(sent.started, Instant::from_millis(500));
    // Handshake, data, and the end: half a round trip each way of all three, and what 10 kB take.
    let took = sent.duration().unwrap();
    assert!(took >= ms(80) && took < ms(85), "{took:?}");
}

#[test]
fn a_flow_to_nobody_reports_its_error() {
    let (mut network, [client, _], address) =
        pair(5, link(1_000_000, ms(1)), link(1_000_000, ms(1)));
    let nobody = SocketAddr::new(address.ip(), PORT + 1);
    start(&mut network, client, Flow::of(1, nobody));
    network.run_for(secs(1)).unwrap();
    let error = network.app(client).sent()[0].error;
    assert_eq!(error, Some(crate::SocketError::ConnectionRefused));
}

#[test]
fn many_hosts_share_a_link_behind_switch_and_router() {
    let mut network = Network::new(Seed::from_u64(6));
    let switch = network.add_switch("switch");
    let router = network.add_router("router");
    let fast = link(1_000_000_000, ms(1));
    network.connect(
        switch,
        router,
        link(50_000_000, ms(5)),
        link(50_000_000, ms(5)),
    );
    let server = network.add_host("server", Config::default(), Traffic::new());
    network.connect(router, server, fast.clone(), fast.clone());
    let address = SocketAddr::new(network.address(server), PORT);
    network
        .with(server, |traffic, stack, _| traffic.listen(stack, address))
        .unwrap();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let name = std::format!("client {number}");
            let client = network.add_host(name, Config::default(), Traffic::new());
            network.connect(client, switch, fast.clone(), fast.clone());
            start(&mut network, client, Flow::of(200_000, address));
            client
        })
        .collect();
    network.run_for(secs(20)).unwrap();
    for client in clients {
        let sent = &network.app(client).sent()[0];
        assert!(sent.ended.is_some(), "{:?}", sent.error);
    }
    assert_eq!(network.app(server).received().len(), 8);
    assert!(network.fabric().forwarded(router).unwrap().forwarded > 8 * 138);
}

#[test]
fn ipv6_goes_the_same_ways() {
    let link = link(10_000_000, ms(5));
    let (mut network, [client, server], _) = pair(7, link.clone(), link);
    let address = SocketAddr::new(network.addresses(server)[1], PORT);
    assert!(address.is_ipv6());
    network
        .with(server, |traffic, stack, _| traffic.listen(stack, address))
        .unwrap();
    start(&mut network, client, Flow::of(50_000, address));
    network.run_for(secs(3)).unwrap();
    assert!(network.app(client).sent()[0].ended.is_some());
}

#[test]
fn a_loop_of_switches_is_a_livelock_and_says_where() {
    let mut network: Network<()> = Network::new(Seed::from_u64(8));
    let host = network.add_host("host", Config::default(), ());
    let left = network.add_switch("left");
    let right = network.add_switch("right");
    let perfect = LinkConfig::default;
    network.connect(host, left, perfect(), perfect());
    let [there, back] = network.connect(left, right, perfect(), perfect());
    let everything = crate::iface::IpCidr {
        address: core::net::Ipv4Addr::UNSPECIFIED.into(),
        prefix_len: 0,
    };
    network.fabric_mut().add_route(left, everything, there);
    network.fabric_mut().add_route(right, everything, back);
    network.limit_steps(1_000);
    let stack = network.stack_mut(host);
    let id = stack.tcp_open(crate::socket::Family::V4).unwrap();
    let nobody = SocketAddr::from(([10, 9, 9, 9], 1));
    let _ = stack.connect(id, nobody, Instant::ZERO);
    let error = network.run_for(secs(1)).unwrap_err();
    assert_eq!((error.at, error.steps), (Instant::ZERO, 1_001));
    let text = error.to_string();
    assert!(text.contains("packets from left to right"), "{text}");
}

#[test]
fn a_connection_survives_an_outage_and_a_change_of_rate() {
    let up = link(10_000_000, ms(10));
    let down = LinkConfig {
        outage: Some(Outage::Lose),
        ..up.clone()
    };
    let (mut network, [client, server], address) = pair(9, up.clone(), up.clone());
    let [port, ..] = *network.fabric().ports(client) else {
        panic!("a link")
    };
    let fabric = network.fabric_mut();
    fabric.change_at(port, Instant::from_millis(500), down);
    fabric.change_at(port, Instant::from_millis(800), link(2_000_000, ms(30)));
    start(&mut network, client, Flow::of(2_000_000, address));
    network.run_for(secs(30)).unwrap();
    assert_eq!(network.app(server).received()[0].bytes, 2_000_000);
    assert!(network.fabric().link(port).counters().outage > 0);
}

#[test]
fn a_trace_tells_the_course_of_a_connection() {
    let (mut network, [client, _], address) =
        pair(10, link(10_000_000, ms(10)), link(10_000_000, ms(10)));
    let [port, ..] = *network.fabric().ports(client) else {
        panic!("a link")
    };
    network.trace(ms(10), &[port]);
    let flow = Flow::of(2_000_000, address).with(TcpOption::Congestion(CongestionAlgorithm::Reno));
    start(&mut network, client, flow);
    network.run_for(secs(3)).unwrap();
    let tracer = network.traced().unwrap();
    let (key, series) = tracer.connections().next().unwrap();
    assert_eq!(key, (client.index(), 0));
    let middle = &series.samples[49];
    assert_eq!(middle.at, Instant::from_millis(500));
    assert!(middle.cwnd > 14_480 && middle.in_flight > 0 && middle.delivered > 100_000);
    assert!(middle.rtt.unwrap() >= ms(20));
    let limits = series.samples.iter().map(|sample| sample.limit);
    assert!(limits.clone().any(|limit| limit == Limit::CongestionWindow));
    assert!(limits.clone().any(|limit| limit == Limit::Application));
    assert!(series.samples.is_sorted_by_key(|sample| sample.delivered));

    let csv = series.to_csv();
    assert_eq!(csv.lines().count(), 1 + series.samples.len());
    let columns = |line: &str| line.split(',').count();
    assert!(csv.lines().all(|line| columns(line) == 12));

    let svg = series.to_svg("a <flow>");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("a &lt;flow&gt;") && !svg.contains("a <flow>"));

    let (_, queue) = tracer.queues().next().unwrap();
    assert!(queue.iter().any(|sample| sample.bytes > 50_000));
    assert_eq!(queue_to_csv(queue).lines().count(), 1 + queue.len());
    assert!(queue_chart("queue", queue).to_svg().contains("queue"));
}

/// Each column has what its name says, and each line of the chart is drawn.
#[test]
fn a_trace_tells_the_timeout_and_the_rate_of_pacing() {
    let (mut network, [client, _], address) =
        pair(11, link(10_000_000, ms(10)), link(10_000_000, ms(10)));
    network.trace(ms(10), &[]);
    let flow = Flow::of(2_000_000, address).with(TcpOption::Congestion(CongestionAlgorithm::Bbr));
    start(&mut network, client, flow);
    network.run_for(secs(3)).unwrap();
    let (_, series) = network.traced().unwrap().connections().next().unwrap();
    let (at, sample) = (99, &series.samples[99]);
    // BBR paces at about the rate of the link, 1,250,000 bytes a second.
    let rate = sample.pacing_rate.unwrap();
    assert!((600_000..4_000_000).contains(&rate), "{rate}");
    assert!(
        sample.rto >= ms(200) && sample.rto < secs(1),
        "{:?}",
        sample.rto
    );
    let csv = series.to_csv();
    let mut lines = csv.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let cells: Vec<_> = lines.nth(at).unwrap().split(',').collect();
    let cell = |name: &str| cells[names.iter().position(|it| *it == name).unwrap()];
    assert_eq!(cell("pacing_rate"), rate.to_string());
    let rto: f64 = cell("rto").parse().unwrap();
    assert!((rto - sample.rto.as_secs_f64()).abs() < 0.001, "{rto}");
    let svg = series.to_svg("flow");
    // A line that is drawn begins somewhere and goes on from there.
    let paths = svg.split("<path class=\"line\"").skip(1);
    let drawn = paths.filter(|path| path.contains("d=\"M") && path.contains('H'));
    assert!(drawn.count() >= 3);
}

/// RFC 5681 §3: the window doubles each round trip until a packet is lost, then it is half of what was
/// in flight, and grows by a segment each round trip.
#[test]
fn the_window_takes_the_course_of_reno() {
    const MSS: u32 = 1448;
    let lossy = LinkConfig {
        lose: [220].into(),
        ..link(100_000_000, ms(25))
    };
    let (mut network, [client, _], address) = pair(14, lossy, link(100_000_000, ms(25)));
    network.trace(ms(1), &[]);
    let flow = Flow::endless(address).with(TcpOption::Congestion(CongestionAlgorithm::Reno));
    start(&mut network, client, flow);
    network.run_for(secs(3)).unwrap();
    let (_, series) = network.traced().unwrap().connections().next().unwrap();
    let window = |millis: u64| {
        let at = Instant::from_millis(millis);
        let sample = series.samples.iter().find(|sample| sample.at == at);
        sample.unwrap().cwnd / MSS
    };
    // The handshake takes a round trip of 50 ms, and each flight leaves at the beginning of the next
    // ones.
    assert_eq!([75, 125, 175, 225, 275].map(window), [10, 20, 40, 80, 160]);
    let lost = (series.samples.iter())
        .position(|sample| sample.slow_start_threshold.is_some())
        .unwrap();
    let (before, after) = (&series.samples[lost - 1], &series.samples[lost]);
    assert_eq!((before.retransmits, after.timeouts), (0, 0));
    let threshold = after.slow_start_threshold.unwrap();
    assert!(threshold.abs_diff(before.cwnd / 2) <= before.cwnd / 20);
    // A round trip after the repair, at most one of growth.
    assert!((0..=1).contains(&(window(450) - threshold / MSS)));
    // 50 round trips, each a little longer than the delays alone.
    let grown = window(2950) - window(450);
    assert!((47..=50).contains(&grown), "{grown}");
    let last = series.samples.last().unwrap();
    assert_eq!((last.retransmits, last.timeouts), (1, 0));
}

/// A round trip of 100 ms at 1 Gbit/s holds 12.5 MB: three times what the receive buffer begins
/// with.
#[test]
fn a_long_fast_link_is_filled_with_the_buffers_as_they_are() {
    let received = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        let long = LinkConfig {
            queue_bytes: 6 << 20,
            ..link(1_000_000_000, ms(50))
        };
        let mut dumbbell = Dumbbell::new(Seed::from_u64(15), &[config], long.clone(), long.clone());
        let flow = dumbbell.start(0, Flow::endless);
        dumbbell.run_for(secs(3)).unwrap();
        let before = dumbbell.received(flow).unwrap().bytes;
        dumbbell.run_for(secs(2)).unwrap();
        dumbbell.received(flow).unwrap().bytes - before
    };
    // 1448 of 1500 bytes are payload.
    let most = 2 * 125_000_000 * 1448 / 1500;
    let tuned = received(|_| {});
    assert!(tuned > most * 95 / 100, "{tuned} of {most}");
    let fixed = received(|config| config.tcp.recv_buffer_max = config.tcp.recv_buffer);
    assert!(fixed < most / 2, "{fixed} of {most}");
}

/// Disciplines of the stack stand in front of links: fq_codel and cake keep the queue short that
/// drop-tail fills.
#[test]
fn a_discipline_of_the_stack_may_stand_in_front_of_a_link() {
    let longest_queue = |qdisc: Option<AnyQdisc>| {
        let (mut network, [client, server], address) =
            pair(12, link(10_000_000, ms(10)), link(10_000_000, ms(10)));
        let [port, ..] = *network.fabric().ports(client) else {
            panic!("a link")
        };
        if let Some(qdisc) = qdisc {
            let queue = Box::new(Discipline::new(qdisc));
            network.fabric_mut().set_queue(port, queue);
        }
        start(&mut network, client, Flow::endless(address));
        network.run_for(secs(10)).unwrap();
        network.trace(ms(10), &[port]);
        network.run_for(secs(10)).unwrap();
        assert!(network.app(server).received()[0].bytes > 20_000_000);
        assert!(network.fabric().link(port).counters().queue_full > 0);
        let (_, queue) = network.traced().unwrap().queues().next().unwrap();
        queue.iter().map(|sample| sample.bytes).max().unwrap()
    };
    let seed = Seed::from_u64(12);
    let codel = longest_queue(Some(FqCodel::new(FqCodelConfig::default(), seed).into()));
    assert!(codel > 0 && codel < 60_000, "{codel}");
    let cake = longest_queue(Some(Cake::new("".parse().unwrap(), seed).into()));
    assert!(cake > 0 && cake < 60_000, "{cake}");
    let drop_tail = longest_queue(None);
    assert!(drop_tail > 200_000, "{drop_tail}");
}

#[test]
fn looking_changes_nothing() {
    let run = |traced: bool| {
        let bad = LinkConfig {
            loss_ppm: 5_000,
            ..link(20_000_000, ms(15))
        };
        let (mut network, [client, _], address) = pair(11, bad.clone(), bad);
        if traced {
            network.trace(Duration::from_micros(777), &[]);
        }
        network.record(client);
        start(&mut network, client, Flow::of(300_000, address));
        network.run_for(secs(10)).unwrap();
        network.capture(client)
    };
    assert!(run(false) == run(true));
}

/// BBR's first version sees no sign in losses, so that only what is lost is missing; a loss-based
/// algorithm falls to a fraction.
#[test]
fn the_first_version_of_bbr_keeps_its_rate_where_packets_are_lost() {
    let received = |algorithm| {
        let lossy = LinkConfig {
            loss_ppm: 30_000,
            queue_bytes: 50_000,
            ..link(20_000_000, ms(10))
        };
        let (mut network, [client, server], address) = pair(13, lossy, link(20_000_000, ms(10)));
        let flow = Flow::endless(address).with(TcpOption::Congestion(algorithm));
        start(&mut network, client, flow);
        network.run_for(secs(5)).unwrap();
        network.app(server).received()[0].bytes
    };
    let bbr = received(CongestionAlgorithm::Bbr1);
    // 20 Mbit/s are 11.7 MB of payload in the time from the handshake on.
    assert!(bbr > 11_000_000, "{bbr}");
    assert!(received(CongestionAlgorithm::Cubic) * 2 < bbr);
}
