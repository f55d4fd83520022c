//! Counters: what the stack did, and why it dropped what it dropped.

mod names;

use core::fmt;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why a packet went no further. Every discarded packet counts under exactly one reason,
        /// and so does every answer that was not sent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// Every reason, in the order of its counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// A short name for tables and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than its headers say or need.
    Truncated => "truncated",
    /// A frame for another station.
    OtherStation => "other_station",
    /// A frame of a protocol that nobody handles here.
    EtherType => "ethertype",
    /// A VLAN tag with the reserved number.
    VlanTag => "vlan_tag",
    /// An ARP packet that breaks its rules, or of other networks than Ethernet and IPv4.
    Arp => "arp",
    /// A message of neighbour discovery that breaks its rules (RFC 4861 §6.1, §7.1, §8.1).
    Ndp => "ndp",
    /// A message about multicast memberships that breaks its rules.
    Membership => "membership",
    /// Another station uses an address of this host.
    AddressConflict => "address_conflict",
    /// Meant for a neighbour that does not answer.
    NeighborFailed => "neighbor_failed",
    /// Too many packets wait for a neighbour's answer, or too many neighbours are asked for.
    NeighborQueueFull => "neighbor_queue_full",
    /// A question for an address of somebody else for whom this host answers: too many of them wait for their
    /// answer.
    ProxyQueueFull => "proxy_queue_full",
    /// An IP version other than 4 and 6.
    IpVersion => "ip_version",
    /// An IP header that breaks its rules.
    IpHeader => "ip_header",
    /// The IPv4 header checksum is wrong.
    IpChecksum => "ip_checksum",
    /// A source address that nobody may have.
    Martian => "martian",
    /// For this host alone, but the link brought it to several (RFC 1122 §3.3.6).
    LinkBroadcast => "link_broadcast",
    /// Not addressed to this host, and forwarding is not there.
    NotForUs => "not_for_us",
    /// A fragment that cannot be one: its length is no multiple of eight, it would make a packet of
    /// over 65,535 bytes, or its ECN bits do not go with the others' (RFC 8200 §4.5, RFC 3168 §5.3).
    BadFragment => "bad_fragment",
    /// A fragment that ends before the transport header does, or begins in it (RFC 3128, RFC 7112).
    TinyFragment => "tiny_fragment",
    /// A fragment of a packet of which two fragments overlap or contradict each other (RFC 5722).
    FragmentOverlap => "fragment_overlap",
    /// A fragment that was there already.
    FragmentDuplicate => "fragment_duplicate",
    /// A fragment for which there is no memory, or which had to go for a newer one.
    ReassemblyFull => "reassembly_full",
    /// A fragment of a packet that did not become whole in time (RFC 1122 §3.3.2).
    ReassemblyTimeout => "reassembly_timeout",
    /// A packet of over 65,535 bytes by the option of RFC 2675, which the stack does not have.
    Jumbogram => "jumbogram",
    /// An option of an IPv4 header that breaks its rules (RFC 791 §3.1).
    IpOption => "ip_option",
    /// A source route (RFC 5095, RFC 6274 §3.13.2.3): senders are not to choose the way.
    SourceRoute => "source_route",
    /// An IPv6 option that nobody knows, and that is to stop who does not know it (RFC 8200 §4.2).
    UnknownOption => "unknown_option",
    /// An IPv6 packet that says that it has no content.
    NoNextHeader => "no_next_header",
    /// IPv6 extension headers that break their rules or are too many.
    ExtensionHeader => "extension_header",
    /// No handler for the protocol.
    UnknownProtocol => "unknown_protocol",
    /// The transport checksum is wrong.
    TransportChecksum => "transport_checksum",
    /// A transport header that breaks its rules.
    TransportHeader => "transport_header",
    /// No socket has the port.
    NoSocket => "no_socket",
    /// The SYN queue is full.
    SynQueueFull => "syn_queue_full",
    /// The accept queue is full.
    AcceptQueueFull => "accept_queue_full",
    /// The bare acknowledgement of a handshake whose listener waits for data (`TCP_DEFER_ACCEPT`).
    Deferred => "deferred",
    /// For a connection that was frozen, and goes on elsewhere.
    Frozen => "frozen",
    /// Outside the receive window (RFC 9293 §3.10.7.4, first step).
    OutOfWindow => "out_of_window",
    /// An older timestamp than the connection has seen (RFC 7323 §5.3).
    Paws => "paws",
    /// An acknowledgement of what was never sent, or older than any window (RFC 5961 §5.2).
    BadAck => "bad_ack",
    /// A RST that does not hit the window exactly (RFC 5961 §3.2), or a SYN in the window (§4.2).
    ChallengeAck => "challenge_ack",
    /// Neither ACK nor RST nor SYN where one is needed.
    BadFlags => "bad_flags",
    /// Data for a connection whose reader is gone.
    ReaderClosed => "reader_closed",
    /// The receive buffer is full.
    RecvBufferFull => "recv_buffer_full",
    /// Too many out-of-order pieces.
    OutOfOrderFull => "out_of_order_full",
    /// The stack's memory budget is spent.
    NoMemory => "no_memory",
    /// An answer that the rate limit withheld.
    RateLimited => "rate_limited",
    /// An ICMP message that concerns no socket of ours.
    IcmpIrrelevant => "icmp_irrelevant",
    /// The queue in front of the device is full.
    TxQueueFull => "tx_queue_full",
    /// It waited to leave over an interface that has been removed, for the device or for a neighbour's
    /// answer.
    IfaceRemoved => "iface_removed",
    /// The queue's discipline dropped it because packets have waited too long (RFC 8289).
    QueueDelay => "queue_delay",
    /// An acknowledgement that a later one in the same queue makes superfluous.
    AckFilter => "ack_filter",
    /// It is to leave later than the queue's discipline plans for.
    Departure => "departure",
    /// The queue's discipline plays a bad network.
    Impaired => "impaired",
    /// No route for what the stack itself wanted to send.
    NoRoute => "no_route",
    /// It would have to go back where the routes do not lead to its source (RFC 3704).
    ReversePath => "reverse_path",
    /// It has made as many hops as it may.
    HopLimit => "hop_limit",
    /// A hook said so.
    Hook => "hook",
    /// A rule of the filter said so.
    Filter => "filter",
    /// It would begin a flow, but the table is full of others that are in use.
    FlowTableFull => "flow_table_full",
    /// It would begin a flow whose answers would be taken for those of another.
    FlowClash => "flow_clash",
    /// Its flow cannot be translated: no port is free, no address of its family is there, or its
    /// protocol is DCCP or UDP-Lite.
    NatExhausted => "nat_exhausted",
    /// A route lets it vanish.
    Blackhole => "blackhole",
    /// Larger than the path allows.
    TooBig => "too_big",
    /// A super-segment whose offload fields contradict its headers.
    BadOffload => "bad_offload",
}

/// The counters of a stack since its creation.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    drops: Drops,
    /// Packets received from devices; a super-segment is one.
    pub rx_packets: u64,
    /// Bytes received from devices, headers included.
    pub rx_bytes: u64,
    /// Packets handed to devices; a super-segment is one.
    pub tx_packets: u64,
    /// Bytes handed to devices, headers included.
    pub tx_bytes: u64,
    /// Packets sent on for others; a super-segment is one.
    pub forwarded: u64,
    /// Packets put together from fragments (`ReasmOKs`).
    pub ip_reassembled: u64,
    /// Packets that were cut into fragments (`FragOKs`).
    pub ip_fragmented: u64,
    /// The fragments that came of it (`FragCreates`).
    pub ip_fragments_sent: u64,
    /// TCP segments received, a super-segment counted by what it stands for (`InSegs`).
    pub tcp_in_segments: u64,
    /// TCP segments sent, a super-segment counted by what it stands for (`OutSegs`).
    pub tcp_out_segments: u64,
    /// TCP segments sent again (`RetransSegs`).
    pub tcp_retransmits: u64,
    /// Retransmission timeouts (`TCPTimeouts`).
    pub tcp_timeouts: u64,
    /// Fast retransmits (`TCPFastRetrans`).
    pub tcp_fast_retransmits: u64,
    /// Tail loss probes sent (`TCPLossProbes`).
    pub tcp_loss_probes: u64,
    /// Losses that only a tail loss probe showed (`TCPLossProbeRecovery`).
    pub tcp_loss_probe_recoveries: u64,
    /// Retransmissions that were lost themselves, by round trip (`TCPLostRetransmit`).
    pub tcp_lost_retransmits: u64,
    /// Segments that arrived twice, and were reported so where the peer takes that
    /// (`TCPDSACKOldSent` and its like).
    pub tcp_duplicates_received: u64,
    /// Segments that peers reported to have received twice (`TCPDSACKRecv`).
    pub tcp_duplicates_reported: u64,
    /// Recoveries that were spurious and have been undone (`TCPFullUndo` and its like).
    pub tcp_undos: u64,
    /// Retransmission timeouts among them (`TCPSpuriousRTOs`).
    pub tcp_spurious_timeouts: u64,
    /// Peers that dropped what they had selectively acknowledged (`TCPSACKReneging`).
    pub tcp_reneges: u64,
    /// Connections opened from here (`ActiveOpens`).
    pub tcp_active_opens: u64,
    /// SYN-ACKs with a cookie in place of a half-open connection (RFC 4987).
    pub tcp_cookies_sent: u64,
    /// Connections made by cookies that came back.
    pub tcp_cookies_received: u64,
    /// ACKs while cookies were out that brought none.
    pub tcp_cookies_failed: u64,
    /// Connections whose SYN took data to a server that accepted it (RFC 7413).
    pub tcp_fast_open_active: u64,
    /// Connections that were to be opened fast and found a server or a path that does not care for it.
    pub tcp_fast_open_failed: u64,
    /// Connections that exist since a SYN with a good cookie.
    pub tcp_fast_open_passive: u64,
    /// SYNs with a cookie that was not, or is no longer, good.
    pub tcp_fast_open_refused: u64,
    /// SYNs with a cookie or the question for one while too many such connections were pending.
    pub tcp_fast_open_overflows: u64,
    /// Connections accepted from peers (`PassiveOpens`).
    pub tcp_passive_opens: u64,
    /// Connections that ended by a received RST (`EstabResets`).
    pub tcp_resets_received: u64,
    /// RSTs sent (`OutRsts`).
    pub tcp_resets_sent: u64,
    /// Closed connections that were reset because there were too many of them.
    pub tcp_orphans_reset: u64,
    /// Challenge ACKs sent (`TCPChallengeACK`).
    pub tcp_challenge_acks: u64,
    /// Segments with text that were just what header prediction expects (`TCPHPHits`).
    pub tcp_predicted_text: u64,
    /// The same without text (`TCPHPAcks`).
    pub tcp_predicted_acks: u64,
    /// Segments that arrived out of order and were kept (`TCPOFOQueue`).
    pub tcp_out_of_order: u64,
    /// Zero-window and keepalive probes sent.
    pub tcp_probes: u64,
    /// Datagrams received (`InDatagrams`).
    pub udp_in: u64,
    /// Datagrams sent (`OutDatagrams`).
    pub udp_out: u64,
    /// Echo requests answered.
    pub icmp_echo_replies: u64,
    /// ICMP errors sent.
    pub icmp_errors_sent: u64,
    /// ICMP errors received that concerned a socket.
    pub icmp_errors_received: u64,
    /// Questions for the stations of neighbours.
    pub neighbor_solicitations: u64,
    /// Questions of routers for memberships in multicast groups.
    pub membership_queries: u64,
    /// Messages about such memberships, sent to routers.
    pub membership_reports: u64,
    /// Router advertisements sent.
    pub router_advertisements: u64,
    /// Router advertisements of others that contradict what this router advertises (RFC 4861 §6.2.7).
    pub router_inconsistencies: u64,
    /// Better first hops that routers have named and that are used.
    pub redirects_followed: u64,
    /// Packets in which another station claims an address of this host.
    pub address_conflicts: u64,
    /// Packets handed over to another stack with the same addresses, since no socket here was for them
    /// ([`Stack::hand_strays`](crate::Stack::hand_strays)).
    pub strays: u64,
    /// Questions whether anybody has an address of this host that the link has brought back (RFC 7527).
    pub looped_probes: u64,
}

/// A counter for each reason.
#[derive(Debug, Clone)]
struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Stats {
    /// Counts a packet that was dropped for `reason`.
    pub fn count_drop(&mut self, reason: DropReason) {
        self.drops.0[reason as usize] += 1;
    }

    /// Counts `count` packets that were dropped for `reason`.
    pub fn count_drops(&mut self, reason: DropReason, count: u64) {
        self.drops.0[reason as usize] += count;
    }

    /// How many packets were dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.0[reason as usize]
    }

    /// The reasons that occurred, with how often.
    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .copied()
            .zip(self.drops.0)
            .filter(|&(_, count)| count > 0)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
