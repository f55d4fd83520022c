//! The runtime of a thread of ours.

use std::future::Future;
use std::io;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime for one thread, which is made on another and may be dropped there: also where tokio does not
/// let a runtime wait for its end, in another's task.
#[derive(Debug)]
pub(super) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// To enter it, and to spawn on it.
    pub(super) fn handle(&self) -> &Handle {
        let runtime = self.0.as_ref();
        runtime.expect("there until it is dropped").handle()
    }

    /// Runs `future` on this thread, and then ends.
    pub(super) fn block_on(mut self, future: impl Future) {
        if let Some(runtime) = self.0.take() {
            runtime.block_on(future);
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
