//! Vectored writes, peeking and readiness with the kernel at the other end.

use crate::kernel::{downward, upward};
use crate::matrix::each_row;
use crate::transfer::{end, receive};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};

#[test]
fn vectored_writes_arrive_in_order() {
    each_row("api::vectored_writes_arrive_in_order", async |world| {
        let (mut ours, peer) = world.pair().await;
        assert!(ours.is_write_vectored());
        let data = upward(100_000);
        let receiving = peer.receive(data);
        let mut at = 0;
        while at < data.len() {
            // Pieces of uneven length, an empty one among them.
            let (first, rest) = data[at..].split_at(1.min(data.len() - at));
            let (second, rest) = rest.split_at(977.min(rest.len()));
            let third = &rest[..rest.len().min(20_000)];
            let pieces = [first, second, &[], third].map(IoSlice::new);
            at += ours.write_vectored(&pieces).await.expect("sent");
        }
        receiving.await;
    });
}

#[test]
fn vectored_reads_fill_one_buffer_after_the_other() {
    each_row(
        "api::vectored_reads_fill_one_buffer_after_the_other",
        async |world| {
            let (ours, peer) = world.pair().await;
            peer.send(downward(100)).await;
            let (mut first, mut second) = ([0; 30], [0; 70]);
            let mut at: usize = 0;
            while at < 100 {
                ours.readable().await.expect("data");
                let (done, rest) = (at.min(30), at.saturating_sub(30));
                let mut buffers = [
                    IoSliceMut::new(&mut first[done..]),
                    IoSliceMut::new(&mut second[rest..]),
                ];
                match ours.try_read_vectored(&mut buffers) {
                    Ok(got) => at += got,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(first, downward(100)[..30]);
            assert_eq!(second, downward(100)[30..]);
        },
    );
}

#[test]
fn peeking_leaves_the_bytes() {
    each_row("api::peeking_leaves_the_bytes", async |world| {
        let (mut ours, peer) = world.pair().await;
        peer.send(downward(10)).await;
        let mut peeked = [0; 4];
        for _ in 0..2 {
            assert_eq!(ours.peek(&mut peeked).await.expect("data"), 4);
            assert_eq!(peeked, downward(4));
        }
        receive(&mut ours, downward(10)).await;
        peer.finish();
        assert_eq!(ours.peek(&mut peeked).await.expect("the end"), 0);
        end(&mut ours).await;
    });
}

#[test]
fn readiness_follows_what_the_kernel_does() {
    each_row(
        "api::readiness_follows_what_the_kernel_does",
        async |world| {
            let (ours, peer) = world.pair().await;
            let both = Interest::READABLE | Interest::WRITABLE;
            let ready = ours.ready(both).await.expect("ready");
            assert!(ready.is_writable() && !ready.is_readable(), "{ready:?}");
            let error = ours.try_read(&mut [0]).expect_err("nothing there");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);

            peer.send(downward(5)).await;
            ours.readable().await.expect("data");
            let mut got = [0; 9];
            assert_eq!(ours.try_read(&mut got).expect("data"), 5);
            assert_eq!(got[..5], *downward(5));

            // The kernel reads nothing until there is no room left; then there is again.
            let data = upward(9 << 20);
            let mut sent = 0;
            let error = loop {
                match ours.try_write(&data[sent..(sent + 50_000).min(data.len())]) {
                    Ok(0) => panic!("nine mebibytes fit in"),
                    Ok(count) => sent += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            let receiving = peer.receive(&data[..sent]);
            ours.writable().await.expect("room");
            receiving.await;

            peer.finish();
            let ready = ours.ready(Interest::READABLE).await.expect("the end");
            assert!(ready.is_read_closed(), "{ready:?}");
        },
    );
}
