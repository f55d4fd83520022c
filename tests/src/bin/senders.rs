//! Measures our sender beside the kernel's in a grid of losses, round-trip times and algorithms, in a
//! network namespace of its own, and prints the table of `docs/senders.md`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    tests::netns::run_program(|| println!("{}", tests::senders::grid()))
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("the kernel to compare with is Linux");
    ExitCode::FAILURE
}
