//! One path, and what flows over it come to.

use net_core::Seed;
use net_core::config::{Config, CongestionAlgorithm};
use net_core::sim::{Dumbbell, Flow, FlowId, LinkConfig, Passing};
use net_core::socket::TcpOption;
use net_core::time::{Duration, Instant};

/// A path between hosts, as scenarios vary it.
#[derive(Debug, Clone)]
pub struct Path {
    /// What becomes of packets with data. Its queue is set by `buffer`.
    pub there: LinkConfig,
    /// Round-trip time.
    pub rtt: Duration,
    /// The queue in front of the link, in percent of the product of rate and round-trip time.
    pub buffer: u64,
    /// Settings of all hosts.
    pub config: Config,
}

impl Path {
    /// A path without losses, with a buffer of one bandwidth-delay product.
    #[must_use]
    pub fn new(rate_bps: u64, rtt: Duration) -> Self {
        Self {
            there: LinkConfig {
                rate_bps: Some(rate_bps),
                ..LinkConfig::default()
            },
            rtt,
            buffer: 100,
            config: Config::default(),
        }
    }

    /// Bits per second of the link.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.there.rate_bps.unwrap_or(u64::MAX)
    }

    /// What is left of that for payload, with full segments and timestamps over IPv4.
    #[must_use]
    pub fn payload_rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = self.rate() as f64;
        rate * 1448.0 / 1500.0
    }

    /// The network, with this many pairs of hosts.
    #[must_use]
    pub fn dumbbell(&self, pairs: usize, seed: u64) -> Dumbbell {
        let configs = vec![self.config.clone(); pairs];
        let there = self.there();
        let back = LinkConfig {
            rate_bps: there.rate_bps,
            delay: there.delay,
            queue_bytes: 1 << 30,
            offload: true,
            ..LinkConfig::default()
        };
        Dumbbell::new(Seed::from_u64(seed), &configs, there, back)
    }

    /// What becomes of packets with data.
    #[must_use]
    pub fn there(&self) -> LinkConfig {
        let bits = u128::from(self.rate()) * self.rtt.as_nanos() / 1_000_000_000;
        let bytes = bits / 8 * u128::from(self.buffer) / 100;
        LinkConfig {
            delay: self.rtt / 2,
            queue_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            offload: true,
            ..self.there.clone()
        }
    }

    /// One flow without end; what it came to when `time` has passed.
    #[must_use]
    pub fn bulk(&self, algorithm: CongestionAlgorithm, time: Duration, seed: u64) -> Bulk {
        self.contest(&[(algorithm, Duration::ZERO)], time, seed)
            .remove(0)
    }

    /// Flows without end, each of an algorithm and beginning at a random moment of its first so
    /// long; what each came to when `time` has passed.
    #[must_use]
    pub fn contest(
        &self,
        rivals: &[(CongestionAlgorithm, Duration)],
        time: Duration,
        seed: u64,
    ) -> Vec<Bulk> {
        let mut dumbbell = self.dumbbell(rivals.len(), seed);
        let mut rng = Seed::from_u64(seed).rng("starts");
        let flows: Vec<FlowId> = (rivals.iter().enumerate())
            .map(|(pair, (algorithm, within))| {
                let within = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
                let start = Instant::from_nanos(rng.below(within.max(1)));
                dumbbell.start(pair, |to| endless(to, *algorithm).starting(start))
            })
            .collect();
        dumbbell.run_for(time).expect("the simulation gets on");
        flows
            .into_iter()
            .map(|flow| Bulk::of(&mut dumbbell, flow))
            .collect()
    }
}

/// What a flow came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bulk {
    /// Bytes that the receiver has read.
    pub bytes: u64,
    /// Their bits, by the time since the flow began.
    pub goodput: f64,
    /// Segments sent.
    pub segments: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Segments that arrived and brought nothing new.
    pub needless: u64,
}

impl Bulk {
    /// A flow as it is now.
    ///
    /// # Panics
    /// If it never was accepted.
    #[must_use]
    pub fn of(dumbbell: &mut Dumbbell, flow: FlowId) -> Self {
        let now = dumbbell.network().now();
        let started = dumbbell.sent(flow).started;
        let received = *dumbbell.received(flow).expect("an accepted flow");
        let end = received.finished.unwrap_or(now);
        let stats = dumbbell.network().stack(dumbbell.sender(flow.pair)).stats();
        let (segments, retransmits) = (stats.tcp_out_segments, stats.tcp_retransmits);
        let timeouts = stats.tcp_timeouts;
        let lost = dumbbell.network().fabric().link(dumbbell.bottleneck());
        let counters = lost.counters();
        let gone = counters.lost + counters.queue_full + counters.outage;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bits = received.bytes as f64 * 8.0;
        Self {
            bytes: received.bytes,
            goodput: bits / end.saturating_since(started).as_secs_f64().max(1e-9),
            segments,
            retransmits,
            timeouts,
            needless: retransmits.saturating_sub(gone),
        }
    }
}

/// A flow without end.
#[must_use]
pub(super) fn endless(to: std::net::SocketAddr, algorithm: CongestionAlgorithm) -> Flow {
    Flow::endless(to).with(TcpOption::Congestion(algorithm))
}

/// A flow of some bytes.
#[must_use]
pub(super) fn transfer(
    bytes: u64,
    to: std::net::SocketAddr,
    algorithm: CongestionAlgorithm,
) -> Flow {
    Flow::of(bytes, to).with(TcpOption::Congestion(algorithm))
}

/// Loses the first packet with a FIN.
pub(super) fn lose_first_fin() -> impl FnMut(&Passing<'_>) -> bool + Send {
    let mut done = false;
    move |passing| {
        let fin = passing
            .tcp()
            .is_some_and(|(tcp, _)| tcp.flags.contains(net_core::wire::TcpFlags::FIN));
        let first = fin && !done;
        done |= fin;
        first
    }
}

/// The name of an algorithm in tables.
#[must_use]
pub(super) fn name(algorithm: CongestionAlgorithm) -> String {
    match algorithm {
        CongestionAlgorithm::Reno => "Reno".into(),
        CongestionAlgorithm::Cubic => "CUBIC".into(),
        CongestionAlgorithm::Bbr => "BBR".into(),
        CongestionAlgorithm::Bbr1 => "BBR version 1".into(),
        other => format!("{other:?}"),
    }
}

/// The algorithms for the paths of the Internet.
pub(super) const ALGORITHMS: [CongestionAlgorithm; 3] = [
    CongestionAlgorithm::Reno,
    CongestionAlgorithm::Cubic,
    CongestionAlgorithm::Bbr,
];
