//! Shows the routers on the way to a host, from the errors that they send about datagrams whose time
//! to live ran out there: the socket's error queue tells who did. `traceroute 192.0.2.2` works
//! anywhere, with a second stack in this process; with `--tun` the way leads through this host.

use clap::Parser;
use examples::traceroute::TracerouteOptions;

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    options: TracerouteOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Arguments::parse().options;
    options.run(&mut std::io::stdout()).await
}
