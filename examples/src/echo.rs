//! The example `echo`: small services on a stack behind a TUN or TAP.

use crate::behind_tun::TunOptions;
use crate::services::{Service, accept_loop, udp_echo};
use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Args, ValueEnum};
use net_tokio::{Net, TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};

/// Where the stack is, and what it does on which ports.
#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("services")
        .args(["port", "udp", "discard", "source"])
        .required(true)
        .multiple(true)
))]
pub struct EchoOptions {
    /// Where it is.
    #[command(flatten)]
    pub tun: TunOptions,
    /// A TCP port that echoes; may be repeated.
    #[arg(long, value_name = "N", value_parser = ports())]
    pub port: Vec<u16>,
    /// A UDP port that echoes; may be repeated.
    #[arg(long, value_name = "N", value_parser = ports())]
    pub udp: Vec<u16>,
    /// A TCP port that discards; may be repeated.
    #[arg(long, value_name = "N", value_parser = ports())]
    pub discard: Vec<u16>,
    /// A TCP port that sends without end; may be repeated.
    #[arg(long, value_name = "N", value_parser = ports())]
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

/// The ports that a command line may name: with 0 nobody would know which it is.
#[must_use]
pub fn ports() -> RangedU64ValueParser<u16> {
    RangedU64ValueParser::new().range(1..)
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches as _};

    fn parsed(services: &str) -> Result<EchoOptions, clap::Error> {
        let command = EchoOptions::augment_args(Command::new("echo").no_binary_name(true));
        let words = format!("--tun t --address 10.7.0.2/24 {services}");
        EchoOptions::from_arg_matches(&command.try_get_matches_from(words.split_whitespace())?)
    }

    /// It would say that it is ready, and answer nobody.
    #[test]
    fn no_service_at_all_is_refused() {
        let error = parsed("").expect_err("nothing to do").to_string();
        assert!(
            error.contains("--port") && error.contains("--source"),
            "{error}"
        );
        for one in ["--port 7", "--udp 7", "--discard 9", "--source 19"] {
            assert!(parsed(one).is_ok(), "{one}");
        }
        let several = parsed("--port 7 --udp 7 --port 8").expect("any number");
        assert_eq!((several.port, several.udp), (vec![7, 8], vec![7]));
    }

    #[test]
    fn a_port_that_nobody_knows_is_refused() {
        for bad in ["--port 0", "--udp 0", "--discard 0", "--source 65536"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        assert!(parsed("--port 65535").is_ok());
    }
}
