//! Ping and raw sockets, and the queue of ICMP errors, with the kernel at the other side.

use crate::kernel::upward;
use crate::matrix::{Opener, Row, World, rows};
use net_core::SocketError;
use net_tokio::{Net, PingSocket, RawSocket, Socket, UdpSocket};
use socket2::{Domain, Protocol, Type};
use std::fs;
use std::net::SocketAddr;
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
