//! The counters under the names of the kernel's tables.

use super::{DropReason, Stats};

impl Stats {
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
