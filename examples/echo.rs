//! TCP and UDP echo, discard and source on our stack behind a TUN or TAP: the workhorse for outside test
//! tools. Prints `ready` when it listens; Ctrl-C ends it.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use examples::echo::EchoOptions;
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    echo: EchoOptions,
    /// On how many threads of tokio the stack and its tasks run.
    #[arg(long, value_enum, default_value_t = Flavor::Current)]
    runtime: Flavor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flavor {
    /// One thread.
    Current,
    /// One worker per core.
    Multi,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    runtime(arguments.runtime)?.block_on(run(arguments.echo))
}

async fn run(echo: EchoOptions) -> anyhow::Result<()> {
    let net = echo.start().await?;
    println!("ready");
    tokio::signal::ctrl_c().await?;
    net.shutdown().await;
    Ok(())
}

fn runtime(flavor: Flavor) -> anyhow::Result<Runtime> {
    let mut builder = match flavor {
        Flavor::Current => Builder::new_current_thread(),
        Flavor::Multi => Builder::new_multi_thread(),
    };
    builder.enable_all().build().context("starting tokio")
}
