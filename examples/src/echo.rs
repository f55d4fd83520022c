//! The example `echo`: small services on a stack behind a TUN or TAP.

use crate::behind_tun::TunOptions;
use crate::services::{Service, accept_loop, udp_echo};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use net_tokio::{Net, TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};

/// Where the stack is, and what it does on which ports.
#[derive(Debug, Clone, Args)]
pub struct EchoOptions {
    /// Where it is.
    #[command(flatten)]
    pub tun: TunOptions,
    /// A TCP port that echoes; may be repeated.
    #[arg(long, value_name = "N")]
    pub port: Vec<u16>,
    /// A UDP port that echoes; may be repeated.
    #[arg(long, value_name = "N")]
    pub udp: Vec<u16>,
    /// A TCP port that discards; may be repeated.
    #[arg(long, value_name = "N")]
    pub discard: Vec<u16>,
    /// A TCP port that sends without end; may be repeated.
    #[arg(long, value_name = "N")]
    pub source: Vec<u16>,
    /// On how many threads of tokio the stack and its tasks run.
    #[arg(long, value_enum, default_value_t = Flavor::Current)]
    pub runtime: Flavor,
}

/// On how many threads of tokio something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flavor {
    /// One thread.
    Current,
    /// One worker per core.
    Multi,
}

impl EchoOptions {
    /// The runtime that is asked for.
    ///
    /// # Errors
    /// What the host lacks for one.
    pub fn runtime(&self) -> anyhow::Result<Runtime> {
        let mut builder = match self.runtime {
            Flavor::Current => Builder::new_current_thread(),
            Flavor::Multi => Builder::new_multi_thread(),
        };
        builder.enable_all().build().context("starting tokio")
    }

    /// Brings the stack up with its services; call it inside a tokio runtime. They end with that.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub async fn start(&self) -> anyhow::Result<Net> {
        let net = self.tun.build()?;
        net.wait_for_addresses().await;
        self.listen(&net, &self.port, Service::Echo).await?;
        self.listen(&net, &self.discard, Service::Discard).await?;
        self.listen(&net, &self.source, Service::Source).await?;
        for &port in &self.udp {
            for address in self.tun.sockets(port)? {
                let socket = UdpSocket::bind_on(&net, address)
                    .await
                    .with_context(|| format!("binding UDP {address}"))?;
                tokio::spawn(udp_echo(socket));
            }
        }
        Ok(net)
    }

    async fn listen(&self, net: &Net, ports: &[u16], service: Service) -> anyhow::Result<()> {
        for &port in ports {
            for address in self.tun.sockets(port)? {
                let listener = TcpListener::bind_on(net, address)
                    .await
                    .with_context(|| format!("listening on {address}"))?;
                tokio::spawn(accept_loop(listener, service));
            }
        }
        Ok(())
    }
}
