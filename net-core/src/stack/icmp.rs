//! ICMP in the stack: echo replies, errors sent, errors received.

use super::Stack;
use super::ip_input::{Arrival, has_extensions};
use super::ip_output::Sent;
use super::raw::Report;
use super::reassembly::LONGEST_HEADERS;
use crate::buf::{Checksum, RxPacket, TxPacket};
use crate::conntrack::Tracked;
use crate::icmp::{IcmpError, Quoted, longest_quotation, quote};
use crate::iface::IfaceId;
use crate::ip::{Delivery, IpMeta, Problem};
use crate::socket::IpSettings;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ipv4_options::Options;
use crate::wire::ipv6_ext::{self, Chain};
use crate::wire::{IcmpMessage, IpHeader, icmp, icmpv4, icmpv6, ip, mld, ndp, transport};
use bytes::{Buf, Bytes, BytesMut};
use core::net::{IpAddr, Ipv4Addr};
use core::{iter, mem};
use smallvec::SmallVec;

/// Pieces that the body of a packet has at most.
const MAX_PIECES: usize = 8;

impl Stack {
    /// Takes in one ICMP message.
    pub(super) fn icmp_input(
        &mut self,
        arrival: Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        transport::verify_checksum(arrival.packet, &arrival.ip)?;
        if arrival.ip.dest.is_ipv6() && ndp::is_ndp(kind(&arrival)) {
            return self.ndp_input(&arrival, now);
        }
        if arrival.ip.dest.is_ipv6() && mld::is_mld(kind(&arrival)) {
            return self.mld_input(&arrival, now);
        }
        match read(&arrival)? {
            IcmpMessage::EchoReply { ident, .. } => self.echo_reply_input(arrival, ident),
            IcmpMessage::EchoRequest { ident, seq } => {
                if arrival.delivery == Delivery::Local
                    && let Some(id) = self.echo_taker(&arrival)
                {
                    return self.echo_request_input(id, arrival);
                }
                self.echo_reply(arrival, IcmpMessage::EchoReply { ident, seq }, now)
            }
            message if message.is_error() => self.icmp_error(&arrival, &message, now),
            IcmpMessage::Other {
                kind: icmpv4::REDIRECT,
                rest,
                ..
            } if arrival.ip.dest.is_ipv4() && arrival.delivery == Delivery::Local => {
                self.icmpv4_redirected(&arrival, Ipv4Addr::from_bits(rest), now)
            }
            _ => Err(DropReason::IcmpIrrelevant),
        }
    }

    /// Sends the data of an echo request back (RFC 1122 §3.2.2.6, RFC 4443 §4.2).
    fn echo_reply(
        &mut self,
        arrival: Arrival<'_>,
        reply: IcmpMessage,
        now: Instant,
    ) -> Result<(), DropReason> {
        let options = Options::from_slice(arrival.options_v4());
        let Arrival {
            ip,
            delivery,
            packet,
            over,
            ..
        } = arrival;
        // RFC 1122 §3.2.2.6 allows to ignore requests to broadcast addresses; an answer would
        // make us an amplifier.
        if !matches!(delivery, Delivery::Local | Delivery::Anycast) {
            return Err(DropReason::IcmpIrrelevant);
        }
        let body = join_excess(data_behind(packet, ip.header_len + icmp::HEADER_LEN)?);
        let ecn_cleared = ip.tos & !3;
        // RFC 4443 §4.2: an address of the interface that the request came over.
        let source = match ip.source {
            IpAddr::V6(asker) if delivery == Delivery::Anycast => self.source_on(over, asker),
            _ => None,
        };
        let answer = Answer {
            message: &reply,
            source: source.map(IpAddr::V6),
            body,
            tos: ecn_cleared,
            options: &options,
        };
        let cause = Cause {
            ip: &ip,
            delivery,
            tracked: Tracked::default(),
        };
        if self.icmp_send(&cause, answer, now)? {
            self.stats.icmp_echo_replies += 1;
        }
        Ok(())
    }

    /// Whether this host can have sent what an error with this header quotes.
    pub(super) fn is_ours(&self, quoted: &Quoted, around: &IpHeader) -> bool {
        quoted.ip.source == around.dest || self.is_local(quoted.ip.source)
    }

    /// Takes in an error about a packet of ours.
    fn icmp_error(
        &mut self,
        arrival: &Arrival<'_>,
        message: &IcmpMessage,
        now: Instant,
    ) -> Result<(), DropReason> {
        let quoted = Quoted::parse(arrival.packet, arrival.ip.header_len)
            .filter(|quoted| self.is_ours(quoted, &arrival.ip))
            .ok_or(DropReason::IcmpIrrelevant)?;
        let error = match arrival.ip.dest {
            IpAddr::V4(_) => IcmpError::from_v4(message, quoted.ip.total_len()),
            IpAddr::V6(_) => IcmpError::from_v6(message),
        }
        .ok_or(DropReason::IcmpIrrelevant)?;
        match quoted.ip.protocol {
            ip::TCP => {
                let (local, remote) = (quoted.local(), quoted.remote());
                self.tcp_icmp_error(local, remote, quoted.ports.seq, error, now);
                self.stats.icmp_errors_received += 1;
            }
            _ => {
                let is_heard = self.protocol_error(arrival, &quoted, now);
                if !self.datagram_error(&Report::of(arrival), &quoted, error) && !is_heard {
                    return Err(DropReason::IcmpIrrelevant);
                }
                self.stats.icmp_errors_received += 1;
            }
        }
        Ok(())
    }

    /// Tells the sender that nobody has the port (RFC 1122 §4.1.3.1, RFC 4443 §3.1).
    pub(super) fn port_unreachable(&mut self, arrival: Arrival<'_>, now: Instant) {
        let code = match arrival.ip.dest {
            IpAddr::V4(_) => icmpv4::PORT_UNREACHABLE,
            IpAddr::V6(_) => icmpv6::PORT_UNREACHABLE,
        };
        self.send_error(arrival, &IcmpMessage::Unreachable { code }, now);
    }

    /// Tells the sender that nobody knows the protocol (RFC 1122 §3.2.2.1, RFC 4443 §3.4).
    pub(super) fn protocol_unreachable(&mut self, arrival: Arrival<'_>, now: Instant) {
        let message = match arrival.ip.dest {
            IpAddr::V4(_) => IcmpMessage::Unreachable {
                code: icmpv4::PROTOCOL_UNREACHABLE,
            },
            IpAddr::V6(_) => IcmpMessage::ParameterProblem {
                code: icmpv6::UNKNOWN_NEXT_HEADER,
                pointer: named_at(&arrival),
            },
        };
        self.send_error(arrival, &message, now);
    }

    /// Tells the sender what about its packet cannot be (RFC 4443 §3.4, RFC 1122 §3.2.2.5).
    pub(super) fn parameter_problem(
        &mut self,
        arrival: &mut Arrival<'_>,
        problem: Problem,
        now: Instant,
    ) {
        let message = IcmpMessage::ParameterProblem {
            code: problem.code,
            pointer: u32::try_from(problem.pointer).unwrap_or(0),
        };
        let mut arrival = arrival.reborrow();
        if problem.although_to_many {
            arrival.delivery = Delivery::Local;
        }
        self.send_error(arrival, &message, now);
    }

    /// Tells the sender of a first fragment that others did not come in time (RFC 1122 §3.2.2.4, RFC
    /// 8200 §4.5).
    pub(super) fn reassembly_time_exceeded(&mut self, arrival: Arrival<'_>, now: Instant) {
        let code = icmp::REASSEMBLY_TIME_EXCEEDED;
        self.send_error(arrival, &IcmpMessage::TimeExceeded { code }, now);
    }

    /// A packet that was to be sent, as it would be if it had arrived, for what its sender is told: enough of it
    /// to be quoted, in `copy`.
    pub(super) fn as_if_arrived<'a>(
        &self,
        over: IfaceId,
        packet: &TxPacket,
        copy: &'a mut RxPacket,
    ) -> Result<Arrival<'a>, DropReason> {
        let ip = IpHeader::parse_quoted(&packet.head)?;
        *copy = RxPacket::from_frame(packet.front(MAX_QUOTED));
        copy.meta.checksum = Checksum::Verified;
        copy.meta.tracked = packet.meta.tracked;
        let delivery = if ip.dest.is_multicast() {
            Delivery::Multicast
        } else if self.addresses.is_broadcast(ip.dest) {
            Delivery::Broadcast
        } else {
            Delivery::Foreign
        };
        Ok(Arrival {
            ip,
            delivery,
            over,
            given_to: None,
            packet: copy,
        })
    }

    /// Sends an error about a packet, unless the rules forbid it (RFC 1122 §3.2.2, RFC 4443
    /// §2.4(e)): never about an ICMP error, a packet to many, or a later fragment. Sources that are
    /// no single host were dropped as martians.
    pub(super) fn send_error(&mut self, arrival: Arrival<'_>, message: &IcmpMessage, now: Instant) {
        if has_extensions(&arrival.ip) {
            arrival.packet.pull(LONGEST_HEADERS);
        }
        let is_error = is_icmp_error(&arrival);
        let to_many = arrival.is_to_many();
        let Arrival {
            ip,
            delivery,
            packet,
            ..
        } = arrival;
        let is_later_fragment = ip.fragment.is_some_and(|fragment| fragment.offset != 0);
        if to_many || is_later_fragment || is_error {
            return;
        }
        // How much fits the path is told whatever else there is to tell: who does not hear it is cut off.
        let limit = match message {
            IcmpMessage::PacketTooBig { .. } => &mut self.limits.too_big,
            _ => &mut self.limits.icmp,
        };
        if !limit.take(now) {
            self.stats.count_drop(DropReason::RateLimited);
            return;
        }
        let answer = Answer {
            message,
            source: None,
            body: quote(packet, longest_quotation(ip.dest)),
            tos: 0,
            options: &[],
        };
        let cause = Cause {
            ip: &ip,
            delivery,
            tracked: packet.meta.tracked.answer(),
        };
        match self.icmp_send(&cause, answer, now) {
            Ok(true) => self.stats.icmp_errors_sent += 1,
            Ok(false) => {}
            Err(reason) => self.stats.count_drop(reason),
        }
    }

    /// Sends a message back to where `cause` came from; whether the queue had room.
    fn icmp_send(
        &mut self,
        cause: &Cause<'_>,
        answer: Answer<'_>,
        now: Instant,
    ) -> Result<bool, DropReason> {
        let &Cause {
            ip: cause,
            delivery,
            tracked,
        } = cause;
        let Answer {
            message,
            source,
            body,
            tos,
            options,
        } = answer;
        // About a packet for others a router speaks for itself (RFC 1812 §4.3.2.4), and from an anycast address
        // nobody does (RFC 4443 §2.2(b)).
        let is_ours = delivery == Delivery::Local && !cause.dest.is_multicast();
        let source = source.or(is_ours.then_some(cause.dest));
        let path = self
            .route_for(&IpSettings::of_answer(), cause.source, source)
            .map_err(|_| DropReason::NoRoute)?;
        let source = path.source;
        let options = self.options_of_answer(options, source, now)?;
        let mut packet = self.new_packet();
        packet.body = body;
        packet.meta.tracked = tracked;
        let protocol = match cause.dest {
            IpAddr::V4(_) => {
                icmpv4::emit(message, &mut packet.head);
                ip::ICMP
            }
            IpAddr::V6(_) => {
                icmpv6::emit(message, &mut packet.head);
                ip::ICMPV6
            }
        };
        let meta = IpMeta {
            source,
            tos,
            dont_fragment: false,
            ..IpMeta::new(
                &IpSettings::default(),
                &path,
                cause.source,
                protocol,
                self.config.ttl,
            )
        };
        if !options.is_empty() {
            let sent = self.ip_output_with_options(&path, meta, &options, packet, None, now);
            return Ok(sent == Sent::Yes);
        }
        Ok(self.ip_output(&path, meta, packet, None, now) == Sent::Yes)
    }
}

/// What a message is sent about.
struct Cause<'a> {
    ip: &'a IpHeader,
    delivery: Delivery,
    /// What is known about the flow of the message.
    tracked: Tracked,
}

/// A message in answer to a packet.
struct Answer<'a> {
    message: &'a IcmpMessage,
    /// Where it comes from, if not from where the packet went.
    source: Option<IpAddr>,
    /// What is behind its first eight bytes.
    body: SmallVec<[Bytes; MAX_PIECES]>,
    tos: u8,
    /// The options of the packet, if what they have recorded goes back.
    options: &'a [u8],
}

/// The type of the message that has arrived; 0 if there is none.
fn kind(arrival: &Arrival<'_>) -> u8 {
    let kind = arrival.packet.frame.get(arrival.ip.header_len);
    kind.copied().unwrap_or_default()
}

/// Which field of an IPv6 packet names its protocol.
fn named_at(arrival: &Arrival<'_>) -> u32 {
    let end = Chain::new(&arrival.packet.frame).skip_all();
    end.map_or(0, |chain| u32::try_from(chain.named_at()).unwrap_or(0))
}

/// Whether a packet is an ICMP error or a redirect, or may be one for all that can be seen of it (RFC 1122
/// §3.2.2, RFC 4443 §2.4(e.1) and (e.2)). A later fragment does not say.
fn is_icmp_error(arrival: &Arrival<'_>) -> bool {
    let Some((protocol, at)) = protocol_at(arrival) else {
        return false;
    };
    let kind = arrival.packet.frame.get(at);
    match protocol {
        ip::ICMP => kind.is_none_or(|&kind| !icmpv4::is_query(kind)),
        ip::ICMPV6 => kind.is_none_or(|&kind| !icmpv6::is_query(kind)),
        _ => false,
    }
}

/// The protocol of a packet and where its header begins, behind the extension headers that one for others
/// has still; `None` where it is a later fragment or its headers are broken.
fn protocol_at(arrival: &Arrival<'_>) -> Option<(u8, usize)> {
    let header = &arrival.ip;
    if !has_extensions(header) {
        return Some((header.protocol, header.header_len));
    }
    let mut chain = Chain::new(&arrival.packet.frame);
    for extension in chain.by_ref() {
        let extension = extension.ok()?;
        if extension.kind == ipv6_ext::FRAGMENT && extension.fragment().offset != 0 {
            return None;
        }
    }
    Some((chain.protocol(), chain.position()))
}

/// Reads the message that has arrived.
pub(super) fn read(arrival: &Arrival<'_>) -> Result<IcmpMessage, DropReason> {
    let bytes = arrival
        .packet
        .frame
        .get(arrival.ip.header_len..)
        .ok_or(DropReason::Truncated)?;
    match arrival.ip.dest {
        IpAddr::V4(_) => icmpv4::parse(bytes),
        IpAddr::V6(_) => icmpv6::parse(bytes),
    }
}

/// The pieces behind the first `headers` bytes of a packet, which must lie in its frame.
fn data_behind(
    packet: &mut RxPacket,
    headers: usize,
) -> Result<SmallVec<[Bytes; MAX_PIECES]>, DropReason> {
    if packet.frame.len() < headers {
        return Err(DropReason::Truncated);
    }
    let mut frame = mem::take(&mut packet.frame).freeze();
    frame.advance(headers);
    let frags = packet.frags.drain(..).map(|piece| piece.bytes);
    let pieces = iter::once(frame).chain(frags);
    Ok(pieces.filter(|piece| !piece.is_empty()).collect())
}

/// Copies the last pieces into one where there are more than a packet may have.
pub(super) fn join_excess(pieces: SmallVec<[Bytes; MAX_PIECES]>) -> SmallVec<[Bytes; MAX_PIECES]> {
    if pieces.len() <= MAX_PIECES {
        return pieces;
    }
    let mut pieces = pieces.into_iter();
    let mut joined: SmallVec<[Bytes; MAX_PIECES]> = pieces.by_ref().take(MAX_PIECES - 1).collect();
    let mut rest = BytesMut::new();
    for piece in pieces {
        rest.extend_from_slice(&piece);
    }
    joined.push(rest.freeze());
    joined
}

/// Bytes of a packet that ICMP errors of either version quote at most (RFC 4443 §2.4(c)).
pub(super) const MAX_QUOTED: usize = 1280;
