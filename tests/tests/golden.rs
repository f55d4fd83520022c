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

/// The tables that are taken at length, not the quick one, whose time is too short for the targets.
#[test]
fn targets_are_reached_but_for_those_that_are_known_not_to_be() {
    let mut missed = Vec::new();
    let mut with_targets = 0;
    for table in golden::ALL.iter().filter(|table| table.name != "quick") {
        let text = fs::read_to_string(table.file()).expect("the committed table");
        let mut columns = None;
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let place = |name| cells.iter().position(|cell| *cell == name);
            if let (Some(target), Some(reached)) = (place("target"), place("reached")) {
                columns = Some((target, reached));
                continue;
            }
            let Some((target, reached)) = columns else {
                continue;
            };
            // In brackets stands what a formula says, beside which a figure is published.
            let is_target = !cells[target].is_empty() && !cells[target].starts_with(['(', '-']);
            with_targets += usize::from(is_target);
            if is_target && cells[reached] != "yes" {
                missed.push(format!("{}: {}", cells[1], cells[2]));
            }
        }
    }
    assert!(with_targets > 35, "{with_targets}");
    // docs/bbr-loss.md says why the second is missed. Of Reno no target is asked there: CUBIC's is shown beside it.
    assert_eq!(missed, ["1 % lost: Reno", "3 % lost: BBR"]);
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
