//! Much data, both ways.

use crate::kernel::{downward, upward};
use crate::matrix::each_row;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::join;

#[test]
fn eight_mebibytes_go_each_way_at_once() {
    const LEN: usize = 8 << 20;
    each_row(
        "transfer::eight_mebibytes_go_each_way_at_once",
        async |world| {
            let (ours, peer) = world.pair().await;
            let (mut read, mut write) = ours.into_split();
            let sending = async {
                write.write_all(upward(LEN)).await.expect("sent");
                write.shutdown().await.expect("connected");
            };
            let receiving = async {
                receive(&mut read, downward(LEN)).await;
                end(&mut read).await;
            };
            let peer_sending = async {
                peer.send(downward(LEN)).await;
                peer.finish();
            };
            let peer_receiving = async {
                peer.receive(upward(LEN)).await;
                peer.end().await;
            };
            join!(sending, receiving, peer_sending, peer_receiving);
        },
    );
}

#[test]
fn small_messages_go_back_and_forth() {
    each_row(
        "transfer::small_messages_go_back_and_forth",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            let data = upward(2000);
            for len in (1..=1000).step_by(37) {
                ours.write_all(&data[..len]).await.expect("sent");
                peer.receive(&data[..len]).await;
                peer.send(&data[..len]).await;
                receive(&mut ours, &data[..len]).await;
            }
        },
    );
}

/// Receives just `data`.
pub(crate) async fn receive(from: &mut (impl AsyncRead + Unpin), data: &[u8]) {
    let (mut at, mut buf) = (0, vec![0; 1 << 17]);
    while at < data.len() {
        let want = buf.len().min(data.len() - at);
        let got = from.read(&mut buf[..want]).await.expect("received");
        assert_ne!(got, 0, "the stream ended after {at} bytes");
        assert!(buf[..got] == data[at..at + got], "bytes {at}..{}", at + got);
        at += got;
    }
}

/// Receives the end of the stream.
pub(crate) async fn end(from: &mut (impl AsyncRead + Unpin)) {
    assert_eq!(from.read(&mut [0]).await.expect("the end"), 0);
}
