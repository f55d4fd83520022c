//! What the integration tests share: hosts joined by links under virtual time, and network
//! namespaces with the kernel in them.

pub mod hosts;
#[cfg(target_os = "linux")]
pub mod netns;
