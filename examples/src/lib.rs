//! What the examples share, and what the benches serve with the same code.

pub mod behind_tun;
pub mod digest;
pub mod echo;
pub mod http;
pub mod ping;
pub mod reach;
pub mod router;
pub mod serve;
pub mod services;
pub mod traceroute;
pub mod units;
