//! A TCP socket in the hands of its application.

use super::connection::Connection;
use super::socket::{Role, TcpSocket};
use super::{State, TcpInfo, TransmitStages, TransmitTime};
use crate::SocketError;
use crate::buf::RecvQueue;
use crate::socket::{Readiness, SocketId, TcpSettings};
use crate::stack::Stack;
use crate::time::Instant;
use bitflags::bitflags;
use bytes::Bytes;

bitflags! {
    /// How to send (`MSG_*`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct SendFlags: u8 {
        /// More follows at once: hold a partial segment back, at most 200 ms (`MSG_MORE`).
        const MORE = 1;
        /// The last byte is urgent (`MSG_OOB`).
        const URGENT = 2;
    }
}

bitflags! {
    /// How to receive (`MSG_*`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct RecvFlags: u8 {
        /// Leave the bytes in the queue (`MSG_PEEK`).
        const PEEK = 1;
        /// The urgent byte (`MSG_OOB`).
        const URGENT = 2;
    }
}

/// A TCP socket, borrowed from its stack by [`Stack::tcp`].
///
/// When the borrow ends, the stack settles the socket: what is to be sent is queued for its
/// interface, its timer set, its event raised.
///
/// [`send`](Self::send) and [`recv`](Self::recv) copy, as the system calls do. A driver that owns
/// buffers uses [`push`](Self::push), [`take`](Self::take) and [`consume`](Self::consume).
#[derive(Debug)]
pub struct Tcp<'a> {
    stack: &'a mut Stack,
    id: SocketId,
    now: Instant,
    touch: Touch,
}

/// How much there is to settle when a borrow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Touch {
    /// Nothing.
    None,
    /// What the received data costs.
    Taken,
    /// There is something new to send.
    Given,
    /// Everything.
    All,
}

impl<'a> Tcp<'a> {
    pub(crate) fn new(stack: &'a mut Stack, id: SocketId, now: Instant) -> Option<Self> {
        stack
            .sockets
            .tcp(id)
            .filter(|_| stack.sockets.is_owned(id))?;
        Some(Self {
            stack,
            id,
            now,
            touch: Touch::None,
        })
    }

    fn socket(&self) -> Option<&TcpSocket> {
        self.stack.sockets.tcp(self.id)
    }

    fn connection(&self) -> Option<&Connection> {
        self.socket()?.connection()
    }

    fn touch(&mut self) -> Result<&mut Connection, SocketError> {
        self.touch_as(Touch::All)
    }

    fn touch_as(&mut self, touch: Touch) -> Result<&mut Connection, SocketError> {
        self.touch = self.touch.max(touch);
        let socket = self
            .stack
            .sockets
            .tcp_mut(self.id)
            .ok_or(SocketError::NoSuchSocket)?;
        socket.connection_mut().ok_or(SocketError::NotConnected)
    }

    /// State of the machine; SYN-RECEIVED until the peer has acknowledged our SYN, as
    /// [`TcpInfo::state`] says.
    #[must_use]
    pub fn state(&self) -> State {
        let connection = self.socket().and_then(TcpSocket::connection);
        match connection.filter(|connection| connection.is_unconfirmed()) {
            Some(_) => State::SynReceived,
            None => self.socket().map_or(State::Closed, TcpSocket::state),
        }
    }

    /// Whether there is a connection whose handshake is complete.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state().is_synchronised()
    }

    /// Whether there is a connection that data may pass through: its handshake is complete, or it was opened
    /// fast (RFC 7413).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.socket()
            .is_some_and(|socket| socket.state().is_synchronised())
    }

    /// The socket's options.
    ///
    /// # Panics
    /// Never: the socket cannot vanish while it is borrowed.
    #[must_use]
    pub fn settings(&self) -> &TcpSettings {
        &self.socket().expect("borrowed from the table").settings
    }

    /// Level readiness.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.socket()
            .map_or(Readiness::empty(), TcpSocket::readiness)
    }

    /// The pending error, left in place.
    #[must_use]
    pub fn error(&self) -> Option<SocketError> {
        self.connection()?.error
    }

    /// Takes the pending error (`SO_ERROR`).
    pub fn take_error(&mut self) -> Option<SocketError> {
        self.touch().ok()?.error.take()
    }

    /// A snapshot of the connection; `None` before there is one.
    #[must_use]
    pub fn info(&self) -> Option<TcpInfo> {
        let socket = self.socket()?;
        let path_mtu = socket.path_mtu();
        let connection = socket.connection()?;
        Some(connection.info(&socket.settings, path_mtu, self.now))
    }

    // --- sending

    /// Copies `data` into the send queue, as much as there is room for; how many bytes.
    ///
    /// # Errors
    /// `WouldBlock` with no room or while connecting, the pending error once, then `BrokenPipe`;
    /// `NotConnected`.
    pub fn send(&mut self, data: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        let limit = self.send_limit();
        let left = self.stack.memory.left();
        let connection = self.touch()?;
        if connection.send_closed() {
            return Err(SocketError::BrokenPipe);
        }
        let room = usize::try_from(limit.saturating_sub(connection.pushed)).unwrap_or(usize::MAX);
        let len = data.len().min(room).min(connection.queue.allowance(left));
        if len == 0 && !data.is_empty() || !connection.state.is_synchronised() {
            return Err(SocketError::WouldBlock);
        }
        connection.more = flags.contains(SendFlags::MORE);
        connection.push_copy(&data[..len])?;
        if flags.contains(SendFlags::URGENT) && len > 0 && len == data.len() {
            connection.mark_urgent();
        }
        Ok(len)
    }

    /// Appends `bytes` to the send queue without copying. The caller keeps to
    /// [`send_limit`](Self::send_limit); what is pushed while connecting is sent afterwards.
    ///
    /// # Errors
    /// `BrokenPipe` once the sending side is closed, or the pending error.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), SocketError> {
        let connection = self.touch_as(Touch::Given)?;
        connection.more = false;
        connection.push(bytes)
    }

    /// Appends a copy of `bytes`; as [`push`](Self::push) otherwise. For a few bytes that costs less than
    /// memory of their own.
    ///
    /// # Errors
    /// As those of [`push`](Self::push).
    pub fn push_copy(&mut self, bytes: &[u8]) -> Result<(), SocketError> {
        let connection = self.touch_as(Touch::Given)?;
        connection.more = false;
        connection.push_copy(bytes)
    }

    /// Makes the byte that was pushed last urgent, as [`SendFlags::URGENT`] does; for those who
    /// [`push`](Self::push).
    pub fn mark_urgent(&mut self) {
        if let Ok(connection) = self.touch() {
            connection.mark_urgent();
        }
    }

    /// Asks when the byte at a stream offset, which is yet to be pushed, reaches `stages`;
    /// [`transmit_time`](Self::transmit_time) tells. Of a byte each stage is told at most once.
    ///
    /// # Errors
    /// `InvalidInput` for a byte that was pushed, `NoBufferSpace` where 64 wait, `BrokenPipe`;
    /// `NotConnected`.
    pub fn want_times(&mut self, offset: u64, stages: TransmitStages) -> Result<(), SocketError> {
        self.touch_as(Touch::None)?.want_times(offset, stages)
    }

    /// Takes the oldest of the times that were [asked for](Self::want_times). An event tells that there
    /// are new ones.
    pub fn transmit_time(&mut self) -> Option<TransmitTime> {
        self.touch_as(Touch::None).ok()?.take_time()
    }

    /// Whether [`transmit_time`](Self::transmit_time) has one.
    #[must_use]
    pub fn has_transmit_time(&self) -> bool {
        self.connection().is_some_and(Connection::has_times)
    }

    /// Stream offset up to which the application may have written; never moves back.
    pub fn send_limit(&mut self) -> u64 {
        let left = self.stack.memory.left();
        let Some(socket) = self.stack.sockets.tcp_mut(self.id) else {
            return 0;
        };
        match &mut socket.role {
            Role::Connection(connection) => connection.send_limit(&socket.settings, left),
            _ => 0,
        }
    }

    /// Bytes that the send buffer has room for at present, used or not; it grows with the congestion
    /// window.
    #[must_use]
    pub fn send_buffer(&self) -> usize {
        self.connection()
            .map_or(0, |connection| connection.send_buffer(self.settings()))
    }

    /// Stream offset behind the last byte pushed.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.connection().map_or(0, |connection| connection.pushed)
    }

    /// Stream offset behind the last byte acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.connection()
            .map_or(0, |connection| connection.acked_offset)
    }

    /// Closes the sending side: FIN follows what is queued (`shutdown(SHUT_WR)`). Idempotent.
    pub fn finish(&mut self) {
        if let Ok(connection) = self.touch() {
            connection.finish();
        }
    }

    /// Whether sending is over: FIN queued, or no connection.
    #[must_use]
    pub fn send_closed(&self) -> bool {
        self.connection().is_none_or(Connection::send_closed)
    }

    // --- receiving

    /// Copies received bytes out; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` with nothing there; after the data the pending error, once; `NotConnected`;
    /// `InvalidInput` for urgent data where there is none apart from the stream.
    ///
    /// A read ends at the mark of urgent data, and the next one goes on behind it.
    pub fn recv(&mut self, buf: &mut [u8], flags: RecvFlags) -> Result<usize, SocketError> {
        let connection = self.touch()?;
        let peek = flags.contains(RecvFlags::PEEK);
        if flags.contains(RecvFlags::URGENT) {
            let byte = connection.urgent.take(peek)?;
            return Ok(buf.first_mut().map_or(0, |first| {
                *first = byte;
                1
            }));
        }
        let offset = connection.receiver.consumed + connection.receiver.held as u64;
        let most = if connection.receiver.queue.is_empty() {
            usize::MAX
        } else {
            connection.urgent.until_mark(offset, peek)
        };
        let most = most.min(buf.len());
        let buf = &mut buf[..most];
        if peek {
            let peeked = connection.receiver.queue.peek(0, buf);
            if peeked > 0 {
                return Ok(peeked);
            }
        }
        let got = connection.receiver.queue.read(buf);
        if got > 0 {
            connection.receiver.held += got;
            self.consume(got);
            return Ok(got);
        }
        if let Some(error) = connection.error.take() {
            return Err(error);
        }
        let over = matches!(connection.state, State::Closed | State::TimeWait);
        if connection.receiver.finished || connection.read_closed || over || buf.is_empty() {
            return Ok(0);
        }
        match connection.state {
            State::SynSent | State::SynReceived => Err(SocketError::NotConnected),
            _ => Err(SocketError::WouldBlock),
        }
    }

    /// Whether the next byte to be read stands behind the mark of urgent data (`sockatmark`).
    #[must_use]
    pub fn is_at_mark(&self) -> bool {
        self.connection().is_some_and(|connection| {
            let receiver = &connection.receiver;
            connection.urgent.mark() == Some(receiver.consumed + receiver.held as u64)
        })
    }

    /// Offset in the received stream of the mark of urgent data, while it was not passed; for those
    /// who [`take`](Self::take).
    #[must_use]
    pub fn urgent_mark(&self) -> Option<u64> {
        self.connection()?.urgent.mark()
    }

    /// Moves all received bytes into `into`; they count against the window until
    /// [`consume`](Self::consume) says that they were read.
    pub fn take(&mut self, into: &mut RecvQueue) -> usize {
        let Ok(connection) = self.touch_as(Touch::Taken) else {
            return 0;
        };
        let len = connection.receiver.queue.len();
        connection.receiver.held += len;
        into.append(&mut connection.receiver.queue);
        len
    }

    /// Puts back what was taken and not read: all of it, in its order.
    pub fn give_back(&mut self, from: &mut RecvQueue) {
        let Ok(connection) = self.touch_as(Touch::Taken) else {
            return;
        };
        let receiver = &mut connection.receiver;
        receiver.held = receiver.held.saturating_sub(from.len());
        from.append(&mut receiver.queue);
        core::mem::swap(from, &mut receiver.queue);
    }

    /// The application has read `count` of the bytes taken.
    pub fn consume(&mut self, count: usize) {
        self.consume_to(self.consumed() + count as u64);
    }

    /// The application has read the bytes taken up to this value of [`consumed`](Self::consumed); whether
    /// the peer is to be told at once.
    pub fn consume_to(&mut self, consumed: u64) -> bool {
        let (now, tight) = (self.now, self.stack.memory.is_tight());
        let Some(socket) = self.stack.sockets.tcp_mut(self.id) else {
            return false;
        };
        let Role::Connection(connection) = &mut socket.role else {
            return false;
        };
        let news = consumed.saturating_sub(connection.receiver.consumed);
        if news == 0 {
            return false;
        }
        let update = connection
            .receiver
            .consume(usize::try_from(news).unwrap_or(usize::MAX));
        connection.urgent.on_consumed(connection.receiver.consumed);
        connection.tune_by_reading(socket.settings.recv_buffer_max, tight, now);
        self.touch = self.touch.max(Touch::Taken);
        let due = update && connection.state.may_receive();
        if due {
            connection.receiver.acknowledge();
            self.touch = Touch::All;
        }
        due
    }

    /// Bytes that the application has read so far.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.connection()
            .map_or(0, |connection| connection.receiver.consumed)
    }

    /// The value of [`consumed`](Self::consumed) at which a window update becomes worth a segment;
    /// nothing needs to be reported before.
    #[must_use]
    pub fn window_mark(&self) -> u64 {
        self.connection()
            .map_or(u64::MAX, |connection| connection.receiver.window_mark())
    }

    /// Received bytes that were not read, taken or not.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.connection()
            .map_or(0, |connection| connection.receiver.unread())
    }

    /// No more data will come: FIN received in order, reading shut down, or connection over.
    #[must_use]
    pub fn peer_finished(&self) -> bool {
        self.connection().is_some_and(|connection| {
            let over = matches!(connection.state, State::Closed | State::TimeWait);
            connection.receiver.finished || connection.read_closed || over
        })
    }

    /// Closes the receiving side: what arrives is acknowledged and dropped (`shutdown(SHUT_RD)`).
    pub fn shutdown_read(&mut self) {
        if let Ok(connection) = self.touch() {
            connection.read_closed = true;
            connection.notify = true;
        }
    }

    /// Sends RST and drops everything; the handle stays, with `ConnectionAborted` pending.
    pub fn abort(&mut self) {
        self.stack.tcp_reset(self.id, self.now);
        self.touch = Touch::All;
    }
}

impl Drop for Tcp<'_> {
    fn drop(&mut self) {
        match self.touch {
            Touch::None => {}
            Touch::Taken => self.stack.tcp_settle_taken(self.id),
            Touch::Given => self.stack.tcp_settle_given(self.id, self.now),
            Touch::All => self.stack.tcp_settle(self.id, self.now),
        }
    }
}
