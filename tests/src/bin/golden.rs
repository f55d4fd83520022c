//! Measures what TCP reaches over simulated paths, and writes the tables in `docs/golden`.
//!
//! Names of tables measure only those, and `plots` draws the plots; without any, it is everything.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tests::golden;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| name == PLOTS || golden::ALL.iter().any(|table| table.name == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<_> = golden::ALL.iter().map(|table| table.name).collect();
        eprintln!(
            "{unknown} is no table: there are {}, and {PLOTS}",
            names.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if is_wanted(PLOTS) {
        for plot in golden::PLOTS {
            if !keep(&plot.file(), &plot.draw()) {
                return ExitCode::FAILURE;
            }
        }
    }
    for table in golden::ALL.iter().filter(|table| is_wanted(table.name)) {
        let begun = Instant::now();
        let tables = (table.measure)();
        let text = table.render(&tables);
        print!("{text}");
        let mut drawings = tables.iter().filter_map(|table| table.drawing.as_deref());
        if !keep(&table.file(), &text) || !drawings.all(|image| keep(&table.drawing(), image)) {
            return ExitCode::FAILURE;
        }
        eprintln!("{}: {:.1} s\n", table.name, begun.elapsed().as_secs_f64());
    }
    ExitCode::SUCCESS
}

/// Writes a file; whether that went well.
fn keep(file: &Path, contents: &str) -> bool {
    let written = fs::write(file, contents);
    if let Err(error) = &written {
        eprintln!("cannot write to {}: {error}", file.display());
    }
    written.is_ok()
}

/// The name that stands for the plots.
const PLOTS: &str = "plots";
