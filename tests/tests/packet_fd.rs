//! TUNs that somebody else has opened, against the kernel: what the program is handed is a descriptor.
#![cfg(target_os = "linux")]

use net_tokio::device::{Device, PacketFd, Tun, TunHeader};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use rustix::ioctl::{IntegerSetter, Opcode, Setter, ioctl, opcode};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use tests::hosts::pattern;
use tests::netns::{self, set_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// As a VPN application gets it from the system: bare packets.
#[test]
fn a_bare_tun_of_somebody_else_carries_both_families() {
    netns::run("a_bare_tun_of_somebody_else_carries_both_families", || {
        exchange(
            PacketFd::new(open(IFF_TUN | IFF_NO_PI), TunHeader::None, 1500).expect("a device"),
        );
    });
}

#[test]
fn a_tun_with_packet_information_carries_both_families() {
    let name = "a_tun_with_packet_information_carries_both_families";
    netns::run(name, || {
        let device = PacketFd::new(open(IFF_TUN), TunHeader::PacketInfo, 1500).expect("a device");
        let stats = device.stats();
        exchange(device);
        assert_eq!((stats.malformed(), stats.refused()), (0, 0));
    });
}

/// With the vnet header, which the kernel tells of, offloads are used both ways.
#[test]
fn a_tun_is_taken_over_as_it_was_opened() {
    netns::run("a_tun_is_taken_over_as_it_was_opened", || {
        for (flags, offload) in [
            (IFF_NO_PI | IFF_VNET_HDR, true),
            (IFF_VNET_HDR, true),
            (IFF_NO_PI, false),
            (0, false),
        ] {
            let header = if flags & IFF_NO_PI == 0 {
                TunHeader::PacketInfo
            } else {
                TunHeader::None
            };
            let fd = open(IFF_TUN | flags);
            let tun = Tun::from_fd(fd, header, 1500).expect("a TUN");
            assert_eq!((tun.name(), tun.mtu()), (NAME, 1500));
            assert_eq!((tun.caps().tso, tun.caps().tx_checksum), (offload, offload));
            let stats = tun.stats();
            exchange(tun);
            assert_eq!((stats.malformed(), stats.refused()), (0, 0));
            assert_eq!(stats.overruns(), None, "nobody tells");
        }
    });
}

#[test]
fn what_is_no_tun_is_not_taken_over() {
    netns::run("what_is_no_tun_is_not_taken_over", || {
        let (socket, _other) = UnixDatagram::pair().expect("a pair");
        let detached = node();
        for error in [
            Tun::from_fd(socket, TunHeader::None, 1500),
            Tun::from_fd(detached, TunHeader::None, 1500),
            Tun::from_fd(open(IFF_TAP | IFF_NO_PI), TunHeader::None, 1500),
            Tun::from_fd(open(IFF_TUN | IFF_NO_PI), TunHeader::None, 67),
            Tun::from_fd(open(IFF_TUN), TunHeader::UTUN, 1500),
        ] {
            let error = error.expect_err("no TUN");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    });
}

/// Its offloads survive a close, and what they leave undone needs a vnet header.
#[test]
fn a_persistent_tun_is_taken_over_without_the_offloads_of_its_last_user() {
    let name = "a_persistent_tun_is_taken_over_without_the_offloads_of_its_last_user";
    netns::run(name, || {
        let open_again = || {
            let last = open(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
            // SAFETY: both take their argument by value.
            unsafe {
                ioctl(
                    &last,
                    IntegerSetter::<TUNSETOFFLOAD>::new_usize(CSUM_AND_TSO),
                )
                .expect("set");
                ioctl(&last, IntegerSetter::<TUNSETPERSIST>::new_usize(1)).expect("set");
            }
            drop(last);
            attach(IFF_TUN | IFF_NO_PI)
        };
        exchange(Tun::from_fd(open_again(), TunHeader::None, 1500).expect("a TUN"));
        let deleted = Command::new("ip").args(["link", "delete", NAME]).status();
        assert!(deleted.expect("iproute2").success());
        exchange(PacketFd::new(open_again(), TunHeader::None, 1500).expect("a device"));
    });
}

#[test]
fn what_has_no_bare_packets_is_no_packet_descriptor() {
    netns::run("what_has_no_bare_packets_is_no_packet_descriptor", || {
        for (flags, hint) in [
            (None, "attached to no interface"),
            (Some(IFF_TAP | IFF_NO_PI), "as a Tap"),
            (Some(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR), "Tun::from_fd"),
        ] {
            let fd = flags.map_or_else(node, open);
            let error = PacketFd::new(fd, TunHeader::None, 1500).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(hint), "{error}");
        }
    });
}

/// Streams both ways and datagrams, in both families.
fn exchange(device: impl Device) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let net = Net::builder()
            .device("vpn0", device)
            .address("10.7.0.2/24")
            .address("fd07::2/64")
            .build()
            .expect("a stack");
        for (ours, theirs) in [("10.7.0.2", "10.7.0.1"), ("fd07::2", "fd07::1")] {
            let (ours, theirs) = (ours.parse().unwrap(), theirs.parse().unwrap());
            let all = async {
                kernel_connects(&net, ours).await;
                datagrams(&net, ours, theirs).await;
            };
            tokio::time::timeout(LIMIT, all).await.expect("in time");
        }
        net.shutdown().await;
    });
}

/// A megabyte there and back.
async fn kernel_connects(net: &Net, ours: IpAddr) {
    let listener = TcpListener::bind_on(net, (ours, 0)).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let kernel = spawn_blocking(move || {
        let sent: Vec<u8> = (0..SIZE).map(pattern).collect();
        let mut stream = std::net::TcpStream::connect_timeout(&to, LIMIT).expect("connected");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.write_all(&sent).expect("sent");
        stream
            .shutdown(std::net::Shutdown::Write)
            .expect("finished");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("received");
        assert!(back == sent);
    });
    let (mut stream, _): (TcpStream, _) = listener.accept().await.expect("a connection");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.expect("received");
    stream.write_all(&got).await.expect("sent");
    drop(stream);
    kernel.await.expect("the kernel's side");
}

async fn datagrams(net: &Net, ours: IpAddr, theirs: IpAddr) {
    let socket = UdpSocket::bind_on(net, (ours, 0)).await.expect("a port");
    let kernel = std::net::UdpSocket::bind((theirs, 0)).expect("a port");
    kernel.set_read_timeout(Some(LIMIT)).expect("a limit");
    let to = kernel.local_addr().expect("bound");
    socket.send_to(b"question", to).await.expect("sent");
    let mut buffer = [0; 64];
    let (len, from) = spawn_blocking(move || {
        let received = kernel.recv_from(&mut buffer).expect("received");
        kernel.send_to(b"answer", received.1).expect("sent");
        received
    })
    .await
    .expect("the kernel's side");
    assert_eq!((len, Ok(from)), (8, socket.local_addr().map_err(drop)));
    let (len, from) = socket.recv_from(&mut buffer).await.expect("received");
    assert_eq!((&buffer[..len], from), (&b"answer"[..], to));
}

/// A TUN or TAP with the kernel's addresses, up, as another program would make it.
fn open(flags: u16) -> File {
    let file = attach(flags);
    for address in ["10.7.0.1/24", "fd07::1/64"] {
        let added = Command::new("ip")
            .args(["address", "add", address, "dev", NAME])
            .status();
        assert!(added.expect("iproute2").success());
    }
    set_up(NAME).expect("it is there");
    file
}

/// An open node that is attached to the interface.
fn attach(flags: u16) -> File {
    let file = node();
    let mut request = Request {
        name: [0; 16],
        flags,
        rest: [0; 22],
    };
    request.name[..NAME.len()].copy_from_slice(NAME.as_bytes());
    // SAFETY: TUNSETIFF reads and writes an ifreq, which `Request` has the layout of.
    unsafe { ioctl(&file, Setter::<TUNSETIFF, Request>::new(request)) }.expect("a TUN");
    file
}

fn node() -> File {
    let node = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    node.expect("the test has looked")
}

/// `struct ifreq`.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

const NAME: &str = "tun8";
const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
const TUNSETPERSIST: Opcode = opcode::write::<i32>(b'T', 203);
const TUNSETOFFLOAD: Opcode = opcode::write::<i32>(b'T', 208);
/// `TUN_F_CSUM`, `TUN_F_TSO4`, `TUN_F_TSO6`.
const CSUM_AND_TSO: usize = 0x01 | 0x02 | 0x04;
const IFF_TUN: u16 = 0x0001;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
const SIZE: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(20);
