//! Options that are set, and what they read back as.
#![expect(deprecated, reason = "deprecated methods are part of the surface")]

use super::net::{TcpListener, TcpSocket, UdpSocket};
use super::{Log, World, pair, rows};
use std::time::Duration;

rows![
    of_a_fresh_socket,
    of_a_socket,
    of_a_stream,
    of_a_listener,
    of_a_datagram_socket,
    out_of_range,
    buffers,
    devices,
];

fn socket(world: &World) -> TcpSocket {
    if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    }
    .expect("a socket")
}

async fn of_a_fresh_socket(world: &World, log: &mut Log) {
    let socket = socket(world);
    log.note("keepalive", socket.keepalive());
    log.note("reuseaddr", socket.reuseaddr());
    log.note("reuseport", socket.reuseport());
    log.note("linger", socket.linger());
    log.note("nodelay", socket.nodelay());
    log.note("tos_v4", socket.tos_v4());
    log.note("tclass_v6", socket.tclass_v6());
    log.note("device", socket.device());
    let (client, server) = pair(world.loopback()).await;
    for (whose, stream) in [("client", client), ("server", server)] {
        log.note(format!("{whose}'s nodelay"), stream.nodelay());
        log.note(format!("{whose}'s linger"), stream.linger());
        log.note(format!("{whose}'s ttl"), stream.ttl());
        log.note(format!("{whose}'s quickack"), stream.quickack());
    }
}

async fn of_a_socket(world: &World, log: &mut Log) {
    let socket = socket(world);
    log.note("set_keepalive", socket.set_keepalive(true));
    log.note("keepalive", socket.keepalive());
    log.note("set_reuseaddr", socket.set_reuseaddr(true));
    log.note("reuseaddr", socket.reuseaddr());
    log.note("set_reuseport", socket.set_reuseport(true));
    log.note("reuseport", socket.reuseport());
    log.note(
        "set_linger",
        socket.set_linger(Some(Duration::from_secs(3))),
    );
    log.note("linger", socket.linger());
    log.note("set_zero_linger", socket.set_zero_linger());
    log.note("linger", socket.linger());
    log.note("set_nodelay", socket.set_nodelay(true));
    log.note("nodelay", socket.nodelay());
    for tos in [0x10, 0x28, 0x2b, 0xff] {
        log.note(format!("set_tos_v4 {tos}"), socket.set_tos_v4(tos));
        log.note("tos_v4", socket.tos_v4());
        log.note("tos", socket.tos());
        log.note(format!("set_tclass_v6 {tos}"), socket.set_tclass_v6(tos));
        log.note("tclass_v6", socket.tclass_v6());
    }
    log.note("set_tos", socket.set_tos(0x20));
    log.note("tos_v4", socket.tos_v4());
    log.note("tclass_v6", socket.tclass_v6());
}

async fn of_a_stream(world: &World, log: &mut Log) {
    let (client, _server) = pair(world.loopback()).await;
    for on in [true, false] {
        log.note("set_nodelay", client.set_nodelay(on));
        log.note("nodelay", client.nodelay());
        log.note("set_quickack", client.set_quickack(on));
        log.note("quickack", client.quickack());
    }
    for time in [
        Some(Duration::from_secs(7)),
        Some(Duration::from_millis(300)),
        None,
    ] {
        log.note("set_linger", client.set_linger(time));
        log.note("linger", client.linger());
    }
    log.note("set_ttl", client.set_ttl(3));
    log.note("ttl", client.ttl());
    log.note("take_error", client.take_error());
}

async fn of_a_listener(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    log.note("ttl", listener.ttl());
    log.note("set_ttl", listener.set_ttl(255));
    log.note("ttl", listener.ttl());
}

async fn of_a_datagram_socket(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.any_port()).await.expect("a port");
    log.note("broadcast", socket.broadcast());
    log.note("set_broadcast", socket.set_broadcast(true));
    log.note("broadcast", socket.broadcast());
    log.note("ttl", socket.ttl());
    log.note("set_ttl", socket.set_ttl(9));
    log.note("ttl", socket.ttl());
    for tos in [0x10, 0x2b, 0xff] {
        log.note(format!("set_tos_v4 {tos}"), socket.set_tos_v4(tos));
        log.note("tos_v4", socket.tos_v4());
        log.note("tos", socket.tos());
        log.note(format!("set_tclass_v6 {tos}"), socket.set_tclass_v6(tos));
        log.note("tclass_v6", socket.tclass_v6());
    }
    log.note("device", socket.device());
    log.note("take_error", socket.take_error());
}

async fn out_of_range(world: &World, log: &mut Log) {
    let (client, _server) = pair(world.loopback()).await;
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let datagrams = UdpSocket::bind(world.any_port()).await.expect("a port");
    let socket = socket(world);
    for number in [0, 256, 1 << 31] {
        log.note(format!("stream, ttl {number}"), client.set_ttl(number));
        log.note(format!("listener, ttl {number}"), listener.set_ttl(number));
        log.note(
            format!("datagrams, ttl {number}"),
            datagrams.set_ttl(number),
        );
    }
    log.note("ttl", client.ttl());
    for number in [256, 1 << 31, u32::MAX] {
        log.note(format!("socket, tos {number}"), socket.set_tos_v4(number));
        log.note("tos_v4", socket.tos_v4());
        log.note(
            format!("socket, tclass {number}"),
            socket.set_tclass_v6(number),
        );
        log.note("tclass_v6", socket.tclass_v6());
        log.note(
            format!("datagrams, tos {number}"),
            datagrams.set_tos_v4(number),
        );
        log.note("tos_v4", datagrams.tos_v4());
        log.note(
            format!("datagrams, tclass {number}"),
            datagrams.set_tclass_v6(number),
        );
        log.note("tclass_v6", datagrams.tclass_v6());
    }
}

async fn buffers(world: &World, log: &mut Log) {
    let socket = socket(world);
    log.note("set_send_buffer_size", socket.set_send_buffer_size(100_000));
    log.note("send_buffer_size", socket.send_buffer_size());
    log.note("set_recv_buffer_size", socket.set_recv_buffer_size(100_000));
    log.note("recv_buffer_size", socket.recv_buffer_size());
    log.note("nothing", socket.set_send_buffer_size(0));
    log.note("the least", socket.send_buffer_size());
    log.note("nothing", socket.set_recv_buffer_size(0));
    log.note("the least", socket.recv_buffer_size());
}

async fn devices(world: &World, log: &mut Log) {
    let datagrams = UdpSocket::bind(world.wildcard()).await.expect("a port");
    for name in [&b"tun7"[..], b"tun8", b"", b"a name that is much too long"] {
        let socket = socket(world);
        let text = String::from_utf8_lossy(name);
        log.note(
            format!("socket to {text:?}"),
            socket.bind_device(Some(name)),
        );
        log.note(format!("socket at {text:?}"), socket.device());
        log.note(
            format!("datagrams to {text:?}"),
            datagrams.bind_device(Some(name)),
        );
        log.note(format!("datagrams at {text:?}"), datagrams.device());
    }
    log.note("to none", datagrams.bind_device(None));
    log.note("at none", datagrams.device());
}
