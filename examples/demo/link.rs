//! The two hosts and the link between them.

use super::Args;
use anyhow::{Context as _, bail};
use net_core::Seed;
use net_tokio::Net;
use net_tokio::device::{LinkConfig, LinkStats, PcapStatus, PcapTap, pair};
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;

/// Two hosts, joined.
pub(crate) struct Link {
    /// The host that connects.
    pub(crate) client: Net,
    /// The host that serves.
    pub(crate) server: Net,
    /// What the link did to the client's packets.
    pub(crate) from_client: LinkStats,
    /// What it did to the server's.
    pub(crate) from_server: LinkStats,
    /// What has become of the capture, if there is one.
    capture: Option<PcapStatus>,
}

impl Link {
    /// Brings both hosts up.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        let bits_in_flight = args
            .rate
            .saturating_mul(u64::try_from(args.rtt.as_micros())?);
        let config = LinkConfig {
            rate_bps: Some(args.rate),
            delay: args.rtt / 2,
            loss_ppm: args.loss,
            queue_bytes: usize::try_from(bits_in_flight / 8_000_000)?.max(QUEUE_MIN),
            ..LinkConfig::default()
        };
        let seed = Seed::from_u64(args.seed);
        let (near, far) = pair(config.clone(), config, seed);
        let (from_client, from_server) = (near.stats(), far.stats());
        let mut capture = None;
        let client = match &args.pcap {
            None => Net::builder().device(NAME, near),
            Some(file) => {
                let out = File::create(file)
                    .with_context(|| format!("cannot write to {}", file.display()))?;
                let tap = PcapTap::new(near, NAME, BufWriter::new(out))?;
                capture = Some(tap.status());
                Net::builder().device(NAME, tap)
            }
        };
        let client = client
            .address("192.0.2.1/24")
            .seed(Seed::from_u64(args.seed.wrapping_add(1)))
            .build()?;
        let server = Net::builder()
            .device(NAME, far)
            .address("192.0.2.2/24")
            .seed(Seed::from_u64(args.seed.wrapping_add(2)))
            .build()?;
        Ok(Self {
            client,
            server,
            from_client,
            from_server,
            capture,
        })
    }

    /// Where the server listens.
    pub(crate) fn server_address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 2], port))
    }

    /// Ends both hosts; an error if what was to be captured is not all written.
    pub(crate) async fn shutdown(&self) -> anyhow::Result<()> {
        tokio::join!(self.client.shutdown(), self.server.shutdown());
        match self.capture.as_ref().and_then(PcapStatus::error) {
            None => Ok(()),
            Some(error) => bail!("the capture is not complete: {error}"),
        }
    }
}

const NAME: &str = "link0";
/// A queue in front of the link holds at least this.
const QUEUE_MIN: usize = 256 * 1024;
