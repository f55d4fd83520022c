//! One server of the comparison, in a process of its own: `versus serve …`, which `versus` itself
//! starts.

use crate::host::limits::raise_descriptors;
use crate::stacks::{ServerConfig, StackName, ipstack, kernel, ours, smoltcp};
use anyhow::Context as _;
use clap::Parser;
use std::net::Ipv4Addr;

/// What makes `versus` a server: its first argument.
pub const SERVE: &str = "serve";

#[derive(Debug, Parser)]
#[command(name = "versus serve")]
struct Args {
    /// Which stack serves.
    #[arg(long)]
    stack: StackName,
    /// The TUN to serve, made and configured by the caller.
    #[arg(long, default_value = "")]
    tun: String,
    /// The server's address behind the TUN.
    #[arg(long, default_value_t = Ipv4Addr::UNSPECIFIED)]
    address: Ipv4Addr,
    /// Connections that may arrive at the same moment.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Bytes of each socket buffer, for stacks that allocate them.
    #[arg(long, default_value_t = 1 << 20)]
    buffer: usize,
    /// Worker threads of the runtime: 1 is tokio's current-thread runtime.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long the driver of ours stays awake for the next packet, in microseconds.
    #[arg(long)]
    busy_poll_us: Option<u64>,
}

/// Serves until it is killed, as the arguments behind `serve` say.
///
/// # Errors
/// When the stack cannot be brought up.
pub fn main() -> anyhow::Result<()> {
    let args = Args::parse_from(std::env::args_os().skip(1));
    raise_descriptors()?;
    let config = ServerConfig {
        tun: args.tun,
        address: args.address,
        at_once: args.at_once,
        buffer: args.buffer,
        busy_poll_us: args.busy_poll_us,
    };
    let runtime = || {
        let mut builder = match args.threads {
            0 | 1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        builder
            .worker_threads(args.threads.max(1))
            .enable_all()
            .build()
            .context("starting tokio")
    };
    match args.stack {
        StackName::Smoltcp => smoltcp::serve(&config),
        StackName::Kernel => runtime()?
            .block_on(kernel::serve())
            .context("serving by the kernel"),
        StackName::Ours => runtime()?.block_on(ours::serve(&config)),
        StackName::Ipstack => runtime()?.block_on(ipstack::serve(&config)),
    }
}
