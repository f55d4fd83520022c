//! TCP and UDP echo, discard and source on our stack behind a TUN or TAP: the workhorse for outside test
//! tools. Prints `ready` when it listens; Ctrl-C ends it.

use clap::Parser;
use examples::echo::EchoOptions;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    echo: EchoOptions,
}

fn main() -> anyhow::Result<()> {
    let echo = Arguments::parse().echo;
    echo.runtime()?.block_on(run(echo))
}

async fn run(echo: EchoOptions) -> anyhow::Result<()> {
    let net = echo.start().await?;
    // Before the line that says that it may be sent.
    let mut interrupted = signal(SignalKind::interrupt())?;
    println!("ready");
    interrupted.recv().await;
    net.shutdown().await;
    Ok(())
}
