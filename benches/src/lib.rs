//! Measuring this stack beside its peers: the kernel, smoltcp and ipstack.
//!
//! `versus` starts one server process per measurement ([`stacks`]) behind a link that it makes
//! ([`host`]), and drives all of them with one and the same client of kernel sockets
//! ([`client`]). The figures of a run become tables and JSON in [`versus`].

pub mod back_to_back;
pub mod client;
pub mod host;
pub mod stacks;
pub mod versus;
