//! Fragments in any order, of any length, often wrong: what comes out is what one sender sent, memory
//! stays within its bound, and nothing is left when time has passed.
#![no_main]

use arbitrary::Arbitrary;
use bytes::BytesMut;
use fuzz::flows::{HOST, PEER};
use fuzz::host::{Host, UDP};
use libfuzzer_sys::fuzz_target;
use net_core::buf::{Chunk, HeadBuf, RxPacket};
use net_core::time::Duration;
use net_core::wire::ip::Fragment;
use net_core::wire::ipv6_ext::{FRAGMENT, fragment_header};
use net_core::wire::{IpHeader, UdpHeader, ip};
use std::net::IpAddr;

#[derive(Debug, Arbitrary)]
struct Piece {
    v6: bool,
    /// Which datagram it is of.
    id: u8,
    /// In units of eight bytes, mostly in the first few.
    start: u8,
    units: u8,
    /// Bytes beyond the units.
    odd: u8,
    more: bool,
    tos: u8,
    split: u8,
    wait: u16,
}

fuzz_target!(|pieces: Vec<Piece>| {
    let mut host = Host::new(0);
    let socket = host.sockets[1];
    for piece in pieces.iter().take(300) {
        host.receive(piece.packet());
        while let Some(datagram) = host.stack.udp(socket).and_then(|mut udp| udp.recv()) {
            let id = datagram.source.port().to_be_bytes()[0];
            let all = datagram.payload.iter().enumerate();
            assert!(all.clone().all(|(at, byte)| *byte == content(id, at + 8)));
        }
        host.wait(Duration::from_millis(piece.wait.into()));
    }
    host.end();
});

impl Piece {
    fn packet(&self) -> RxPacket {
        let start = usize::from(self.start) * 8;
        let len = usize::from(self.units % 32) * 8 + usize::from(self.odd % 16) / 9;
        let payload: Vec<u8> = (start..start + len)
            .map(|at| self.datagram_byte(at))
            .collect();
        let place = Fragment {
            offset: start as u16,
            more: self.more,
            id: self.id.into(),
        };
        let mut head = HeadBuf::new();
        let (source, dest): (IpAddr, IpAddr) = if self.v6 {
            ("fd00::9".parse().unwrap(), "fd00::1".parse().unwrap())
        } else {
            (PEER, HOST)
        };
        let mut header = IpHeader {
            tos: self.tos,
            dont_fragment: false,
            id: self.id.into(),
            ..IpHeader::new(source, dest, ip::UDP, len)
        };
        if self.v6 {
            head.prepend(8)
                .copy_from_slice(&fragment_header(ip::UDP, place));
            header.protocol = FRAGMENT;
            header.payload_len += 8;
        } else {
            header.fragment = (place.offset > 0 || place.more).then_some(place);
        }
        header.emit(&mut head);
        let mut bytes = BytesMut::from(&head[..]);
        bytes.extend_from_slice(&payload);
        let tail = bytes.split_off(bytes.len() - len * usize::from(self.split % 3) / 2);
        let mut packet = RxPacket::from_frame(bytes);
        if !tail.is_empty() {
            packet.frags.push(Chunk {
                bytes: tail.freeze(),
                pins: 2048,
            });
        }
        packet
    }

    /// The datagrams of all lengths begin alike.
    fn datagram_byte(&self, at: usize) -> u8 {
        let mut head = HeadBuf::new();
        UdpHeader {
            source_port: u16::from_be_bytes([self.id, 1]),
            dest_port: UDP,
            length: 8 + 8 * u16::from(self.id),
            checksum: 0,
        }
        .emit(&mut head);
        match head.get(at) {
            Some(byte) => *byte,
            None => content(self.id, at),
        }
    }
}

fn content(id: u8, at: usize) -> u8 {
    (at as u8).wrapping_mul(31) ^ id
}
