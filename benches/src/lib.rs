//! Benchmarks of the stack and its peers.
