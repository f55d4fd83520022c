//! Pings a host from our stack. `ping 192.0.2.2` works anywhere: the host is a second stack in this
//! process; with `--tun` it is whoever can be reached there.

use clap::Parser;
use examples::ping::PingOptions;

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    options: PingOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Arguments::parse().options;
    options.run(&mut std::io::stdout()).await
}
