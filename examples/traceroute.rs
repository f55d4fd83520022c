//! Shows the routers on the way to a host, from the errors that they send about datagrams whose time
//! to live ran out there: the socket's error queue tells who did. `traceroute 192.0.2.2` works
//! anywhere, with a second stack in this process; with `--tun` the way leads through this host.

use clap::Parser;
use examples::reach::ReachOptions;
use net_tokio::{Net, UdpSocket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Where the way leads.
    target: IpAddr,
    #[command(flatten)]
    reach: ReachOptions,
    /// The longest way, in routers.
    #[arg(long, short, default_value_t = 30)]
    max_hops: u8,
    /// Milliseconds to wait for each router.
    #[arg(long, short, default_value_t = 1000)]
    wait: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let reach = args.reach.build()?;
    let arrived = trace(&reach.net, &args).await?;
    reach.shutdown().await;
    anyhow::ensure!(arrived, "{} was not reached", args.target);
    Ok(())
}

/// Goes one router further each time; whether the target was reached.
async fn trace(net: &Net, args: &Args) -> anyhow::Result<bool> {
    let any: IpAddr = match args.target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind_on(net, (any, 0)).await?;
    socket.set_recv_errors(true)?;
    for hops in 1..=args.max_hops {
        socket.set_ttl(hops.into())?;
        socket.set_hop_limit_v6(hops.into())?;
        // A port of its own for each probe tells late errors apart.
        let to = SocketAddr::new(args.target, FIRST_PORT + u16::from(hops));
        let sent = Instant::now();
        socket.send_to(&[0; 32], to).await?;
        let until = sent + Duration::from_millis(args.wait);
        match timeout_at(until, reporter(&socket, to)).await {
            Ok(router) => {
                let time = sent.elapsed().as_secs_f64() * 1000.0;
                println!("{hops:2}  {router}  {time:.3} ms");
                if router == args.target {
                    return Ok(true);
                }
            }
            Err(_) => println!("{hops:2}  *"),
        }
    }
    Ok(false)
}

/// Waits for an error about what was sent to `to`; who reported it.
async fn reporter(socket: &UdpSocket, to: SocketAddr) -> IpAddr {
    loop {
        // That there is an error ends the wait; which, the queue tells.
        let _ = socket.recv_from(&mut [0; 64]).await;
        while let Ok(error) = socket.try_recv_error() {
            if error.dest == to {
                return error.reporter;
            }
        }
    }
}

/// The first of the ports that nobody is expected to have.
const FIRST_PORT: u16 = 33_434;
