//! Packet sockets: the frames of interfaces, beside all protocols (`AF_PACKET`).

mod filter;
mod frame;
mod handle;
mod socket;

pub(crate) use filter::FrameFilter;
pub use filter::FrameView;
pub use frame::{Frame, FrameClass, PacketAddr};
pub use handle::Packet;
pub use socket::{PacketCounters, PacketKind};
pub(crate) use socket::{PacketSocket, Tapped};
