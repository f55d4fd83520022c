//! What the examples share, and what the benches serve with the same code.

pub mod services;
