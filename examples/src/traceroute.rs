//! The example `traceroute`: the routers on the way to a host.

use crate::reach::ReachOptions;
use clap::Args;
use net_tokio::{Net, UdpSocket};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Where the way leads, and how it is asked for.
#[derive(Debug, Clone, Args)]
pub struct TracerouteOptions {
    /// Where the way leads.
    pub target: IpAddr,
    /// From where.
    #[command(flatten)]
    pub reach: ReachOptions,
    /// The longest way, in routers.
    #[arg(long, short, default_value_t = 30)]
    pub max_hops: u8,
    /// Milliseconds to wait for each router.
    #[arg(long, short, default_value_t = 1000)]
    pub wait: u64,
}

impl TracerouteOptions {
    /// Follows the way, and says to `out` who is on it.
    ///
    /// # Errors
    /// What is missing, or that the target was not reached.
    pub async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let reach = self.reach.build()?;
        let arrived = self.trace(&reach.net, out).await?;
        reach.shutdown().await;
        anyhow::ensure!(arrived, "{} was not reached", self.target);
        Ok(())
    }

    /// Goes one router further each time; whether the target was reached.
    async fn trace(&self, net: &Net, out: &mut impl Write) -> anyhow::Result<bool> {
        let any: IpAddr = match self.target {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind_on(net, (any, 0)).await?;
        socket.set_recv_errors(true)?;
        for hops in 1..=self.max_hops {
            socket.set_ttl(hops.into())?;
            socket.set_hop_limit_v6(hops.into())?;
            // A port of its own for each probe tells late errors apart.
            let to = SocketAddr::new(self.target, FIRST_PORT + u16::from(hops));
            let sent = Instant::now();
            socket.send_to(&[0; 32], to).await?;
            let until = sent + Duration::from_millis(self.wait);
            match timeout_at(until, reporter(&socket, to)).await {
                Ok(router) => {
                    let time = sent.elapsed().as_secs_f64() * 1000.0;
                    writeln!(out, "{hops:2}  {router}  {time:.3} ms")?;
                    if router == self.target {
                        return Ok(true);
                    }
                }
                Err(_) => writeln!(out, "{hops:2}  *")?,
            }
        }
        Ok(false)
    }
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
