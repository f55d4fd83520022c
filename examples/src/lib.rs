//! What the examples share, and what the benches serve with the same code.

pub mod behind_tun;
pub mod digest;
pub mod http;
pub mod reach;
pub mod router;
pub mod services;
pub mod units;
