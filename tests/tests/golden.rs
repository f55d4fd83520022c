//! What TCP reaches is what is written down.

use net_core::time::Duration;
use std::fs;
use tests::golden::{self, Waiting};

#[test]
fn the_quick_table_is_as_committed() {
    let table = golden::ALL.iter().find(|table| table.name == "quick");
    let table = table.expect("there is a quick table");
    let committed = fs::read_to_string(table.file()).expect("the committed table");
    let measured = table.render(&(table.measure)());
    if committed == measured {
        return;
    }
    for (old, new) in committed.lines().zip(measured.lines()) {
        if old != new {
            println!("- {old}\n+ {new}");
        }
    }
    panic!(
        "{} is not what is measured; if that is meant, run `cargo run --release -p tests --bin golden` \
and review the difference",
        table.file().display()
    );
}

#[test]
fn every_plot_is_committed() {
    for plot in golden::PLOTS {
        let committed = fs::read_to_string(plot.file()).expect("the committed plot");
        assert!(committed.starts_with("<svg"), "{}", plot.name);
    }
    let completion = golden::ALL.iter().find(|table| table.name == "completion");
    let drawing = completion.expect("there is such a table").drawing();
    let committed = fs::read_to_string(drawing).expect("the committed distribution");
    assert!(committed.starts_with("<svg"));
}

#[test]
fn every_table_is_committed() {
    for table in golden::ALL {
        let committed = fs::read_to_string(table.file()).expect("the committed table");
        let command = format!("-- {} -->", table.name);
        assert!(
            committed
                .lines()
                .next()
                .is_some_and(|line| line.ends_with(&command))
        );
    }
}

#[test]
fn fq_codel_keeps_pings_fast_that_a_fifo_has_wait_behind_bulk_transfers() {
    let time = Duration::from_secs(2);
    let [fifo, codel] = [Waiting::Pfifo, Waiting::FqCodel]
        .map(|waiting| golden::pings_beside_bulk(waiting, 1, time));
    assert!(fifo.p95 > 0.1, "{fifo:?}");
    assert!(codel.p95 <= 0.01, "{codel:?}");
    // And nobody pays for that.
    assert!(codel.share > 0.9, "{codel:?}");
    assert_eq!(codel.lost, 0);
}
