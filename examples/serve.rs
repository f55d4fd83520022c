//! An HTTP server on our stack behind a TUN, for `curl`, `ping` and a browser on this host:
//! `/` says hello, `/download?bytes=N` streams, `POST /upload` counts and hashes, `/stats` shows
//! the stack's counters.

use clap::Parser;
use examples::serve::ServeOptions;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    serve: ServeOptions,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (net, addresses) = Arguments::parse().serve.start().await?;
    // Before the line that says that it may be sent.
    let mut interrupted = signal(SignalKind::interrupt())?;
    for address in addresses {
        println!("http://{address}/");
    }
    interrupted.recv().await;
    net.shutdown().await;
    Ok(())
}
