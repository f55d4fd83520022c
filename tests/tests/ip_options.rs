//! Options of IPv4 headers that sockets send: the kernel's bytes on the wire and ours.
#![cfg(target_os = "linux")]

use net_tokio::device::Tun;
use net_tokio::{Net, TcpListener, TcpSocket, UdpSocket};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// What the kernel's socket and ours were told, what they say of it, and what a packet of each had.
#[test]
fn sockets_send_the_options_that_the_kernels_sockets_send() {
    in_namespace(
        "sockets_send_the_options_that_the_kernels_sockets_send",
        async |net| {
            let wire = Wire::new();
            let mut sent = 0;
            for options in lists() {
                let kernel = kernel_socket(Type::DGRAM);
                let ours = UdpSocket::bind_on(&net, (OURS, 0)).await.expect("a port");
                let theirs = set_options(&kernel, &options);
                let mine = ours.set_ipv4_options(&options);
                let errno =
                    |done: &io::Result<()>| done.as_ref().err().map(io::Error::raw_os_error);
                assert_eq!(
                    errno(&mine),
                    errno(&theirs),
                    "{options:?}: {mine:?}, {theirs:?}"
                );
                if theirs.is_err() {
                    continue;
                }
                let told = ours.ipv4_options().expect("as set");
                assert_eq!(told, get_options(&kernel), "{options:?}");
                let to = SocketAddr::from((OURS, 9));
                kernel.send_to(b"kernel", &to.into()).expect("sent");
                let theirs = wire.options(KERNEL);
                ours.send_to(b"ours", (KERNEL, 9)).await.expect("sent");
                let mine = wire.options(OURS);
                assert_eq!(
                    neutral(&mine, OURS),
                    neutral(&theirs, KERNEL),
                    "{options:?}"
                );
                sent += 1;
            }
            assert_eq!(sent, 11);
        },
    );
}

#[test]
fn a_socket_is_told_the_options_that_the_kernels_socket_has_sent() {
    in_namespace(
        "a_socket_is_told_the_options_that_the_kernels_socket_has_sent",
        async |net| {
            let ours = UdpSocket::bind_on(&net, (OURS, 9)).await.expect("a port");
            ours.set_recv_options(true).expect("alive");
            let kernel = kernel_socket(Type::DGRAM);
            set_options(&kernel, &route(11)).expect("good ones");
            let to = SocketAddr::from((OURS, 9));
            kernel.send_to(b"kernel", &to.into()).expect("sent");
            let received = ours.recv_datagram().await.expect("a datagram");
            let expected = [&[7, 11, 12][..], &KERNEL.octets(), &OURS.octets(), &[0]].concat();
            assert_eq!(received.options[..], expected);
        },
    );
}

/// A megabyte each way with options in every packet of ours.
#[test]
fn a_stream_with_options_reaches_the_kernel_whole() {
    in_namespace(
        "a_stream_with_options_reaches_the_kernel_whole",
        async |net| {
            let alert = [148, 4, 0, 0];
            let listener = std::net::TcpListener::bind((KERNEL, 0)).expect("a port");
            let to = listener.local_addr().expect("bound");
            let socket = TcpSocket::new_v4_on(&net).expect("a socket");
            socket.set_ipv4_options(&alert).expect("good ones");
            let wire = Wire::new();
            let echo = spawn_blocking(move || {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut all = vec![0; SIZE];
                stream.read_exact(&mut all).expect("all of it");
                stream.write_all(&all).expect("and back");
            });
            let mut stream = socket.connect(to).await.expect("connected");
            assert_eq!(wire.options(OURS), alert, "the SYN");
            let sent: Vec<u8> = (0..SIZE).map(tests::hosts::pattern).collect();
            stream.write_all(&sent).await.expect("sent");
            let mut back = vec![0; SIZE];
            stream.read_exact(&mut back).await.expect("received");
            assert!(back == sent, "as it was");
            echo.await.expect("echoed");
            assert_eq!(wire.options(OURS), alert, "a later packet");
            // What is accepted has none, on either side.
            let listener = TcpListener::bind_on(&net, (OURS, 0)).await.expect("a port");
            let to = listener.local_addr().expect("bound");
            let wire = Wire::new();
            let kernel =
                spawn_blocking(move || std::net::TcpStream::connect(to).expect("connected"));
            let (_stream, _) = listener.accept().await.expect("a connection");
            assert_eq!(wire.options(OURS), [], "the SYN-ACK");
            kernel.await.expect("connected");
        },
    );
}

/// What there is to set.
fn lists() -> Vec<Vec<u8>> {
    let times = |len: u8, pointer: u8, flags: u8, first: &[u8]| {
        let mut option = vec![0; usize::from(len)];
        option[..4].copy_from_slice(&[68, len, pointer, flags]);
        option[4..4 + first.len()].copy_from_slice(first);
        option
    };
    let somebody = [192, 0, 2, 1];
    vec![
        vec![],
        vec![148, 4, 0, 0],
        vec![1],
        route(39),
        route(11),
        route(7),
        times(36, 5, 0, &[]),
        times(36, 5, 1, &[]),
        times(20, 5, 3, &somebody),
        [route(15), times(12, 5, 0, &[])].concat(),
        [vec![1, 1, 0x5e, 4, 9, 9], route(7), vec![1]].concat(),
        // Broken ones.
        vec![1; 41],
        vec![7, 11, 4],
        vec![7, 2, 1, 1],
        vec![7, 6, 4, 0, 0, 0, 0, 0],
        times(8, 4, 0, &[]),
        times(8, 5, 1, &[]),
        times(8, 9, 0xf0, &[]),
        [route(7), route(7)].concat(),
        vec![148, 2],
    ]
}

fn route(len: u8) -> Vec<u8> {
    let mut option = vec![0; usize::from(len)];
    option[..3].copy_from_slice(&[7, len, 4]);
    option
}

/// Without whose they are and when they left: the kernel knows the time of day, and we do not.
fn neutral(options: &[u8], own: Ipv4Addr) -> Vec<u8> {
    let mut options = options.to_vec();
    let mut at = 0;
    while let Some(&[kind, len, ..]) = options.get(at..) {
        let len = usize::from(len).max(2);
        match kind {
            0 => break,
            1 => at += 1,
            7 => at += len,
            68 => {
                let option = &mut options[at..at + len];
                let (pointer, flags) = (usize::from(option[2]), option[3] & 0xf);
                // The last thing in it is the time.
                if pointer > 5 && flags != 3 {
                    option[pointer - 5..pointer - 1].fill(0xee);
                }
                at += len;
            }
            _ => at += len,
        }
    }
    let own = own.octets();
    let places: Vec<usize> = (0..options.len().saturating_sub(3))
        .filter(|&at| options[at..at + 4] == own)
        .collect();
    for at in places {
        options[at..at + 4].fill(0xaa);
    }
    options
}

/// Everything that passes the link.
struct Wire {
    socket: Socket,
}

impl Wire {
    fn new() -> Self {
        let all = i32::from(u16::try_from(libc::ETH_P_ALL).expect("short").to_be());
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(all)));
        let socket = socket.expect("a packet socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self { socket }
    }

    /// The options of the next IPv4 packet of UDP or TCP from an address.
    fn options(&self, from: Ipv4Addr) -> Vec<u8> {
        loop {
            let mut buffer = [0; 70_000];
            let len = (&self.socket).read(&mut buffer).expect("a packet");
            let packet = &buffer[..len];
            let is_meant = packet.len() >= 20
                && packet[0] >> 4 == 4
                && [6, 17].contains(&packet[9])
                && packet[12..16] == from.octets();
            if is_meant {
                let end = usize::from(packet[0] & 0xf) * 4;
                return packet[20..end].to_vec();
            }
        }
    }
}

fn kernel_socket(kind: Type) -> Socket {
    let socket = Socket::new(Domain::IPV4, kind, None).expect("a socket");
    let own = SockAddr::from(SocketAddr::from((KERNEL, 0)));
    socket.bind(&own).expect("a port");
    socket
}

fn set_options(socket: &Socket, options: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(options.len()).expect("short");
    // SAFETY: the options are there as long as the call takes, and have that length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_ptr().cast(),
            len,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn get_options(socket: &Socket) -> Vec<u8> {
    let mut options = vec![0; 40];
    let mut len: libc::socklen_t = 40;
    // SAFETY: there is room for as many bytes as `len` says.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    options.truncate(usize::try_from(len).expect("short"));
    options
}

fn in_namespace(name: &str, body: impl AsyncFnOnce(Net)) {
    netns::run(name, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let tun = Tun::builder("tun7").host_address(KERNEL.into(), 24);
            let tun = tun.build().expect("a TUN");
            let net = Net::builder().device("tun7", tun).address("10.7.0.2/24");
            let net = net.build().expect("a stack");
            body(net.clone()).await;
            net.shutdown().await;
        });
    });
}

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
const LIMIT: Duration = Duration::from_secs(20);
const SIZE: usize = 1 << 20;
