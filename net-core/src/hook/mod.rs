//! Hooks: where a packet's way can be looked at, changed and ended.
//!
//! Every packet passes some of five [points](HookPoint). What comes in for this host passes
//! `PreRouting` and `LocalIn`; what goes on to others `PreRouting`, `Forward` and `PostRouting`; what
//! this host sends `LocalOut` and `PostRouting`. At each point the hooks that were put there are asked
//! in the order of their priorities, until one does not accept. Where there is none, a packet pays one
//! comparison.

mod entries;
mod flows;
mod frames;
mod protocol;

pub(crate) use entries::{Heading, Hooks, Outcome};
pub use protocol::ProtocolHandler;

use crate::buf::Checksum;
use crate::conntrack::Tracked;
use crate::filter::Answer;
use crate::iface::IfaceId;
use crate::time::Instant;
use crate::wire::{IpHeader, ip};
use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

/// Where on its way a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HookPoint {
    /// It has come in, and its header is in order; nobody knows yet where it goes.
    PreRouting,
    /// It is for this host.
    LocalIn,
    /// It goes on to somebody else, and has one hop less than it came with.
    Forward,
    /// This host sends it.
    LocalOut,
    /// It is about to leave.
    PostRouting,
}

/// What a hook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Ask the next one.
    Accept,
    /// The packet vanishes, and is counted.
    Drop,
    /// As `Drop`, and the sender is told that it may not (RFC 1812 §5.2.7.1, code 13; RFC 4443 §3.1,
    /// code 1); at `PostRouting` this is the same as `Drop`.
    Reject,
    /// As `Reject`, with an answer of one's choice.
    RejectWith(Answer),
    /// Another packet takes its place: what [`PacketView::replace_front`] returns. Without that the same as
    /// `Drop`.
    Replace,
}

/// One who is asked about packets.
pub trait Hook: fmt::Debug + Send {
    /// Looks at a packet, and may change its bytes and its mark. Who changes what a checksum covers
    /// brings the checksum in order; where a packet goes on depends on what is changed before that is
    /// decided, at [`HookPoint::PreRouting`].
    fn apply(&mut self, at: HookPoint, packet: &mut PacketView<'_>, now: Instant) -> Verdict;
}

/// The name of a hook that was put somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HookId(u32);

/// A packet as a hook sees it.
#[derive(Debug)]
pub struct PacketView<'a> {
    /// Its IP header; what a hook changes of it, it changes in `bytes`.
    pub ip: &'a mut IpHeader,
    /// It from the IP header on, as far as it lies in one piece: the headers, at least.
    pub bytes: &'a mut [u8],
    /// Its length in bytes, IP header included; a super-segment's is that of the whole.
    pub len: usize,
    /// The interface that it came in over, if it did.
    pub came_over: Option<IfaceId>,
    /// The interface that it leaves over, if that is known and it does.
    pub leaves_over: Option<IfaceId>,
    /// Its mark: the socket's, or what a hook made it.
    pub mark: &'a mut u32,
    /// The flow that it belongs to, once that has been found out.
    pub tracked: &'a mut Tracked,
    /// How far its transport checksum has got.
    pub checksum: Checksum,
    /// What a hook has had take the place of its front.
    pub(crate) front: Option<Box<NewFront>>,
    /// The socket that a rule gives it to, by what that is bound to.
    pub(crate) given_to: Option<SocketAddr>,
    /// Whether its way is to be looked up anew.
    pub(crate) goes_anew: bool,
}

/// What takes the place of the front of a packet.
#[derive(Debug)]
pub(crate) struct NewFront {
    /// Bytes that go.
    pub(crate) strip: usize,
    /// What comes in front of the rest.
    pub(crate) headers: Box<[u8]>,
}

impl PacketView<'_> {
    /// Has another packet take the place of this one: without its first `strip` bytes, and with `headers` in
    /// front of the rest, as tunnels do that put packets into others and take them out again. Returns what
    /// the hook is to say then.
    ///
    /// The headers begin with that of IP, with options or extension headers if need be; the stack fills in
    /// its length and, of IPv4, its checksum. A packet that has come in is taken in anew. One that leaves or
    /// goes on to others is routed anew, and passes `LocalOut` and `PostRouting` as a packet of this
    /// host: the hook has to know its own. Where it is too large for its way by now it goes in
    /// fragments, or, with the IPv4 header's don't-fragment bit or over IPv6, its sender is told what
    /// room there is. A hook is asked about each segment of a super-segment that leaves or goes on;
    /// one that is for this host cannot be replaced, and is dropped. So is what has been replaced four
    /// times already in its direction: an answer to what has come out of four others may go into four.
    ///
    /// The result is [`Verdict::Drop`] for more than 128 bytes of headers, or a `strip` beyond
    /// [`bytes`](Self::bytes).
    pub fn replace_front(&mut self, strip: usize, headers: &[u8]) -> Verdict {
        if strip > self.bytes.len() || headers.len() > MAX_HEADERS {
            return Verdict::Drop;
        }
        let headers = headers.into();
        self.front = Some(Box::new(NewFront { strip, headers }));
        Verdict::Replace
    }

    /// Source and destination port of TCP and UDP; later fragments have none.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let is_later = self
            .ip
            .fragment
            .is_some_and(|fragment| fragment.offset != 0);
        if is_later || !matches!(self.ip.protocol, ip::TCP | ip::UDP) {
            return None;
        }
        let &[a, b, c, d] = self.bytes.get(self.ip.header_len..)?.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }
}

/// Bytes of headers that a hook may put in front of a packet.
const MAX_HEADERS: usize = 128;
