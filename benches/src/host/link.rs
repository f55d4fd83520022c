//! The links between client and server: a TUN, or a veth pair for the kernel's own row.

use super::command::run;
use crate::stacks::MTU;
use serde::Serialize;
use std::net::Ipv4Addr;

/// A link whose other end is the server. Dropping it removes it.
///
/// Every link has a network of its own: sockets that a previous measurement left behind then
/// cannot send into the next one.
#[derive(Debug)]
pub struct Link {
    name: String,
    number: u8,
}

impl Link {
    /// Makes a TUN for a server to open.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn tun(number: u8) -> anyhow::Result<Self> {
        let link = Self {
            name: format!("tun{number}"),
            number,
        };
        run(&format!("ip tuntap add dev {} mode tun", link.name))?;
        link.configure()?;
        Ok(link)
    }

    /// Makes a veth pair with one end in the network namespace of the process `server`, and turns
    /// on segmentation and receive offload at both ends.
    ///
    /// # Errors
    /// When `ip`, `nsenter` or `ethtool` fails.
    pub fn veth(number: u8, server: u32) -> anyhow::Result<Self> {
        let link = Self {
            name: format!("veth{number}"),
            number,
        };
        let (name, address) = (&link.name, link.server_address());
        run(&format!(
            "ip link add {name} type veth peer name peer netns {server}"
        ))?;
        link.configure()?;
        let inside = format!("nsenter --target {server} --net");
        run(&format!("{inside} ip addr add {address}/24 dev peer"))?;
        run(&format!("{inside} ip link set peer mtu {MTU} up"))?;
        run(&format!("{inside} ethtool -K peer tso on gro on"))?;
        run(&format!("ethtool -K {name} tso on gro on"))?;
        Ok(link)
    }

    fn configure(&self) -> anyhow::Result<()> {
        let (name, address) = (&self.name, Ipv4Addr::new(10, 7, self.number, 1));
        run(&format!("ip addr add {address}/24 dev {name}"))?;
        run(&format!(
            "ip link set {name} mtu {MTU} txqueuelen {QUEUE} up"
        ))?;
        Ok(())
    }

    /// The name on the client's side.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's address on this link.
    #[must_use]
    pub const fn server_address(&self) -> Ipv4Addr {
        server_address(self.number)
    }

    /// What `ethtool -k` says of the client's end.
    ///
    /// # Errors
    /// When there is no `ethtool`.
    pub fn offloads(&self) -> anyhow::Result<Offloads> {
        let text = run(&format!("ethtool -k {}", self.name))?;
        let lines: Vec<String> = text
            .lines()
            .filter(|line| SHOWN.iter().any(|feature| line.starts_with(feature)))
            .map(str::to_owned)
            .collect();
        let on = |feature: &str| {
            lines
                .iter()
                .any(|line| line.starts_with(feature) && line.contains(": on"))
        };
        Ok(Offloads {
            tso: on("tcp-segmentation-offload"),
            gro: on("generic-receive-offload"),
            lines,
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A veth is gone already when the server's namespace is.
        let _gone = run(&format!("ip link del {}", self.name));
    }
}

/// The offload settings of a link.
#[derive(Debug, Clone, Serialize)]
pub struct Offloads {
    /// TCP segmentation offload is on.
    pub tso: bool,
    /// Generic receive offload is on.
    pub gro: bool,
    /// The lines of `ethtool -k` that matter.
    pub lines: Vec<String>,
}

/// The server's address on the link with that number.
#[must_use]
pub const fn server_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 7, number, 2)
}

/// Packets that a link holds for a server that is slow to read. A TUN's default of 500 is less
/// than a window of 1 MiB, and overflowing it costs the peers without SACK most of their speed.
const QUEUE: u32 = 5000;

const SHOWN: [&str; 6] = [
    "rx-checksumming",
    "tx-checksumming",
    "scatter-gather",
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
];
