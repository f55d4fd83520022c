//! Options of IPv4 headers that sockets send (`IP_OPTIONS`; RFC 1122 §3.2.1.8, §4.1.3.2, §4.2.3.8).

use super::Stack;
use super::tcp::path_mss;
use crate::buf::TxPacket;
use crate::error::SocketError;
use crate::ip::{IpMeta, Path};
use crate::qdisc::Sender;
use crate::socket::{Family, SocketId, SocketKind};
use crate::time::Instant;
use crate::wire::ipv4;
use crate::wire::ipv4_options::{self, MAX_LEN, Options};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Stack {
    /// Has the IPv4 packets that a socket sends have options (`IP_OPTIONS`), as they lie in a header, up to 40
    /// bytes; none takes them back. They are filled up to a multiple of four bytes. Segments of a stream get
    /// smaller by them (RFC 9293 §3.7.1), and those of one that was accepted have none unless it is told so
    /// itself.
    ///
    /// Of each packet a Record Route then begins with the address that it leaves from, and a Timestamp with
    /// when: in milliseconds since the stack's beginning, with the highest bit set, as it knows no time of day
    /// (RFC 791 §3.1). Datagrams that are sent [several at once](crate::udp::SendMeta::segment) have none, so
    /// that those are refused; nor has a packet that brings its own header.
    ///
    /// ```
    /// use net_core::socket::Family;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let socket = stack.udp_open(Family::V4)?;
    /// // Router Alert (RFC 2113).
    /// stack.set_ipv4_options(socket, &[148, 4, 0, 0], Instant::ZERO)?;
    /// assert_eq!(stack.ipv4_options(socket)?, [148, 4, 0, 0]);
    /// // A loose source route.
    /// let route = [131, 7, 4, 192, 0, 2, 1];
    /// assert!(stack.set_ipv4_options(socket, &route, Instant::ZERO).is_err());
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): they are too long, or one is broken.
    /// [`PermissionDenied`](SocketError::PermissionDenied): a source route, which nobody would forward
    /// (RFC 7126 §4.3). `NoSuchSocket`; `NoSuchOption` for another kind of socket, and for streams of IPv6
    /// sockets.
    pub fn set_ipv4_options(
        &mut self,
        id: SocketId,
        options: &[u8],
        now: Instant,
    ) -> Result<(), SocketError> {
        let options = checked(options)?;
        match self.sockets.get_mut(id) {
            Some(SocketKind::Datagram(socket)) => socket.options = options,
            Some(SocketKind::Tcp(socket)) if socket.family == Family::V4 => {
                let bytes = u8::try_from(options.len()).unwrap_or(0);
                let before = core::mem::replace(&mut socket.settings.ip.option_bytes, bytes);
                socket.options = options;
                let mss = socket.path.map(|path| path_mss(path.mtu, path.source));
                self.with_connection(id, now, |connection, cx| {
                    mss.map(|mss| {
                        connection.change_option_bytes(before, mss, cx.config, cx.settings);
                    })
                });
            }
            Some(_) => return Err(SocketError::NoSuchOption),
            None => return Err(SocketError::NoSuchSocket),
        }
        Ok(())
    }

    /// The options that the socket's packets have, as they were set and filled up.
    ///
    /// # Errors
    /// `NoSuchSocket`; `NoSuchOption` for another kind of socket.
    pub fn ipv4_options(&self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        match self.sockets.get(id) {
            Some(SocketKind::Datagram(socket)) => Ok(socket.options.to_vec()),
            Some(SocketKind::Tcp(socket)) if socket.family == Family::V4 => {
                Ok(socket.options.to_vec())
            }
            Some(_) => Err(SocketError::NoSuchOption),
            None => Err(SocketError::NoSuchSocket),
        }
    }

    /// The options of a packet that a datagram socket sends now.
    pub(super) fn options_to_send(&self, id: SocketId, meta: &IpMeta) -> Options {
        let (IpAddr::V4(source), Some(socket)) = (meta.source, self.sockets.udp(id)) else {
            return Options::new();
        };
        let mut options = Options::from_slice(&socket.options);
        if !options.is_empty() {
            self.record_in(&mut options, source, false, self.clock);
        }
        options
    }

    /// Puts its options into a finished segment of a stream.
    #[inline(never)]
    pub(super) fn put_stream_options(&self, id: SocketId, source: IpAddr, packet: &mut TxPacket) {
        let (IpAddr::V4(source), Some(socket)) = (source, self.sockets.tcp(id)) else {
            return;
        };
        let mut options = Options::from_slice(&socket.options);
        self.record_in(&mut options, source, false, self.clock);
        ipv4::insert_options(&mut packet.head, &options);
        if packet.meta.gso.is_some() {
            packet.meta.header_len = u16::try_from(packet.head.len()).unwrap_or(u16::MAX);
        }
    }

    /// Sends a datagram with those options.
    pub(super) fn datagram_output(
        &mut self,
        path: &Path,
        meta: IpMeta,
        options: &[u8],
        packet: Box<TxPacket>,
        sender: Sender,
    ) -> Result<(), SocketError> {
        let (sender, now) = (Some(sender), self.clock);
        let sent = if options.is_empty() {
            self.ip_output(path, meta, packet, sender, now)
        } else {
            self.ip_output_with_options(path, meta, options, packet, sender, now)
        };
        sent.told()
    }
}

/// Options that a socket may send, filled up.
fn checked(options: &[u8]) -> Result<Box<[u8]>, SocketError> {
    if options.len() > MAX_LEN {
        return Err(SocketError::InvalidInput(
            "a header has room for 40 bytes of options",
        ));
    }
    let mut filled = Options::from_slice(options);
    filled.resize(options.len().next_multiple_of(4), ipv4_options::END);
    match ipv4_options::check(&filled) {
        Err(_) => Err(SocketError::InvalidInput(
            "an option breaks its rules (RFC 791 §3.1)",
        )),
        Ok(found) if found.source_route => Err(SocketError::PermissionDenied(
            "nobody forwards packets with source routes (RFC 7126 §4.3)",
        )),
        Ok(_) => Ok(filled.into_vec().into_boxed_slice()),
    }
}
