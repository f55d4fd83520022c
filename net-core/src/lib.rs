//! A sans-IO TCP/IP protocol core.
//!
//! Packets and time go in, packets and events come out; there is no clock, no entropy, no thread
//! and no I/O in here, so the same inputs give the same outputs, byte for byte. The central type is
//! [`Stack`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, mutant))]
extern crate std;

pub mod advertising;
pub mod autoconf;
pub mod buf;
pub mod config;
pub mod conntrack;
pub mod echo;
pub mod error;
pub mod filter;
pub mod hook;
mod icmp;
pub mod iface;
mod ip;
pub mod multicast;
mod must;
pub mod nat;
pub mod neighbor;
pub mod offload;
pub mod packet;
pub mod qdisc;
pub mod route;
pub mod seed;
#[cfg(feature = "sim")]
pub mod sim;
pub mod socket;
pub mod stack;
pub mod stats;
pub mod tcp;
mod text;
pub mod time;
pub mod udp;
pub mod wire;

pub use config::Config;
pub use error::SocketError;
pub use iface::{DeviceCaps, IfaceConfig, IfaceId};
pub use seed::Seed;
pub use socket::SocketId;
pub use stack::Stack;
pub use text::ParseError;
pub use time::Instant;
