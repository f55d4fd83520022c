//! What is seen on the link.

use super::net::{TcpSocket, TcpStream, UdpSocket};
use super::{Log, World, rows};
use crate::wire::Packet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

rows![
    a_datagram_as_it_is,
    ttl_and_class_of_datagrams,
    ttl_and_class_of_a_mapped_datagram,
    a_syn_as_it_is,
    ttl_and_class_of_a_syn,
    the_source_of_a_socket_on_the_wildcard,
    an_echo,
];

fn note(log: &mut Log, packet: &Packet) {
    log.say("ttl", packet.ttl);
    log.say("class", packet.tos);
    log.say("source", packet.source);
    log.say("protocol", packet.protocol);
}

async fn a_datagram_as_it_is(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let to = world.host(2);
    socket.send_to(b"hello", to).await.expect("a route");
    let packet = world.wire.next_to(to.ip()).await;
    note(log, &packet);
    log.say("length", packet.len);
    log.say("payload", String::from_utf8_lossy(&packet.payload()));
}

async fn ttl_and_class_of_datagrams(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let to = world.host(2);
    for (ttl, tos, class) in [(7, 0x28, 0x50), (255, 0x03, 0xff), (1, 0, 0)] {
        socket.set_ttl(ttl).expect("in range");
        log.note("set_tos_v4", socket.set_tos_v4(tos));
        log.note("set_tclass_v6", socket.set_tclass_v6(class));
        socket.send_to(b"hello", to).await.expect("a route");
        note(log, &world.wire.next_to(to.ip()).await);
    }
}

async fn ttl_and_class_of_a_mapped_datagram(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind("[::]:0").await.expect("a port");
    socket.set_ttl(7).expect("in range");
    log.note("set_tos_v4", socket.set_tos_v4(0x28));
    log.note("set_tclass_v6", socket.set_tclass_v6(0x50));
    socket
        .send_to(b"hello", "[::ffff:10.7.0.2]:80")
        .await
        .expect("a route");
    note(
        log,
        &world
            .wire
            .next_to("10.7.0.2".parse().expect("an address"))
            .await,
    );
}

/// The SYN that `socket` sends to a host that does not answer.
async fn syn(world: &World, socket: TcpSocket) -> Packet {
    let to = world.host(2);
    let mut connect = pin!(socket.connect(to));
    poll_fn(|cx| Poll::Ready(connect.as_mut().poll(cx).is_pending())).await;
    world.wire.next_to(to.ip()).await
}

fn socket(world: &World) -> TcpSocket {
    if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    }
    .expect("a socket")
}

async fn a_syn_as_it_is(world: &World, log: &mut Log) {
    note(log, &syn(world, socket(world)).await);
}

async fn ttl_and_class_of_a_syn(world: &World, log: &mut Log) {
    for class in [0x28, 0x50, 0xff] {
        let socket = socket(world);
        log.note("set_tos_v4", socket.set_tos_v4(class));
        log.note("set_tclass_v6", socket.set_tclass_v6(class ^ 0x84));
        note(log, &syn(world, socket).await);
    }
}

async fn the_source_of_a_socket_on_the_wildcard(world: &World, log: &mut Log) {
    let socket = socket(world);
    socket.bind(world.wildcard()).expect("a port");
    note(log, &syn(world, socket).await);
    let polled = TcpStream::connect(world.host(7)).await;
    log.note("refused", polled.map(drop));
}

async fn an_echo(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    socket.connect(world.host(8)).await.expect("a route");
    log.note("send", socket.send(b"anyone?").await);
    let mut buf = [0; 16];
    log.wait("recv", socket.recv(&mut buf)).await;
    log.say("got", String::from_utf8_lossy(&buf[..7]));
}
