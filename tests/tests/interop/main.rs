//! Our stack behind a TUN against the kernel's own sockets, in a namespace that each test makes.
//!
//! A test runs once per [`Row`](matrix::Row): offloads on and off, one thread and several, IPv4 and
//! IPv6, the kernel as the client and as the server.
#![cfg(target_os = "linux")]

mod accecn;
mod api;
mod closing;
mod crowd;
mod fast_open;
mod kernel;
mod longest;
mod matrix;
mod mtu;
mod orphan;
mod pace;
mod ping;
mod raw;
mod reset;
mod senders;
mod transfer;
mod udp;
mod unreachable;
mod urgent;
