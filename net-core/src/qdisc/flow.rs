//! Which flow a packet belongs to, for disciplines that share a link out between flows.

use crate::buf::TxPacket;
use crate::seed::Key;
use crate::wire::ethernet::HEADER_LEN;
use crate::wire::{EtherType, IpHeader, ip};
use core::net::IpAddr;

/// The keyed hash of a packet's addresses, protocol and ports. Packets that are no IP, or broken,
/// are one flow.
pub(super) fn flow_hash(packet: &TxPacket, key: Key) -> u64 {
    FlowKey::of(packet).flow(key)
}

/// What tells a packet's flow and hosts from others: addresses, ports and protocol.
#[derive(Debug)]
pub(super) struct FlowKey([u8; FLOW_LEN]);

impl FlowKey {
    /// That of a packet; all that are no IP, or broken, have the same.
    pub(super) fn of(packet: &TxPacket) -> Self {
        let head = ip_header(packet);
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
        Self(flow)
    }

    /// The keyed hash of the flow.
    pub(super) fn flow(&self, key: Key) -> u64 {
        key.prf(&self.0)
    }

    /// The keyed hash of the host that sends.
    pub(super) fn source(&self, key: Key) -> u64 {
        let mut host = [0; ADDRESS_LEN];
        host.copy_from_slice(&self.0[..ADDRESS_LEN]);
        key.prf(&host)
    }

    /// The keyed hash of the host that is sent to; another than where the same host sends.
    pub(super) fn dest(&self, key: Key) -> u64 {
        let mut host = [0; ADDRESS_LEN + 1];
        host[..ADDRESS_LEN].copy_from_slice(&self.0[ADDRESS_LEN..2 * ADDRESS_LEN]);
        key.prf(&host)
    }
}

/// A packet's head from its IP header on; nothing where there is none, as in frames of another protocol.
pub(super) fn ip_header(packet: &TxPacket) -> &[u8] {
    ip_offset(packet)
        .and_then(|offset| packet.head.get(offset..))
        .unwrap_or_default()
}

/// The same, to change.
pub(super) fn ip_header_mut(packet: &mut TxPacket) -> &mut [u8] {
    ip_offset(packet)
        .and_then(|offset| packet.head.get_mut(offset..))
        .unwrap_or_default()
}

/// Where the IP header begins. What is behind an Ethernet header is IP by the header's word only: a raw
/// frame of any other protocol can have bytes that look alike.
fn ip_offset(packet: &TxPacket) -> Option<usize> {
    let link_len = usize::from(packet.meta.link_len);
    let (link, header) = packet.head.split_at_checked(link_len)?;
    let ethertype = match ip::version(header)? {
        4 => EtherType::IPV4,
        6 => EtherType::IPV6,
        _ => return None,
    };
    let is_named = link_len < HEADER_LEN || link.ends_with(&ethertype.0.to_be_bytes());
    is_named.then_some(link_len)
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
