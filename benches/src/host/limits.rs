//! Limits of this process.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of descriptors to the hard limit and returns it.
///
/// # Errors
/// When the limit cannot be set.
pub fn raise_descriptors() -> anyhow::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Checks that this process may hold so many connections at once.
///
/// # Errors
/// Says which limit to raise.
pub fn require_descriptors(connections: usize) -> anyhow::Result<()> {
    let limit = raise_descriptors()?;
    let needed = connections as u64 + SPARE_DESCRIPTORS;
    if limit < needed {
        bail!(
            "{connections} connections need {needed} descriptors, the hard limit is {limit}: raise \
             it (ulimit -Hn) or ask for fewer (--idle)"
        );
    }
    Ok(())
}

const SPARE_DESCRIPTORS: u64 = 256;
