//! The TUN device against the kernel: what a persistent one keeps, what is read, what is said when
//! a right is missing.
#![cfg(target_os = "linux")]

use net_core::buf::{Checksum, GsoKind, RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::time::Instant;
use net_tokio::device::{Device, Tun, TunBuilder};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, Setter, ioctl, opcode};
use rustix::process::Uid;
use rustix::thread::{
    CapabilitySet, UnshareFlags, capabilities, set_capabilities, set_thread_res_uid, unshare_unsafe,
};
use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;
use tests::netns;
use tokio::time::timeout;

const HOST: &str = "10.7.0.1";
const STACK: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

fn builder(offload: bool) -> TunBuilder {
    Tun::builder("tun7")
        .host_address(HOST.parse().unwrap(), 24)
        .offload(offload)
}

fn on_runtime<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        timeout(Duration::from_secs(20), future)
            .await
            .expect("in time")
    })
}

/// The next packet that `wanted` accepts; the kernel also sends things of its own accord.
async fn receive(tun: &mut Tun, wanted: impl Fn(&RxPacket) -> bool) -> RxPacket {
    loop {
        let mut batch = RxBatch::default();
        poll_fn(|cx| tun.poll_recv(cx, &mut batch, 64))
            .await
            .unwrap();
        if let Some(packet) = batch.drain().find(&wanted) {
            return packet;
        }
    }
}

fn bytes_of(packet: &RxPacket) -> Vec<u8> {
    let mut bytes = packet.frame.to_vec();
    for chunk in &packet.frags {
        bytes.extend_from_slice(&chunk.bytes);
    }
    bytes
}

fn is_udp4(packet: &RxPacket) -> bool {
    packet.frame.len() >= 28 && packet.frame[0] == 0x45 && packet.frame[9] == 17
}

fn is_tcp4(packet: &RxPacket) -> bool {
    packet.frame.len() >= 40 && packet.frame[0] >> 4 == 4 && packet.frame[9] == 6
}

/// A TCP segment from the stack's address, headers without options.
fn segment(from: u16, to: u16, seq: u32, ack: u32, flags: u8) -> TxPacket {
    let mut tcp = Vec::new();
    tcp.extend(from.to_be_bytes());
    tcp.extend(to.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let mut sum = net_core::wire::checksum::pseudo_header(
        STACK.into(),
        HOST.parse().unwrap(),
        6,
        u32::try_from(tcp.len()).unwrap(),
    );
    sum.add_bytes(&tcp);
    let sum = sum.fold();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut packet = TxPacket::default();
    packet.head.prepend(20).copy_from_slice(&tcp);
    let ip = packet.head.prepend(20);
    ip.copy_from_slice(&[
        0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 7, 0, 2, 10, 7, 0, 1,
    ]);
    let sum = net_core::wire::checksum::checksum(ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

async fn send(tun: &mut Tun, packet: TxPacket) {
    let mut batch = TxBatch::default();
    batch.push(packet);
    poll_fn(|cx| tun.poll_send(cx, &mut batch, Instant::ZERO))
        .await
        .unwrap();
}

/// Answers a kernel connection attempt by hand and returns its first data segment.
async fn first_data(tun: &mut Tun, payload: Vec<u8>) -> RxPacket {
    let writer = thread::spawn(move || {
        let mut stream = TcpStream::connect((STACK, 80)).unwrap();
        stream.write_all(&payload).unwrap();
        stream
    });
    let syn = receive(tun, is_tcp4).await;
    let port = u16::from_be_bytes([syn.frame[20], syn.frame[21]]);
    let seq = u32::from_be_bytes(syn.frame[24..28].try_into().unwrap());
    send(tun, segment(80, port, 1000, seq.wrapping_add(1), 0x12)).await;
    let data = receive(tun, |packet| is_tcp4(packet) && packet.len() > 100).await;
    send(tun, segment(80, port, 1001, 0, 0x04)).await;
    drop(writer.join());
    data
}

#[test]
fn a_kernel_datagram_is_read_as_a_packet() {
    netns::run("a_kernel_datagram_is_read_as_a_packet", || {
        for offload in [true, false] {
            on_runtime(async {
                let mut tun = builder(offload).build().unwrap();
                let socket = UdpSocket::bind((HOST, 0)).unwrap();
                for len in [1_usize, 100, 1472] {
                    socket.send_to(&vec![0x55; len], (STACK, 9)).unwrap();
                    let packet = receive(&mut tun, is_udp4).await;
                    let bytes = bytes_of(&packet);
                    assert_eq!(bytes.len(), 28 + len);
                    assert_eq!(bytes[16..20], STACK.octets());
                    assert!(bytes[28..].iter().all(|&byte| byte == 0x55));
                }
                assert_eq!(tun.stats().malformed(), 0);
            });
        }
    });
}

#[test]
fn addresses_of_both_families_are_set() {
    netns::run("addresses_of_both_families_are_set", || {
        let _tun = Tun::builder("tun7")
            .mtu(9000)
            .host_address(HOST.parse().unwrap(), 24)
            .host_address("10.8.0.1".parse().unwrap(), 16)
            .host_address("fd07::1".parse().unwrap(), 64)
            .build()
            .unwrap();
        for address in [HOST, "10.8.0.1", "fd07::1"] {
            UdpSocket::bind((address, 0)).unwrap();
        }
    });
}

#[test]
fn a_persistent_tun_forgets_the_offloads_of_its_last_user() {
    netns::run(
        "a_persistent_tun_forgets_the_offloads_of_its_last_user",
        || {
            // Four times over: on, off, on, off.
            drop(persist("tun7"));
            for offload in [true, false, true, false] {
                on_runtime(async {
                    let mut tun = builder(offload).build().unwrap();
                    assert_eq!(tun.caps().tso, offload);
                    let data = first_data(&mut tun, vec![0x2a; 20_000]).await;
                    if offload {
                        let gso = data.meta.gso.expect("a super-segment");
                        assert_eq!(gso.kind, GsoKind::Tcp4);
                        assert!(data.len() > 1500);
                        assert!(matches!(
                            data.meta.checksum,
                            Checksum::Partial {
                                start: 20,
                                offset: 16
                            }
                        ));
                    } else {
                        assert!(data.len() <= 1500 && data.meta.gso.is_none());
                        assert_eq!(data.meta.checksum, Checksum::Unknown);
                        assert!(is_whole(&data));
                    }
                    assert_eq!(tun.stats().malformed(), 0);
                });
            }
        },
    );
}

/// Whether length field and transport checksum are those of a packet on a wire.
fn is_whole(packet: &RxPacket) -> bool {
    let bytes = bytes_of(packet);
    let header = net_core::wire::IpHeader::parse(&bytes, bytes.len()).unwrap();
    header.payload_len + 20 == bytes.len()
        && net_core::wire::transport::verify_checksum(packet, &header).is_ok()
}

#[test]
fn header_length_and_endianness_of_the_last_user_are_put_right() {
    netns::run(
        "header_length_and_endianness_of_the_last_user_are_put_right",
        || {
            for offload in [true, false] {
                let last_user = persist("tun7");
                // SAFETY: the device owns the descriptor and lives to the end of the block.
                let fd = unsafe { BorrowedFd::borrow_raw(last_user.as_raw_fd()) };
                set::<TUNSETVNETHDRSZ>(fd, 12).unwrap();
                set::<TUNSETVNETLE>(fd, 0).unwrap();
                // Kernels may be built without it.
                let _ = set::<TUNSETVNETBE>(fd, 1);
                drop(last_user);
                on_runtime(async {
                    let mut tun = builder(offload).build().unwrap();
                    assert_eq!(get::<TUNGETVNETHDRSZ>(tun.as_fd()).unwrap(), 10);
                    assert_eq!(get::<TUNGETVNETLE>(tun.as_fd()).unwrap(), 1);
                    let socket = UdpSocket::bind((HOST, 0)).unwrap();
                    socket.send_to(b"hello", (STACK, 9)).unwrap();
                    let packet = receive(&mut tun, is_udp4).await;
                    assert!(bytes_of(&packet).ends_with(b"hello"));
                });
            }
        },
    );
}

/// SPEC 95: the kernel's queue is the ring, and the kernel counts what finds it full.
#[test]
fn packets_that_find_the_queue_of_a_tun_full_are_counted() {
    netns::run(
        "packets_that_find_the_queue_of_a_tun_full_are_counted",
        || {
            drop(persist("tun7"));
            let mut tun = builder(true).build().unwrap();
            let stats = tun.stats();
            assert_eq!(
                (tun.overruns().count(), stats.overruns()),
                (Some(0), Some(0))
            );
            let kernel = UdpSocket::bind((HOST, 0)).unwrap();
            for _ in 0..FLOOD {
                // ENOBUFS is what the kernel says of a packet that it has dropped itself.
                let sent = kernel.send_to(&[7; 100], (STACK, 9));
                assert!(
                    sent.is_ok() || sent.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
                );
            }
            let lost = elsewhere(|| stats.overruns().expect("the kernel tells"));
            let mut batch = RxBatch::default();
            while tun.try_recv(&mut batch, 64).is_ok() {}
            let fetched = batch.packets().iter().filter(|packet| is_udp4(packet));
            // Beside them there is what the kernel sends of its own accord.
            let counted = fetched.count() as u64 + lost;
            assert!(
                lost > 0 && (FLOOD..FLOOD + 50).contains(&counted),
                "{counted}"
            );
            // A later user of the same device begins anew.
            drop(tun);
            assert_eq!(stats.overruns(), Some(lost));
            assert_eq!(builder(true).build().unwrap().overruns().count(), Some(0));
        },
    );
}

/// What a thread in another network namespace gets for an answer.
fn elsewhere<R: Send>(ask: impl FnOnce() -> R + Send) -> R {
    let ask = || {
        // SAFETY: a network namespace is no table of descriptors.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("as the test itself");
        ask()
    };
    thread::scope(|scope| scope.spawn(ask).join().expect("an answer"))
}

/// Many more packets than the queue of a TUN holds by default.
const FLOOD: u64 = 3000;

#[test]
fn a_thread_without_runtime_drives_it() {
    netns::run("a_thread_without_runtime_drives_it", || {
        let mut tun = builder(true).build().unwrap();
        let socket = UdpSocket::bind((HOST, 0)).unwrap();
        socket.send_to(b"hello", (STACK, 9)).unwrap();
        let mut batch = RxBatch::default();
        while tun.try_recv(&mut batch, 64).is_ok() {}
        assert!(batch.packets().iter().any(is_udp4));
        let error = tun.try_recv(&mut batch, 64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn the_owner_of_a_ready_made_tun_needs_no_privilege() {
    netns::run("the_owner_of_a_ready_made_tun_needs_no_privilege", || {
        let mut made = persist("tun7");
        made.user(0).unwrap();
        drop(made);
        drop(builder(true).mtu(1400).build().unwrap());
        without_net_admin();
        let tun = Tun::builder("tun7").build().unwrap();
        assert_eq!((tun.mtu(), tun.name()), (1400, "tun7"));
    });
}

#[test]
fn without_net_admin_the_error_says_so() {
    netns::run("without_net_admin_the_error_says_so", || {
        without_net_admin();
        let error = builder(true).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        for word in ["CAP_NET_ADMIN", "unshare -Urn", "setcap cap_net_admin+ep"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    });
}

#[test]
fn without_any_right_the_error_says_which_is_missing_first() {
    let built = thread::spawn(|| {
        let nobody = Uid::from_raw(65534);
        // Fails where the test does not run as root: then there is no right to give up.
        let _ = set_thread_res_uid(nobody, nobody, nobody);
        builder(true).build()
    });
    let Err(error) = built.join().unwrap() else {
        let name = "without_any_right_the_error_says_which_is_missing_first";
        // No failure where kernel tests are required: who has no other users can give up no right.
        netns::missing(name, &"this user may make a TUN");
        return;
    };
    let text = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => assert!(text.contains("modprobe tun"), "{text}"),
        ErrorKind::PermissionDenied => assert!(
            text.contains("no permission to open /dev/net/tun") || text.contains("CAP_NET_ADMIN"),
            "{text}"
        ),
        _ => panic!("{text}"),
    }
}

#[test]
fn a_tun_in_use_and_a_bad_name_are_told_apart() {
    netns::run("a_tun_in_use_and_a_bad_name_are_told_apart", || {
        let _tun = builder(true).build().unwrap();
        let error = builder(true).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        let error = Tun::builder("a name").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_removed_tun_ends_with_an_error() {
    netns::run("a_removed_tun_ends_with_an_error", || {
        on_runtime(async {
            let mut tun = builder(true).build().unwrap();
            let removed = Command::new("ip").args(["link", "delete", "tun7"]).status();
            assert!(removed.expect("iproute2").success());
            let mut batch = RxBatch::default();
            let error = loop {
                match poll_fn(|cx| tun.poll_recv(cx, &mut batch, 64)).await {
                    Ok(_) => batch.clear(),
                    Err(error) => break error,
                }
            };
            assert!(error.to_string().contains("removed"), "{error}");
        });
    });
}

/// Makes a TUN that outlives its descriptor, with all offloads on and no address.
fn persist(name: &str) -> tun::Device {
    let mut config = tun::Configuration::default();
    config.tun_name(name).platform_config(|platform| {
        platform.ensure_root_privileges(false);
        platform.vnet_hdr(true);
    });
    let mut device = tun::create(&config).unwrap();
    device.persist().unwrap();
    device
}

/// Gives up CAP_NET_ADMIN on this thread.
fn without_net_admin() {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::NET_ADMIN);
    sets.permitted.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, sets).unwrap();
}

fn set<const OPCODE: Opcode>(fd: BorrowedFd<'_>, value: i32) -> Result<(), Errno> {
    // SAFETY: the calls that are made with this read an int.
    unsafe { ioctl(fd, Setter::<OPCODE, i32>::new(value)) }
}

fn get<const OPCODE: Opcode>(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
    // SAFETY: the calls that are made with this write an int.
    unsafe { ioctl(fd, Getter::<OPCODE, i32>::new()) }
}

const TUNGETVNETHDRSZ: Opcode = opcode::read::<i32>(b'T', 215);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<i32>(b'T', 216);
const TUNSETVNETLE: Opcode = opcode::write::<i32>(b'T', 220);
const TUNGETVNETLE: Opcode = opcode::read::<i32>(b'T', 221);
const TUNSETVNETBE: Opcode = opcode::write::<i32>(b'T', 222);
