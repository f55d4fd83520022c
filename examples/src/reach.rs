//! A stack to reach others from: behind a TUN of this host, or joined in memory to a second stack.

use crate::behind_tun::{Switch, TunOptions};
use anyhow::Context as _;
use clap::Args;
use net_core::Seed;
use net_tokio::Net;
use net_tokio::device::{LinkConfig, PairEnd, pair};
use std::net::IpAddr;
use std::time::Duration;

/// Where the stack is.
#[derive(Debug, Clone, Args)]
pub struct ReachOptions {
    /// Name of a TUN to put the stack behind; without one it is joined in memory to a second stack,
    /// 192.0.2.2 and fd00::2, over a link of 10 ms.
    #[arg(long, value_name = "NAME", requires = "address")]
    pub tun: Option<String>,
    /// An address of the stack behind the TUN, for example 10.7.0.2/24; may be repeated.
    #[arg(long, value_name = "ADDRESS/LEN", requires = "tun")]
    pub address: Vec<String>,
    /// The way to everywhere else, one per family. A TUN that is made gives the host this address; one that
    /// exists keeps the addresses that it has.
    #[arg(long, value_name = "ADDRESS", requires = "tun")]
    pub gateway: Vec<IpAddr>,
}

/// A stack, and what it needs to stay reachable.
#[derive(Debug)]
pub struct Reach {
    /// The stack to send from.
    pub net: Net,
    /// The other end of the link in memory.
    far: Option<Net>,
}

impl ReachOptions {
    /// Brings the stack up; call it inside a tokio runtime.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn build(&self) -> anyhow::Result<Reach> {
        let Some(tun) = &self.tun else {
            return in_memory();
        };
        let tun = TunOptions {
            tun: Some(tun.clone()),
            tap: None,
            address: self.address.clone(),
            gateway: self.gateway.clone(),
            mtu: None,
            offload: Switch::On,
            busy_poll: None,
        };
        Ok(Reach {
            net: tun.build()?,
            far: None,
        })
    }
}

impl Reach {
    /// Ends it.
    pub async fn shutdown(self) {
        self.net.shutdown().await;
        if let Some(far) = self.far {
            far.shutdown().await;
        }
    }
}

fn in_memory() -> anyhow::Result<Reach> {
    let link = LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::default()
    };
    let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
    let end = |device: PairEnd, addresses: [&str; 2], seed| {
        addresses
            .into_iter()
            .fold(Net::builder().device("link", device), |net, address| {
                net.address(address)
            })
            .seed(Seed::from_u64(seed))
            .build()
            .context("bringing a stack up")
    };
    Ok(Reach {
        net: end(near, ["192.0.2.1/24", "fd00::1/64"], 2)?,
        far: Some(end(far, ["192.0.2.2/24", "fd00::2/64"], 3)?),
    })
}
