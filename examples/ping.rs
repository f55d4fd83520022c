//! Pings a host from our stack. `ping 192.0.2.2` works anywhere: the host is a second stack in this
//! process; with `--tun` it is whoever can be reached there.

use clap::Parser;
use examples::reach::ReachOptions;
use net_tokio::{Net, PingSocket};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Whom to ping.
    target: IpAddr,
    #[command(flatten)]
    reach: ReachOptions,
    /// How often.
    #[arg(long, short, default_value_t = 4)]
    count: u16,
    /// Bytes of data in each request; what is larger than the link's packets goes in fragments.
    #[arg(long, short, default_value_t = 56)]
    size: u16,
    /// Milliseconds between requests.
    #[arg(long, short, default_value_t = 200)]
    interval: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let reach = args.reach.build()?;
    let answered = ping(&reach.net, &args).await?;
    reach.shutdown().await;
    println!("{} sent, {answered} answered", args.count);
    anyhow::ensure!(answered > 0, "{} does not answer", args.target);
    Ok(())
}

/// Sends the requests one by one; how many were answered.
async fn ping(net: &Net, args: &Args) -> anyhow::Result<u16> {
    let socket = match args.target {
        IpAddr::V4(_) => PingSocket::new_v4_on(net)?,
        IpAddr::V6(_) => PingSocket::new_v6_on(net)?,
    };
    let data: Vec<u8> = (0..=255).cycle().take(args.size.into()).collect();
    let mut answered = 0;
    for seq in 1..=args.count {
        let sent = Instant::now();
        socket.request(args.target, seq, &data).await?;
        match timeout(PATIENCE, answer_to(&socket, seq)).await {
            Ok(Ok(ttl)) => {
                answered += 1;
                let time = sent.elapsed().as_secs_f64() * 1000.0;
                let (from, bytes) = (args.target, args.size);
                println!("{bytes} bytes from {from}: seq={seq} ttl={ttl} time={time:.3} ms");
            }
            Ok(Err(error)) => println!("seq={seq}: {error}"),
            Err(_) => println!("seq={seq}: no answer"),
        }
        sleep(Duration::from_millis(args.interval)).await;
    }
    Ok(answered)
}

/// Waits for the reply to the request numbered `seq`; its time to live.
async fn answer_to(socket: &PingSocket, seq: u16) -> std::io::Result<u8> {
    loop {
        let reply = socket.reply().await?;
        if reply.seq == seq {
            return Ok(reply.ttl);
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
