//! Flows that share a link.

use super::figures::{Figure, usual_path};
use super::parallel;
use super::path::{ALGORITHMS, Path, name};
use super::table::{Table, median, percent};
use net_core::config::CongestionAlgorithm;
use net_core::time::Duration;

pub(super) fn measure() -> Vec<Table> {
    let about = "Jain's index of 2, 4 and 8 flows of one algorithm over 60 s, and the share of the \
payload rate that all of them together get; median of seeds 1 to 5. Flows begin within the first \
second.";
    let columns = [
        "algorithm",
        "rate",
        "RTT",
        "buffer",
        "flows",
        "Jain",
        "used",
    ];
    let mut table = Table::new("Fairness", about, &columns);
    let mut cells = Vec::new();
    for algorithm in ALGORITHMS {
        for rtt in [10, 40, 100] {
            for buffer in [25, 100, 400] {
                cells.extend([2, 4, 8].map(|flows| (algorithm, rtt, buffer, flows)));
            }
        }
    }
    table.rows = parallel::map(&cells, |(algorithm, rtt, buffer, flows)| {
        let mut path = Path::new(50_000_000, Duration::from_millis(*rtt));
        path.buffer = *buffer;
        let runs: Vec<_> = (1..=5)
            .map(|seed| shares(&path, &vec![*algorithm; *flows], MINUTE, seed))
            .collect();
        vec![
            name(*algorithm),
            "50 Mbit/s".into(),
            format!("{rtt} ms"),
            format!("{buffer} % BDP"),
            flows.to_string(),
            format!("{:.3}", median(runs.iter().map(|shares| jain(shares)))),
            percent(median(runs.iter().map(|shares| shares.iter().sum()))),
        ]
    });
    vec![table]
}

/// Two flows of one algorithm: Jain's index is at least 0.95.
pub(super) fn two_alike(algorithm: CongestionAlgorithm, seeds: u64, time: Duration) -> Figure {
    let path = usual_path();
    let index = median(parallel::seeds(seeds, |seed| {
        jain(&shares(&path, &[algorithm; 2], time, seed))
    }));
    Figure {
        scenario: "two flows alike: Jain's index".into(),
        algorithm: name(algorithm),
        measured: format!("{index:.3}"),
        target: "≥ 0.95".into(),
        met: Some(index >= 0.95),
    }
}

/// CUBIC beside Reno at 20 ms. There the window of Reno at the link's loss rate is larger than that
/// of CUBIC's cubic function, so RFC 9438 §4.3 has CUBIC follow its Reno-friendly estimate, and the
/// two should get the same.
pub(super) fn cubic_beside_reno(seeds: u64, time: Duration) -> Figure {
    let path = Path::new(100_000_000, Duration::from_millis(20));
    let both = [CongestionAlgorithm::Cubic, CongestionAlgorithm::Reno];
    let ratio = median(parallel::seeds(seeds, |seed| {
        let shares = shares(&path, &both, time, seed);
        shares[0] / shares[1]
    }));
    Figure {
        scenario: "CUBIC beside Reno, 20 ms: its goodput by Reno's".into(),
        algorithm: "both".into(),
        measured: format!("{ratio:.2}"),
        target: "≤ 1.5: Reno-friendly region, RFC 9438 §4.3".into(),
        met: Some(ratio <= 1.5),
    }
}

/// What part of the payload rate each flow gets.
fn shares(path: &Path, algorithms: &[CongestionAlgorithm], time: Duration, seed: u64) -> Vec<f64> {
    let flows = path.contest(algorithms, time, seed);
    flows
        .iter()
        .map(|flow| flow.goodput / path.payload_rate())
        .collect()
}

/// Jain's index: 1 where all get the same, 1/n where one gets all.
pub(super) fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few flows")]
    let count = shares.len() as f64;
    sum * sum / (count * squares)
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::jain;

    #[test]
    fn the_index_knows_equal_shares_and_a_monopoly() {
        assert!((jain(&[0.3, 0.3, 0.3]) - 1.0).abs() < 1e-9);
        assert!((jain(&[0.0, 0.0, 0.9]) - 1.0 / 3.0).abs() < 1e-9);
    }
}
