//! The counters under their own names, and under the names of the kernel's tables.

use super::{DropReason, Stats};

/// An iterator over the counters `$name` of `$stats` with their names; one that is forgotten does not compile.
macro_rules! counters {
    ($stats:expr, $($name:ident,)*) => {{
        let Stats { drops: _, $($name,)* } = $stats;
        [$((stringify!($name), *$name),)*].into_iter()
    }};
}

impl Stats {
    /// Every counter under the name of its field; of packets that were dropped tells
    /// [`dropped`](Self::dropped).
    ///
    /// ```
    /// use net_core::stats::Stats;
    /// let stats = Stats::default();
    /// assert!(stats.fields().any(|row| row == ("rx_packets", 0)));
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counters! {
            self,
            rx_packets,
            rx_bytes,
            tx_packets,
            tx_bytes,
            forwarded,
            ip_reassembled,
            ip_fragmented,
            ip_fragments_sent,
            tcp_in_segments,
            tcp_out_segments,
            tcp_retransmits,
            tcp_timeouts,
            tcp_fast_retransmits,
            tcp_loss_probes,
            tcp_loss_probe_recoveries,
            tcp_lost_retransmits,
            tcp_duplicates_received,
            tcp_duplicates_reported,
            tcp_undos,
            tcp_spurious_timeouts,
            tcp_reneges,
            tcp_active_opens,
            tcp_cookies_sent,
            tcp_cookies_received,
            tcp_cookies_failed,
            tcp_fast_open_active,
            tcp_fast_open_failed,
            tcp_fast_open_passive,
            tcp_fast_open_refused,
            tcp_fast_open_overflows,
            tcp_passive_opens,
            tcp_resets_received,
            tcp_resets_sent,
            tcp_orphans_reset,
            tcp_challenge_acks,
            tcp_predicted_text,
            tcp_predicted_acks,
            tcp_out_of_order,
            tcp_probes,
            udp_in,
            udp_out,
            icmp_echo_replies,
            icmp_errors_sent,
            icmp_errors_received,
            neighbor_solicitations,
            membership_queries,
            membership_reports,
            router_advertisements,
            router_inconsistencies,
            redirects_followed,
            address_conflicts,
            strays,
            looped_probes,
        }
    }

    /// What has a name in `/proc/net/snmp` and `/proc/net/netstat`, with its name there.
    ///
    /// ```
    /// use net_core::stats::Stats;
    /// let stats = Stats::default();
    /// assert!(stats.named().any(|row| row == ("Tcp.InSegs", 0)));
    /// ```
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let drops = |reason| self.drops(reason);
        [
            ("Ip.OutNoRoutes", drops(DropReason::NoRoute)),
            ("Icmp.OutEchoReps", self.icmp_echo_replies),
            ("Tcp.ActiveOpens", self.tcp_active_opens),
            ("Tcp.PassiveOpens", self.tcp_passive_opens),
            ("Tcp.EstabResets", self.tcp_resets_received),
            ("Tcp.InSegs", self.tcp_in_segments),
            ("Tcp.OutSegs", self.tcp_out_segments),
            ("Tcp.RetransSegs", self.tcp_retransmits),
            ("Tcp.OutRsts", self.tcp_resets_sent),
            ("Udp.InDatagrams", self.udp_in),
            ("Udp.OutDatagrams", self.udp_out),
            ("TcpExt.ListenOverflows", drops(DropReason::AcceptQueueFull)),
            ("TcpExt.TCPReqQFullDrop", drops(DropReason::SynQueueFull)),
            ("TcpExt.TCPDeferAcceptDrop", drops(DropReason::Deferred)),
            ("TcpExt.PAWSEstab", drops(DropReason::Paws)),
            ("TcpExt.TCPHPHits", self.tcp_predicted_text),
            ("TcpExt.TCPHPAcks", self.tcp_predicted_acks),
            ("TcpExt.TCPTimeouts", self.tcp_timeouts),
            ("TcpExt.TCPFastRetrans", self.tcp_fast_retransmits),
            ("TcpExt.TCPLossProbes", self.tcp_loss_probes),
            (
                "TcpExt.TCPLossProbeRecovery",
                self.tcp_loss_probe_recoveries,
            ),
            ("TcpExt.TCPLostRetransmit", self.tcp_lost_retransmits),
            ("TcpExt.TCPDSACKRecv", self.tcp_duplicates_reported),
            ("TcpExt.TCPSpuriousRTOs", self.tcp_spurious_timeouts),
            ("TcpExt.TCPSACKReneging", self.tcp_reneges),
            ("TcpExt.TCPChallengeACK", self.tcp_challenge_acks),
            ("TcpExt.TCPOFOQueue", self.tcp_out_of_order),
        ]
        .into_iter()
    }
}
