//! ICMP errors about translated flows (RFC 5508 §4): what they quote goes back to what its sender sent.

use super::edit::Delta;
use super::rewrite::{fix, part, set_address, set_header_address, set_port};
use crate::buf::Checksum;
use crate::conntrack::{QUOTED_AT, Transport, Tuple};
use crate::filter::End;
use crate::hook::PacketView;
use crate::icmp::Quoted;

/// Translates one end of an error, and the other end of the packet that it quotes: that one went the
/// other way. `target` is what packets that go the error's way become.
pub(super) fn translate_quoted(
    packet: &mut PacketView<'_>,
    transport: Transport,
    end: End,
    target: &Tuple,
) {
    let address = set_address(packet, end, part(target, end).0);
    let message = packet.bytes.get_mut(transport.at..).unwrap_or_default();
    let quotation = message.get_mut(QUOTED_AT..).unwrap_or_default();
    let quoted = translate_quotation(quotation, end, target);
    fix(
        message,
        transport.protocol,
        address,
        quoted,
        packet.checksum,
    );
}

/// Changes what is quoted; by how much its sum has changed.
fn translate_quotation(quotation: &mut [u8], end: End, target: &Tuple) -> Delta {
    let mut changed = Delta::default();
    let Some(quoted) = Quoted::read(quotation) else {
        return changed;
    };
    let (other, old) = match end {
        End::Source => (End::Dest, quoted.ip.dest),
        End::Dest => (End::Source, quoted.ip.source),
    };
    // Its end away from where the error goes is what the error's own end becomes.
    let (address, port) = part(target, end);
    let sent = Tuple {
        source: address,
        dest: address,
        protocol: target.protocol,
        source_port: if target.is_query() {
            target.source_port
        } else {
            port
        },
        dest_port: port,
    };
    let (pseudo, header) = set_header_address(quotation, other, old, address);
    changed.add(pseudo);
    changed.add(header);
    let rest = quotation
        .get_mut(quoted.ip.header_len..)
        .unwrap_or_default();
    let port = set_port(rest, quoted.ip.protocol, other, &sent);
    changed.add(port);
    let checksum = fix(rest, quoted.ip.protocol, pseudo, port, Checksum::Unknown);
    changed.add(checksum);
    changed
}
