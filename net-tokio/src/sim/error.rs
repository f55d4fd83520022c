//! Why a simulation failed.

use net_core::sim::Livelock;
use net_core::time::Duration;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// A simulation failed. It says with which seed that repeats, and where the packets are.
#[derive(Debug)]
pub struct SimError {
    pub(super) seed: u64,
    pub(super) at: Duration,
    pub(super) cause: Cause,
    pub(super) capture: Option<PathBuf>,
}

/// What was wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A program returned an error.
    Program {
        /// The host that it ran on.
        host: String,
        /// The error.
        error: Box<dyn Error + Send + Sync>,
    },
    /// A program panicked; the message is in the output.
    Panic {
        /// The host that it ran on.
        host: String,
    },
    /// Programs had not ended when the time was up.
    TooLong,
    /// The network does not get on.
    Livelock(Livelock),
    /// A host's stack could not be built.
    Stack {
        /// The host.
        host: String,
        /// The reason.
        error: std::io::Error,
    },
}

impl SimError {
    /// What was wrong.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The seed with which it repeats.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The pcapng file with every packet of every host, as far as it could be written.
    #[must_use]
    pub const fn capture(&self) -> Option<&PathBuf> {
        self.capture.as_ref()
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_secs_f64();
        write!(f, "{} at {at:.6} s, seed {}", self.cause, self.seed)?;
        match &self.capture {
            Some(file) => write!(f, "; packets in {}", file.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { host, error } => write!(f, "the program on {host} failed: {error}"),
            Self::Panic { host } => write!(f, "the program on {host} panicked"),
            Self::TooLong => f.write_str("the time is up, and not all programs have ended"),
            Self::Livelock(livelock) => livelock.fmt(f),
            Self::Stack { host, error } => write!(f, "the stack of {host}: {error}"),
        }
    }
}

impl Error for SimError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Program { error, .. } => Some(&**error),
            Cause::Livelock(livelock) => Some(livelock),
            Cause::Stack { error, .. } => Some(error),
            Cause::Panic { .. } | Cause::TooLong => None,
        }
    }
}
