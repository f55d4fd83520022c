//! What the integration tests share: documents that are held to the project, tables of what TCP
//! reaches, hosts joined by links under virtual time, and network namespaces with the kernel in them.

#[cfg(target_os = "linux")]
pub mod dnsmasq;
pub mod documents;
pub mod golden;
pub mod hosts;
pub mod keywords;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod nft;
#[cfg(target_os = "linux")]
pub mod senders;

/// The example of the README, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
