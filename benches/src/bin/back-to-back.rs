//! Gbit/s of two stacks joined in memory on one thread: ours and smoltcp, run by run in turn.

use benches::back_to_back::{ours, smoltcp};
use clap::Parser;
use std::time::{Duration, Instant};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// How often; medians are shown.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Bytes of smoltcp's socket buffers; several are tried and the best counts.
    #[arg(long, value_delimiter = ',', default_values_t = [65_536, 262_144, 1_048_576])]
    buffer: Vec<usize>,
}

fn main() {
    let args = Args::parse();
    let time = Duration::from_secs_f64(args.seconds);
    let mut our_rates = Vec::new();
    let mut their_rates: Vec<Vec<f64>> = vec![Vec::new(); args.buffer.len()];
    for _ in 0..args.runs {
        let mut pair = ours::Pair::new();
        our_rates.push(rate(time, |bytes| pair.carry(bytes)));
        for (&buffer, rates) in args.buffer.iter().zip(&mut their_rates) {
            let mut pair = smoltcp::Pair::new(buffer);
            rates.push(rate(time, |bytes| pair.carry(bytes)));
        }
    }
    let ours = median(our_rates);
    println!("ours                              {ours:6.1} Gbit/s");
    let mut best: f64 = 0.0;
    for (buffer, rates) in args.buffer.iter().zip(their_rates) {
        let theirs = median(rates);
        println!("smoltcp, {buffer:>8} bytes of buffer {theirs:6.1} Gbit/s");
        best = best.max(theirs);
    }
    println!("ours is {:.2} times the best of smoltcp", ours / best);
}

/// Gbit/s of `carry`, called for about `time` after a warm-up.
fn rate(time: Duration, mut carry: impl FnMut(usize)) -> f64 {
    carry(STEP);
    let start = Instant::now();
    let mut steps = 0_u32;
    while start.elapsed() < time {
        carry(STEP);
        steps += 1;
    }
    let bits = f64::from(steps) * STEP_BITS;
    bits / start.elapsed().as_secs_f64() / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const STEP: usize = 64 << 20;
const STEP_BITS: f64 = (STEP * 8) as f64;
