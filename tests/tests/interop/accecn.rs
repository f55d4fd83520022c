//! Accurate ECN feedback (RFC 9768) with the kernel at the other end, if it speaks that: `tcp_ecn` of 3.

use crate::kernel::{downward, upward};
use crate::matrix::{Row, rows_with};
use net_core::tcp::EcnFeedback;
use std::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes that go each way.
const LEN: usize = 100_000;

const NAME: &str = "accecn::the_kernel_and_we_tell_each_other_what_arrives";

const MODE: &str = "/proc/sys/net/ipv4/tcp_ecn";

#[test]
fn the_kernel_and_we_tell_each_other_what_arrives() {
    rows_with(
        NAME,
        &Row::on_one_thread(),
        |config| {
            config.tcp.ecn = true;
            config.tcp.accurate_ecn = true;
        },
        async |world| {
            if fs::write(MODE, "3").is_err() {
                tests::netns::missing(NAME, &"this kernel knows no accurate feedback");
                return;
            }
            let (mut ours, peer) = world.pair().await;
            assert_eq!(ours.info().expect("alive").ecn, EcnFeedback::Accurate);
            let sent = peer.send(downward(LEN));
            let received = peer.receive(upward(LEN));
            ours.write_all(upward(LEN)).await.expect("sent");
            let mut got = vec![0; LEN];
            ours.read_exact(&mut got).await.expect("received");
            assert!(got == downward(LEN));
            sent.await;
            received.await;
            // The kernel has read everything; what tells that it arrived may be on its way.
            let counters = loop {
                let info = ours.info().expect("alive");
                let counters = info.accurate_ecn.expect("counters");
                if info.send_queue == 0 {
                    break counters;
                }
                tokio::task::yield_now().await;
            };
            assert!(counters.options_seen);
            assert_eq!(counters.received.ect0_bytes as usize, LEN);
            assert_eq!(counters.delivered.ect0_bytes as usize, LEN);
            let marked = (counters.received.ce_packets, counters.delivered.ce_packets);
            assert_eq!(marked, (0, 0));
        },
    );
}

/// A kernel that speaks the classic kind only.
#[test]
fn with_a_kernel_of_classic_feedback_we_use_that() {
    rows_with(
        "accecn::with_a_kernel_of_classic_feedback_we_use_that",
        &Row::on_one_thread(),
        |config| {
            config.tcp.ecn = true;
            config.tcp.accurate_ecn = true;
        },
        async |world| {
            fs::write(MODE, "1").expect("our namespace");
            let (mut ours, peer) = world.pair().await;
            assert_eq!(ours.info().expect("alive").ecn, EcnFeedback::Classic);
            let received = peer.receive(upward(LEN));
            ours.write_all(upward(LEN)).await.expect("sent");
            received.await;
        },
    );
}
