//! TCP segments that nearly fit a connection.

use arbitrary::Arbitrary;
use bytes::{Bytes, BytesMut};
use net_core::buf::TxPacket;
use net_core::tcp::SeqNum;
use net_core::wire::transport::fill_checksum;
use net_core::wire::{
    EcnCounters, EcnOrder, FastOpenCookie, IpHeader, SackBlocks, TcpFlags, TcpHeader, TcpOptions,
    UserTimeout, ip,
};
use std::net::IpAddr;
use std::time::Duration;

/// The stack under test.
pub const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
/// Everybody else.
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

/// A segment, its numbers relative to what a good peer would use.
#[derive(Debug, Clone, Arbitrary)]
pub struct Segment {
    /// Distance from the next sequence number.
    pub seq: i16,
    /// Distance from the best acknowledgement.
    pub ack: i16,
    /// Control bits.
    pub flags: u16,
    /// Bytes of payload.
    pub len: u16,
    /// Window.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Type of service.
    pub tos: u8,
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale.
    pub window_scale: Option<u8>,
    /// SACK permitted.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<(u32, u32)>,
    /// User timeout in seconds.
    pub user_timeout: Option<u32>,
    /// Fast open cookie.
    pub cookie: Option<Vec<u8>>,
    /// Counters of congestion marks.
    pub counters: Option<[u32; 3]>,
    /// SACK blocks: distance of the start from the acknowledgement, and length.
    pub sack: [Option<(i16, u16)>; 3],
}

impl Segment {
    /// Its payload: a pattern.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        (0..self.len % 4096).map(|at| at as u8).collect()
    }

    /// The packet from the peer to the host, its checksums right.
    #[must_use]
    pub fn packet(&self, from: u16, to: u16, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
        let mut sack = SackBlocks::default();
        for &(start, len) in self.sack.iter().flatten() {
            let start = ack.wrapping_add_signed(start.into());
            let end = start.wrapping_add(len.into());
            sack.push(SeqNum::new(start), SeqNum::new(end));
        }
        let header = TcpHeader {
            source_port: from,
            dest_port: to,
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags: TcpFlags::from_bits_truncate(self.flags),
            window: self.window,
            urgent: self.urgent,
            options: TcpOptions {
                mss: self.mss,
                window_scale: self.window_scale,
                sack_permitted: self.sack_permitted,
                timestamps: self.timestamps,
                user_timeout: self
                    .user_timeout
                    .and_then(|seconds| UserTimeout::new(Duration::from_secs(seconds.into()))),
                fast_open: self.cookie.as_deref().and_then(FastOpenCookie::new),
                accurate_ecn: self
                    .counters
                    .map(|counters| EcnCounters::new(EcnOrder::Ect0First, &counters)),
                sack,
            },
            ..TcpHeader::default()
        };
        let mut packet = TxPacket::default();
        let header_len = header.emit(&mut packet.head);
        packet.body.push(Bytes::copy_from_slice(payload));
        let mut ip = IpHeader::new(PEER, HOST, ip::TCP, header_len + payload.len());
        ip.tos = self.tos;
        fill_checksum(&mut packet, PEER, HOST, ip::TCP, false);
        ip.emit(&mut packet.head);
        let mut bytes = BytesMut::new();
        packet.copy_to(&mut bytes);
        bytes.to_vec()
    }
}
