//! Tests of the whole; see the integration tests of this package.

#[cfg(target_os = "linux")]
pub mod netns;
