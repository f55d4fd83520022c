//! Groups: joining them, hearing them, sending to them.

use super::host::{link_number, send_to_groups_over, set_hears_all, set_source, udp_sharing};
use super::net::UdpSocket;
use super::{Log, World, rows, settled};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

rows![
    options,
    joining,
    joining_without_an_interface,
    too_many_groups,
    hearing_ones_own,
    hearing_what_others_joined,
    bound_to_a_group,
    no_looping_back,
    no_hops,
    sources,
    over_the_loopback,
    connected_to_a_group,
];

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x123);
/// The link's own address.
const LINK: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

fn group(world: &World) -> IpAddr {
    world.pick("239.1.2.3", "ff15::123")
}

fn join(world: &World, socket: &UdpSocket) -> io::Result<()> {
    match world.v6 {
        false => socket.join_multicast_v4(GROUP, LINK),
        true => socket.join_multicast_v6(&GROUP_V6, link_number()),
    }
}

fn leave(world: &World, socket: &UdpSocket) -> io::Result<()> {
    match world.v6 {
        false => socket.leave_multicast_v4(GROUP, LINK),
        true => socket.leave_multicast_v6(&GROUP_V6, link_number()),
    }
}

/// A socket that sends to groups over the link.
async fn sender(world: &World) -> UdpSocket {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    send_to_groups_over(&socket, LINK, link_number()).expect("there is a link");
    socket
}

/// A socket that shares a port, which is `port` or a new one.
fn listener(at: IpAddr, port: u16) -> (UdpSocket, u16) {
    let socket = udp_sharing(SocketAddr::new(at, port), true, false).expect("shared");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}

fn wildcard(world: &World) -> IpAddr {
    world.wildcard().ip()
}

/// Everything that waits at a socket.
async fn heard(socket: &UdpSocket) -> Vec<u8> {
    settled().await;
    let mut buf = [0; 16];
    let mut all = Vec::new();
    while let Ok(len) = socket.try_recv(&mut buf) {
        all.extend_from_slice(&buf[..len]);
    }
    all
}

async fn options(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.any_port()).await.expect("a port");
    log.note("loop", socket.multicast_loop_v4());
    log.note("ttl", socket.multicast_ttl_v4());
    for ttl in [0, 9, 255, 256, u32::MAX] {
        log.note(format!("set ttl {ttl}"), socket.set_multicast_ttl_v4(ttl));
        log.note("ttl", socket.multicast_ttl_v4());
    }
    log.note("set loop", socket.set_multicast_loop_v4(false));
    log.note("loop", socket.multicast_loop_v4());
    log.note("loop_v6", socket.multicast_loop_v6());
    log.note("set loop_v6", socket.set_multicast_loop_v6(false));
    log.note("loop_v6", socket.multicast_loop_v6());
}

async fn joining(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    log.note("leave too early", leave(world, &socket));
    log.note("join", join(world, &socket));
    log.note("join again", join(world, &socket));
    log.note("leave", leave(world, &socket));
    log.note("leave again", leave(world, &socket));
    let none = Ipv4Addr::new(10, 7, 0, 99);
    log.note("no interface", socket.join_multicast_v4(GROUP, none));
    log.note("no group", socket.join_multicast_v4(none, LINK));
    log.note("v6", socket.join_multicast_v6(&GROUP_V6, link_number()));
    log.note(
        "v6 without interface",
        socket.join_multicast_v6(&GROUP_V6, 77),
    );
    log.note(
        "no group of v6",
        socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, link_number()),
    );
}

async fn joining_without_an_interface(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let any = Ipv4Addr::UNSPECIFIED;
    log.note("no route", socket.join_multicast_v4(GROUP, any));
    log.note("v6", socket.join_multicast_v6(&GROUP_V6, 0));
}

async fn too_many_groups(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    for number in 0..22 {
        let group = Ipv4Addr::new(239, 9, 9, number);
        log.note("join", socket.join_multicast_v4(group, LINK));
    }
}

async fn hearing_ones_own(world: &World, log: &mut Log) {
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    let to = SocketAddr::new(group(world), port);
    log.note("send to nobody", sender.send_to(b"0", to).await);
    log.note("join", join(world, &a));
    log.note("send", sender.send_to(b"1", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
    let (b, _) = listener(wildcard(world), port);
    log.note("join", join(world, &b));
    log.note("send", sender.send_to(b"2", to).await);
    log.say("both", format!("{:?}", (heard(&a).await, heard(&b).await)));
    log.note("leave", leave(world, &a));
    log.note("leave", leave(world, &b));
    log.note("send", sender.send_to(b"3", to).await);
    log.say(
        "neither",
        format!("{:?}", (heard(&a).await, heard(&b).await)),
    );
}

async fn hearing_what_others_joined(world: &World, log: &mut Log) {
    if world.v6 {
        return;
    }
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    let (b, _) = listener(wildcard(world), port);
    join(world, &a).expect("a group");
    let to = SocketAddr::new(group(world), port);
    log.note("send", sender.send_to(b"1", to).await);
    log.say("both", format!("{:?}", (heard(&a).await, heard(&b).await)));
    log.note("only ones own", set_hears_all(&b, false));
    log.note("send", sender.send_to(b"2", to).await);
    log.say("one", format!("{:?}", (heard(&a).await, heard(&b).await)));
}

async fn bound_to_a_group(world: &World, log: &mut Log) {
    let sender = sender(world).await;
    let (at_group, port) = listener(group(world), 0);
    log.say("bound", at_group.local_addr().expect("bound").ip());
    let (at_link, _) = listener(world.own(), port);
    join(world, &at_group).expect("a group");
    let to = SocketAddr::new(group(world), port);
    log.note("send", sender.send_to(b"1", to).await);
    let all = (heard(&at_group).await, heard(&at_link).await);
    log.say("heard", format!("{all:?}"));
    // From where does it send?
    let (other, other_port) = listener(wildcard(world), 0);
    let to = SocketAddr::new(world.own(), other_port);
    log.note("send", at_group.send_to(b"x", to).await);
    let mut buf = [0; 4];
    let from = other.recv_from(&mut buf).await;
    log.note("from", from.map(|(_, from)| from.ip()));
}

async fn no_looping_back(world: &World, log: &mut Log) {
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    join(world, &a).expect("a group");
    match world.v6 {
        false => sender.set_multicast_loop_v4(false).expect("an option"),
        true => sender.set_multicast_loop_v6(false).expect("an option"),
    }
    let to = SocketAddr::new(group(world), port);
    log.note("send", sender.send_to(b"1", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
}

async fn no_hops(world: &World, log: &mut Log) {
    if world.v6 {
        return;
    }
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    join(world, &a).expect("a group");
    sender.set_multicast_ttl_v4(0).expect("an option");
    let to = SocketAddr::new(group(world), port);
    log.note("send", sender.send_to(b"1", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
}

async fn sources(world: &World, log: &mut Log) {
    if world.v6 {
        return;
    }
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    let other = Ipv4Addr::new(10, 7, 0, 9);
    let to = SocketAddr::new(group(world), port);
    log.note(
        "leave too early",
        set_source(&a, [LINK, GROUP, LINK], false),
    );
    log.note("join another", set_source(&a, [other, GROUP, LINK], true));
    log.note("join it again", set_source(&a, [other, GROUP, LINK], true));
    log.note("join all", join(world, &a));
    log.note("send", sender.send_to(b"1", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
    log.note("join ours", set_source(&a, [LINK, GROUP, LINK], true));
    log.note("send", sender.send_to(b"2", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
    log.note("leave ours", set_source(&a, [LINK, GROUP, LINK], false));
    log.note(
        "leave the other",
        set_source(&a, [other, GROUP, LINK], false),
    );
    log.note("leave", leave(world, &a));
    for number in 0..12 {
        let source = Ipv4Addr::new(10, 9, 9, number);
        log.note("one more", set_source(&a, [source, GROUP, LINK], true));
    }
    log.note("leave", leave(world, &a));
}

async fn over_the_loopback(world: &World, log: &mut Log) {
    if world.v6 {
        return;
    }
    let sender = UdpSocket::bind(world.wildcard()).await.expect("a port");
    send_to_groups_over(&sender, Ipv4Addr::LOCALHOST, 1).expect("there is a loopback");
    let (a, port) = listener(wildcard(world), 0);
    log.note("join", a.join_multicast_v4(GROUP, Ipv4Addr::LOCALHOST));
    let to = SocketAddr::new(group(world), port);
    log.note("send", sender.send_to(b"1", to).await);
    log.say("heard", format!("{:?}", heard(&a).await));
    sender.set_multicast_loop_v4(false).expect("an option");
    log.note("send", sender.send_to(b"2", to).await);
    log.say("heard all the same", format!("{:?}", heard(&a).await));
}

async fn connected_to_a_group(world: &World, log: &mut Log) {
    let sender = sender(world).await;
    let (a, port) = listener(wildcard(world), 0);
    join(world, &a).expect("a group");
    let to = SocketAddr::new(group(world), port);
    log.note("connect", sender.connect(to).await);
    log.note("local", sender.local_addr().map(|addr| addr.ip()));
    log.note("send", sender.send(b"1").await);
    log.say("heard", format!("{:?}", heard(&a).await));
    let back = SocketAddr::new(world.own(), port);
    log.note("connect to one", a.connect(back).await);
    log.note("send", sender.send(b"2").await);
    log.say("deaf", format!("{:?}", heard(&a).await));
}
