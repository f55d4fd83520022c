//! Readers that pause: the window shuts, and opens again.

use crate::kernel::{downward, upward};
use crate::matrix::{Row, rows};
use crate::transfer::{end, receive};
use net_core::socket::TcpOption;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::join;
use tokio::time::sleep;

const LEN: usize = 6 << 20;

#[test]
fn the_kernel_waits_for_our_reader() {
    rows(
        "pace::the_kernel_waits_for_our_reader",
        &Row::on_one_thread(),
        async |mut world| {
            world.options.push(TcpOption::RecvBuffer(64 << 10));
            let (mut ours, peer) = world.pair().await;
            let sending = peer.send(downward(LEN));
            // Until the window has no room for a segment.
            while ours.info().expect("connected").receive_window > 1500 {
                sleep(POLL).await;
            }
            assert!(ours.info().expect("connected").unread <= 64 << 10);
            join!(sending, receive(&mut ours, downward(LEN)));
            peer.finish();
            end(&mut ours).await;
        },
    );
}

#[test]
fn we_wait_for_the_kernels_reader_and_probe_its_window() {
    rows(
        "pace::we_wait_for_the_kernels_reader_and_probe_its_window",
        &Row::on_one_thread(),
        async |world| {
            let (mut ours, peer) = world.pair().await;
            let sending = async {
                ours.write_all(upward(LEN)).await.expect("sent");
                ours.shutdown().await.expect("connected");
            };
            let receiving = async {
                while world.net.stats().tcp_probes == 0 {
                    sleep(POLL).await;
                }
                peer.receive(upward(LEN)).await;
                peer.end().await;
            };
            join!(sending, receiving);
        },
    );
}

/// How often to look at a condition.
const POLL: Duration = Duration::from_millis(2);
