//! A VLAN of ours with a peer that is not: the kernel's own device where there is one, and a test that
//! writes and reads the frames itself.
#![cfg(target_os = "linux")]

use net_core::wire::checksum::checksum;
use net_core::wire::vlan::VlanId;
use net_tokio::device::{Nic, Trunk};
use net_tokio::{Net, PingSocket, TcpListener};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;
use tests::netns;
use tokio::runtime::{Builder, Runtime};

/// Our address in VLAN 10, and the peer's.
const OURS: [u8; 4] = [10, 7, 10, 2];
const PEER: [u8; 4] = [10, 7, 10, 1];
/// The station of the peer that is made up.
const STATION: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_vlan_of_the_kernel_is_the_same_as_ours() {
    let name = "a_vlan_of_the_kernel_is_the_same_as_ours";
    netns::run(name, || {
        set_up_veth();
        if let Err(why) = ip_command("link add link veth0 name veth0.10 type vlan id 10") {
            // Not every kernel has them; all else is a fault.
            assert!(why.ends_with("Error: Unknown device type."), "{why}");
            netns::missing(name, &why);
            return;
        }
        ip_command("address add 10.7.10.1/24 dev veth0.10").expect("it is there");
        ip_command("link set veth0.10 up").expect("it is there");
        let runtime = runtime();
        let net = runtime.block_on(async { host() });
        runtime.block_on(async {
            let ping = PingSocket::new_v4_on(&net).expect("a socket");
            ping.request(PEER.into(), 1, b"over vlan 10")
                .await
                .expect("sent");
            let reply = tokio::time::timeout(LIMIT, ping.reply()).await;
            assert_eq!(
                reply.expect("in time").expect("an answer").data,
                "over vlan 10"
            );
        });
        let listener = runtime.block_on(TcpListener::bind_on(&net, (IpAddr::from(OURS), 80)));
        let listener = listener.expect("a port");
        let serving = runtime.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer)
                .await
                .expect("echoed");
        });
        let mut stream = TcpStream::connect((IpAddr::from(OURS), 80)).expect("connected");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.write_all(&[7; 10_000]).expect("sent");
        let mut back = [0; 10_000];
        stream.read_exact(&mut back).expect("all of it");
        assert!(back == [7; 10_000]);
        drop(stream);
        runtime.block_on(serving).expect("served");
        runtime.block_on(net.shutdown());
    });
}

/// Whatever the kernel has: it carries the frames alone, and the test is who speaks.
#[test]
fn frames_of_a_vlan_are_answered_with_its_tag_and_others_are_not() {
    let name = "frames_of_a_vlan_are_answered_with_its_tag_and_others_are_not";
    netns::run(name, || {
        set_up_veth();
        let runtime = runtime();
        let net = runtime.block_on(async { host() });
        let wire = Wire::open("veth0");
        // Nobody in another VLAN, or in none, has the address.
        for tag in [None, Some(20), Some(10)] {
            wire.send(tag, ARP, &arp(1, [0; 6], OURS));
        }
        let (tag, frame) = wire.next(ARP, |body| body[7] == 2);
        assert_eq!(tag, Some(10), "the first answer");
        let station: [u8; 6] = frame[22..28].try_into().expect("six");
        assert_eq!((&frame[..6], &frame[6..12]), (&STATION[..], &station[..]));
        assert_eq!(frame[28..32], OURS);
        // A priority goes with the frames of the VLAN, and none has to.
        for (priority, number) in [(0, 1), (5 << 13, 2)] {
            wire.send_to(station, Some(10 | priority), IPV4, &echo(8, number));
            let (tag, frame) = wire.next(IPV4, |body| body[20] == 0);
            assert_eq!(tag.map(|tag| tag & 0xfff), Some(10));
            assert_eq!(frame[14 + 20 + 4..], echo(8, number)[24..]);
        }
        // What we begin ourselves has the tag, too.
        let ping = PingSocket::new_v4_on(&net).expect("a socket");
        let asking = ping.request([10, 7, 10, 77].into(), 1, b"hello");
        runtime.block_on(asking).expect("sent");
        let (tag, frame) = wire.next(ARP, |body| body[7] == 1);
        assert_eq!((tag, &frame[38..42]), (Some(10), &[10, 7, 10, 77][..]));
        runtime.block_on(net.shutdown());
    });
}

/// Our stack in VLAN 10 of the network behind `veth1`.
fn host() -> Net {
    let trunk = Nic::builder("veth1").build().expect("a packet socket");
    let trunk = Trunk::new(trunk).expect("an Ethernet");
    let id = VlanId::new(10).expect("a number");
    let port = trunk.vlan(id).expect("the first");
    let net = Net::builder().device("eth0.10", port);
    net.address("10.7.10.2/24").build().expect("a stack")
}

/// What the stack runs on, beside the thread of the test.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).enable_all();
    builder.build().expect("a runtime")
}

fn set_up_veth() {
    ip_command("link add veth0 type veth peer name veth1").expect("a pair");
    for name in ["veth0", "veth1"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        fs::write(path, "1").expect("the namespace's own");
        ip_command(&format!("link set {name} up")).expect("it is there");
    }
}

fn ip_command(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("cannot run ip: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// A packet socket at the other end of the cable.
struct Wire(Socket);

impl Wire {
    fn open(interface: &str) -> Self {
        let every = Protocol::from(i32::from(EVERY.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(every)).expect("a packet socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        let index = netns::index_of(interface).expect("it is there");
        // SAFETY: an address of zeros is a valid one.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).expect("small");
        address.sll_protocol = EVERY.to_be();
        address.sll_ifindex = i32::try_from(index).expect("small");
        let len = libc::socklen_t::try_from(size_of_val(&address)).expect("small");
        let on: libc::c_int = 1;
        let word = libc::socklen_t::try_from(size_of_val(&on)).expect("small");
        let fd = socket.as_raw_fd();
        // SAFETY: the kernel reads `len` and `word` bytes, those of the address and of the number.
        let done = unsafe {
            [
                libc::bind(fd, (&raw const address).cast(), len),
                libc::setsockopt(
                    fd,
                    libc::SOL_PACKET,
                    libc::PACKET_AUXDATA,
                    (&raw const on).cast(),
                    word,
                ),
            ]
        };
        assert_eq!(done, [0, 0], "{}", io::Error::last_os_error());
        Self(socket)
    }

    /// Sends to everybody.
    fn send(&self, tag: Option<u16>, ethertype: u16, body: &[u8]) {
        self.send_to([0xff; 6], tag, ethertype, body);
    }

    fn send_to(&self, to: [u8; 6], tag: Option<u16>, ethertype: u16, body: &[u8]) {
        let mut frame = [to, STATION].concat();
        if let Some(tag) = tag {
            frame.extend([0x8100, tag].map(u16::to_be_bytes).concat());
        }
        frame.extend(ethertype.to_be_bytes());
        frame.extend(body);
        assert_eq!(self.0.send(&frame).expect("sent"), frame.len());
    }

    /// The next frame of this type from our stack whose body is wanted, without its tag, and that.
    fn next(&self, ethertype: u16, wanted: impl Fn(&[u8]) -> bool) -> (Option<u16>, Vec<u8>) {
        loop {
            let (tag, frame) = self.receive();
            let (head, body) = frame.split_at(14);
            if head[6..12] != STATION && head[12..] == ethertype.to_be_bytes() && wanted(body) {
                return (tag, frame);
            }
        }
    }

    /// A frame, and the tag that the kernel has taken out of it.
    fn receive(&self) -> (Option<u16>, Vec<u8>) {
        let mut frame = vec![0; 2000];
        let mut control = [0_usize; 16];
        let mut piece = libc::iovec {
            iov_base: frame.as_mut_ptr().cast(),
            iov_len: frame.len(),
        };
        // SAFETY: a message header of zeros is a valid one.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: it names the frame and the control buffer with their lengths; both live through the call.
        let len = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        let len = usize::try_from(len).unwrap_or_else(|_| panic!("{}", io::Error::last_os_error()));
        frame.truncate(len);
        // SAFETY: the kernel has filled both in; a header that is there is whole, and behind one of
        // this type are the bytes of a tpacket_auxdata.
        let about = unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const message);
            assert!(!first.is_null() && (*first).cmsg_type == libc::PACKET_AUXDATA);
            libc::CMSG_DATA(first)
                .cast::<libc::tpacket_auxdata>()
                .read_unaligned()
        };
        let tagged = about.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        (tagged.then_some(about.tp_vlan_tci), frame)
    }
}

/// An ARP packet of the peer's about an address.
fn arp(operation: u8, station: [u8; 6], about: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(STATION);
    packet.extend(PEER);
    packet.extend(station);
    packet.extend(about);
    packet
}

/// An echo of the peer's to us in its packet.
fn echo(kind: u8, number: u8) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, number];
    message.extend(b"hello");
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let len = u8::try_from(20 + message.len()).expect("small");
    let mut packet = vec![0x45, 0, 0, len, 0, 1, 0x40, 0, 64, 1, 0, 0];
    packet.extend(PEER);
    packet.extend(OURS);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(message);
    packet
}

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
/// `ETH_P_ALL`.
const EVERY: u16 = 3;
