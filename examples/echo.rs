//! TCP and UDP echo, discard and source on our stack behind a TUN or TAP: the workhorse for outside test
//! tools. Prints `ready` when it listens; Ctrl-C ends it.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use examples::behind_tun::TunOptions;
use examples::services::{Service, accept_loop, udp_echo};
use net_tokio::{Net, TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    #[command(flatten)]
    tun: TunOptions,
    /// A TCP port that echoes; may be repeated.
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
    /// A UDP port that echoes; may be repeated.
    #[arg(long, value_name = "N")]
    udp: Vec<u16>,
    /// A TCP port that discards; may be repeated.
    #[arg(long, value_name = "N")]
    discard: Vec<u16>,
    /// A TCP port that sends without end; may be repeated.
    #[arg(long, value_name = "N")]
    source: Vec<u16>,
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
    let args = Args::parse();
    runtime(args.runtime)?.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let net = args.tun.build()?;
    listen(&net, &args.tun, &args.port, Service::Echo).await?;
    listen(&net, &args.tun, &args.discard, Service::Discard).await?;
    listen(&net, &args.tun, &args.source, Service::Source).await?;
    for &port in &args.udp {
        for address in args.tun.sockets(port)? {
            let socket = UdpSocket::bind_on(&net, address)
                .await
                .with_context(|| format!("binding UDP {address}"))?;
            tokio::spawn(udp_echo(socket));
        }
    }
    println!("ready");
    tokio::signal::ctrl_c().await?;
    net.shutdown().await;
    Ok(())
}

async fn listen(
    net: &Net,
    tun: &TunOptions,
    ports: &[u16],
    service: Service,
) -> anyhow::Result<()> {
    for &port in ports {
        for address in tun.sockets(port)? {
            let listener = TcpListener::bind_on(net, address)
                .await
                .with_context(|| format!("listening on {address}"))?;
            tokio::spawn(accept_loop(listener, service));
        }
    }
    Ok(())
}

fn runtime(flavor: Flavor) -> anyhow::Result<Runtime> {
    let mut builder = match flavor {
        Flavor::Current => Builder::new_current_thread(),
        Flavor::Multi => Builder::new_multi_thread(),
    };
    builder.enable_all().build().context("starting tokio")
}
