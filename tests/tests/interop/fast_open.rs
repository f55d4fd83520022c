//! TCP Fast Open (RFC 7413) with the kernel at the other end.

use crate::kernel::{Peer, blocking, downward, upward};
use crate::matrix::{Opener, Row, rows_with};
use net_core::Config;
use net_core::socket::TcpOption;
use rustix::net::{AddressFamily, SendFlags, SocketType, sendto, socket};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The kernel may open fast, and lets every listener be opened fast.
const ALL: &str = "1027";

/// Bytes that a SYN has room for.
const LEN: usize = 700;

fn both_sides(config: &mut Config) {
    config.tcp.fast_open.client = true;
    config.tcp.fast_open.server = true;
}

fn of(opener: Opener) -> Vec<Row> {
    let mut all = Row::on_one_thread();
    all.retain(|row| row.opener == opener);
    all
}

#[test]
fn we_take_data_from_the_kernels_syn() {
    rows_with(
        "fast_open::we_take_data_from_the_kernels_syn",
        &of(Opener::Kernel),
        both_sides,
        async |world| {
            fs::write("/proc/sys/net/ipv4/tcp_fastopen", ALL).expect("our namespace");
            let listener = world.listen();
            listener
                .set_option(TcpOption::FastOpen(16))
                .expect("a listener");
            let to = listener.local_addr().expect("bound");
            let before = counted("TCPFastOpenActive");
            for known in [false, true] {
                let sent = blocking(move || send_fast(to, downward(LEN)));
                let (mut ours, _) = listener.accept().await.expect("a connection");
                let mut got = vec![0; LEN];
                ours.read_exact(&mut got).await.expect("received");
                assert!(got == downward(LEN));
                assert_eq!(ours.info().expect("alive").syn_data, known);
                ours.write_all(upward(LEN)).await.expect("sent");
                let mut peer = sent.await;
                blocking(move || {
                    let mut got = vec![0; LEN];
                    peer.read_exact(&mut got).expect("received");
                    assert!(got == upward(LEN));
                    peer.write_all(&downward(LEN)[..1]).expect("sent");
                })
                .await;
                ours.read_exact(&mut [0]).await.expect("received");
            }
            assert_eq!(world.net.stats().tcp_fast_open_passive, 1);
            assert_eq!(counted("TCPFastOpenActive"), before + 1);
        },
    );
}

#[test]
fn the_kernel_takes_data_from_our_syn() {
    rows_with(
        "fast_open::the_kernel_takes_data_from_our_syn",
        &of(Opener::Ours),
        both_sides,
        async |world| {
            fs::write("/proc/sys/net/ipv4/tcp_fastopen", ALL).expect("our namespace");
            let listener = Peer::listen(world.host);
            let to = listener.local_addr().expect("bound");
            let before = counted("TCPFastOpenPassive");
            for known in [false, true] {
                let connecting = world.socket().connect_fastopen(to, upward(LEN));
                let mut ours = connecting.await.expect("connected");
                assert_eq!(ours.info().expect("alive").syn_data, known);
                let theirs = listener.try_clone().expect("a handle");
                let (peer, _) = blocking(move || Peer::accept(&theirs)).await;
                peer.receive(upward(LEN)).await;
                let more = peer.send(downward(LEN));
                let mut got = vec![0; LEN];
                ours.read_exact(&mut got).await.expect("received");
                assert!(got == downward(LEN));
                more.await;
                // Behind what the SYN took along.
                ours.write_all(&upward(LEN)[..1]).await.expect("sent");
                peer.receive(&upward(LEN)[..1]).await;
            }
            assert_eq!(world.net.stats().tcp_fast_open_active, 1);
            assert_eq!(counted("TCPFastOpenPassive"), before + 1);
        },
    );
}

/// Connects a socket of the kernel and sends `data` in one call.
fn send_fast(to: SocketAddr, data: &[u8]) -> TcpStream {
    /// `MSG_FASTOPEN`.
    const FAST_OPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000);
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket(family, SocketType::STREAM, None).expect("a socket");
    let sent = sendto(&socket, data, FAST_OPEN, &to).expect("sent");
    assert_eq!(sent, data.len());
    TcpStream::from(socket)
}

/// A counter of the kernel's in this namespace.
fn counted(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").expect("counters");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = pairs.find(|(key, _)| *key == name).expect("a counter");
    value.parse().expect("a number")
}
