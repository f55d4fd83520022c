//! How long short flows take on a busy link.

use super::figures::{Figure, usual_path};
use super::parallel;
use super::path::{ALGORITHMS, Path, name, transfer};
use super::table::{Table, median, millis, quantile};
use net_core::Seed;
use net_core::config::CongestionAlgorithm;
use net_core::sim::{Chart, Line, Unit};
use net_core::time::{Duration, Instant};

pub(super) fn measure() -> Vec<Table> {
    let about = "Time until the receiver has everything of flows of 50 kB that come at random (Poisson) \
and load 100 Mbit/s, 40 ms, one BDP of drop-tail buffer; quantiles over 1,000 flows with seed 1. \
The last column is what a flow takes that meets nobody: handshake, rounds of slow start from ten \
segments, and its service time under processor sharing.\n\n\
![How many of 1,000 flows have completed within how long, at 80 % load](completion.svg)";
    let columns = [
        "algorithm",
        "load",
        "10 %",
        "25 %",
        "50 %",
        "75 %",
        "90 %",
        "99 %",
        "most",
        "ideal",
    ];
    let mut table = Table::new("Completion of short flows", about, &columns);
    let cells: Vec<_> = ALGORITHMS
        .into_iter()
        .flat_map(|algorithm| [50, 80, 95].map(|load| (algorithm, load)))
        .collect();
    let path = usual_path();
    let times = parallel::map(&cells, |(algorithm, load)| {
        completions(&path, *algorithm, *load, 1_000, 1)
    });
    for ((algorithm, load), times) in cells.iter().zip(&times) {
        let mut row = vec![name(*algorithm), format!("{load} %")];
        let shares = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0];
        row.extend(shares.map(|share| millis(quantile(times.iter().copied(), share))));
        row.push(millis(ideal(&path, *load)));
        table.rows.push(row);
    }
    let drawn = cells
        .iter()
        .zip(times)
        .filter(|((_, load), _)| *load == LOAD);
    table.drawing = Some(distribution(
        drawn.map(|((algorithm, _), times)| (name(*algorithm), times)),
    ));
    vec![table]
}

/// The cumulative distribution of completion times, with a line for each algorithm.
fn distribution(algorithms: impl Iterator<Item = (String, Vec<f64>)>) -> String {
    let lines = algorithms.map(|(name, mut times)| {
        times.retain(|seconds| seconds.is_finite());
        times.sort_by(f64::total_cmp);
        let nanos = times.into_iter().map(|seconds| {
            let time = Duration::from_secs_f64(seconds).as_nanos();
            u64::try_from(time).unwrap_or(u64::MAX)
        });
        Line {
            name,
            points: nanos.zip(1..).collect(),
        }
    });
    Chart {
        title: format!("flows of 50 kB that have completed, of 1,000 at {LOAD} % load"),
        unit: Unit::Count,
        lines: lines.collect(),
        ..Chart::default()
    }
    .to_svg()
}

/// 50 kB flows at 80 % load: the median takes at most 1.25 times the ideal.
pub(super) fn short_flows(algorithm: CongestionAlgorithm, seeds: u64, flows: usize) -> Figure {
    let path = usual_path();
    let time = median(parallel::seeds(seeds, |seed| {
        median(completions(&path, algorithm, LOAD, flows, seed))
    }));
    let limit = 1.25 * ideal(&path, LOAD);
    Figure {
        scenario: format!("{flows} flows of 50 kB at {LOAD} % load: median completion"),
        algorithm: name(algorithm),
        measured: millis(time),
        target: format!("≤ {}: 1.25 × (3.5 RTT + 50 kB / (1 − load))", millis(limit)),
        met: Some(time <= limit),
    }
}

/// Seconds until the receiver has everything, for each flow; infinite for one that failed.
fn completions(
    path: &Path,
    algorithm: CongestionAlgorithm,
    load: u32,
    flows: usize,
    seed: u64,
) -> Vec<f64> {
    let mut dumbbell = path.dumbbell(1, seed);
    let mut rng = Seed::from_u64(seed).rng("arrivals");
    let mean = service_time(path) * 100.0 / f64::from(load);
    let mut at = 0.0;
    let flows: Vec<_> = (0..flows)
        .map(|_| {
            // A number in (0, 1], and from it an exponential distance.
            #[expect(clippy::cast_precision_loss, reason = "32 bits")]
            let uniform = (f64::from(rng.next_u32()) + 1.0) / (1_u64 << 32) as f64;
            at += -uniform.ln() * mean;
            let start = Instant::ZERO + Duration::from_secs_f64(at);
            dumbbell.start(0, |to| transfer(BYTES, to, algorithm).starting(start))
        })
        .collect();
    let limit = Duration::from_secs_f64(at) + Duration::from_secs(60);
    let ended = dumbbell.run_to_end(limit);
    assert!(ended.expect("the simulation gets on"), "flows hang");
    flows
        .into_iter()
        .map(|flow| {
            let finished = dumbbell.received(flow).and_then(|flow| flow.finished);
            finished.map_or(f64::INFINITY, |at| {
                at.saturating_since(dumbbell.sent(flow).started)
                    .as_secs_f64()
            })
        })
        .collect()
}

/// Seconds of a flow on an idle line: the handshake, three rounds of 10, 20 and 5 segments, the last
/// of which need not be acknowledged, and its share of the line while others use the rest.
fn ideal(path: &Path, load: u32) -> f64 {
    let rounds = 3.5 * path.rtt.as_secs_f64();
    rounds + service_time(path) / (1.0 - f64::from(load) / 100.0)
}

/// Seconds for which a flow fills the line.
fn service_time(path: &Path) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let bits = BYTES as f64 * 8.0;
    bits / path.payload_rate()
}

const BYTES: u64 = 50_000;
const LOAD: u32 = 80;
