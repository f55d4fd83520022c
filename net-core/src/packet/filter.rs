//! What a packet socket does not want to see.

use super::FrameClass;
use crate::iface::IfaceId;
use crate::wire::EtherType;
use alloc::boxed::Box;
use core::fmt;

/// A frame that a filter looks at.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    /// All of it that the socket would get.
    pub bytes: &'a [u8],
    /// The interface that it came or left over.
    pub iface: IfaceId,
    /// What it carries.
    pub ethertype: EtherType,
    /// For whom it is.
    pub class: FrameClass,
}

/// Says how many bytes of a frame a socket gets; 0: none, and not the frame either
/// (`SO_ATTACH_FILTER`).
pub(crate) struct FrameFilter(Box<dyn FnMut(&FrameView<'_>) -> usize + Send>);

impl FrameFilter {
    pub(crate) fn new(filter: impl FnMut(&FrameView<'_>) -> usize + Send + 'static) -> Self {
        Self(Box::new(filter))
    }

    /// How many of its bytes are wanted.
    pub(crate) fn wants(&mut self, frame: &FrameView<'_>) -> usize {
        (self.0)(frame).min(frame.bytes.len())
    }
}

impl fmt::Debug for FrameFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameFilter").finish_non_exhaustive()
    }
}
