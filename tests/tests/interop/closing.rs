//! One direction is closed, the other goes on.

use crate::kernel::{downward, upward};
use crate::matrix::each_row;
use crate::transfer::{end, receive};
use std::io::ErrorKind;
use tokio::io::AsyncWriteExt;
use tokio::join;

const LEN: usize = 1 << 20;

#[test]
fn the_kernel_closes_its_direction_and_still_receives() {
    each_row(
        "closing::the_kernel_closes_its_direction_and_still_receives",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            peer.send(downward(1000)).await;
            peer.finish();
            receive(&mut ours, downward(1000)).await;
            end(&mut ours).await;
            let (sent, ()) = join!(ours.write_all(upward(LEN)), peer.receive(upward(LEN)));
            sent.expect("the other direction is open");
            ours.shutdown().await.expect("connected");
            peer.end().await;
            end(&mut ours).await;
        },
    );
}

#[test]
fn we_close_our_direction_and_still_receive() {
    each_row(
        "closing::we_close_our_direction_and_still_receive",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            ours.write_all(upward(1000)).await.expect("sent");
            ours.shutdown().await.expect("connected");
            peer.receive(upward(1000)).await;
            peer.end().await;
            let error = ours.write(b"more").await.expect_err("closed");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            join!(peer.send(downward(LEN)), receive(&mut ours, downward(LEN)));
            peer.finish();
            end(&mut ours).await;
        },
    );
}

#[test]
fn both_close_without_a_byte() {
    each_row("closing::both_close_without_a_byte", async |world| {
        let (mut ours, peer) = world.pair().await;
        peer.finish();
        ours.shutdown().await.expect("connected");
        end(&mut ours).await;
        peer.end().await;
    });
}
