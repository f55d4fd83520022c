//! Flows that share a link.

use super::figures::{Figure, usual_path};
use super::parallel;
use super::path::{ALGORITHMS, Path, name};
use super::table::{Table, median, percent};
use net_core::config::CongestionAlgorithm;
use net_core::time::Duration;

pub(super) fn measure() -> Vec<Table> {
    let about = "Jain's index of 2, 4 and 8 flows of one algorithm over 60 s, and the share of the \
payload rate that all of them together get; median of seeds 1 to 5. The first flow begins at once, the \
others within the first second.";
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
            .map(|seed| shares(&path, &late(&vec![*algorithm; *flows]), MINUTE, seed))
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

/// Two flows of one algorithm that begin together: Jain's index is at least 0.95. And, published,
/// where the second begins up to a second later: it finds a full queue, so that its slow start ends
/// at a few segments, and gets to its share as fast as congestion avoidance lets it.
pub(super) fn two_alike(algorithm: CongestionAlgorithm, seeds: u64, time: Duration) -> [Figure; 2] {
    let path = shared(usual_path());
    let both = [algorithm; 2];
    let index = |rivals: &[Rival]| {
        median(parallel::seeds(seeds, |seed| {
            jain(&shares(&path, rivals, time, seed))
        }))
    };
    let (together, apart) = (index(&together(&both, &path)), index(&late(&both)));
    [
        Figure {
            scenario: "two flows alike: Jain's index".into(),
            algorithm: name(algorithm),
            measured: format!("{together:.3}"),
            target: "≥ 0.95".into(),
            met: Some(together >= 0.95),
        },
        Figure {
            scenario: "two flows alike, one up to 1 s later: Jain's index".into(),
            algorithm: name(algorithm),
            measured: format!("{apart:.3}"),
            target: String::new(),
            met: None,
        },
    ]
}

/// CUBIC beside Reno at 20 ms. There the window of Reno at the link's loss rate is larger than that
/// of CUBIC's cubic function, so RFC 9438 §4.3 has CUBIC follow its Reno-friendly estimate. That grows by
/// 3 (1 − β) / (1 + β) segments in a round trip, with which both would get the same, until it is where it was
/// before the last loss, and by α = 1 from there on. The mean window of such a flow is √(α (1 + β) / (2 (1 − β) p)),
/// Reno's √(1.5 / p): with α = 1 throughout, the most that is allowed, their ratio is √((1 + β) / (3 (1 − β))).
pub(super) fn cubic_beside_reno(seeds: u64, time: Duration) -> Figure {
    let path = shared(Path::new(100_000_000, Duration::from_millis(20)));
    let both = together(
        &[CongestionAlgorithm::Cubic, CongestionAlgorithm::Reno],
        &path,
    );
    let ratio = median(parallel::seeds(seeds, |seed| {
        let shares = shares(&path, &both, time, seed);
        shares[0] / shares[1]
    }));
    let beta: f64 = 0.7;
    let most = ((1.0 + beta) / (3.0 * (1.0 - beta))).sqrt();
    Figure {
        scenario: "CUBIC beside Reno, 20 ms: its goodput by Reno's".into(),
        algorithm: "both".into(),
        measured: format!("{ratio:.2}"),
        target: format!("≤ {most:.2}: √((1 + β) / 3(1 − β)), RFC 9438 §4.3 with α = 1"),
        met: Some(ratio <= most),
    }
}

/// BBR beside CUBIC: CUBIC keeps at least a quarter of the link. And, published, what it gets where
/// it comes up to a second later: BBR keeps 85 % of what it once had in flight, and each of its
/// probes makes CUBIC lose before CUBIC has got beyond where it was before the one before.
pub(super) fn bbr_beside_cubic(seeds: u64, time: Duration) -> [Figure; 2] {
    let path = shared(usual_path());
    let both = [CongestionAlgorithm::Bbr, CongestionAlgorithm::Cubic];
    let share = |rivals: &[Rival]| {
        median(parallel::seeds(seeds, |seed| {
            shares(&path, rivals, time, seed)[1]
        }))
    };
    let (together, apart) = (share(&together(&both, &path)), share(&late(&both)));
    [
        Figure {
            scenario: "BBR beside CUBIC: what CUBIC gets".into(),
            algorithm: "both".into(),
            measured: percent(together),
            target: "≥ 25 %".into(),
            met: Some(together >= 0.25),
        },
        Figure {
            scenario: "BBR beside CUBIC that comes up to 1 s later: what CUBIC gets".into(),
            algorithm: "both".into(),
            measured: percent(apart),
            target: String::new(),
            met: None,
        },
    ]
}

/// A path that two flows share: packets take up to a fortieth of the round trip longer, at random. Else
/// the flows keep in step with the queue, and whose packets it drops is decided once and for all (the
/// phase effects of Floyd and Jacobson, 1992).
fn shared(mut path: Path) -> Path {
    path.there.jitter = path.rtt / 40;
    path
}

/// An algorithm, and within which time its flow begins.
type Rival = (CongestionAlgorithm, Duration);

/// All begin within a round trip, in any order.
fn together(algorithms: &[CongestionAlgorithm], path: &Path) -> Vec<Rival> {
    algorithms.iter().map(|one| (*one, path.rtt)).collect()
}

/// The first begins at once, the others within a second.
fn late(algorithms: &[CongestionAlgorithm]) -> Vec<Rival> {
    let mut rivals: Vec<_> = algorithms.iter().map(|one| (*one, SECOND)).collect();
    rivals[0].1 = Duration::ZERO;
    rivals
}

/// What part of the payload rate each flow gets.
fn shares(path: &Path, rivals: &[Rival], time: Duration, seed: u64) -> Vec<f64> {
    let flows = path.contest(rivals, time, seed);
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

const SECOND: Duration = Duration::from_secs(1);
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
