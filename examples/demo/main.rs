//! Two hosts in one process, joined by a link in memory with delay, rate and loss: a thousand HTTP
//! requests (axum and hyper over our streams), a bulk transfer both ways, UDP echo. Every byte is
//! checked; at the end each host's counters. Needs no privilege.

mod bulk;
mod link;
mod requests;
mod table;
mod udp;

use clap::Parser;
use examples::units;
use indicatif::{ProgressBar, ProgressStyle};
use link::Link;
use std::path::PathBuf;
use std::time::Duration;
use table::Outcome;

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Round-trip time of the link, in ms unless a unit follows (us, ms, s).
    #[arg(long, default_value = "20ms", value_parser = units::parse_time)]
    rtt: Duration,
    /// Rate of the link each way, in Mbit/s unless a unit follows (k, M, G).
    #[arg(long, default_value = "1G", value_parser = units::parse_rate)]
    rate: u64,
    /// Packets lost each way, in percent.
    #[arg(long, default_value = "0.5", value_parser = units::parse_loss)]
    loss: u32,
    /// Determines all chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes of the bulk transfer each way, with a unit or without (k, M, G: powers of ten).
    #[arg(long, default_value = "16M", value_parser = units::parse_size)]
    bytes: u64,
    /// HTTP requests.
    #[arg(long, default_value_t = 1000)]
    requests: u64,
    /// Write what crosses the first host's interface to this pcapng file.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    run(&Args::parse()).await
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let link = Link::new(args)?;

    let bar = progress("HTTP", args.requests, "{pos}/{len} requests");
    let http = requests::run(&link, args.requests, args.seed, &bar).await?;
    bar.finish();

    let bar = progress(
        "bulk",
        args.bytes.saturating_mul(2),
        "{bytes}/{total_bytes} {bytes_per_sec}",
    );
    let bulk = bulk::run(&link, args.bytes, args.seed, &bar).await?;
    bar.finish();

    let bar = progress("UDP", udp::DATAGRAMS, "{pos}/{len} datagrams");
    let udp = udp::run(&link, &bar).await?;
    bar.finish();

    let outcome = Outcome { http, bulk, udp };
    println!("{}", table::render(&link, &outcome));
    link.shutdown().await?;
    if let Some(file) = &args.pcap {
        println!("packets written to {}", file.display());
    }
    outcome.check()
}

fn progress(name: &'static str, len: u64, counts: &str) -> ProgressBar {
    let template = format!("{{prefix:5}} {{bar:40}} {counts} {{elapsed}}");
    let style = ProgressStyle::with_template(&template).expect("a valid template");
    ProgressBar::new(len).with_prefix(name).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &[&str]) -> Args {
        let few = "demo --rtt 1ms --loss 0 --requests 3 --bytes 20k";
        Args::parse_from(few.split(' ').chain(more.iter().copied()))
    }

    #[test]
    fn bytes_take_units_up_to_their_bound() {
        assert_eq!(args(&[]).bytes, 20_000);
        assert!(Args::try_parse_from(["demo", "--bytes", "many"]).is_err());
        assert!(Args::try_parse_from(["demo", "--bytes", "18446744073709551615"]).is_err());
    }

    #[tokio::test]
    async fn a_run_in_which_all_is_right_ends_well() {
        run(&args(&[])).await.expect("all is right");
    }

    /// A disk without room: the capture lacks packets, and that is not told as success.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_capture_that_cannot_be_written_fails_the_demo() {
        let error = run(&args(&["--pcap", "/dev/full"])).await;
        let text = error.expect_err("no room").to_string();
        assert!(text.contains("the capture is not complete"), "{text}");
    }
}
