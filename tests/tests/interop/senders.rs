//! Our sender beside the kernel's, over the same path.

use net_core::config::CongestionAlgorithm;
use std::time::Duration;
use tests::senders::tally::{Ratios, Tally};
use tests::senders::{self, Cell, measure};
use tests::{documents, netns};

#[test]
fn a_few_cells_beside_the_kernel() {
    netns::run("senders::a_few_cells_beside_the_kernel", || {
        let cells = [
            Cell::new(CongestionAlgorithm::Cubic, 20, 0),
            Cell::new(CongestionAlgorithm::Bbr1, 20, 10_000),
        ];
        for (cell, goodput) in measure(&cells, &[1], Duration::from_secs(2)) {
            println!("{cell:?}: {goodput:?}");
            // How much of the path each gets in so short a time on a busy machine proves little.
            let each = [goodput.kernel, goodput.ours, goodput.kernel_again];
            assert!(each.iter().all(|mbits| *mbits > 0.0));
        }
    });
}

/// By the rule of `tests::senders::tally`, from the figures as they are printed.
#[test]
fn our_sender_is_as_good_as_the_kernels_in_the_table() {
    let text = documents::read("docs/senders.md");
    let thousandths = |cell: &str| {
        let (whole, part) = cell.split_once('.').expect("three decimals");
        assert_eq!(part.len(), 3, "{cell}");
        let [whole, part] = [whole, part].map(|digits| digits.parse::<u32>().expect("a ratio"));
        1_000 * whole + part
    };
    let ratios: Vec<Ratios> = (text.lines())
        .filter(|line| line.contains(" ms |"))
        .take(senders::CELLS)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [algorithm, _, lost, _, _, ours, again] = cells[..] else {
                panic!("seven columns are wanted: {line}");
            };
            assert!(
                !algorithm.contains("the kernel's 1"),
                "the grid comes first"
            );
            let lost = match lost {
                "0 %" => 0,
                "0.1 %" => 1_000,
                "0.3 %" => 3_000,
                "1 %" => 10_000,
                "3 %" => 30_000,
                other => panic!("{other} is not in the grid"),
            };
            Ratios {
                lost,
                ours: thousandths(ours),
                again: thousandths(again),
            }
        })
        .collect();
    assert_eq!(ratios.len(), senders::CELLS);
    let (ours, again) = (Tally::ours(&ratios), Tally::kernel_again(&ratios));
    assert!(ours.is_reached(), "{ours}");
    let said = format!(
        "Of {} cells, ours: {ours}. The kernel once more: {again}.",
        ours.cells
    );
    assert!(text.contains(&said), "not what the table comes to: {said}");
}
