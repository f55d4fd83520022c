//! A little of everything, for a test to measure each time.

use super::path::ALGORITHMS;
use super::table::Table;
use super::{completion, fairness, figures, grid, outage, reordering};
use net_core::time::Duration;

pub(super) fn measure() -> Vec<Table> {
    let time = Duration::from_secs(5);
    let mut figures = Vec::new();
    for algorithm in ALGORITHMS {
        figures.push(figures::clean_path(algorithm, 1, time));
        figures.push(figures::one_percent_lost(algorithm, 3, time));
        figures.extend(figures::three_percent_lost(algorithm, 3, time));
        figures.extend(reordering::overtaken_packets(algorithm, 1, time));
        figures.push(reordering::lost_tail(algorithm, 5));
        figures.extend(fairness::two_alike(algorithm, 1, time));
        figures.push(completion::short_flows(algorithm, 1, 200));
        figures.push(outage::short(algorithm, 1));
    }
    figures.push(fairness::cubic_beside_reno(1, time));
    figures.extend(fairness::bbr_beside_cubic(1, time));
    let about = "The figures to reach over 5 s and few seeds: what changes here has changed everywhere. \
The targets are those of the whole table and need not be reached in so little time.";
    let mut tables = vec![figures::table("Quick figures", about, figures)];
    for algorithm in ALGORITHMS {
        tables.push(grid::grid(
            algorithm,
            10_000_000,
            &[0, 1_000, 10_000],
            &[10, 100],
            &[25, 100],
            Duration::from_secs(10),
            1,
        ));
    }
    tables
}
