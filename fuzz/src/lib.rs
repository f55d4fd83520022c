//! What the fuzz targets share.

pub mod flows;
pub mod host;

use net_core::wire::checksum::checksum;

/// Gives an IPv4 packet the header checksum that its bytes need, so that the fuzzer need not find
/// it by chance. Anything else stays as it is.
pub fn repair_ipv4(packet: &mut [u8]) {
    let Some(&first) = packet.first() else {
        return;
    };
    let len = usize::from(first & 15) * 4;
    if first >> 4 != 4 || len < 20 || packet.len() < len {
        return;
    }
    packet[10..12].fill(0);
    let sum = checksum(&packet[..len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}
