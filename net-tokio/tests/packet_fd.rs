//! A device over a descriptor that somebody else has opened, with sockets in the place of a tunnel.
#![cfg(unix)]

use bytes::Bytes;
use net_core::buf::{RxBatch, TxBatch, TxPacket};
use net_core::stats::DropReason;
use net_tokio::device::{Device, PacketFd, TunHeader};
use net_tokio::{Net, TcpListener, TcpStream};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const EVERY_HEADER: [TunHeader; 4] = [
    TunHeader::None,
    TunHeader::UTUN,
    TunHeader::AddressFamily { ipv4: 2, ipv6: 10 },
    TunHeader::PacketInfo,
];

/// The two ends of a pair of sockets with packet boundaries.
fn pairs() -> Vec<(OwnedFd, OwnedFd)> {
    let (near, far) = UnixDatagram::pair().expect("a pair");
    let datagrams = (near.into(), far.into());
    vec![
        datagrams,
        #[cfg(target_os = "linux")]
        packets(),
    ]
}

#[cfg(target_os = "linux")]
fn packets() -> (OwnedFd, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a pair")
}

fn stack(fd: OwnedFd, header: TunHeader, host: u8) -> Net {
    let device = PacketFd::new(fd, header, 1400).expect("a device");
    Net::builder()
        .device("vpn0", device)
        .address(format!("10.7.0.{host}/24"))
        .address(format!("fd07::{host}/64"))
        .build()
        .expect("a stack")
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

/// 300 kB there and back, which fill the sockets' room many times over.
async fn echoes(client: &Net, server: &Net, address: IpAddr) {
    let listener = TcpListener::bind_on(server, (address, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 300_000];
        stream.read_exact(&mut received).await.unwrap();
        stream.write_all(&received).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let asking = async {
        let sent: Vec<u8> = (0..=250).cycle().take(300_000).collect();
        let mut stream = TcpStream::connect_on(client, to).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert!(back == sent);
    };
    in_time(async { tokio::join!(serving, asking) }).await;
}

#[tokio::test]
async fn stacks_speak_over_a_pair_of_sockets_with_every_header_and_in_both_families() {
    for header in EVERY_HEADER {
        for (near, far) in pairs() {
            let (client, server) = (stack(near, header, 1), stack(far, header, 2));
            echoes(&client, &server, "10.7.0.2".parse().unwrap()).await;
            echoes(&client, &server, "fd07::2".parse().unwrap()).await;
        }
    }
}

/// A packet of which nothing but the version is right.
fn packet(first: u8) -> TxPacket {
    let mut packet = TxPacket::default();
    packet.head.prepend(1)[0] = first;
    packet.body.push(Bytes::from_static(&[7; 9]));
    packet
}

#[test]
fn the_header_is_on_the_wire_and_gone_from_what_is_received() {
    for (header, v4, v6) in [
        (TunHeader::None, &[][..], &[][..]),
        (TunHeader::UTUN, &[0, 0, 0, 2], &[0, 0, 0, 30]),
        (TunHeader::PacketInfo, &[0, 0, 8, 0], &[0, 0, 0x86, 0xdd]),
    ] {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut device = PacketFd::new(near, header, 1400).unwrap();
        for (first, expected) in [(0x45, v4), (0x60, v6)] {
            let mut batch = TxBatch::default();
            batch.push(packet(first));
            device.try_send(&mut batch).unwrap();
            let mut wire = [0; 100];
            let len = far.recv(&mut wire).unwrap();
            let (front, behind) = wire[..len].split_at(expected.len());
            assert_eq!(front, expected);
            assert_eq!(behind, [&[first][..], &[7; 9]].concat());
            far.send(&wire[..len]).unwrap();
            let mut received = RxBatch::default();
            assert_eq!(device.try_recv(&mut received, 8).unwrap(), 1);
            assert_eq!(received.packets()[0].frame[..], *behind);
        }
        assert_eq!(device.stats().malformed(), 0);
        // The header has no number for what is not IP.
        let mut batch = TxBatch::default();
        batch.push(packet(0x10));
        device.try_send(&mut batch).unwrap();
        assert_eq!(
            device.stats().refused(),
            u64::from(header != TunHeader::None)
        );
    }
}

#[test]
fn a_broken_header_is_counted_under_its_reason_and_the_next_packet_comes() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let mut device = PacketFd::new(near, TunHeader::UTUN, 1400).unwrap();
    let stats = device.stats();
    for broken in [
        // An empty datagram of such a socket is not its end.
        &[][..],
        &[0, 0, 0],
        &[0, 0, 0, 2],
        &[0, 0, 0, 7, 0x45],
        &[0, 0, 0, 30, 0x45],
        &[0, 0, 0, 2, 0x60],
        &[0, 0, 0, 2, 0x60],
    ] {
        far.send(broken).unwrap();
    }
    far.send(&[0, 0, 0, 30, 0x60, 9]).unwrap();
    let mut received = RxBatch::default();
    assert_eq!(device.try_recv(&mut received, 64).unwrap(), 1);
    assert_eq!(received.packets()[0].frame[..], [0x60, 9]);
    assert_eq!(stats.dropped(DropReason::Truncated), 3);
    assert_eq!(stats.dropped(DropReason::EtherType), 1);
    assert_eq!(stats.dropped(DropReason::IpVersion), 3);
    assert_eq!(stats.dropped(DropReason::Martian), 0);
    assert_eq!(stats.malformed(), 7);
}

/// Whatever the number of packets: it has a budget like any other.
#[tokio::test]
async fn a_flood_of_broken_packets_holds_nobody_up() {
    let (near, far) = UnixDatagram::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let mut device = PacketFd::new(near, TunHeader::PacketInfo, 1400).unwrap();
    let mut sent = 0;
    let mut received = RxBatch::default();
    while far.send(&[0xff; 4]).is_ok() {
        sent += 1;
    }
    far.set_nonblocking(false).unwrap();
    let budget = 3;
    assert!(sent > budget as u64, "{sent}");
    let mut polls = 0;
    in_time(poll_fn(|cx| {
        polls += 1;
        let polled = device.poll_recv(cx, &mut received, budget);
        assert!(polled.is_pending());
        if device.stats().malformed() == sent {
            return std::task::Poll::Ready(());
        }
        polled.map(drop)
    }))
    .await;
    assert!(polls >= sent / budget as u64, "{polls} polls for {sent}");
}

#[test]
fn a_call_reads_no_more_than_its_budget_be_it_broken() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let mut device = PacketFd::new(near, TunHeader::PacketInfo, 1400).unwrap();
    for _ in 0..8 {
        far.send(&[0xff; 4]).unwrap();
    }
    far.send(&[0, 0, 8, 0, 0x45]).unwrap();
    let mut received = RxBatch::default();
    for (count, malformed) in [(0, 3), (0, 6), (1, 8)] {
        assert_eq!(device.try_recv(&mut received, 3).unwrap(), count);
        assert_eq!(device.stats().malformed(), malformed);
    }
    let error = device.try_recv(&mut received, 3).expect_err("dry");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

fn refused(fd: impl Into<OwnedFd>) -> io::Error {
    let error = PacketFd::new(fd, TunHeader::None, 1400).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error
}

#[test]
fn what_keeps_no_packet_boundaries_is_refused_with_what_to_do() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let (pipe, _writer) = io::pipe().unwrap();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    for (error, what) in [
        (refused(stream), "a stream socket"),
        (refused(pipe), "a pipe"),
        (refused(file), "a file"),
    ] {
        let text = error.to_string();
        assert!(text.starts_with(what), "{text}");
        assert!(text.contains("SOCK_SEQPACKET or SOCK_DGRAM"), "{text}");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::event::{EventfdFlags, eventfd};
        let events = refused(eventfd(0, EventfdFlags::CLOEXEC).unwrap()).to_string();
        assert!(events.contains("SOCK_SEQPACKET"), "{events}");
        let terminal = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/ptmx");
        let terminal = refused(terminal.unwrap()).to_string();
        assert!(terminal.starts_with("a terminal"), "{terminal}");
    }
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(refused(null).to_string().contains("reading and writing"));
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let error = PacketFd::new(datagrams, TunHeader::None, 67).expect_err("too small");
    assert!(error.to_string().contains("at least 68"), "{error}");
}

#[test]
fn a_socket_without_another_end_and_one_of_udp_are_refused_with_what_to_do() {
    let alone = refused(UnixDatagram::unbound().unwrap()).to_string();
    assert!(alone.contains("connect it first"), "{alone}");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(udp.local_addr().unwrap()).unwrap();
    assert!(refused(udp).to_string().contains("UdpTunnel"));
}

/// It is readable for ever then, with nothing to read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_device_ends_when_its_socket_is_shut_down() {
    for waits in [false, true] {
        let (near, far) = UnixDatagram::pair().unwrap();
        let shared = near.try_clone().unwrap();
        let mut device = PacketFd::new(near, TunHeader::None, 1400).unwrap();
        let mut received = RxBatch::default();
        far.send(&[0x45; 20]).unwrap();
        if !waits {
            shared.shutdown(std::net::Shutdown::Both).unwrap();
        }
        let count = in_time(poll_fn(|cx| device.poll_recv(cx, &mut received, 8))).await;
        assert_eq!(count.unwrap(), 1, "what is there is received");
        let receiving = in_time(poll_fn(|cx| device.poll_recv(cx, &mut received, 8)));
        let (ended, ()) = tokio::join!(receiving, async {
            shared.shutdown(std::net::Shutdown::Both).unwrap();
        });
        let error = ended.expect_err("the end");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        let error = device.try_recv(&mut received, 8).expect_err("the end");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_empty_packet_is_not_the_end_of_a_socket_that_tells() {
    let (near, far) = packets();
    let mut device = PacketFd::new(near, TunHeader::UTUN, 1400).unwrap();
    let far = UnixDatagram::from(far);
    let mut received = RxBatch::default();
    let alive = [0, 0, 0, 2, 0x45];
    far.send(&[]).unwrap();
    far.send(&alive).unwrap();
    assert_eq!(device.try_recv(&mut received, 8).unwrap(), 1);
    assert_eq!(device.stats().dropped(DropReason::Truncated), 1);
    far.send(&[]).unwrap();
    far.send(&alive).unwrap();
    drop(far);
    assert_eq!(device.try_recv(&mut received, 8).unwrap(), 1);
    let error = device.try_recv(&mut received, 8).expect_err("the end");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    assert_eq!(device.stats().malformed(), 2);
}

/// The usual case under load.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_sent_before_a_close_arrives_though_packets_of_ours_were_not_read() {
    let (near, far) = packets();
    let mut device = PacketFd::new(near, TunHeader::None, 1400).unwrap();
    let far = UnixDatagram::from(far);
    let mut batch = TxBatch::default();
    batch.push(packet(0x45));
    device.try_send(&mut batch).unwrap();
    for number in 0..3 {
        far.send(&[0x45, number]).unwrap();
    }
    drop(far);
    let mut received = RxBatch::default();
    let ended = loop {
        let polled = in_time(poll_fn(|cx| device.poll_recv(cx, &mut received, 2))).await;
        if let Err(error) = polled {
            break error;
        }
    };
    assert_eq!(ended.kind(), ErrorKind::UnexpectedEof, "{ended}");
    let numbers: Vec<u8> = received
        .packets()
        .iter()
        .map(|each| each.frame[1])
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[cfg(target_os = "linux")]
#[test]
fn sending_to_an_end_that_was_closed_is_the_end() {
    for (near, far) in pairs() {
        let mut device = PacketFd::new(near, TunHeader::None, 1400).unwrap();
        drop(far);
        let mut batch = TxBatch::default();
        batch.push(packet(0x45));
        let error = device.try_send(&mut batch).expect_err("the end");
        assert_ne!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(device.stats().refused(), 0);
    }
    // It takes nothing more, though it still gives.
    let (near, far) = UnixDatagram::pair().unwrap();
    let mut device = PacketFd::new(near, TunHeader::None, 1400).unwrap();
    far.shutdown(std::net::Shutdown::Read).unwrap();
    let mut batch = TxBatch::default();
    batch.push(packet(0x45));
    let error = device.try_send(&mut batch).expect_err("the end");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// Where the kind of socket tells.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_device_ends_when_its_other_end_is_closed() {
    let (near, far) = packets();
    let device = PacketFd::new(near, TunHeader::UTUN, 1400).unwrap();
    let mut device = device.named("vpn7");
    assert_eq!((device.name(), device.mtu()), ("vpn7", 1400));
    let mut received = RxBatch::default();
    let receiving = in_time(poll_fn(|cx| device.poll_recv(cx, &mut received, 8)));
    let (ended, ()) = tokio::join!(receiving, async { drop(far) });
    let error = ended.expect_err("the end");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let text = error.to_string();
    assert!(text.contains("vpn7") && text.contains("closed"), "{text}");
    assert_eq!(device.stats().malformed(), 0);
}
