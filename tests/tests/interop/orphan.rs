//! What was written is delivered, whatever becomes of the stream.

use crate::kernel::upward;
use crate::matrix::{World, each_row};
use tokio::io::AsyncWriteExt;
use tokio::join;

#[test]
fn what_was_written_arrives_after_the_stream_was_dropped() {
    const LEN: usize = 4 << 20;
    each_row(
        "orphan::what_was_written_arrives_after_the_stream_was_dropped",
        async |world| {
            let before = world.net.sockets();
            let (mut ours, peer) = world.pair().await;
            let sending = async move {
                ours.write_all(upward(LEN)).await.expect("sent");
                drop(ours);
            };
            join!(sending, peer.receive(upward(LEN)));
            peer.end().await;
            drop(peer);
            none_left(&world, before).await;
        },
    );
}

#[test]
fn what_the_buffers_took_arrives_though_the_kernel_reads_later() {
    each_row(
        "orphan::what_the_buffers_took_arrives_though_the_kernel_reads_later",
        async |world| {
            let before = world.net.sockets();
            let (ours, peer) = world.pair().await;
            let data = upward(8 << 20);
            let mut sent = 0;
            while let Ok(count) = ours.try_write(&data[sent..]) {
                sent += count;
            }
            assert!((1..data.len()).contains(&sent), "{sent}");
            drop(ours);
            peer.receive(&data[..sent]).await;
            peer.end().await;
            drop(peer);
            none_left(&world, before).await;
        },
    );
}

/// Waits until the stack has only the sockets that it began with.
async fn none_left(world: &World, before: usize) {
    while world.net.sockets() != before {
        tokio::task::yield_now().await;
    }
}
