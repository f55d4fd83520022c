//! Urgent data: the kernel as its sender, and the kernel as the measure of its receiver.

use crate::kernel::blocking;
use crate::matrix::{Row, each_row};
use net_tokio::TcpStream;
use rustix::net::sockopt::set_socket_oobinline;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{ErrorKind, Read, Write};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

/// What a receiver of "abc", "d" as urgent data, and "ef" gets, on either side.
const BEFORE: &[u8] = b"abc";
const URGENT: u8 = b'd';
const AFTER: &[u8] = b"ef";

#[test]
fn we_get_the_kernels_urgent_byte_as_it_gets_ours() {
    each_row(
        "urgent::we_get_the_kernels_urgent_byte_as_it_gets_ours",
        async |world| {
            let (mut ours, peer) = world.pair().await;
            let none = ours.try_recv_urgent().expect_err("nothing was sent");
            assert_eq!(none.kind(), ErrorKind::InvalidInput);
            let tell = |rounds: usize| {
                let peer = peer.clone();
                blocking(move || {
                    for _ in 0..rounds {
                        peer.stream().write_all(BEFORE).expect("sent");
                        send(peer.stream(), &[URGENT], SendFlags::OOB).expect("sent");
                        peer.stream().write_all(AFTER).expect("sent");
                    }
                })
            };
            tell(1).await;
            let ready = ours.ready(Interest::PRIORITY).await.expect("alive");
            assert!(ready.is_priority());
            assert_eq!(ours.recv_urgent().await.expect("it was announced"), URGENT);
            let again = ours.try_recv_urgent().expect_err("it was taken");
            assert_eq!(again.kind(), ErrorKind::InvalidInput);
            assert_eq!(until_mark(&mut ours).await, BEFORE);
            assert_eq!(exactly(&mut ours, AFTER.len()).await, AFTER);
            // Passed, and so lost.
            tell(1).await;
            assert_eq!(exactly(&mut ours, BEFORE.len()).await, BEFORE);
            assert_eq!(exactly(&mut ours, AFTER.len()).await, AFTER);
            let passed = ours.try_recv_urgent().expect_err("it was passed");
            assert_eq!(passed.kind(), ErrorKind::InvalidInput);
            // In the stream.
            ours.set_oob_inline(true).expect("alive");
            tell(1).await;
            ours.ready(Interest::PRIORITY).await.expect("alive");
            assert_eq!(until_mark(&mut ours).await, BEFORE);
            let inline = ours.try_recv_urgent().expect_err("it is in the stream");
            assert_eq!(inline.kind(), ErrorKind::InvalidInput);
            assert_eq!(exactly(&mut ours, 3).await, b"def");
        },
    );
}

#[test]
fn the_kernel_gets_our_urgent_byte_and_its_mark() {
    let rows: Vec<Row> = Row::all();
    crate::matrix::rows(
        "urgent::the_kernel_gets_our_urgent_byte_and_its_mark",
        &rows,
        async |world| {
            let (mut ours, peer) = world.pair().await;
            for inline in [false, true] {
                set_socket_oobinline(peer.stream(), inline).expect("an option");
                ours.write_all(BEFORE).await.expect("sent");
                ours.send_urgent(&[URGENT]).await.expect("sent");
                ours.write_all(AFTER).await.expect("sent");
                let peer = peer.clone();
                blocking(move || {
                    let mut stream = peer.stream();
                    let mut got = [0; 3];
                    stream.read_exact(&mut got).expect("received");
                    assert_eq!(got, BEFORE);
                    // It has been announced, but perhaps not come.
                    let began = Instant::now();
                    let mut byte = [0];
                    let urgent = loop {
                        match recv(stream, &mut byte[..], RecvFlags::OOB) {
                            Ok((1, _)) => break Some(byte[0]),
                            Err(_) if inline => break None,
                            other => assert!(began.elapsed().as_secs() < 5, "{other:?}"),
                        }
                    };
                    assert_eq!(urgent, (!inline).then_some(URGENT));
                    let rest: &[u8] = if inline { b"def" } else { AFTER };
                    let mut got = vec![0; rest.len()];
                    stream.read_exact(&mut got).expect("received");
                    assert_eq!(got, rest);
                    let gone = recv(stream, &mut byte[..], RecvFlags::OOB).map(drop);
                    assert_eq!(gone, Err(rustix::io::Errno::INVAL));
                })
                .await;
            }
        },
    );
}

/// Reads up to the mark, in reads that could take more.
async fn until_mark(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buf = [0; 100];
    while !stream.is_at_mark() {
        let count = stream.read(&mut buf).await.expect("received");
        assert_ne!(count, 0, "the end");
        got.extend_from_slice(&buf[..count]);
    }
    got
}

async fn exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut got = vec![0; len];
    stream.read_exact(&mut got).await.expect("received");
    got
}
