//! Measures what TCP reaches over simulated paths, and writes the tables in `docs/golden`.
//!
//! Names of tables measure only those; without any, all are.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;
use tests::golden;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| golden::ALL.iter().any(|table| table.name == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<_> = golden::ALL.iter().map(|table| table.name).collect();
        eprintln!("{unknown} is no table: there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    for table in golden::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == table.name) {
            continue;
        }
        let begun = Instant::now();
        let text = table.render();
        print!("{text}");
        let file = table.file();
        if let Err(error) = fs::write(&file, text) {
            eprintln!("cannot write to {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        eprintln!("{}: {:.1} s\n", table.name, begun.elapsed().as_secs_f64());
    }
    ExitCode::SUCCESS
}
