//! Measures our sender beside the kernel's in a grid of losses, round-trip times and algorithms, in a
//! network namespace of its own, and prints the table of `docs/senders.md`. Names of algorithms measure
//! only their parts of it.

use std::process::ExitCode;
#[cfg(target_os = "linux")]
use tests::senders::{ALGORITHMS, OTHER};

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let is_called = |algorithm, name: &str| format!("{algorithm:?}").eq_ignore_ascii_case(name);
    for name in &names {
        let mut known = ALGORITHMS.into_iter().chain([OTHER]);
        if !known.any(|known| is_called(known, name)) {
            eprintln!("{name} is no algorithm of the grid: there are {ALGORITHMS:?} and {OTHER:?}");
            return ExitCode::FAILURE;
        }
    }
    tests::netns::run_program(move || {
        let wanted =
            |algorithm| names.is_empty() || names.iter().any(|name| is_called(algorithm, name));
        let (table, whole) = tests::senders::grid(wanted);
        println!("{table}");
        let reached = whole.is_none_or(tests::senders::tally::Tally::is_reached);
        assert!(reached, "MISSED: see docs/senders.md for what is wanted");
    })
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("the kernel to compare with is Linux");
    ExitCode::FAILURE
}
