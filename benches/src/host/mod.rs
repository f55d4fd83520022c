//! What a measurement needs of the host: a namespace, a link, a process to watch.

mod command;
pub mod limits;
pub mod link;
pub mod namespace;
pub mod process;
