//! Packet sockets.

use crate::driver::PacketEntry;
use crate::error::to_io;
use crate::net::Net;
use crate::shared::{Caller, Ready, Stop, Touch};
use crate::tcp::{slot_ready, tokio_ready};
use bytes::Bytes;
use net_core::packet::{Frame, FrameView, Packet, PacketAddr, PacketCounters, PacketKind};
use net_core::socket::Operation;
use net_core::wire::EtherType;
use net_core::{IfaceId, SocketError};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::task::coop;

/// A socket for the frames of interfaces, beside all protocols (`AF_PACKET`).
///
/// It receives a copy of every frame of its EtherType, or of all frames, those that leave included;
/// the protocols get theirs all the same. It sends frames as they are, or what is to follow the
/// link's header.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::packet::PacketKind;
/// use net_core::wire::EtherType;
/// use net_tokio::{Net, PacketSocket, PingSocket};
///
/// let net = Net::builder().build()?;
/// let tap = PacketSocket::new_on(&net, PacketKind::Cooked, EtherType::IPV4)?;
/// let ping = PingSocket::new_v4_on(&net)?;
/// ping.request([127, 0, 0, 1].into(), 7, b"are you there?").await?;
/// let request = tap.recv().await?;
/// assert!(request.payload.ends_with(b"are you there?"));
/// # Ok(())
/// # }
/// ```
pub struct PacketSocket {
    net: Net,
    slot: Arc<PacketEntry>,
}

impl PacketSocket {
    /// A socket on the [current](Net::current) stack, for frames of `ethertype` on every interface:
    /// [`EtherType::ALL`] for all, [`EtherType::NONE`] for none until it is [bound](Self::bind).
    ///
    /// # Errors
    /// The kernel's ENFILE where the stack has as many sockets as it may.
    pub fn new(kind: PacketKind, ethertype: EtherType) -> io::Result<Self> {
        Self::new_on(&Net::current()?, kind, ethertype)
    }

    /// As [`new`](Self::new), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn new_on(net: &Net, kind: PacketKind, ethertype: EtherType) -> io::Result<Self> {
        let slot = net.engine().control(|core, _| {
            let id = core.stack_mut().packet_open(kind, ethertype)?;
            Ok(core.add_packet(id))
        })?;
        Ok(Self::of(net, slot))
    }

    /// Takes over a fresh socket.
    pub(crate) fn of(net: &Net, slot: Arc<PacketEntry>) -> Self {
        Self {
            net: net.clone(),
            slot,
        }
    }

    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Hears from now on of frames of `ethertype` on one interface, or on all, and sends over that
    /// interface where nothing else is said.
    ///
    /// # Errors
    /// The kernel's ENODEV where the stack has no interface of that name.
    pub fn bind(&self, interface: Option<&str>, ethertype: EtherType) -> io::Result<()> {
        let iface = match interface {
            Some(name) => Some(self.net.interface_id(name)?),
            None => None,
        };
        self.control(|packet| packet.bind(iface, ethertype))
    }

    /// Sends a frame over the interface that a raw socket is bound to, from its link's header on.
    ///
    /// # Errors
    /// ENODEV where the socket is bound to none, EMSGSIZE above MTU and header, `InvalidInput` for a
    /// frame without a whole header.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send(&self, frame: &[u8]) -> io::Result<usize> {
        self.wait_to_send(|| self.put(frame, None)).await
    }

    /// Sends a frame over the interface that `to` names: a raw socket from the link's header on, a
    /// cooked one what is to follow it.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and `InvalidInput` for a cooked socket where `to` names no station
    /// on a link that has stations.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to(&self, payload: &[u8], to: &PacketAddr) -> io::Result<usize> {
        self.wait_to_send(|| self.put(payload, Some(to))).await
    }

    /// As [`send`](Self::send), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send`](Self::send).
    pub fn try_send(&self, frame: &[u8]) -> io::Result<usize> {
        self.put(frame, None)
    }

    /// As [`send_to`](Self::send_to), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send_to`](Self::send_to).
    pub fn try_send_to(&self, payload: &[u8], to: &PacketAddr) -> io::Result<usize> {
        self.put(payload, Some(to))
    }

    /// Receives the next frame.
    ///
    /// # Errors
    /// When the stack has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv(&self) -> io::Result<Frame> {
        let interest = Ready::READ | Ready::ERROR;
        let attempt = || match self.take(Caller::Future) {
            Err(Stop::WouldBlock) => None,
            done => Some(done),
        };
        let done = coop::cooperative(self.slot.waiters().wait(interest, attempt)).await;
        self.finish(done)
    }

    /// As [`recv`](Self::recv), at once.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or as for [`recv`](Self::recv).
    pub fn try_recv(&self) -> io::Result<Frame> {
        self.finish(self.take(Caller::Try))
    }

    /// As [`recv`](Self::recv), to be polled. Only the last task that polled for receiving is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Frame>> {
        let coop = ready!(coop::poll_proceed(cx));
        match self.take(Caller::Poll(cx.waker())) {
            Err(Stop::WouldBlock) => Poll::Pending,
            done => {
                coop.made_progress();
                Poll::Ready(self.finish(done))
            }
        }
    }

    /// Waits until the socket is ready for something in `interest`, and says for what. It is taken to
    /// be ready to send at any time; where that is not so, sending waits.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness is a level, nothing is used up.
    pub async fn ready(&self, interest: Interest) -> io::Result<tokio::io::Ready> {
        let ready = self.slot.ready(slot_ready(interest));
        Ok(tokio_ready(coop::cooperative(ready).await))
    }

    /// Lets `filter` say how many bytes of each frame the socket gets (`SO_ATTACH_FILTER`); 0 leaves
    /// the frame out. It runs inside the stack: it must not use sockets of the same stack.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_filter(
        &self,
        filter: impl FnMut(&FrameView<'_>) -> usize + Send + 'static,
    ) -> io::Result<()> {
        self.control(|packet| {
            packet.set_filter(filter);
            Ok(())
        })
    }

    /// Takes the filter out (`SO_DETACH_FILTER`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn clear_filter(&self) -> io::Result<()> {
        self.control(|packet| {
            packet.clear_filter();
            Ok(())
        })
    }

    /// Shows packet sockets also the frames of an interface that are for other stations
    /// (`PACKET_MR_PROMISC`), for as long as this socket is there and does not take it back. Which of
    /// them the device delivers is up to the device.
    ///
    /// # Errors
    /// The kernel's ENODEV where the stack has no interface of that name.
    pub fn set_promiscuous(&self, interface: &str, on: bool) -> io::Result<()> {
        let iface = self.net.interface_id(interface)?;
        self.control(|packet| packet.set_promiscuous(iface, on))
    }

    /// How many frames the socket has got, and how many not for want of room (`PACKET_STATISTICS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn counters(&self) -> io::Result<PacketCounters> {
        self.control(|packet| Ok(packet.counters()))
    }

    /// Limits the memory that unread frames may hold in the stack, in bytes (`SO_RCVBUF`); up to 64
    /// further frames may lie between the stack and the reader.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.control(|packet| {
            packet.set_recv_buffer(bytes);
            Ok(())
        })
    }

    fn put(&self, payload: &[u8], to: Option<&PacketAddr>) -> io::Result<usize> {
        let engine = self.net.engine();
        let socket = self.slot.id();
        engine
            .permit(&Operation::Send {
                socket,
                to: None,
                source: None,
                source_port: None,
            })
            .map_err(to_io)?;
        let frame = Bytes::copy_from_slice(payload);
        self.control(|packet| packet.send(frame, to))?;
        engine.ring();
        Ok(payload.len())
    }

    async fn wait_to_send(
        &self,
        mut attempt: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let attempt = || match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            done => Some(done),
        };
        coop::cooperative(self.slot.waiters().wait(Ready::WRITE, attempt)).await
    }

    /// Takes the next frame, unless the policy minds.
    fn take(&self, caller: Caller<'_>) -> Result<(Frame, Touch), Stop> {
        let socket = self.slot.id();
        self.net.engine().permit(&Operation::Recv { socket })?;
        self.slot.recv(caller)
    }

    /// See [`Engine::finish`](crate::driver::Engine::finish).
    fn finish<R>(&self, done: Result<(R, Touch), Stop>) -> io::Result<R> {
        self.net.engine().finish(&self.slot, done)
    }

    fn control<R>(
        &self,
        f: impl FnOnce(&mut Packet<'_>) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        let id = self.slot.id();
        self.net.engine().control(|core, _| {
            let packet = core.stack_mut().packet(id);
            f(&mut packet.ok_or(SocketError::NoSuchSocket)?)
        })
    }
}

impl Drop for PacketSocket {
    fn drop(&mut self) {
        self.net.engine().post(&self.slot, self.slot.close());
    }
}

impl fmt::Debug for PacketSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketSocket")
            .field("socket", &self.slot.id())
            .finish()
    }
}

impl Net {
    /// What the core calls the interface of that name.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is none.
    pub fn interface_id(&self, name: &str) -> io::Result<IfaceId> {
        let found = self.engine().look(|core| {
            let mut ifaces = core.stack().ifaces();
            ifaces.find_map(|(id, config)| (config.name == name).then_some(id))
        });
        found.ok_or_else(|| to_io(SocketError::NoSuchInterface))
    }
}
