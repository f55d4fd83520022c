//! What the grid comes to: in how many of its cells a sender is as good as the kernel's.
//!
//! The kernel's sender is measured twice. How far its two runs lie apart says what a difference means: most
//! of it is which packet happens to be the one that gets lost. A sender is *level* with the kernel's in a
//! cell where it is behind by no more than the [`resolution`] of the cells with as many losses.

use std::fmt;

/// One cell of the table, to the last digit that is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratios {
    /// Packets lost per million.
    pub lost: u32,
    /// Our goodput in thousandths of the kernel's.
    pub ours: u32,
    /// The goodput of the kernel's second run in thousandths of its first.
    pub again: u32,
}

/// How far two runs of the kernel's sender lie apart where so many packets are lost, in thousandths: the
/// median over the `cells` with as many losses, the lower one of the middle two.
#[must_use]
pub fn resolution(cells: &[Ratios], lost: u32) -> u32 {
    let alike = cells.iter().filter(|cell| cell.lost == lost);
    let mut apart: Vec<u32> = alike.map(|cell| cell.again.abs_diff(LEVEL)).collect();
    apart.sort_unstable();
    (apart.len().checked_sub(1)).map_or(0, |last| apart[last / 2])
}

/// How a sender compares with the kernel's over several cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// So many cells there are.
    pub cells: usize,
    /// In so many it is level with the kernel's, or ahead.
    pub level: usize,
    /// In so many it has at least 1.000 of its goodput.
    pub as_much: usize,
    /// The least that it has of its goodput, in thousandths.
    pub least: u32,
}

impl Tally {
    /// Ours.
    #[must_use]
    pub fn ours(cells: &[Ratios]) -> Self {
        Self::of(cells, |cell| cell.ours)
    }

    /// The kernel's second run beside its first.
    #[must_use]
    pub fn kernel_again(cells: &[Ratios]) -> Self {
        Self::of(cells, |cell| cell.again)
    }

    fn of(cells: &[Ratios], ratio: impl Fn(&Ratios) -> u32) -> Self {
        let is_level = |cell: &&Ratios| ratio(cell) + resolution(cells, cell.lost) >= LEVEL;
        Self {
            cells: cells.len(),
            level: cells.iter().filter(is_level).count(),
            as_much: cells.iter().filter(|cell| ratio(cell) >= LEVEL).count(),
            least: cells.iter().map(ratio).min().unwrap_or(LEVEL),
        }
    }

    /// Whether that is what we want: level or ahead in four of five cells, and nowhere less than 0.85.
    #[must_use]
    pub const fn is_reached(self) -> bool {
        5 * self.level >= 4 * self.cells && self.least >= 850
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level,
            as_much,
            least,
            ..
        } = self;
        write!(
            f,
            "level or ahead in {level}, at least 1.000 in {as_much}, nowhere less than {}.{:03}",
            least / LEVEL,
            least % LEVEL
        )
    }
}

/// As much as the kernel's.
const LEVEL: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn cell(lost: u32, ours: u32, again: u32) -> Ratios {
        Ratios { lost, ours, again }
    }

    #[test]
    fn what_two_runs_of_the_kernel_differ_by_is_no_difference() {
        let cells = [
            cell(0, 999, 1_000),
            cell(0, 1_000, 1_000),
            cell(10, 996, 1_004),
            cell(10, 997, 997),
            cell(10, 1_200, 950),
        ];
        assert_eq!([0, 10, 20].map(|lost| resolution(&cells, lost)), [0, 4, 0]);
        let ours = Tally::ours(&cells);
        assert_eq!((ours.level, ours.as_much, ours.least), (4, 2, 996));
        assert!(ours.is_reached());
        assert_eq!(Tally::kernel_again(&cells).level, 4);
    }

    #[test]
    fn one_cell_far_behind_is_too_many() {
        let mut cells = [cell(0, 1_100, 1_000); 10];
        cells[0].ours = 850;
        assert!(Tally::ours(&cells).is_reached());
        cells[0].ours = 849;
        assert!(!Tally::ours(&cells).is_reached());
    }

    #[test]
    fn one_of_five_may_be_behind() {
        let mut cells = [cell(0, 1_000, 1_000); 5];
        cells[0].ours = 999;
        assert!(Tally::ours(&cells).is_reached());
        cells[1].ours = 999;
        assert!(!Tally::ours(&cells).is_reached());
    }
}
