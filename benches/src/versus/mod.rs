//! The comparison: what is measured, how often, and what the figures say.

pub mod figures;
pub mod measure;
pub mod report;
pub mod server;
pub mod targets;
pub mod validity;
pub mod verdict;
pub mod workload;
