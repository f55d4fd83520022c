//! Several datagrams in a call.

use super::UdpSocket;
use super::recv::RECEIVE;
use super::send::{MAX_PAYLOAD, SMALL};
use crate::driver::Core;
use crate::shared::{Caller, Outgoing, Ready, Stop, Touch};
use bytes::Bytes;
use net_core::SocketError;
use net_core::socket::Operation;
use net_core::udp::{Datagram, SendMeta};
use smallvec::SmallVec;
use std::io;
use std::task::{Context, Poll, Waker};

/// `sendmmsg` and `recvmmsg`: a batch passes the stack in one go, with one lock and one call of the
/// device, where datagrams that are sent one by one take as many.
impl UdpSocket {
    /// The most datagrams that one call of [`send_many`](Self::send_many) takes.
    pub const MAX_BATCH: usize = 64;

    /// Sends datagrams, each with a payload and its own [`SendMeta`], in order; how many.
    ///
    /// It waits for room for the first, and then takes as many as the send buffer holds, one more at most, up
    /// to [`MAX_BATCH`](Self::MAX_BATCH): as `write` does with bytes, so who has more calls again with the
    /// rest. A payload with a [segment size](SendMeta::segment) counts as one. With an empty batch it returns
    /// 0 at once. A policy is asked about each datagram when it is about to go.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_core::udp::SendMeta;
    /// use net_tokio::UdpSocket;
    ///
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// let to = SendMeta::to(server.local_addr()?);
    /// let batch = [("one", to), ("two", to), ("three", to)];
    /// assert_eq!(client.send_many(&batch).await?, 3);
    ///
    /// let mut received = Vec::new();
    /// assert_eq!(server.recv_many(&mut received, 16).await?, 3);
    /// assert_eq!(&received[2].payload[..], b"three");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`send_with`](Self::send_with), about the first datagram. What is wrong with a later one
    /// ends the batch before it, and comes out of the call that begins with it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send_many<B: AsRef<[u8]>>(
        &self,
        datagrams: &[(B, SendMeta)],
    ) -> io::Result<usize> {
        self.wait(Ready::WRITE, || self.put_many(datagrams, None))
            .await
    }

    /// As [`send_many`](Self::send_many), to be polled. Only the last task that polled for sending is
    /// woken.
    ///
    /// # Errors
    /// As for [`send_many`](Self::send_many).
    pub fn poll_send_many<B: AsRef<[u8]>>(
        &self,
        cx: &mut Context<'_>,
        datagrams: &[(B, SendMeta)],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |waker| self.put_many(datagrams, Some(waker)))
    }

    /// As [`send_many`](Self::send_many), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room for the first, or as for [`send_many`](Self::send_many).
    pub fn try_send_many<B: AsRef<[u8]>>(&self, datagrams: &[(B, SendMeta)]) -> io::Result<usize> {
        self.finish(self.put_many(datagrams, None))
    }

    /// Receives datagrams as they came, behind those of `into`: up to `limit` of those that are there; how
    /// many.
    ///
    /// It waits for the first only. None of them is cut off; each comes with its addresses, traffic
    /// class, hop limit, interface and time. With [`set_gro`](Self::set_gro), what a device has joined
    /// counts as one, with the size of its datagrams. Payloads are not copied, but for joined ones that
    /// came in several pieces. With a `limit` of 0 it returns 0 at once.
    ///
    /// A call that gets fewer than `limit` has not emptied the socket: where more than 64 wait, the others
    /// come out of the stack only now, for the next call. A policy is asked once for all datagrams of a call.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv); nothing has been received then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_many(&self, into: &mut Vec<Datagram>, limit: usize) -> io::Result<usize> {
        self.wait(RECEIVE, || self.take_many(Caller::Future, into, limit))
            .await
    }

    /// As [`recv_many`](Self::recv_many), to be polled. Only the last task that polled for receiving is
    /// woken.
    ///
    /// # Errors
    /// As for [`recv_many`](Self::recv_many).
    pub fn poll_recv_many(
        &self,
        cx: &mut Context<'_>,
        into: &mut Vec<Datagram>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |waker| self.take_many(Caller::Poll(waker), into, limit))
    }

    /// As [`recv_many`](Self::recv_many), at once.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or as for [`recv_many`](Self::recv_many).
    pub fn try_recv_many(&self, into: &mut Vec<Datagram>, limit: usize) -> io::Result<usize> {
        self.finish(self.take_many(Caller::Try, into, limit))
    }

    /// Takes up to `limit` datagrams, unless the policy minds, which is asked once.
    fn take_many(
        &self,
        caller: Caller<'_>,
        into: &mut Vec<Datagram>,
        limit: usize,
    ) -> Result<(usize, Touch), Stop> {
        if limit == 0 {
            return Ok((0, Touch::None));
        }
        self.permit_recv()?;
        self.slot.recv_many(caller, into, limit)
    }

    /// Asks each datagram for its bytes, once and before anything is locked: what that runs is the
    /// caller's code.
    fn put_many<B: AsRef<[u8]>>(
        &self,
        datagrams: &[(B, SendMeta)],
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        let batch: SmallVec<[Item<'_>; Self::MAX_BATCH]> = datagrams
            .iter()
            .take(Self::MAX_BATCH)
            .map(|(payload, meta)| (payload.as_ref(), meta))
            .collect();
        self.put_batch(&batch, waker)
    }

    /// Copies payloads to where the driver finds them: into the stack if nobody works on that, or else
    /// into the slot.
    fn put_batch(&self, batch: &[Item<'_>], waker: Option<&Waker>) -> Result<(usize, Touch), Stop> {
        let batch = short_enough(batch)?;
        if batch.is_empty() {
            return Ok((0, Touch::None));
        }
        self.slot.can_send(waker)?;
        let room = self
            .slot
            .fits(batch.iter().map(|(payload, _)| payload.len()));
        let batch = &batch[..room];
        let engine = self.net.engine();
        let copy = |payload: &[u8]| engine.pool().copy_slice(payload);
        // What is large is copied before the stack is locked, and what is to be cut lies in one piece.
        let large: SmallVec<[Option<Bytes>; Self::MAX_BATCH]> = batch
            .iter()
            .map(|(payload, meta)| {
                (payload.len() > SMALL || meta.segment.is_some()).then(|| copy(payload))
            })
            .collect();
        let direct = engine.try_control(|core| {
            // Not past those that wait.
            if self.slot.has_waiting() {
                return (0, None);
            }
            self.send_each(core, batch, &large)
        });
        match direct.unwrap_or_default() {
            (0, None | Some(SocketError::WouldBlock | SocketError::NoBufferSpace)) => {}
            (0, Some(error)) => return Err(error.into()),
            (sent, _) => {
                engine.ring();
                return Ok((sent, Touch::None));
            }
        }
        let checked = self.check(batch.iter().map(|&(payload, meta)| (payload.len(), *meta)))?;
        let permitted = self.permitted(&batch[..checked])?;
        let mut outgoing: SmallVec<[Outgoing; Self::MAX_BATCH]> = batch[..permitted]
            .iter()
            .zip(large)
            .map(|(&(payload, meta), large)| (large.unwrap_or_else(|| copy(payload)), *meta))
            .collect();
        self.slot.send_many(&mut outgoing.drain(..), waker)
    }

    /// Sends datagrams until one cannot leave; how many, and why not.
    fn send_each(
        &self,
        core: &mut Core,
        batch: &[Item<'_>],
        large: &[Option<Bytes>],
    ) -> (usize, Option<SocketError>) {
        let policed = self.net.engine().is_policed();
        let stack = core.stack_mut();
        for (at, (&(payload, meta), large)) in batch.iter().zip(large).enumerate() {
            let permitted = match policed {
                true => stack.permit(&self.sends(meta)),
                false => Ok(()),
            };
            let Some(mut udp) = stack.udp(self.slot.id()) else {
                return (at, None);
            };
            let sent = permitted.and_then(|()| match large {
                Some(large) => udp.send_with(large.clone(), meta),
                None => udp.send_copied(payload, meta),
            });
            if let Err(error) = sent {
                return (at, Some(error));
            }
        }
        (batch.len(), None)
    }

    /// How many datagrams there are in front of the first that the policy minds.
    ///
    /// # Errors
    /// What it says of the very first.
    fn permitted(&self, batch: &[Item<'_>]) -> Result<usize, Stop> {
        let operations = batch.iter().map(|(_, meta)| self.sends(meta));
        match self.net.engine().permit_each(operations) {
            Some((0, error)) => Err(error.into()),
            Some((count, _)) => Ok(count),
            None => Ok(batch.len()),
        }
    }

    /// What a policy is asked about a datagram.
    fn sends(&self, meta: &SendMeta) -> Operation {
        Operation::Send {
            socket: self.slot.id(),
            to: meta.to,
            source: meta.source,
            source_port: meta.source_port,
        }
    }
}

/// A payload, and how it is to leave.
type Item<'a> = (&'a [u8], &'a SendMeta);

/// The datagrams in front of the first that is too long for any destination.
///
/// # Errors
/// Where that is the very first.
fn short_enough<'a, 'b>(batch: &'a [Item<'b>]) -> Result<&'a [Item<'b>], SocketError> {
    let too_long = |(payload, _): &Item<'_>| payload.len() > MAX_PAYLOAD;
    match batch.iter().position(too_long) {
        Some(0) => Err(SocketError::MessageTooLong),
        Some(first) => Ok(&batch[..first]),
        None => Ok(batch),
    }
}
