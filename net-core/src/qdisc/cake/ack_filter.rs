//! Acknowledgements that later ones of the same connection make superfluous: on a link that is much narrower
//! one way they would be most of what is sent there.

use super::super::Queued;
use super::super::flow::ip_header;
use super::super::flow_queue::{FlowQueue, Packets, Position};
use super::CakeAckFilter;
use crate::buf::TxPacket;
use crate::tcp::SeqNum;
use crate::wire::tcp_options::{END, NOP, SACK, TIMESTAMPS};
use crate::wire::{IpHeader, TcpFlags, TcpHeader, ip, tcp};
use core::net::SocketAddr;

/// Takes out of a queue an acknowledgement that its last packet makes superfluous: the first of at least two,
/// or, in the aggressive way, one that is alone and just in front of it.
pub(super) fn take_superfluous(
    filter: CakeAckFilter,
    packets: &mut Packets,
    queue: &mut FlowQueue,
) -> Option<Queued> {
    if filter == CakeAckFilter::Off || queue.len() < 2 {
        return None;
    }
    let position = find_superfluous(filter, packets, queue)?;
    packets.take(queue, position)
}

fn find_superfluous(
    filter: CakeAckFilter,
    packets: &Packets,
    queue: &FlowQueue,
) -> Option<Position> {
    let newest = Segment::of(&packets.last(queue)?.packet)?;
    // What carries data acknowledges too, but it comes as often as data does: looking each time would cost the
    // sender of a busy uplink more than the few acknowledgements between its segments take.
    if newest.has_data
        || !newest.header.flags.contains(TcpFlags::ACK)
        || newest.header.flags.contains(TcpFlags::SYN)
    {
        return None;
    }
    let before = (queue.len() as usize).saturating_sub(1);
    let mut first: Option<(Position, TcpFlags)> = None;
    let mut is_last = false;
    for (number, (position, queued)) in (1..).zip(packets.iter(queue).take(before.min(LOOKED_AT))) {
        is_last = false;
        let other = Segment::of(&queued.packet).filter(|other| other.ends == newest.ends);
        let Some(other) = other else { continue };
        // Nobody else would say what it says of congestion.
        first = first.filter(|(_, feedback)| *feedback == other.feedback());
        if !other.is_superfluous_before(&newest) {
            continue;
        }
        if let Some((position, _)) = first {
            return Some(position);
        }
        first = Some((position, other.feedback()));
        is_last = number == before;
    }
    let is_alone = filter == CakeAckFilter::Aggressive && is_last;
    let (position, feedback) = first.filter(|_| is_alone)?;
    (feedback == newest.feedback()).then_some(position)
}

/// A segment of TCP that waits.
struct Segment<'a> {
    /// From where to where.
    ends: (SocketAddr, SocketAddr),
    header: TcpHeader,
    options: &'a [u8],
    has_data: bool,
}

impl<'a> Segment<'a> {
    fn of(packet: &'a TxPacket) -> Option<Self> {
        let head = ip_header(packet);
        let around = IpHeader::parse_quoted(head).ok()?;
        if around.protocol != ip::TCP || around.fragment.is_some() {
            return None;
        }
        let segment = head.get(around.header_len..)?;
        let header = TcpHeader::parse(segment).ok()?;
        Some(Self {
            ends: (
                SocketAddr::new(around.source, header.source_port),
                SocketAddr::new(around.dest, header.dest_port),
            ),
            options: segment.get(tcp::MIN_HEADER_LEN..header.header_len)?,
            has_data: segment.len() + packet.body_len() > header.header_len,
            header,
        })
    }

    /// What it says of congestion (RFC 3168 §6.1, RFC 9768 §3.2).
    fn feedback(&self) -> TcpFlags {
        self.header.flags & FEEDBACK
    }

    /// Whether the peer learns nothing from it that a newer one does not say as well.
    fn is_superfluous_before(&self, newer: &Self) -> bool {
        let (header, newer) = (&self.header, &newer.header);
        let plain = header.flags.difference(FEEDBACK) == TcpFlags::ACK;
        let times = match (header.options.timestamps, newer.options.timestamps) {
            (Some((value, echo)), Some((newer_value, newer_echo))) => {
                let is_older = |a, b| SeqNum::new(a).at_or_before(SeqNum::new(b));
                is_older(value, newer_value) && is_older(echo, newer_echo)
            }
            (None, None) => true,
            _ => false,
        };
        plain
            && !self.has_data
            && times
            && self.has_known_options()
            && header.ack.at_or_before(newer.ack)
            && says_no_more(header, newer)
    }

    /// Whether all its options are such as an acknowledgement is read without: a padding, timestamps and
    /// blocks of selective acknowledgements.
    fn has_known_options(&self) -> bool {
        let mut rest = self.options;
        loop {
            match rest {
                [] | [END, ..] => return true,
                [NOP, more @ ..] => rest = more,
                &[TIMESTAMPS | SACK, len, ..] if len >= 2 => {
                    let Some(more) = rest.get(usize::from(len)..) else {
                        return false;
                    };
                    rest = more;
                }
                _ => return false,
            }
        }
    }
}

/// Whether a newer acknowledgement covers what an older one says, and says more. Two that say the same are
/// duplicates, which the peer counts; one of data that came twice is news by itself (RFC 2883).
fn says_no_more(older: &TcpHeader, newer: &TcpHeader) -> bool {
    let (old, new) = (&older.options.sack, &newer.options.sack);
    if old.duplicate(older.ack).is_some() {
        return false;
    }
    let covered = |(start, end): (SeqNum, SeqNum)| {
        end.at_or_before(newer.ack)
            || new
                .iter()
                .any(|(from, to)| from.at_or_before(start) && end.at_or_before(to))
    };
    let bytes = |header: &TcpHeader| -> u64 {
        let blocks = header.options.sack.iter();
        blocks
            .map(|(start, end)| u64::from(end.distance_from(start)))
            .sum()
    };
    let more = newer.ack.after(older.ack) || bytes(newer) > bytes(older);
    old.iter().all(covered) && more
}

/// Packets of a queue that are looked at for one that comes.
const LOOKED_AT: usize = 64;
const FEEDBACK: TcpFlags = TcpFlags::ECE.union(TcpFlags::CWR);
