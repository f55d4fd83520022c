//! The servers to compare: the same services on the same ports, on different stacks.

pub mod ipstack;
pub mod kernel;
pub mod ours;
pub mod smoltcp;

use clap::ValueEnum;
use examples::services::Service;
use serde::Serialize;
use std::fmt;

/// Which TCP/IP implementation serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StackName {
    /// This one.
    Ours,
    /// The host's own, with `tokio::net` on the other side of a veth pair.
    Kernel,
    /// `smoltcp` from crates.io with a loop of its own.
    Smoltcp,
    /// `ipstack` from crates.io.
    Ipstack,
}

impl StackName {
    /// Every stack, in the order of the table's columns.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Kernel, Self::Smoltcp, Self::Ipstack];

    /// The name on the command line and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Kernel => "kernel",
            Self::Smoltcp => "smoltcp",
            Self::Ipstack => "ipstack",
        }
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The TUN to serve; unused by the kernel.
    pub tun: String,
    /// The server's address; unused by the kernel, which serves all of its own.
    pub address: std::net::Ipv4Addr,
    /// Connections that may arrive at the same moment: how many listening sockets a stack without
    /// backlog keeps.
    pub at_once: usize,
    /// Bytes of each socket buffer, for stacks that allocate them.
    pub buffer: usize,
    /// How many microseconds the driver of ours stays awake for the next packet, if it is told.
    pub busy_poll_us: Option<u64>,
}

/// MTU of every link.
pub const MTU: u16 = 1500;
/// TCP and UDP echo.
pub const ECHO_PORT: u16 = 7;
/// TCP: discards, and answers with the number of bytes that it has read when it is asked.
pub const COUNT_PORT: u16 = 10;
/// TCP: sends without end.
pub const SOURCE_PORT: u16 = 19;
/// The TCP services by port.
pub const SERVICES: [(u16, Service); 3] = [
    (ECHO_PORT, Service::Echo),
    (COUNT_PORT, Service::Count),
    (SOURCE_PORT, Service::Source),
];

/// Tells the parent process that connections are welcome.
pub fn announce_ready() {
    println!("ready");
}
