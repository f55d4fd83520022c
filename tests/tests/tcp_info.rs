//! `docs/tcp-info.md` names every field of `TcpInfo`, and none that does not exist.

use std::collections::HashSet;
use tests::documents::{fields, quoted, read};

#[test]
fn every_field_of_tcp_info_is_named_in_its_table() {
    let (document, source) = (read("docs/tcp-info.md"), read("net-core/src/tcp/info.rs"));
    let (_, table) = document
        .split_once("|---|---|\n")
        .expect("a table, and text behind it");
    let named: HashSet<&str> = quoted(table).collect();
    let fields: HashSet<&str> = fields(&source, "TcpInfo").into_iter().collect();
    assert!(fields.len() > 60);
    let missing: Vec<_> = fields.difference(&named).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unknown: Vec<_> = named.difference(&fields).collect();
    assert!(unknown.is_empty(), "no such field: {unknown:?}");
}

#[test]
fn every_field_of_linux_is_in_the_table_once_and_answered() {
    let document = read("docs/tcp-info.md");
    let mut seen = HashSet::new();
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (names, answer) = (cells[1], cells[2]);
        if names.starts_with('`') {
            continue;
        }
        let answered = answer.starts_with("none: ") || quoted(answer).next().is_some();
        assert!(answered, "{names}: {answer}");
        for name in names.split(", ") {
            assert!(seen.insert(name.to_owned()), "{name} is there twice");
        }
    }
    let linux: HashSet<String> = LINUX.split_whitespace().map(Into::into).collect();
    let missing: Vec<_> = linux.difference(&seen).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unknown: Vec<_> = seen.difference(&linux).collect();
    assert!(unknown.is_empty(), "not in Linux: {unknown:?}");
}

/// The fields of `struct tcp_info` of Linux 6.18.
const LINUX: &str = "state ca_state retransmits probes backoff options snd_wscale rcv_wscale \
    delivery_rate_app_limited fastopen_client_fail rto ato snd_mss rcv_mss unacked sacked lost retrans fackets \
    last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd \
    advmss reordering rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked bytes_received segs_out \
    segs_in notsent_bytes min_rtt data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited \
    delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash \
    total_rto total_rto_recoveries total_rto_time received_ce delivered_e1_bytes delivered_e0_bytes \
    delivered_ce_bytes received_e1_bytes received_e0_bytes received_ce_bytes accecn_opt_seen accecn_fail_mode \
    ecn_mode";
