//! Connections that are cut: who sees what.

use crate::kernel::{Peer, blocking, downward};
use crate::matrix::{World, each_row};
use std::io::{ErrorKind, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_reset_by_the_kernel_is_connection_reset_once() {
    each_row(
        "reset::a_reset_by_the_kernel_is_connection_reset_once",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            peer.reset();
            let error = ours.read(&mut [0]).await.expect_err("reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert_eq!(ours.read(&mut [0]).await.expect("the end"), 0);
            let error = ours.write(b"more").await.expect_err("closed");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        },
    );
}

#[test]
fn dropping_with_zero_linger_resets_the_kernel() {
    each_row(
        "reset::dropping_with_zero_linger_resets_the_kernel",
        async |world| {
            let (ours, peer) = world.pair().await;
            ours.set_zero_linger().expect("an option");
            drop(ours);
            assert_eq!(peer.error().await, ErrorKind::ConnectionReset);
        },
    );
}

#[test]
fn dropping_with_unread_data_resets_the_kernel() {
    each_row(
        "reset::dropping_with_unread_data_resets_the_kernel",
        async |world| {
            let (ours, peer) = world.pair().await;
            peer.send(downward(1000)).await;
            ours.readable().await.expect("data");
            drop(ours);
            assert_eq!(peer.error().await, ErrorKind::ConnectionReset);
        },
    );
}

#[test]
fn data_for_a_stream_that_was_dropped_is_answered_with_a_reset() {
    each_row(
        "reset::data_for_a_stream_that_was_dropped_is_answered_with_a_reset",
        async |world| {
            let (ours, peer) = world.pair().await;
            drop(ours);
            peer.end().await;
            assert_eq!(write_until_refused(peer).await, ErrorKind::BrokenPipe);
        },
    );
}

#[test]
fn data_for_a_socket_that_the_kernel_closed_breaks_our_pipe() {
    each_row(
        "reset::data_for_a_socket_that_the_kernel_closed_breaks_our_pipe",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            drop(peer);
            assert_eq!(ours.read(&mut [0]).await.expect("the end"), 0);
            let error = loop {
                if let Err(error) = ours.write_all(b"more").await {
                    break error;
                }
                tokio::task::yield_now().await;
            };
            // The kernel reports a reset after the peer's end of stream as EPIPE, too.
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        },
    );
}

/// The error that ends an endless row of writes.
async fn write_until_refused(peer: Peer) -> ErrorKind {
    blocking(move || {
        loop {
            if let Err(error) = peer.stream().write_all(b"more") {
                return error.kind();
            }
        }
    })
    .await
}

#[test]
fn no_socket_is_left_after_a_reset() {
    each_row("reset::no_socket_is_left_after_a_reset", async |world| {
        let before = world.net.sockets();
        let (mut ours, peer) = world.pair().await;
        peer.reset();
        ours.read(&mut [0]).await.expect_err("reset");
        drop(ours);
        left(&world, before).await;
    });
}

/// Waits until the stack has `count` sockets.
async fn left(world: &World, count: usize) {
    while world.net.sockets() != count {
        tokio::task::yield_now().await;
    }
}
