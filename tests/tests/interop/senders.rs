//! Our sender beside the kernel's, over the same path.

use net_core::config::CongestionAlgorithm;
use std::time::Duration;
use tests::netns;
use tests::senders::{Cell, measure};

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
