//! Errors about packets of translated flows: they go to who sent the packet, and quote it as it was sent
//! (RFC 5508 §4).

use super::filter::segment;
use super::nat::nat;
use super::*;
use crate::wire::checksum::checksum;
use crate::wire::{TcpFlags, tcp};
use std::string::ToString;

/// A packet that a router has translated.
struct Translated {
    /// As its sender sent it.
    inner: Vec<u8>,
    /// As it left.
    outer: Vec<u8>,
}

impl Translated {
    /// What leaves over `to` for a packet that comes over `from`.
    #[track_caller]
    fn new(host: &mut Host, from: IfaceId, to: IfaceId, packet: TxPacket) -> Self {
        let inner = bytes_of(&packet).to_vec();
        host.inject_at(from, packet);
        let sent = host.sent_over(to);
        assert_eq!(sent.len(), 1);
        let outer = bytes_of(&sent[0]).to_vec();
        let at = IpHeader::parse_quoted(&outer).unwrap().header_len;
        assert_ne!(inner[at..at + 8], outer[at..at + 8], "more than addresses");
        Self { inner, outer }
    }

    /// Asserts that a quotation is of the first `len` bytes of what was sent, which then took a hop, and that
    /// all sums in it are right.
    #[track_caller]
    fn assert_quoted(&self, quoted: &[u8], len: usize) {
        assert_eq!(quoted.len(), len);
        let header = IpHeader::parse_quoted(quoted).unwrap();
        let hops = if header.dest.is_ipv4() {
            assert_eq!(checksum(&quoted[..header.header_len]), 0);
            [8, 10, 11].as_slice()
        } else {
            &[7]
        };
        // Half of a sum cannot be brought in order.
        let sum = header.header_len + tcp::CHECKSUM_OFFSET;
        let half = Some(sum).filter(|_| header.protocol == ip::TCP && len == sum + 1);
        for (at, (quoted, sent)) in quoted.iter().zip(&self.inner).enumerate() {
            assert!(
                quoted == sent || hops.contains(&at) || half == Some(at),
                "byte {at} of {len}: {quoted} for {sent}"
            );
        }
        assert_eq!(quoted[hops[0]] + 1, self.inner[hops[0]]);
        if len == self.inner.len() {
            let whole = RxPacket::from_frame(quoted.into());
            assert_eq!(transport::verify_checksum(&whole, &header), Ok(()));
        }
    }
}

/// What a router on the way may say of a packet.
const ERRORS: [IcmpMessage; 3] = [
    IcmpMessage::PacketTooBig { mtu: 1280 },
    IcmpMessage::Unreachable { code: 1 },
    IcmpMessage::TimeExceeded { code: 0 },
];

/// Has a router say each error over `from`, with as many bytes as may be quoted, and asserts that who sent the
/// packet gets it over `to` from `source`.
fn assert_told(
    (host, from, to): (&mut Host, IfaceId, IfaceId),
    sent: &Translated,
    router: &str,
    source: &str,
) {
    let [inner, outer] =
        [&sent.inner, &sent.outer].map(|packet| IpHeader::parse_quoted(packet).unwrap());
    let heard_at = outer.source.to_string();
    let shortest = outer.header_len + 8;
    for message in ERRORS {
        for len in 0..=sent.outer.len() {
            let error = icmp(router, &heard_at, &message, &sent.outer[..len]);
            host.inject_at(from, error);
            let told = host.sent_over(to);
            if len < shortest {
                // So few bytes do not say which flow it is: nothing is translated.
                let is_as_it_came = |told| Seen::new(told).ip.source == ip(router);
                assert!(told.iter().all(is_as_it_came), "{len} bytes");
                continue;
            }
            assert_eq!(told.len(), 1, "{message:?} with {len} bytes");
            // The sum of the error itself is verified.
            let seen = Seen::new(&told[0]);
            assert_eq!((seen.ip.source, seen.ip.dest), (ip(source), inner.source));
            assert_eq!(seen.icmp(), message);
            sent.assert_quoted(&seen.data(), len);
        }
    }
}

#[test]
fn errors_about_what_is_masqueraded_quote_the_segment_that_was_sent() {
    let (mut host, far) = nat();
    let near = host.wire;
    for (first, client, server, router) in [
        ("10.7.0.8:5000", "10.7.0.9:5000", "10.9.0.9:80", "10.9.0.7"),
        (
            "[fd07::8]:5000",
            "[fd07::9]:5000",
            "[fd09::9]:80",
            "fd09::7",
        ),
    ] {
        host.inject(segment(first, server, TcpFlags::SYN, b""));
        host.sent_over(far);
        // The port is taken: it changes too.
        let opening = segment(client, server, TcpFlags::SYN, b"an odd length");
        let sent = Translated::new(&mut host, near, far, opening);
        assert_told((&mut host, far, near), &sent, router, router);
    }
}

#[test]
fn errors_about_what_was_sent_to_another_port_quote_the_segment_that_was_sent() {
    let (mut host, far) = nat();
    let near = host.wire;
    let opening = segment(
        "10.9.0.9:4000",
        "10.9.0.1:80",
        TcpFlags::SYN,
        b"an odd length",
    );
    let sent = Translated::new(&mut host, far, near, opening);
    // Of who is behind the router nothing is seen.
    assert_told((&mut host, near, far), &sent, "10.7.0.9", "10.9.0.1");
}

#[test]
fn errors_about_an_echo_quote_the_identifier_that_it_was_sent_with() {
    let (mut host, far) = nat();
    let near = host.wire;
    let request = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    for (first, client, server, router) in [
        ("10.7.0.8", "10.7.0.9", "10.9.0.9", "10.9.0.7"),
        ("fd07::8", "fd07::9", "fd09::9", "fd09::7"),
    ] {
        host.inject(icmp(first, server, &request, b""));
        host.sent_over(far);
        let echo = icmp(client, server, &request, b"an odd length");
        let sent = Translated::new(&mut host, near, far, echo);
        assert_told((&mut host, far, near), &sent, router, router);
    }
}
