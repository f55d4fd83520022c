//! Options and calls that tokio's sockets have no methods for, by what they do.

mod ip;
mod receiving;
mod streams;
mod world;
