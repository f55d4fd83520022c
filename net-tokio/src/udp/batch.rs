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
    /// It waits for room for the first, and then takes as many as there is room for, up to
    /// [`MAX_BATCH`](Self::MAX_BATCH): as `write` does with bytes, so who has more calls again with the
    /// rest. None of no datagrams is sent at once. A payload with a
    /// [segment size](SendMeta::segment) counts as one.
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

    /// Receives datagrams as they came, without copying, behind those of `into`: up to `limit` of those
    /// that are there; how many.
    ///
    /// It waits for the first only. None of them is cut off; each comes with its addresses, traffic
    /// class, hop limit, interface and time. With [`set_gro`](Self::set_gro), what a device has joined
    /// counts as one, with the size of its datagrams. With a `limit` of 0 it returns 0 at once.
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

    /// Copies payloads to where the driver finds them: into the stack if nobody works on that, or else
    /// into the slot.
    fn put_many<B: AsRef<[u8]>>(
        &self,
        datagrams: &[(B, SendMeta)],
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        let most = datagrams.len().min(Self::MAX_BATCH);
        let batch = self.permitted(&datagrams[..most])?;
        if batch.is_empty() {
            return Ok((0, Touch::None));
        }
        self.slot.can_send(waker)?;
        let large = self.copies_of(batch, |bytes, meta| {
            bytes.len() > SMALL || meta.segment.is_some()
        });
        let engine = self.net.engine();
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
        let wanted = batch
            .iter()
            .map(|(payload, meta)| (payload.as_ref().len(), *meta));
        let batch = &batch[..self.check(wanted)?];
        let all = self.copies_of(batch, |_, _| true);
        let metas = batch.iter().map(|(_, meta)| *meta);
        let mut outgoing: SmallVec<[Outgoing; Self::MAX_BATCH]> =
            all.into_iter().flatten().zip(metas).collect();
        self.slot.send_many(&mut outgoing.drain(..), waker)
    }

    /// Sends datagrams until one cannot leave; how many, and why not.
    fn send_each<B: AsRef<[u8]>>(
        &self,
        core: &mut Core,
        batch: &[(B, SendMeta)],
        large: &[Option<Bytes>],
    ) -> (usize, Option<SocketError>) {
        let Some(mut udp) = core.stack_mut().udp(self.slot.id()) else {
            return (0, None);
        };
        for (at, ((payload, meta), large)) in batch.iter().zip(large).enumerate() {
            let sent = match large {
                Some(payload) => udp.send_with(payload.clone(), meta),
                None => udp.send_copied(payload.as_ref(), meta),
            };
            if let Err(error) = sent {
                return (at, Some(error));
            }
        }
        (batch.len(), None)
    }

    /// Copies the payloads that are to be, before the stack is locked.
    fn copies_of<B: AsRef<[u8]>>(
        &self,
        batch: &[(B, SendMeta)],
        which: impl Fn(&[u8], &SendMeta) -> bool,
    ) -> SmallVec<[Option<Bytes>; Self::MAX_BATCH]> {
        let pool = self.net.engine().pool();
        let copy = |(payload, meta): &(B, SendMeta)| {
            let payload = payload.as_ref();
            which(payload, meta).then(|| pool.copy_slice(payload))
        };
        batch.iter().map(copy).collect()
    }

    /// The datagrams in front of the first one that is too long for any destination, or that the policy
    /// minds.
    ///
    /// # Errors
    /// What is wrong with the very first.
    fn permitted<'a, B: AsRef<[u8]>>(
        &self,
        batch: &'a [(B, SendMeta)],
    ) -> Result<&'a [(B, SendMeta)], Stop> {
        let too_long = |(payload, _): &(B, SendMeta)| payload.as_ref().len() > MAX_PAYLOAD;
        let short = batch.iter().position(too_long).unwrap_or(batch.len());
        if short == 0 && !batch.is_empty() {
            return Err(SocketError::MessageTooLong.into());
        }
        let engine = self.net.engine();
        for (at, (_, meta)) in batch[..short].iter().enumerate() {
            let permitted = engine.permit(&Operation::Send {
                socket: self.slot.id(),
                to: meta.to,
                source: meta.source,
                source_port: meta.source_port,
            });
            match permitted {
                Err(error) if at == 0 => return Err(error.into()),
                Err(_) => return Ok(&batch[..at]),
                Ok(()) => {}
            }
        }
        Ok(&batch[..short])
    }
}
