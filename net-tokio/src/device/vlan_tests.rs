//! VLANs: several devices over one Ethernet in memory.

use super::*;
use crate::{Net, PacketSocket, PingSocket, TcpListener, TcpStream, UdpSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use net_core::packet::PacketKind;
use net_core::wire::EtherType;
use net_core::wire::vlan::VlanId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn host(device: impl Device, address: &str) -> Net {
    let builder = Net::builder().device("eth0", device);
    builder.address(address).build().expect("a stack")
}

/// Sends `len` bytes over a new connection and checks that they arrive.
async fn transfer(from: &Net, to: &Net, address: &str, len: usize) {
    let listener = TcpListener::bind_on(to, (address, 0))
        .await
        .expect("a port");
    let at = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect_on(from, at).await.expect("connected");
    let (mut server, _) = listener.accept().await.expect("accepted");
    let sent: Vec<u8> = (0..len).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
    let mut got = Vec::new();
    let sending = async {
        client.write_all(&sent).await.expect("sent");
        client.shutdown().await.expect("finished");
    };
    let (_, read) = tokio::join!(sending, server.read_to_end(&mut got));
    read.expect("received");
    assert!(got == sent);
}

/// SPEC 97: ping over VLAN 10, and nothing goes from one VLAN to another.
#[tokio::test(start_paused = true)]
async fn several_vlans_share_a_link_and_see_nothing_of_each_other() {
    let switch = Switch::new();
    let vlan = |number| VlanId::new(number).expect("the number of a VLAN");
    let hosts = [1, 2].map(|host| {
        let trunk = Trunk::new(switch.port()).expect("it is an Ethernet");
        // The same addresses everywhere, but for one VLAN that the other host does not have.
        let foreign = trunk.vlan(vlan(28 + host)).expect("the first");
        let devices = [
            (trunk.untagged().expect("the first"), 0),
            (trunk.vlan(vlan(10)).expect("the first"), 10),
            (trunk.vlan(vlan(20)).expect("the first"), 20),
            (foreign, 30),
        ];
        let twice = trunk.vlan(vlan(10)).expect_err("the second");
        assert_eq!(twice.kind(), io::ErrorKind::AddrInUse);
        let mut net = Net::builder();
        for (port, net_number) in devices {
            net = net
                .device(format!("eth0.{net_number}"), port)
                .address(format!("10.7.{net_number}.{host}/24"));
        }
        (net.build().expect("a stack"), trunk)
    });
    let [(one, trunk), (two, _)] = &hosts;
    for net_number in [0, 10, 20] {
        let ping = PingSocket::new_v4_on(one).expect("a socket");
        let to = format!("10.7.{net_number}.2");
        let address = to.parse().expect("an address");
        ping.request(address, 7, b"there?").await.expect("sent");
        assert_eq!(ping.reply().await.expect("an answer").data, "there?");
        transfer(one, two, &to, 300_000).await;
    }
    let error = TcpStream::connect_on(one, "10.7.30.2:80").await;
    let error = error.expect_err("nobody of that VLAN is there");
    assert_eq!(error.kind(), io::ErrorKind::HostUnreachable);
    assert!(hosts[1].1.counters().unknown >= 3, "its questions");
    let counters = trunk.counters();
    assert_eq!((counters.malformed, counters.overruns), (0, 0));
    let neighbors = one.neighbors();
    let known = neighbors.iter().filter(|each| each.mac.is_some());
    assert_eq!(known.count(), 3, "one in each VLAN");
}

#[tokio::test(start_paused = true)]
async fn tags_are_on_the_wire_and_broken_ones_are_counted() {
    let (device, mut wire) = ethernet_channel(1500, MacAddr::new([2, 0, 0, 0, 0, 1]));
    let trunk = Trunk::new(device).expect("it is an Ethernet");
    let ten = VlanId::new(10).expect("the number of a VLAN");
    let net = host(trunk.vlan(ten).expect("the first"), "10.7.0.1/24");
    let socket = UdpSocket::bind_on(&net, "10.7.0.1:0")
        .await
        .expect("a port");
    socket.send_to(b"x", "10.7.0.2:9").await.expect("sent");
    let question = loop {
        let frame = wire.next().await.expect("a question for the station");
        if frame[16..18] == [0x08, 0x06] {
            break frame;
        }
    };
    assert_eq!(question[..6], [0xff; 6]);
    assert_eq!(question[12..16], [0x81, 0, 0, 10]);
    let mut answer = question[..46].to_vec();
    answer[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    answer[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
    answer[25] = 2;
    let (sender, target) = (answer[26..36].to_vec(), answer[36..46].to_vec());
    answer[26..32].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
    answer[32..36].copy_from_slice(&target[6..]);
    answer[36..46].copy_from_slice(&sender);
    // The same with the reserved number, of another VLAN, and cut in its tag: nobody's.
    let mut reserved = answer.clone();
    reserved[14..16].copy_from_slice(&[0x0f, 0xff]);
    let mut foreign = answer.clone();
    foreign[15] = 11;
    let cut = answer[..16].to_vec();
    for frame in [reserved, foreign, cut, answer] {
        wire.send(Bytes::from(frame)).await.expect("it is there");
    }
    let datagram = wire.next().await.expect("what has waited");
    assert_eq!(datagram[12..18], [0x81, 0, 0, 10, 0x08, 0x00]);
    assert!(datagram.ends_with(b"x"));
    let counters = trunk.counters();
    assert_eq!((counters.malformed, counters.unknown), (2, 1));
}

/// SPEC 95: what nobody fetches is dropped and counted, and nobody else waits for it.
#[tokio::test(start_paused = true)]
async fn a_full_port_drops_and_counts_and_the_others_go_on() {
    let (device, mut wire) = ethernet_channel(1500, MacAddr::new([2, 0, 0, 0, 0, 1]));
    let trunk = Trunk::new(device).expect("it is an Ethernet");
    let vlan = |number| VlanId::new(number).expect("the number of a VLAN");
    // No stack fetches its frames.
    let idle = trunk.vlan(vlan(20)).expect("the first");
    let net = host(trunk.vlan(vlan(10)).expect("the first"), "10.7.0.1/24");
    let frame = |number, last: u8| {
        let mut frame = vec![0; 1518];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[12..18].copy_from_slice(&[0x81, 0, 0, number, 0x88, 0xb5]);
        frame[1517] = last;
        Bytes::from(frame)
    };
    let tap = PacketSocket::new_on(&net, PacketKind::Cooked, EtherType(0x88b5)).expect("one");
    for turn in 0..40 {
        for _ in 0..100 {
            wire.send(frame(20, 0)).await.expect("it is there");
        }
        wire.send(frame(10, turn)).await.expect("it is there");
        let got = tap.recv().await.expect("alive");
        assert_eq!(got.payload.last(), Some(&turn));
    }
    let overruns = trunk.counters().overruns;
    assert!((1..4000).contains(&overruns), "{overruns}");
    assert_eq!(idle.overruns().count(), Some(overruns));
    assert_eq!(
        net.interfaces().pop().and_then(|status| status.overruns),
        Some(0)
    );
    drop(idle);
    assert_eq!(trunk.counters().unknown, 0);
}

/// Keeps the times that it is to wake somebody at, of which only the last counts.
#[derive(Debug)]
struct Clockwork(std::sync::Arc<std::sync::Mutex<Vec<Instant>>>);

impl Device for Clockwork {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps::default()
    }

    fn mtu(&self) -> u16 {
        1500
    }

    fn mac(&self) -> Option<MacAddr> {
        Some(MacAddr::new([2, 0, 0, 0, 0, 1]))
    }

    fn poll_recv(
        &mut self,
        _: &mut Context<'_>,
        _: &mut RxBatch,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut TxBatch,
        _: Instant,
    ) -> Poll<io::Result<()>> {
        batch.clear();
        Poll::Ready(Ok(()))
    }

    fn wake_at(&mut self, _: &mut Context<'_>, at: Instant) -> bool {
        self.0.lock().expect("nobody panics").push(at);
        true
    }
}

#[test]
fn no_port_loses_its_timer_to_another() {
    let asked = std::sync::Arc::default();
    let trunk = Trunk::new(Clockwork(std::sync::Arc::clone(&asked))).expect("an Ethernet");
    let port = |number| {
        let id = VlanId::new(number).expect("the number of a VLAN");
        trunk.vlan(id).expect("the first")
    };
    let (mut one, mut two) = (port(10), port(20));
    let mut cx = Context::from_waker(Waker::noop());
    let at = Instant::from_millis;
    let last = || asked.lock().expect("nobody panics").last().copied();
    assert!(one.wake_at(&mut cx, at(5)));
    assert!(two.wake_at(&mut cx, at(90)));
    assert_eq!(last(), Some(at(5)), "the first of all");
    // The driver of one is awake, and has nothing more to wait for than what comes later.
    let mut rx = RxBatch::default();
    assert!(one.poll_recv(&mut cx, &mut rx, 1).is_pending());
    assert!(one.wake_at(&mut cx, at(200)));
    assert_eq!(last(), Some(at(90)));
}
