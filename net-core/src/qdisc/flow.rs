//! Which flow a packet belongs to, for disciplines that share a link out between flows.

use crate::buf::TxPacket;
use crate::seed::Key;
use crate::wire::{IpHeader, ip};
use core::net::IpAddr;

/// The keyed hash of a packet's addresses, protocol and ports. Packets that are no IP, or broken,
/// are one flow.
pub(super) fn flow_hash(packet: &TxPacket, key: Key) -> u64 {
    let head = packet
        .head
        .get(usize::from(packet.meta.link_len)..)
        .unwrap_or_default();
    let mut flow = [0; FLOW_LEN];
    if let Ok(header) = IpHeader::parse_quoted(head) {
        let (source, rest) = flow.split_at_mut(ADDRESS_LEN);
        let (dest, rest) = rest.split_at_mut(ADDRESS_LEN);
        write_address(source, header.source);
        write_address(dest, header.dest);
        let (ports, protocol) = rest.split_at_mut(PORTS_LEN);
        protocol[0] = header.protocol;
        if matches!(header.protocol, ip::TCP | ip::UDP)
            && header.fragment.is_none()
            && let Some(both) = head.get(header.header_len..header.header_len + PORTS_LEN)
        {
            ports.copy_from_slice(both);
        }
    }
    key.prf(&flow)
}

fn write_address(to: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(v4) => to[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => to.copy_from_slice(&v6.octets()),
    }
}

const ADDRESS_LEN: usize = 16;
/// Both ports, at the front of TCP's and UDP's headers.
const PORTS_LEN: usize = 4;
const FLOW_LEN: usize = 2 * ADDRESS_LEN + PORTS_LEN + 1;
