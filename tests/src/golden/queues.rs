//! What the queue in front of a narrow link does to others than those who fill it: pings beside bulk
//! transfers.

use super::parallel;
use super::path::endless;
use super::table::{Table, median, millis, percent, quantile};
use net_core::config::{Config, CongestionAlgorithm};
use net_core::qdisc::{Fifo, FqCodel, FqCodelConfig};
use net_core::sim::{Discipline, Dumbbell, LinkConfig, Queue};
use net_core::socket::Family;
use net_core::time::Duration;
use net_core::{Seed, SocketId};
use std::net::SocketAddr;

/// What stands in front of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// First in, first out, up to 1,000 packets.
    Pfifo,
    /// Flow queueing with controlled delay (RFC 8290).
    FqCodel,
}

/// What came of pings beside bulk transfers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pings {
    /// Seconds of a round trip before anything else was sent.
    pub base: f64,
    /// Seconds that the transfers added to it: the median.
    pub median: f64,
    /// The value below which 95 % of them lie.
    pub p95: f64,
    /// What the transfers got of the link's rate.
    pub share: f64,
    /// Pings without an answer.
    pub lost: usize,
}

/// Pings over a link of 50 Mbit/s with a round trip of 20 ms, one at a time, once eight endless transfers
/// have had three seconds to fill what there is to fill; for so long.
///
/// # Panics
/// If the simulation does not get on.
#[must_use]
pub fn pings_beside_bulk(waiting: Waiting, seed: u64, time: Duration) -> Pings {
    let link = LinkConfig {
        rate_bps: Some(RATE),
        delay: Duration::from_millis(10),
        queue_bytes: 1 << 30,
        offload: true,
        ..LinkConfig::default()
    };
    let pairs = vec![Config::default(); BULK + 1];
    let mut dumbbell = Dumbbell::new(Seed::from_u64(seed), &pairs, link.clone(), link);
    let queue: Box<dyn Queue> = match waiting {
        Waiting::Pfifo => Box::new(Discipline::new(Fifo::packets(Fifo::DEFAULT_LIMIT))),
        Waiting::FqCodel => {
            let qdisc = FqCodel::new(FqCodelConfig::default(), Seed::from_u64(seed));
            Box::new(Discipline::new(qdisc))
        }
    };
    let bottleneck = dumbbell.bottleneck();
    let fabric = dumbbell.network_mut().fabric_mut();
    fabric.set_queue(bottleneck, queue);
    let mut ping = Ping::new(&mut dumbbell, BULK);
    let base = ping.round_trip(&mut dumbbell).expect("nothing in the way");
    let flows: Vec<_> = (0..BULK)
        .map(|pair| dumbbell.start(pair, |to| endless(to, CongestionAlgorithm::Cubic)))
        .collect();
    let received = |dumbbell: &Dumbbell| -> u64 {
        let flows = flows.iter().filter_map(|flow| dumbbell.received(*flow));
        flows.map(|flow| flow.bytes).sum()
    };
    run(&mut dumbbell, Duration::from_secs(3));
    let (before, begin) = (received(&dumbbell), dumbbell.network().now());
    let (mut added, mut lost) = (Vec::new(), 0);
    while dumbbell.network().now() < begin + time {
        match ping.round_trip(&mut dumbbell) {
            Some(took) => added.push((took - base).max(0.0)),
            None => lost += 1,
        }
        run(&mut dumbbell, Duration::from_millis(7));
    }
    let took = dumbbell.network().now().saturating_since(begin);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = (received(&dumbbell) - before) as f64 * 8.0 / took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let share = rate / RATE as f64;
    Pings {
        base,
        median: median(added.iter().copied()),
        p95: quantile(added, 0.95),
        share,
        lost,
    }
}

/// A ping socket at the sending host of a pair.
#[derive(Debug)]
struct Ping {
    pair: usize,
    socket: SocketId,
    to: SocketAddr,
    seq: u8,
}

impl Ping {
    fn new(dumbbell: &mut Dumbbell, pair: usize) -> Self {
        let to = dumbbell.network().address(dumbbell.receiver(pair));
        let sender = dumbbell.sender(pair);
        let stack = dumbbell.network_mut().stack_mut(sender);
        let socket = stack.ping_open(Family::V4).expect("the first socket");
        Self {
            pair,
            socket,
            to: SocketAddr::new(to, 0),
            seq: 0,
        }
    }

    /// Seconds until the answer; `None` if there is none within two.
    fn round_trip(&mut self, dumbbell: &mut Dumbbell) -> Option<f64> {
        self.seq = self.seq.wrapping_add(1);
        let sender = dumbbell.sender(self.pair);
        let begin = dumbbell.network().now();
        let stack = dumbbell.network_mut().stack_mut(sender);
        let mut socket = stack.udp(self.socket).expect("an open socket");
        let request = vec![8, 0, 0, 0, 0, 0, 0, self.seq];
        let sent = socket.send(request.into(), Some(self.to));
        sent.expect("room for one ping");
        while dumbbell.network().now() < begin + Duration::from_secs(2) {
            run(dumbbell, Duration::from_micros(200));
            let stack = dumbbell.network_mut().stack_mut(sender);
            let mut socket = stack.udp(self.socket).expect("an open socket");
            let answer = socket.recv();
            if answer.is_some_and(|answer| answer.payload.last() == Some(&self.seq)) {
                let took = dumbbell.network().now().saturating_since(begin);
                return Some(took.as_secs_f64());
            }
        }
        None
    }
}

fn run(dumbbell: &mut Dumbbell, time: Duration) {
    dumbbell.run_for(time).expect("the simulation gets on");
}

pub(super) fn measure() -> Vec<Table> {
    let mut table = Table::new(
        "Pings beside bulk transfers",
        "Eight endless CUBIC transfers share 50 Mbit/s with pings; 20 ms round trip, and what is in front of \
the link sees packets of the MTU, not super-segments. What they add to a round trip, the median over seeds 1 \
to 5 of 20 s each.",
        &[
            "queue",
            "alone",
            "added, median",
            "added, 95 %",
            "target",
            "reached",
            "share of the rate",
        ],
    );
    for (waiting, name, target) in [
        (Waiting::Pfifo, "pfifo, 1,000 packets", "> 100 ms"),
        (Waiting::FqCodel, "fq_codel", "≤ 10 ms"),
    ] {
        let runs = parallel::seeds(5, |seed| {
            pings_beside_bulk(waiting, seed, Duration::from_secs(20))
        });
        let middle = |of: fn(&Pings) -> f64| median(runs.iter().map(of));
        let p95 = middle(|run| run.p95);
        let reached = match waiting {
            Waiting::Pfifo => p95 > 0.1,
            Waiting::FqCodel => p95 <= 0.01,
        };
        table.rows.push(vec![
            name.into(),
            millis(middle(|run| run.base)),
            millis(middle(|run| run.median)),
            millis(p95),
            target.into(),
            if reached { "yes" } else { "**no**" }.into(),
            percent(middle(|run| run.share)),
        ]);
    }
    vec![table]
}

const RATE: u64 = 50_000_000;
const BULK: usize = 8;
