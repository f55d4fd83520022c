//! Measures our sender beside the kernel's in a grid of losses, round-trip times and algorithms, in a
//! network namespace of its own, and prints the table of `docs/senders.md`. Names of algorithms measure
//! only their parts of it.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    tests::netns::run_program(move || {
        let wanted = |algorithm| {
            let name = format!("{algorithm:?}");
            names.is_empty() || names.iter().any(|each| each.eq_ignore_ascii_case(&name))
        };
        println!("{}", tests::senders::grid(wanted));
    })
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("the kernel to compare with is Linux");
    ExitCode::FAILURE
}
