//! Options of IPv4 headers on their way through a host or a router (RFC 1122 §3.2.1.8, RFC 1812 §5.2.4).

use super::Stack;
use super::ip_input::Arrival;
use super::ip_output::{Passage, Sent};
use crate::buf::TxPacket;
use crate::iface::{DeviceCaps, IfaceId};
use crate::ip::{Delivery, IpMeta, Path, Problem};
use crate::qdisc::Sender;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::IpHeader;
use crate::wire::ipv4;
use crate::wire::ipv4_options::{self, Options, Record};
use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr};

impl Stack {
    /// Reads the options of a packet that is for this host or is to go on, and writes into those of one
    /// for this host what they ask for. Unknown ones are passed over.
    pub(super) fn options_input(
        &mut self,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        match ipv4_options::check(arrival.options_v4()) {
            Ok(found) if found.source_route => return Err(DropReason::SourceRoute),
            Ok(_) => {}
            Err(at) => {
                let problem = Problem {
                    code: POINTER_SAYS,
                    pointer: ipv4::MIN_HEADER_LEN + at,
                    although_to_many: false,
                };
                self.parameter_problem(arrival, problem, now);
                return Err(DropReason::IpOption);
            }
        }
        match (arrival.delivery, arrival.ip.dest) {
            (Delivery::Foreign, _) => {}
            (Delivery::Local, dest) => self.record_passage(arrival, Some(dest), now),
            (Delivery::Broadcast | Delivery::Multicast, _) => {
                let own = self.address_towards(arrival.over, arrival.ip.source);
                self.record_passage(arrival, own, now);
            }
        }
        Ok(())
    }

    /// Writes into the options of a packet that it has been here: by the address of the interface that it
    /// leaves over, where it is for others (RFC 1812 §4.2.2.2, §5.2.4.2).
    pub(super) fn record_passage(
        &self,
        arrival: &mut Arrival<'_>,
        address: Option<IpAddr>,
        now: Instant,
    ) {
        let Some(IpAddr::V4(address)) = address else {
            return;
        };
        let header = arrival.packet.frame.get_mut(..arrival.ip.header_len);
        if let Some(header) = header
            && let Some(options) = header.get_mut(ipv4::MIN_HEADER_LEN..)
            && !options.is_empty()
        {
            self.record_in(options, address, true, now);
            ipv4::sum_anew(header);
        }
    }

    /// The options of the answer to a packet, which is to go out with an address of this host: what
    /// has been recorded on the way, and ourselves (RFC 1122 §3.2.2.6). An option that then has room for
    /// a part of an entry would be thrown away by the next router: there is no answer.
    pub(super) fn options_of_answer(
        &self,
        asked: &[u8],
        own: IpAddr,
        now: Instant,
    ) -> Result<Options, DropReason> {
        let mut options = ipv4_options::echoed(asked);
        if let IpAddr::V4(own) = own {
            self.record_in(&mut options, own, false, now);
        }
        if ipv4_options::has_partial_room(&options) {
            return Err(DropReason::IpOption);
        }
        Ok(options)
    }

    pub(super) fn record_in(
        &self,
        options: &mut [u8],
        address: Ipv4Addr,
        counts: bool,
        now: Instant,
    ) {
        let record = Record {
            address,
            time: time_of(now),
            is_own: |address: Ipv4Addr| self.addresses.contains(address.into()),
            counts,
        };
        ipv4_options::record(options, &record);
    }

    /// The address that an interface sends to `dest` from.
    pub(super) fn address_towards(&self, iface: IfaceId, dest: IpAddr) -> Option<IpAddr> {
        self.iface(iface)?.source_for(dest)
    }

    /// As [`ip_output`](Self::ip_output), with options behind an IPv4 header.
    pub(super) fn ip_output_with_options(
        &mut self,
        path: &Path,
        meta: IpMeta,
        options: &[u8],
        mut packet: Box<TxPacket>,
        owner: Option<Sender>,
        now: Instant,
    ) -> Sent {
        let total_len = meta.header_len() + options.len() + packet.len();
        let is_cut = total_len > usize::from(path.mtu);
        let meta = IpMeta {
            dont_fragment: meta.dont_fragment && !is_cut,
            ..meta
        };
        packet.meta.departure = packet.meta.departure.max(now);
        // No device sums behind options.
        let summed = Path {
            caps: DeviceCaps::default(),
            ..*path
        };
        self.ip_finish(&summed, meta, &mut packet);
        ipv4::insert_options(&mut packet.head, options);
        match self.pass_out(path.iface, meta.origin, &mut packet, owner) {
            Passage::Leaves => {}
            other => return self.not_sent(packet, other),
        }
        if !is_cut {
            let owner = owner.map(|sender| sender.owner(&packet));
            return Sent::of(self.link_output(path, packet, owner, now));
        }
        match IpHeader::parse_quoted(&packet.head) {
            Ok(header) => Sent::of(self.send_cut(path, &header, packet, owner, now)),
            Err(_) => self.not_sent(packet, Passage::Lost),
        }
    }
}

/// The time of a Timestamp. The stack knows no time of day: with the highest bit set it may be any (RFC 791
/// §3.1).
fn time_of(now: Instant) -> u32 {
    u32::try_from(now.as_millis() & 0x7fff_ffff).unwrap_or(0) | 0x8000_0000
}

/// Code of a parameter problem of IPv4: the pointer says where it is (RFC 792).
const POINTER_SAYS: u8 = 0;
