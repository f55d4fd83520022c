//! A client that connects, segment by segment.

use super::*;
use crate::tcp::{RecvFlags, SendFlags, SeqNum};
use crate::wire::{TcpFlags, TcpHeader};

pub(super) const SYN: TcpFlags = TcpFlags::SYN;
pub(super) const SYN_ACK: TcpFlags = TcpFlags::SYN.union(TcpFlags::ACK);
/// The client's first sequence number.
pub(super) const ISS: u32 = 1000;

/// A segment in its packet.
pub(super) fn tcp(
    source: SocketAddr,
    dest: SocketAddr,
    flags: TcpFlags,
    numbers: (u32, SeqNum),
    data: &[u8],
) -> TxPacket {
    let mut packet = body(data);
    let header = TcpHeader {
        source_port: source.port(),
        dest_port: dest.port(),
        seq: SeqNum::new(numbers.0),
        ack: numbers.1,
        flags,
        window: 10_000,
        ..TcpHeader::default()
    };
    header.emit(&mut packet.head);
    wrap(source.ip(), dest.ip(), ip::TCP, packet)
}

/// A segment that has left, and its ends.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) source: SocketAddr,
    pub(super) dest: SocketAddr,
    pub(super) header: TcpHeader,
    pub(super) data: Bytes,
}

impl Reply {
    pub(super) fn of(packet: &TxPacket) -> Self {
        let seen = Seen::new(packet);
        let header = TcpHeader::parse(&seen.payload).unwrap();
        Self {
            source: SocketAddr::new(seen.ip.source, header.source_port),
            dest: SocketAddr::new(seen.ip.dest, header.dest_port),
            data: seen.payload.slice(header.header_len..),
            header,
        }
    }
}

/// An address as its own family writes it.
pub(super) fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

impl Host {
    /// A socket that listens.
    pub(super) fn listener(&mut self, local: &str) -> SocketId {
        let id = self.tcp(local);
        self.stack.listen(id, 16).unwrap();
        id
    }

    /// A TCP socket bound to `local`.
    pub(super) fn tcp(&mut self, local: &str) -> SocketId {
        let local = addr(local);
        let family = if local.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let id = self.stack.tcp_open(family).unwrap();
        self.stack.bind(id, local).unwrap();
        id
    }

    /// The one segment that answers a client's SYN.
    #[track_caller]
    pub(super) fn knock(&mut self, client: &str, server: &str) -> Option<Reply> {
        let (client, server) = (addr(client), addr(server));
        self.inject(tcp(client, server, SYN, (ISS, SeqNum::new(0)), b""));
        let sent = self.sent();
        assert!(sent.len() <= 1, "{sent:?}");
        let reply = Reply::of(sent.first()?);
        assert_eq!((reply.source, reply.dest), (server, client));
        Some(reply)
    }

    /// A client connects, says "hello" and gets "hi" in return: the socket that serves it.
    #[track_caller]
    pub(super) fn serve(&mut self, listener: SocketId, client: &str, server: &str) -> SocketId {
        let reply = self.knock(client, server).expect("an answer");
        assert_eq!(reply.header.flags, SYN_ACK);
        let (client, server) = (addr(client), addr(server));
        let numbers = (ISS + 1, reply.header.seq + 1);
        let flags = TcpFlags::ACK | TcpFlags::PSH;
        self.inject(tcp(client, server, flags, numbers, b"hello"));
        let (id, peer) = self.stack.accept(listener).expect("a connection");
        let local = self.stack.local_addr(id).unwrap();
        assert_eq!((plain(local), plain(peer)), (server, client));
        let mut socket = self.stack.tcp(id, self.now).unwrap();
        let mut word = [0; 8];
        assert_eq!(socket.recv(&mut word, RecvFlags::empty()), Ok(5));
        socket.send(b"hi", SendFlags::empty()).unwrap();
        drop(socket);
        let sent: Vec<Reply> = self.sent().iter().map(Reply::of).collect();
        assert!(sent.iter().any(|reply| reply.data == "hi"), "{sent:?}");
        for reply in sent {
            assert_eq!((reply.source, reply.dest), (server, client));
        }
        id
    }
}
