//! The example `ping`: requests to a host, and what answers them.

use crate::reach::ReachOptions;
use clap::Args;
use net_tokio::{Net, PingSocket};
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Whom to ping, and how.
#[derive(Debug, Clone, Args)]
pub struct PingOptions {
    /// Whom to ping.
    pub target: IpAddr,
    /// From where.
    #[command(flatten)]
    pub reach: ReachOptions,
    /// How often.
    #[arg(long, short, default_value_t = 4)]
    pub count: u16,
    /// Bytes of data in each request; what is larger than the link's packets goes in fragments.
    #[arg(long, short, default_value_t = 56)]
    pub size: u16,
    /// Milliseconds between requests.
    #[arg(long, short, default_value_t = 200)]
    pub interval: u64,
    /// Milliseconds to wait for each answer.
    #[arg(long, short, default_value_t = 1000)]
    pub wait: u64,
}

impl PingOptions {
    /// Pings, and says to `out` what answers.
    ///
    /// # Errors
    /// What is missing, or that nothing answers.
    pub async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let reach = self.reach.build()?;
        let answered = self.ping(&reach.net, out).await?;
        reach.shutdown().await;
        writeln!(out, "{} sent, {answered} answered", self.count)?;
        anyhow::ensure!(answered > 0, "{} does not answer", self.target);
        Ok(())
    }

    /// Sends the requests one by one; how many were answered.
    async fn ping(&self, net: &Net, out: &mut impl Write) -> anyhow::Result<u16> {
        let socket = match self.target {
            IpAddr::V4(_) => PingSocket::new_v4_on(net)?,
            IpAddr::V6(_) => PingSocket::new_v6_on(net)?,
        };
        let data: Vec<u8> = (0..=255).cycle().take(self.size.into()).collect();
        let patience = Duration::from_millis(self.wait);
        let mut answered = 0;
        for seq in 1..=self.count {
            let sent = Instant::now();
            socket.request(self.target, seq, &data).await?;
            match timeout(patience, answer_to(&socket, seq)).await {
                Ok(Ok(ttl)) => {
                    answered += 1;
                    let time = sent.elapsed().as_secs_f64() * 1000.0;
                    let (from, bytes) = (self.target, self.size);
                    writeln!(
                        out,
                        "{bytes} bytes from {from}: seq={seq} ttl={ttl} time={time:.3} ms"
                    )?;
                }
                Ok(Err(error)) => writeln!(out, "seq={seq}: {error}")?,
                Err(_) => writeln!(out, "seq={seq}: no answer")?,
            }
            sleep(Duration::from_millis(self.interval)).await;
        }
        Ok(answered)
    }
}

/// Waits for the reply to the request numbered `seq`; its time to live.
async fn answer_to(socket: &PingSocket, seq: u16) -> io::Result<u8> {
    loop {
        let reply = socket.reply().await?;
        if reply.seq == seq {
            return Ok(reply.ttl);
        }
    }
}
