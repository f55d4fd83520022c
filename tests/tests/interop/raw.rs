//! Ping and raw sockets, and the queue of ICMP errors, with the kernel at the other side.

use crate::kernel::{blocking, upward};
use crate::matrix::{Opener, Row, World, rows};
use net_core::SocketError;
use net_core::wire::checksum::pseudo_header;
use net_tokio::{Net, PingSocket, RawSocket, Socket, UdpSocket};
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Type};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tests::netns;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// What needs rights that the namespace gives: whatever either side refuses, the other refuses with
/// the same number.
#[test]
fn raw_ping_and_packet_sockets_are_refused_as_by_the_kernel() {
    netns::run(
        "raw::raw_ping_and_packet_sockets_are_refused_as_by_the_kernel",
        || {
            let range = "/proc/sys/net/ipv4/ping_group_range";
            fs::write(range, "0 0").expect("the namespace's own");
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let _inside = runtime.enter();
            let net = Net::builder().build().expect("a stack");
            for domain in [2, 10, 17] {
                for (socket_type, protocol) in [
                    (2, 1),
                    (2, 58),
                    (2, 255),
                    (3, -1),
                    (3, 0),
                    (3, 1),
                    (3, 58),
                    (3, 89),
                    (3, 255),
                    (3, 263),
                    (1, 0),
                    (5, 8),
                    (10, 0x0300),
                    (11, 8),
                ] {
                    let (domain, socket_type) = (Domain::from(domain), Type::from(socket_type));
                    let protocol = Some(Protocol::from(protocol));
                    let theirs = socket2::Socket::new_raw(domain, socket_type, protocol);
                    let ours = Socket::new_on(&net, domain, socket_type, protocol);
                    assert_eq!(
                        ours.map_err(|error| error.raw_os_error()).err(),
                        theirs.map_err(|error| error.raw_os_error()).err(),
                        "{domain:?} {socket_type:?} {protocol:?}"
                    );
                }
            }
        },
    );
}

fn ours() -> Vec<Row> {
    let mut rows = Row::all();
    rows.retain(|row| row.opener == Opener::Ours);
    rows
}

fn ping_socket(world: &World) -> PingSocket {
    match world.row.v6 {
        false => PingSocket::new_v4_on(&world.net),
        true => PingSocket::new_v6_on(&world.net),
    }
    .expect("a socket")
}

#[test]
fn the_kernel_answers_our_pings_in_one_piece_and_in_fragments() {
    rows(
        "raw::the_kernel_answers_our_pings_in_one_piece_and_in_fragments",
        &ours(),
        async |world| {
            let socket = ping_socket(&world);
            for (seq, size) in (1..).zip([0, 1, 56, 1400, 3000, 20_000, 65_000]) {
                let data = upward(size);
                socket.request(world.host, seq, data).await.expect("sent");
                let reply = socket.reply().await.expect("an answer");
                assert_eq!((reply.from, reply.seq), (world.host, seq));
                assert!(reply.data == data, "{size} bytes");
            }
            assert_ne!(socket.identifier().expect("alive"), 0);
        },
    );
}

#[test]
fn the_error_queue_tells_who_refused_what() {
    rows(
        "raw::the_error_queue_tells_who_refused_what",
        &ours(),
        async |world| {
            let socket = UdpSocket::bind_on(&world.net, (world.stack, 0))
                .await
                .expect("a port");
            socket.set_recv_errors(true).expect("an option");
            let to = SocketAddr::new(world.host, 33_434);
            // The kernel limits how often it says that a port is unreachable.
            let error = loop {
                // An earlier refusal may come out of this call.
                let _ = socket.send_to(b"probe", to).await;
                let mut buf = [0; 100];
                let answer = socket.recv_from(&mut buf);
                let _ = timeout(Duration::from_millis(200), answer).await;
                if let Ok(error) = socket.try_recv_error() {
                    break error;
                }
            };
            assert_eq!(error.error, SocketError::ConnectionRefused);
            assert_eq!((error.reporter, error.dest), (world.host, to));
            assert_eq!(error.payload, "probe");
        },
    );
}

#[test]
fn a_raw_socket_speaks_icmp_with_the_kernel() {
    let v4: Vec<Row> = ours().into_iter().filter(|row| !row.v6).collect();
    rows(
        "raw::a_raw_socket_speaks_icmp_with_the_kernel",
        &v4,
        async |world| {
            let socket = RawSocket::new_v4_on(&world.net, 1).expect("a socket");
            let mut request = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
            request.extend_from_slice(upward(100));
            let sum = net_core::wire::checksum::checksum(&request);
            request[2..4].copy_from_slice(&sum.to_be_bytes());
            socket.send_to(&request, world.host).await.expect("sent");
            let mut buf = [0; 2000];
            let (len, from) = socket.recv_from(&mut buf).await.expect("an answer");
            // The IP header, and then the reply.
            assert_eq!((buf[0] >> 4, buf[9], from), (4, 1, world.host));
            assert_eq!(buf[20], 0);
            assert_eq!(buf[24..len], request[4..]);
        },
    );
}

#[test]
fn the_kernel_gets_the_header_of_ipv6_that_a_raw_socket_has_written() {
    let v6: Vec<Row> = ours().into_iter().filter(|row| row.v6).collect();
    rows(
        "raw::the_kernel_gets_the_header_of_ipv6_that_a_raw_socket_has_written",
        &v6,
        async |world| {
            // Of a TUN the kernel shows whole packets, as they came.
            let protocol = Protocol::from(i32::from(ETHERTYPE_IPV6.to_be()));
            let shown = socket2::Socket::new(Domain::PACKET, Type::RAW, Some(protocol));
            let shown = shown.expect("a packet socket");
            let peer = std::net::UdpSocket::bind((world.host, 0)).expect("a port");
            let port = peer.local_addr().expect("bound").port();
            for socket in [
                &shown,
                &socket2::Socket::from(peer.try_clone().expect("one")),
            ] {
                socket.set_read_timeout(Some(LIMIT)).expect("a limit");
            }
            let (IpAddr::V6(from), IpAddr::V6(to)) = (world.stack, world.host) else {
                panic!("addresses of IPv6");
            };
            let payload = upward(100);
            let mut datagram = Vec::new();
            for field in [777, port, 8 + 100, 0] {
                datagram.extend(field.to_be_bytes());
            }
            datagram.extend_from_slice(payload);
            let mut sum = pseudo_header(from.into(), to.into(), 17, 8 + 100);
            sum.add_bytes(&datagram);
            datagram[6..8].copy_from_slice(&sum.fold().to_be_bytes());
            // A class, a label, and three hops of our own.
            let mut packet = vec![0x62, 0x81, 0x23, 0x45, 0, 8 + 100, 17, 3];
            packet.extend(from.octets());
            packet.extend(to.octets());
            packet.extend(&datagram);
            let socket = RawSocket::new_v6_on(&world.net, 255).expect("a socket");
            socket.send_to(&packet, world.host).await.expect("sent");
            let received = blocking(move || {
                let mut buf = [0; 2000];
                let (len, from) = peer.recv_from(&mut buf).expect("a datagram");
                (buf[..len].to_vec(), from)
            });
            assert_eq!(
                received.await,
                (payload.to_vec(), (world.stack, 777).into())
            );
            let seen = blocking(move || {
                let mut buf = [0; 2000];
                loop {
                    let (len, _) = recv(&shown, &mut buf[..], RecvFlags::empty()).expect("packets");
                    if buf[..len] == packet[..] {
                        return;
                    }
                }
            });
            seen.await;
        },
    );
}

const ETHERTYPE_IPV6: u16 = 0x86dd;
/// What the kernel's side may take.
const LIMIT: Duration = Duration::from_secs(5);
