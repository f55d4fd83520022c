//! Bulk transfers over a simulated path: a table of what they came to, and their course as plots in
//! one HTML file. Same options, same packets.

mod args;
mod html;
mod run;
mod table;

use anyhow::Context as _;
use args::Args;
use clap::Parser;
use run::Run;
use std::fs;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut run = Run::new(&args)?;
    let begun = Instant::now();
    run.finish(&args)?;
    let took = begun.elapsed();
    print!("{}", table::render(&args, &mut run, took));
    if let Some(file) = &args.html {
        fs::write(file, html::render(&args, &mut run, took))
            .with_context(|| format!("cannot write to {}", file.display()))?;
        println!("plots in {}", file.display());
    }
    if let Some(folder) = &args.csv {
        run.write_csv(folder)?;
        println!("samples in {}", folder.display());
    }
    if let Some(file) = &args.pcap {
        fs::write(file, run.capture())
            .with_context(|| format!("cannot write to {}", file.display()))?;
        println!("packets in {}", file.display());
    }
    Ok(())
}
