//! Measures this stack beside the kernel, smoltcp and ipstack, all over the same kind of link and
//! with the same client, in a namespace of its own. Prints tables, writes JSON. A complete run ends with an
//! error where the comparison is void or a target is missed; `--quick` and a part of the workloads judge nothing.

use anyhow::Context as _;
use benches::host::link::Offloads;
use benches::host::process::{Launch, Server};
use benches::host::{limits, namespace};
use benches::stacks::StackName;
use benches::versus::figures::Figures;
use benches::versus::measure::{Settings, measure};
use benches::versus::report::{Report, machine};
use benches::versus::server;
use benches::versus::targets::targets;
use benches::versus::validity::objections;
use benches::versus::verdict::Verdict;
use benches::versus::workload::Workload;
use clap::Parser;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// How often everything is measured; the tables show medians.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of each workload.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only these stacks.
    #[arg(long, value_delimiter = ',')]
    only: Vec<StackName>,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<Workload>,
    /// Idle connections of the `idle` workload.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Worker threads of the servers that run on tokio; 1 is the current-thread runtime.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Congestion control of the kernel's sockets, the client's too; the host's where none is given.
    #[arg(long)]
    congestion: Option<String>,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/versus.json")]
    json: PathBuf,
    /// A smoke test: one short run, few idle connections, no judgement.
    #[arg(long)]
    quick: bool,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some(server::SERVE) {
        return server::main();
    }
    let args = Args::parse();
    namespace::enter()?;
    if let Some(name) = &args.congestion {
        namespace::set_congestion_control(name)?;
    }
    let runs = if args.quick { 1 } else { args.runs };
    let settings = Settings {
        time: Duration::from_secs_f64(if args.quick { 0.3 } else { args.seconds }),
        idle: if args.quick { 200 } else { args.idle },
        threads: args.threads,
    };
    let stacks = or_all(&args.only, &StackName::ALL);
    let workloads = or_all(&args.workload, &Workload::ALL);
    limits::require_descriptors(settings.idle)?;

    println!(
        "{}, congestion control of the kernel: {}",
        machine(),
        namespace::congestion_control()
    );
    let mut numbers = (1..=u8::MAX).cycle();
    let offloads = show_offloads(numbers.next().context("numbers never end")?)?;
    let mut figures = Figures::default();
    for run in 1..=runs {
        for &workload in &workloads {
            for &stack in &stacks {
                show_progress(&format!(
                    "run {run} of {runs}: {}, {stack}",
                    workload.label()
                ));
                let number = numbers.next().context("numbers never end")?;
                match measure(stack, workload, number, settings) {
                    Ok(values) => figures.add(stack, workload, &values),
                    Err(error) => figures.fail(stack, workload, &error),
                }
            }
        }
    }
    show_progress("");
    let objections = objections(&figures, Some(&offloads));
    let report = Report {
        figures: &figures,
        stacks: &stacks,
        settings,
        runs,
        offloads: Some(&offloads),
        objections: &objections,
    };
    println!("\n{}\n{}", report.absolute(), report.ratios());
    println!("{}", report.targets());
    for failure in figures.failures() {
        println!("failed: {failure}");
    }
    write_json(&args.json, &report)?;
    let is_complete = args.only.is_empty() && args.workload.is_empty() && !args.quick;
    Verdict {
        is_complete,
        objections: &objections,
        failures: figures.failures(),
        targets: &targets(&figures),
    }
    .check()
}

/// Prints `ethtool -k` of a veth pair as the kernel's row uses it.
fn show_offloads(number: u8) -> anyhow::Result<Offloads> {
    let server = Server::start(&Launch {
        stack: StackName::Kernel,
        number,
        at_once: 1,
        buffer: 0,
        threads: 1,
        busy_poll_us: None,
    })?;
    let offloads = server.link().offloads()?;
    println!("ethtool -k {}:", server.link().name());
    for line in &offloads.lines {
        println!("    {line}");
    }
    Ok(offloads)
}

/// One line that the next one replaces, where somebody may be looking.
fn show_progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    }
}

fn or_all<T: Copy>(chosen: &[T], all: &[T]) -> Vec<T> {
    if chosen.is_empty() { all } else { chosen }.to_vec()
}

fn write_json(path: &PathBuf, report: &Report<'_>) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(&report.json())?)
        .with_context(|| format!("writing {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
