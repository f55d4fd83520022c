//! What this stack is to reach beside its peers.

use super::figures::{Figures, Row};
use super::workload::{Quantity, Workload};
use crate::stacks::StackName;
use serde::Serialize;

/// One aim and how far it is reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// In words.
    pub text: String,
    /// What was measured.
    pub measured: f64,
    /// Whether it is enough.
    pub met: bool,
}

/// Every aim that the figures can judge.
#[must_use]
pub fn targets(figures: &Figures) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut judge = |row: Row, what: &str, least: f64, of: Option<f64>| {
        let ours = figures.median(row, StackName::Ours);
        if let (Some(ours), Some(of)) = (ours, of) {
            targets.push(Target {
                text: format!("{}: at least {least} × {what}", row.0.label()),
                measured: ours / of,
                met: ours >= least * of,
            });
        }
    };
    for workload in Workload::ALL {
        let row = (workload, Quantity::Gbit);
        judge(
            row,
            "the kernel",
            0.5,
            figures.median(row, StackName::Kernel),
        );
        judge(row, "the best crate", 3.0, best(figures, row, &CRATES));
        let row = (workload, Quantity::Rate);
        if workload == Workload::Connect {
            judge(
                row,
                "the kernel",
                0.9,
                figures.median(row, StackName::Kernel),
            );
        } else {
            judge(row, "the best", 0.9, best(figures, row, &PEERS));
        }
    }
    let idle = |quantity| figures.median((Workload::Idle, quantity), StackName::Ours);
    if let Some(kib) = idle(Quantity::Rss) {
        targets.push(Target {
            text: "idle connections: at most 4 KiB each".into(),
            measured: kib,
            met: kib <= 4.0,
        });
    }
    if let Some(kept) = idle(Quantity::Kept) {
        targets.push(Target {
            text: "idle connections: request/response at least 0.95 × without".into(),
            measured: kept,
            met: kept >= 0.95,
        });
    }
    targets
}

fn best(figures: &Figures, row: Row, stacks: &[StackName]) -> Option<f64> {
    stacks
        .iter()
        .filter_map(|&stack| figures.median(row, stack))
        .max_by(f64::total_cmp)
}

const CRATES: [StackName; 2] = [StackName::Smoltcp, StackName::Ipstack];
const PEERS: [StackName; 3] = [StackName::Kernel, StackName::Smoltcp, StackName::Ipstack];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_is_held_against_the_kernel_and_the_best_crate() {
        let mut figures = Figures::default();
        for (stack, value) in [
            (StackName::Ours, 10.0),
            (StackName::Kernel, 19.0),
            (StackName::Smoltcp, 4.0),
            (StackName::Ipstack, 1.0),
        ] {
            figures.add(stack, Workload::Up1, &[(Quantity::Gbit, value)]);
        }
        let met: Vec<bool> = targets(&figures).iter().map(|target| target.met).collect();
        assert_eq!(met, [true, false]);
    }
}
