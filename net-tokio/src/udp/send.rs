//! Sending datagrams.

use super::UdpSocket;
use crate::lookup::{ToSocketAddrs, no_address, to_socket_addrs};
use crate::shared::{Ready, Stop, Touch};
use net_core::SocketError;
use net_core::socket::Operation;
use net_core::udp::SendMeta;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

/// What is wrong with a destination, or that a datagram is too long for it, is said at once. While
/// another thread works on the stack, that means to wait for its round, unless the stack has vetted the
/// same destination before and the datagram needs fragments on no interface. Should routes have changed
/// meanwhile, the error comes out of the next operation, as errors of the network do.
impl UdpSocket {
    /// Sends `buf` as one datagram to the connected address.
    ///
    /// # Errors
    /// The kernel's EDESTADDRREQ where the socket is not connected, EMSGSIZE for more than a datagram
    /// holds, or what the network said to an earlier datagram.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.wait(Ready::WRITE, || self.put(buf, SendMeta::default(), None))
            .await
    }

    /// As [`send`](Self::send), to be polled. Only the last task that polled for sending is woken.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |waker| self.put(buf, SendMeta::default(), Some(waker)))
    }

    /// As [`send`](Self::send), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.finish(self.put(buf, SendMeta::default(), None))
    }

    /// Sends `buf` as one datagram to the first address that `addr` stands for.
    ///
    /// # Errors
    /// As for [`send`](Self::send), or `NetworkUnreachable` and the like for the address.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let mut targets = to_socket_addrs(&self.net, addr).await?;
        let target = targets.next().ok_or_else(no_address)?;
        self.wait(Ready::WRITE, || self.put(buf, SendMeta::to(target), None))
            .await
    }

    /// As [`send_to`](Self::send_to), to be polled. Only the last task that polled for sending is
    /// woken.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |waker| self.put(buf, SendMeta::to(target), Some(waker)))
    }

    /// As [`send_to`](Self::send_to), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.finish(self.put(buf, SendMeta::to(target), None))
    }

    /// Sends `buf` in the way that `meta` says: with other header fields than the socket's, or cut
    /// into several datagrams.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to); `InvalidInput` for too many datagrams, or the time of an
    /// acknowledgement; `AddrNotAvailable` for a source that is not the stack's, and `PermissionDenied` for
    /// another port than the socket's, if it is not [transparent](Self::set_transparent); the kernel's ENODEV
    /// for an interface that the stack has not.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send_with(&self, buf: &[u8], meta: SendMeta) -> io::Result<usize> {
        self.wait(Ready::WRITE, || self.put(buf, meta, None)).await
    }

    /// As [`send_with`](Self::send_with), to be polled. Only the last task that polled for sending is
    /// woken.
    ///
    /// # Errors
    /// As for [`send_with`](Self::send_with).
    pub fn poll_send_with(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        meta: SendMeta,
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |waker| self.put(buf, meta, Some(waker)))
    }

    /// As [`send_with`](Self::send_with), at once.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send_with`](Self::send_with).
    pub fn try_send_with(&self, buf: &[u8], meta: SendMeta) -> io::Result<usize> {
        self.finish(self.put(buf, meta, None))
    }

    /// Copies a payload to where the driver finds it: into the stack if nobody works on that, which
    /// tells at once whether it can go, or else into the slot.
    fn put(
        &self,
        buf: &[u8],
        meta: SendMeta,
        waker: Option<&Waker>,
    ) -> Result<(usize, Touch), Stop> {
        if buf.len() > MAX_PAYLOAD {
            return Err(SocketError::MessageTooLong.into());
        }
        let engine = self.net.engine();
        engine.permit(&Operation::Send {
            socket: self.slot.id(),
            to: meta.to,
            source: meta.source,
            source_port: meta.source_port,
        })?;
        self.slot.can_send(waker)?;
        // What is large is copied before the stack is locked, and what is to be cut lies in one piece.
        let large =
            (buf.len() > SMALL || meta.segment.is_some()).then(|| engine.pool().copy_slice(buf));
        let direct = engine.try_control(|core| {
            // Not past those that wait.
            if self.slot.has_waiting() {
                return None;
            }
            let mut udp = core.stack_mut().udp(self.slot.id())?;
            Some(match &large {
                Some(payload) => udp.send_with(payload.clone(), &meta),
                None => udp.send_copied(buf, &meta),
            })
        });
        let touch = match direct.flatten() {
            Some(Ok(())) => {
                engine.ring();
                Touch::None
            }
            Some(Err(SocketError::WouldBlock | SocketError::NoBufferSpace)) | None => {
                self.check(iter::once((buf.len(), meta)))?;
                let payload = large.unwrap_or_else(|| engine.pool().copy_slice(buf));
                self.slot.send(payload, meta, waker)?
            }
            Some(Err(error)) => return Err(error.into()),
        };
        Ok((buf.len(), touch))
    }

    /// Asks the stack whether payloads of these lengths can leave as is said of each, where that is not
    /// known, even if it means to wait for the round that runs; how many in front of the first that cannot.
    /// A stack that has ended says so elsewhere.
    ///
    /// # Errors
    /// What is wrong with the very first.
    pub(super) fn check(
        &self,
        mut payloads: impl Iterator<Item = (usize, SendMeta)> + Clone,
    ) -> Result<usize, Stop> {
        let count = payloads.clone().count();
        let unknown = payloads
            .clone()
            .position(|(len, meta)| !self.knows(len, meta));
        let Some(unknown) = unknown else {
            return Ok(count);
        };
        let checked = self.net.engine().control(|core, _| {
            let mut udp = core.stack_mut().udp(self.slot.id());
            let mut refused =
                payloads
                    .clone()
                    .enumerate()
                    .skip(unknown)
                    .filter_map(|(at, (len, meta))| {
                        let checked = udp.as_mut().map(|udp| udp.check(len, &meta));
                        checked.and_then(Result::err).map(|error| (at, error))
                    });
            Ok(refused.next())
        });
        let fit = match checked {
            Ok(Some((0, error))) => return Err(error.into()),
            Ok(Some((fit, _))) => fit,
            Ok(None) | Err(_) => count,
        };
        if let Some((_, meta)) = payloads.nth(fit.saturating_sub(1)) {
            self.slot.vet(SendMeta {
                times: None,
                ..meta
            });
        }
        Ok(fit)
    }

    /// Whether the stack has said that a payload of that length can leave so.
    fn knows(&self, len: usize, meta: SendMeta) -> bool {
        // How many datagrams a payload makes depends on its length.
        let plain = meta.segment.is_none() && meta.times.is_none();
        len <= self.net.engine().fits_everywhere() && plain && self.slot.is_vetted(meta)
    }
}

/// A datagram of up to so many bytes is copied into the stack.
pub(super) const SMALL: usize = 512;
/// More than this fits no datagram of IPv4 or IPv6 without jumbograms (RFC 768).
pub(super) const MAX_PAYLOAD: usize = 65_535 - 8;
