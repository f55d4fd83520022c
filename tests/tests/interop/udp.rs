//! Datagrams to and from the kernel.

use crate::kernel::{blocking, upward};
use crate::matrix::{Opener, Row, World, each_row, rows};
use crate::mtu::each_mtu;
use net_core::socket::PathMtuMode;
use net_core::udp::SendMeta;
use net_tokio::UdpSocket;
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, ioctl, opcode};
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket as KernelSocket};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;
use tokio::time::timeout;

#[test]
fn datagrams_are_echoed_up_to_the_mtu() {
    let name = "udp::datagrams_are_echoed_up_to_the_mtu";
    rows(name, &each_mtu(), async |world| {
        let ours = bind(&world).await;
        let kernel = kernel_bind(&world);
        let largest = largest(&world);
        let sizes = vec![0, 1, 2, 3, 512, 1000, 1200, largest - 1, largest];
        match world.row.opener {
            Opener::Kernel => {
                let to = ours.local_addr().expect("bound");
                let count = sizes.len();
                let asking = blocking(move || kernel_ask(&kernel, to, &sizes));
                for _ in 0..count {
                    let mut buf = vec![0; 1 << 16];
                    let (len, from) = ours.recv_from(&mut buf).await.expect("a datagram");
                    ours.send_to(&buf[..len], from).await.expect("sent");
                }
                asking.await;
            }
            Opener::Ours => {
                let to = kernel.local_addr().expect("bound");
                let count = sizes.len();
                let echoing = blocking(move || kernel_echo(&kernel, count));
                for len in sizes {
                    let mut buf = vec![0; 1 << 16];
                    ours.send_to(upward(len), to).await.expect("sent");
                    let (got, from) = ours.recv_from(&mut buf).await.expect("an answer");
                    assert_eq!((&buf[..got], from), (upward(len), to));
                }
                echoing.await;
            }
        }
    });
}

#[test]
fn connected_sockets_exchange_datagrams() {
    each_row("udp::connected_sockets_exchange_datagrams", async |world| {
        let ours = bind(&world).await;
        let kernel = kernel_bind(&world);
        let stranger = kernel_bind(&world);
        let to = ours.local_addr().expect("bound");
        ours.connect(kernel.local_addr().expect("bound"))
            .await
            .expect("connected");
        stranger
            .send_to(b"not for a connected socket", to)
            .expect("sent");
        kernel.connect(to).expect("connected");
        kernel.send(b"ping").expect("sent");
        let mut buf = [0; 100];
        assert_eq!(ours.recv(&mut buf).await.expect("a datagram"), 4);
        ours.send(b"pong!").await.expect("sent");
        let got = blocking(move || kernel.recv(&mut [0; 100]).expect("a datagram")).await;
        assert_eq!(got, 5);
    });
}

#[test]
fn a_port_without_socket_refuses_a_connected_one() {
    each_row(
        "udp::a_port_without_socket_refuses_a_connected_one",
        async |world| {
            let error = match world.row.opener {
                Opener::Kernel => {
                    let kernel = kernel_bind(&world);
                    kernel.connect((world.stack, 9)).expect("connected");
                    kernel.send(b"anybody?").expect("sent");
                    let error = blocking(move || kernel.recv(&mut [0; 100])).await;
                    error.expect_err("refused")
                }
                Opener::Ours => {
                    let closed = kernel_bind(&world).local_addr().expect("bound");
                    let ours = bind(&world).await;
                    ours.connect(closed).await.expect("connected");
                    refusal(&ours).await
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        },
    );
}

/// Asks until an error comes; the kernel limits how often it says that a port is unreachable.
async fn refusal(socket: &UdpSocket) -> std::io::Error {
    loop {
        if let Err(error) = socket.send(b"anybody?").await {
            return error;
        }
        let mut buf = [0; 100];
        let answer = timeout(Duration::from_millis(200), socket.recv(&mut buf)).await;
        if let Ok(answer) = answer {
            return answer.expect_err("nobody answers");
        }
    }
}

#[test]
fn a_datagram_over_the_mtu_is_too_long_where_fragments_are_refused() {
    each_row(
        "udp::a_datagram_over_the_mtu_is_too_long_where_fragments_are_refused",
        async |world| {
            let ours = bind(&world).await;
            ours.set_path_mtu_v4(PathMtuMode::Do).expect("an option");
            ours.set_path_mtu_v6(PathMtuMode::Do).expect("an option");
            let kernel = kernel_bind(&world);
            let to = kernel.local_addr().expect("bound");
            let data = upward(largest(&world) + 1);
            for _ in 0..200 {
                // It is told at once, even while a driver on another thread is at work.
                ours.send_to(b"short", to).await.expect("sent");
                let error = ours.send_to(data, to).await.expect_err("too long");
                assert_eq!(error.raw_os_error(), Some(90));
            }
        },
    );
}

#[test]
fn datagrams_over_the_mtu_cross_in_fragments_both_ways() {
    each_row(
        "udp::datagrams_over_the_mtu_cross_in_fragments_both_ways",
        async |world| {
            let ours = bind(&world).await;
            let kernel = kernel_bind(&world);
            let to = ours.local_addr().expect("bound");
            let from = kernel.local_addr().expect("bound");
            let longest = if world.row.v6 { 65_527 } else { 65_507 };
            let sizes = [largest(&world) + 1, 3000, 20_000, longest];
            let asking = blocking(move || {
                for len in sizes {
                    let mut buf = vec![0; 1 << 16];
                    kernel.send_to(upward(len), to).expect("sent");
                    let (got, from) = kernel.recv_from(&mut buf).expect("an answer");
                    assert!(got == len && from == to && buf[..len] == *upward(len));
                }
            });
            for len in sizes {
                let mut buf = vec![0; 1 << 16];
                let (got, by) = ours.recv_from(&mut buf).await.expect("a datagram");
                assert!(got == len && by == from && buf[..len] == *upward(len));
                ours.send_to(&buf[..len], from).await.expect("sent");
            }
            asking.await;
            let stats = world.net.stats();
            assert_eq!((stats.ip_reassembled, stats.ip_fragmented), (4, 4));
        },
    );
}

/// Datagrams that wait together are handed over together, and arrive one by one.
#[test]
fn a_burst_of_datagrams_arrives_as_it_was_sent() {
    rows(
        "udp::a_burst_of_datagrams_arrives_as_it_was_sent",
        &Row::on_one_thread(),
        async |world| {
            let joined = world.row.offload && kernel_cuts_datagrams();
            assert_eq!(world.caps.uso, joined);
            let ours = bind(&world).await;
            let kernel = kernel_bind(&world);
            let other = kernel_bind(&world);
            let to = kernel.local_addr().expect("bound");
            let elsewhere = other.local_addr().expect("bound");
            let from_us = ours.local_addr().expect("bound");
            let largest = largest(&world);
            let burst = [
                &[64; 30][..],
                &[20, 0, 0, 7, 8],
                &[largest; 12],
                &[largest - 1],
            ]
            .concat();
            let before = packets_from("tun7");
            for &len in &burst {
                ours.send_to(upward(len), to).await.expect("sent");
            }
            ours.send_to(b"elsewhere", elsewhere).await.expect("sent");
            let count = burst.len() + 1;
            blocking(move || {
                let mut buf = [0; 2000];
                for len in burst {
                    let (got, from) = kernel.recv_from(&mut buf).expect("a datagram");
                    assert_eq!((&buf[..got], from), (upward(len), from_us));
                }
                let got = other.recv(&mut buf).expect("a datagram");
                assert_eq!(&buf[..got], b"elsewhere");
            })
            .await;
            // 64 × 30 with 20; 0; 0; 7; 8; the largest with one that is a byte shorter; elsewhere.
            let packets = packets_from("tun7") - before;
            assert_eq!(packets, if joined { 7 } else { count });
        },
    );
}

/// As `sendmmsg` and `recvmmsg` have them; what the kernel has cut for `UDP_SEGMENT` comes joined to who asks.
#[test]
fn batches_cross_both_ways_and_a_train_of_the_kernel_is_one_buffer() {
    rows(
        "udp::batches_cross_both_ways_and_a_train_of_the_kernel_is_one_buffer",
        &Row::on_one_thread(),
        async |world| {
            let ours = bind(&world).await;
            ours.set_gro(true).expect("an option");
            let kernel = kernel_bind(&world);
            let to = SendMeta::to(kernel.local_addr().expect("bound"));
            let from_us = ours.local_addr().expect("bound");
            let batch: Vec<_> = (0..40).map(|len| (upward(len), to)).collect();
            assert_eq!(ours.send_many(&batch).await.expect("room"), 40);
            kernel.connect(from_us).expect("connected");
            let kernel = blocking(move || {
                let mut buf = [0; 2000];
                for len in 0..40 {
                    let got = kernel.recv(&mut buf).expect("a datagram");
                    assert_eq!(&buf[..got], upward(len));
                }
                for len in 0..40 {
                    kernel.send(upward(len)).expect("sent");
                }
                set_udp_segment(&kernel, 1000).expect("an option");
                kernel.send(upward(3500)).expect("sent");
                kernel
            })
            .await;
            let mut received = Vec::new();
            let mut bytes = 0;
            while bytes < (0..40).sum::<usize>() + 3500 {
                let before = received.len();
                let count = ours.recv_many(&mut received, 64).await.expect("there");
                assert_eq!(before + count, received.len());
                let new = &received[before..];
                bytes += new.iter().map(|each| each.payload.len()).sum::<usize>();
            }
            drop(kernel);
            let (plain, train) = received.split_at(40);
            for (len, datagram) in plain.iter().enumerate() {
                assert_eq!(
                    (&datagram.payload[..], datagram.segment),
                    (upward(len), None)
                );
            }
            let joined = world.caps.uso;
            let segments: Vec<_> = train.iter().map(|each| each.segment).collect();
            assert_eq!(
                segments,
                if joined {
                    vec![Some(1000)]
                } else {
                    vec![None; 4]
                }
            );
            let pieces: Vec<_> = train.iter().flat_map(|each| each.payloads()).collect();
            let lens: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            assert_eq!(lens, [1000, 1000, 1000, 500]);
            assert_eq!(pieces.concat(), upward(3500));
        },
    );
}

/// Has the kernel cut what is sent into datagrams of that size (`UDP_SEGMENT`).
fn set_udp_segment(socket: &KernelSocket, size: i32) -> std::io::Result<()> {
    const UDP_SEGMENT: i32 = 103;
    let len = u32::try_from(size_of::<i32>()).expect("small");
    // SAFETY: the kernel reads `len` bytes, those of `size`.
    let done = unsafe {
        let (fd, size) = (socket.as_raw_fd(), (&raw const size).cast());
        libc::setsockopt(fd, libc::IPPROTO_UDP, UDP_SEGMENT, size, len)
    };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Whether a TUN takes super-packets of UDP, as one that is only asked this says.
fn kernel_cuts_datagrams() -> bool {
    let mut config = tun::Configuration::default();
    config.tun_name("asked").platform_config(|platform| {
        platform.ensure_root_privileges(false);
        platform.vnet_hdr(true);
    });
    let device = tun::create(&config).expect("a TUN");
    // SAFETY: the device owns the descriptor and lives through the call.
    let fd = unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) };
    // SAFETY: TUNSETOFFLOAD takes its flags by value.
    match unsafe { ioctl(fd, IntegerSetter::<TUNSETOFFLOAD>::new_usize(CSUM_USO)) } {
        Ok(()) => true,
        Err(Errno::INVAL) => false,
        Err(error) => panic!("{error}"),
    }
}

/// How many packets the kernel has got from a device of this namespace.
fn packets_from(device: &str) -> usize {
    let table = fs::read_to_string("/proc/thread-self/net/dev").expect("a table");
    let row = table.lines().find_map(|line| {
        let (name, counters) = line.split_once(':')?;
        (name.trim() == device).then_some(counters)
    });
    let packets = row.and_then(|counters| counters.split_whitespace().nth(1));
    packets.expect("the device").parse().expect("a number")
}

async fn bind(world: &World) -> UdpSocket {
    UdpSocket::bind_on(&world.net, (world.stack, 0))
        .await
        .expect("a port")
}

fn kernel_bind(world: &World) -> KernelSocket {
    let socket = KernelSocket::bind((world.host, 0)).expect("a port");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a limit");
    socket
}

/// Payload bytes of the largest datagram that needs no fragments.
fn largest(world: &World) -> usize {
    usize::from(world.row.mtu - world.row.ip_header() - 8)
}

fn kernel_ask(socket: &KernelSocket, to: SocketAddr, sizes: &[usize]) {
    for &len in sizes {
        let mut buf = vec![0; 1 << 16];
        socket.send_to(upward(len), to).expect("sent");
        let (got, from) = socket.recv_from(&mut buf).expect("an answer");
        assert_eq!((&buf[..got], from), (upward(len), to));
    }
}

fn kernel_echo(socket: &KernelSocket, count: usize) {
    for _ in 0..count {
        let mut buf = vec![0; 1 << 16];
        let (len, from) = socket.recv_from(&mut buf).expect("a datagram");
        socket.send_to(&buf[..len], from).expect("sent");
    }
}

const TUNSETOFFLOAD: Opcode = opcode::write::<i32>(b'T', 208);
/// `TUN_F_CSUM`, without which there is no other, `TUN_F_USO4` and `TUN_F_USO6` of `linux/if_tun.h`.
const CSUM_USO: usize = 0x01 | 0x20 | 0x40;
