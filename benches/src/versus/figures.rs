//! The figures of a whole comparison: samples by row and stack, and their medians.

use super::workload::{Quantity, Workload};
use crate::stacks::StackName;
use std::collections::BTreeMap;

/// A row of the table.
pub type Row = (Workload, Quantity);

/// All samples.
#[derive(Debug, Default)]
pub struct Figures {
    samples: BTreeMap<Row, BTreeMap<StackName, Vec<f64>>>,
    failures: Vec<String>,
}

impl Figures {
    /// Adds what one measurement yielded.
    pub fn add(&mut self, stack: StackName, workload: Workload, values: &[(Quantity, f64)]) {
        for &(quantity, value) in values {
            self.samples
                .entry((workload, quantity))
                .or_default()
                .entry(stack)
                .or_default()
                .push(value);
        }
    }

    /// Notes that a measurement failed.
    pub fn fail(&mut self, stack: StackName, workload: Workload, error: &anyhow::Error) {
        self.failures
            .push(format!("{stack}, {}: {error:#}", workload.label()));
    }

    /// What failed.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The rows that have samples.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.samples.keys().copied()
    }

    /// The samples of a cell, in the order of the runs.
    #[must_use]
    pub fn samples(&self, row: Row, stack: StackName) -> &[f64] {
        self.samples
            .get(&row)
            .and_then(|stacks| stacks.get(&stack))
            .map_or(&[], Vec::as_slice)
    }

    /// The median of a cell; the lower of the two middle ones when their number is even.
    #[must_use]
    pub fn median(&self, row: Row, stack: StackName) -> Option<f64> {
        let mut sorted = self.samples(row, stack).to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }

    /// One stack's median as a multiple of another's.
    #[must_use]
    pub fn ratio(&self, row: Row, of: StackName, to: StackName) -> Option<f64> {
        Some(self.median(row, of)? / self.median(row, to)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = (Workload::Up1, Quantity::Gbit);

    fn figures(samples: &[(StackName, f64)]) -> Figures {
        let mut figures = Figures::default();
        for &(stack, value) in samples {
            figures.add(stack, ROW.0, &[(ROW.1, value)]);
        }
        figures
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        let samples = [3.0, 100.0, 2.0].map(|value| (StackName::Ours, value));
        assert_eq!(figures(&samples).median(ROW, StackName::Ours), Some(3.0));
    }

    #[test]
    fn a_stack_that_was_not_measured_has_no_ratio() {
        let figures = figures(&[(StackName::Ours, 1.0)]);
        assert_eq!(figures.ratio(ROW, StackName::Ours, StackName::Kernel), None);
    }
}
