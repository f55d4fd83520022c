//! From fragments and extension headers to the packet that was meant.

use super::ip_input::Arrival;
use super::{Stack, TimerKey};
use crate::ip::{Arrived, Delivery, Problem, Refusal, read_chain, transport_header_len};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{FRAGMENT_LEN, MAX_CHAIN, is_extension};
use crate::wire::{IpHeader, icmp, icmpv6, ip, ipv6, tcp};
use core::net::IpAddr;

impl Stack {
    /// Reads the extension headers of a packet that has arrived where it was to go, and puts it
    /// together if it is a fragment. `None` while fragments are missing.
    pub(super) fn unwrap<'a>(
        &mut self,
        mut arrival: Arrival<'a>,
        now: Instant,
    ) -> Result<Option<Arrival<'a>>, DropReason> {
        let named_at = self.read_extensions(&mut arrival, now)?;
        let Some(place) = arrival.ip.fragment else {
            return Ok(Some(arrival));
        };
        let Some(mut whole) = self.reassemble(arrival, place, named_at, now)? else {
            return Ok(None);
        };
        self.read_extensions(&mut whole, now)?;
        if whole.ip.fragment.is_some() {
            // Fragments of a fragment: no router makes those.
            return Err(DropReason::BadFragment);
        }
        Ok(Some(whole))
    }

    /// Moves the end of the header behind IPv6's extension headers; which field of the packet names
    /// the last of them.
    fn read_extensions(
        &mut self,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> Result<usize, DropReason> {
        if arrival.ip.dest.is_ipv4() || !is_extension(arrival.ip.protocol) {
            return Ok(0);
        }
        arrival.packet.pull(LONGEST_HEADERS);
        match read_chain(&arrival.packet.frame, &arrival.ip) {
            Ok(end) => {
                arrival.ip = end.moved(&arrival.ip).ok_or(DropReason::Truncated)?;
                Ok(end.named_at)
            }
            Err(Refusal { reason, problem }) => {
                if let Some(problem) = problem {
                    self.parameter_problem(arrival, problem, now);
                }
                Err(reason)
            }
        }
    }

    /// Puts a fragment to the others of its packet; the whole packet when it was the last.
    fn reassemble<'a>(
        &mut self,
        arrival: Arrival<'a>,
        place: Fragment,
        named_at: usize,
        now: Instant,
    ) -> Result<Option<Arrival<'a>>, DropReason> {
        let mut arrival = arrival;
        self.check_fragment(&mut arrival, place, now)?;
        let Arrival {
            ip,
            delivery,
            over,
            packet,
            ..
        } = arrival;
        let arrived = Arrived {
            header: &ip,
            place,
            named_at,
            over,
            delivery,
        };
        let whole =
            self.reassembler
                .insert(packet, &arrived, &mut self.memory, &mut self.stats, now);
        self.arm_reassembly();
        if !whole? {
            return Ok(None);
        }
        self.stats.ip_reassembled += 1;
        let ip = IpHeader::parse(&packet.frame, packet.len())?;
        packet.pull(ip.header_len + tcp::MAX_HEADER_LEN);
        Ok(Some(Arrival {
            ip,
            delivery,
            over,
            given_to: None,
            packet,
        }))
    }

    /// Checks what a fragment says of itself (RFC 8200 §4.5), and that it hides no transport header
    /// from filters that see it alone (RFC 1858 §3, RFC 3128; for IPv6 see [`read_chain`]).
    fn check_fragment(
        &mut self,
        arrival: &mut Arrival<'_>,
        place: Fragment,
        now: Instant,
    ) -> Result<(), DropReason> {
        let header = &arrival.ip;
        let is_v6 = header.dest.is_ipv6();
        let len = header.payload_len;
        let in_front = if is_v6 {
            header.header_len - FRAGMENT_LEN - ipv6::HEADER_LEN
        } else {
            header.header_len
        };
        let problem_at = if place.more && !len.is_multiple_of(8) {
            ipv6::LENGTH_OFFSET
        } else if in_front + usize::from(place.offset) + len > usize::from(u16::MAX) {
            header.header_len - FRAGMENT_LEN + 2
        } else if len == 0 {
            return Err(DropReason::BadFragment);
        } else {
            return check_tiny(header, place);
        };
        if is_v6 {
            let problem = Problem {
                code: icmpv6::ERRONEOUS_FIELD,
                pointer: problem_at,
                although_to_many: false,
            };
            self.parameter_problem(arrival, problem, now);
        }
        Err(DropReason::BadFragment)
    }

    /// The time of the oldest packet of which fragments are there may have run out.
    pub(super) fn reassembly_timeout(&mut self, now: Instant) {
        self.reassembly_timer = None;
        while let Some(expired) = self.reassembler.expire(&mut self.memory, now) {
            let reason = DropReason::ReassemblyTimeout;
            self.stats.count_drops(reason, expired.fragments);
            // Only who the packet was for says so (RFC 792, RFC 1122 §3.3.2).
            if let Some((ip, over, delivery, mut packet)) = expired.first
                && delivery != Delivery::Foreign
            {
                let arrival = Arrival {
                    ip,
                    delivery,
                    over,
                    given_to: None,
                    packet: &mut packet,
                };
                self.reassembly_time_exceeded(arrival, now);
            }
        }
        self.arm_reassembly();
    }

    /// The timer is that of the oldest packet; when that is gone it fires early, once.
    fn arm_reassembly(&mut self) {
        if self.reassembly_timer.is_none()
            && let Some(at) = self.reassembler.next_expiry()
        {
            self.reassembly_timer = Some(self.wheel.insert(TimerKey::Reassembly, at));
        }
    }
}

/// The tiny fragments of RFC 1858: a first one without all of the transport header, or one that
/// overwrites the header's second part. (Overlaps are refused elsewhere.)
fn check_tiny(header: &IpHeader, place: Fragment) -> Result<(), DropReason> {
    let IpAddr::V4(_) = header.dest else {
        return Ok(());
    };
    let is_short = place.offset == 0 && header.payload_len < transport_header_len(header.protocol);
    let begins_inside = place.offset == 8 && header.protocol == ip::TCP;
    if is_short || begins_inside {
        return Err(DropReason::TinyFragment);
    }
    Ok(())
}

/// Bytes within which every header of a packet lies.
pub(super) const LONGEST_HEADERS: usize =
    ipv6::HEADER_LEN + MAX_CHAIN + tcp::MAX_HEADER_LEN + icmp::HEADER_LEN;
