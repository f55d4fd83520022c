//! How many packets a device has lost, and how to ask for it.

use std::fmt;

/// What a [`Device`](super::Device) has lost: a number, or how to ask the host for it. That takes a system
/// call, which may wait for others, and so the stack asks when it has let go of the device.
///
/// ```
/// use net_tokio::device::Overruns;
/// assert_eq!(Overruns::from(3).count(), Some(3));
/// assert_eq!(Overruns::asked(|| 3).count(), Some(3));
/// assert_eq!(Overruns::UNKNOWN.count(), None);
/// ```
pub struct Overruns(Source);

enum Source {
    Known(Option<u64>),
    Asked(Box<dyn FnOnce() -> Option<u64> + Send>),
}

impl Overruns {
    /// Nobody can tell.
    pub const UNKNOWN: Self = Self(Source::Known(None));

    /// What is to be asked for: a number, or `None` where nobody can tell.
    #[must_use]
    pub fn asked<N: Into<Option<u64>>>(ask: impl FnOnce() -> N + Send + 'static) -> Self {
        Self(Source::Asked(Box::new(|| ask().into())))
    }

    /// The number of packets; `None` where nobody can tell.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        match self.0 {
            Source::Known(count) => count,
            Source::Asked(ask) => ask(),
        }
    }
}

impl From<u64> for Overruns {
    fn from(count: u64) -> Self {
        Self(Source::Known(Some(count)))
    }
}

impl fmt::Debug for Overruns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Known(count) => f.debug_tuple("Overruns").field(count).finish(),
            Source::Asked(_) => f.debug_tuple("Overruns").finish_non_exhaustive(),
        }
    }
}
