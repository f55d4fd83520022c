//! What `tcpdump -vv` thinks of checksums: behind a device that completes what ours has left to it, on a
//! device without offload, and in our own captures.
#![cfg(target_os = "linux")]

use net_core::sim::pcapng::{self, Direction, LinkType, Record};
use net_core::wire::IpHeader;
use net_tokio::device::{PcapTap, Tun};
use net_tokio::{Net, PingSocket, TcpListener, TcpStream, UdpSocket};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tests::hosts::pattern;
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// With offload, the kernel's ends, and without: the device there completes what the first has left out.
const ENDS: [[&str; 4]; 2] = [
    ["10.7.0.2", "10.7.0.1", "10.9.0.1", "10.9.0.2"],
    ["fd07::2", "fd07::1", "fd09::1", "fd09::2"],
];

#[test]
fn tcpdump_finds_no_bad_checksum_behind_us_nor_in_our_captures() {
    let name = "tcpdump_finds_no_bad_checksum_behind_us_nor_in_our_captures";
    if Command::new("tcpdump").arg("--version").output().is_err() {
        netns::missing(name, &"there is no tcpdump");
        return;
    }
    netns::run(name, || {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("checksums-{id}"));
        fs::create_dir_all(&folder).expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let done = runtime.block_on(async { timeout(LIMIT, run(&folder)).await });
        drop(runtime);
        done.expect("in time");
        for name in ["behind", "with", "without"] {
            judge(&read(&capture(&folder, name)), name);
        }
        fs::remove_dir_all(&folder).expect("ours");
    });
}

/// Two stacks talk to each other through the kernel.
async fn run(folder: &Path) {
    let [one, two] = [true, false].map(|offload| host(offload, folder));
    for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{key}"), "1").expect("a namespace of our own");
    }
    let watcher = Watcher::start();
    for [ours, _, _, theirs] in ENDS {
        exchange(&one, &two, theirs).await;
        exchange(&two, &one, ours).await;
    }
    one.shutdown().await;
    two.shutdown().await;
    watcher.end(&capture(folder, "behind"));
}

/// A stack on a TUN of its own, whose packets are captured.
fn host(offload: bool, folder: &Path) -> Net {
    let name = if offload { "with" } else { "without" };
    let of = |mut ends: [&'static str; 4]| {
        if !offload {
            ends.reverse();
        }
        ends
    };
    let [v4, v6] = ENDS.map(of);
    let tun = Tun::builder(name).offload(offload);
    let tun = tun.host_address(ip(v4[1]), 24).host_address(ip(v6[1]), 64);
    let file = File::create(capture(folder, name)).expect("a file");
    let device = PcapTap::new(tun.build().expect("a TUN"), name, file).expect("a capture");
    Net::builder()
        .device(name, device)
        .address(format!("{}/24", v4[0]))
        .address(format!("{}/64", v6[0]))
        .gateway(ip(v4[1]))
        .gateway(ip(v6[1]))
        .build()
        .expect("a stack")
}

fn capture(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("pcapng")
}

/// A stream, datagrams of one piece and of several, and a ping.
async fn exchange(client: &Net, server: &Net, to: &str) {
    let to = ip(to);
    let listener = TcpListener::bind_on(server, (to, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stream = TcpStream::connect_on(client, (to, port));
    let (stream, accepted) = tokio::join!(stream, listener.accept());
    let (mut stream, (mut accepted, _)) = (stream.expect("connected"), accepted.expect("accepted"));
    let data: Vec<u8> = (0..SIZE).map(pattern).collect();
    let send = async {
        stream.write_all(&data).await.expect("sent");
        stream.shutdown().await.expect("finished");
    };
    let mut got = Vec::new();
    let (_, received) = tokio::join!(send, accepted.read_to_end(&mut got));
    received.expect("received");
    assert!(got == data);
    let receiver = UdpSocket::bind_on(server, (to, 0)).await.expect("a port");
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let sender = UdpSocket::bind_on(client, any).await.expect("a port");
    for len in [1, 100, 1300, 3000] {
        let port = receiver.local_addr().expect("bound").port();
        sender
            .send_to(&data[..len], (to, port))
            .await
            .expect("sent");
        let mut buffer = vec![0; 4000];
        let (got, _) = receiver.recv_from(&mut buffer).await.expect("received");
        assert!(buffer[..got] == data[..len]);
    }
    let ping = match to {
        IpAddr::V4(_) => PingSocket::new_v4_on(client),
        IpAddr::V6(_) => PingSocket::new_v6_on(client),
    };
    let ping = ping.expect("a socket");
    ping.request(to, 1, &data[..500]).await.expect("sent");
    assert_eq!(ping.reply().await.expect("an answer").from, to);
}

/// What `tcpdump` says about a file. It gives up being root, which it cannot where nobody else is known:
/// so it is somebody else from the beginning, where namespaces of users are allowed.
fn read(file: &Path) -> String {
    let apart = Command::new("unshare").args(["-U", "--", "true"]).status();
    let mut tcpdump = match apart.is_ok_and(|status| status.success()) {
        true => {
            let mut unshare = Command::new("unshare");
            unshare.args(["-U", "--", "tcpdump"]);
            unshare
        }
        false => Command::new("tcpdump"),
    };
    let tcpdump = tcpdump.args(["-n", "-vv", "-r"]).arg(file).output();
    let tcpdump = tcpdump.expect("it has told its version");
    let complaint = String::from_utf8_lossy(&tcpdump.stderr).into_owned();
    assert!(tcpdump.status.success(), "{complaint}");
    String::from_utf8(tcpdump.stdout).expect("text")
}

/// Every packet that the kernel takes in or sends, on a thread of its own.
struct Watcher {
    thread: JoinHandle<Vec<Vec<u8>>>,
    is_over: Arc<AtomicBool>,
}

impl Watcher {
    fn start() -> Self {
        // ETH_P_ALL
        let all = Protocol::from(i32::from(3_u16.to_be()));
        let socket =
            Socket::new(Domain::PACKET, Type::DGRAM, Some(all)).expect("root of a namespace");
        let pause = Duration::from_millis(20);
        socket.set_read_timeout(Some(pause)).expect("a limit");
        // Nothing of what is exchanged is to be lost to a machine that has much else to do. Only root outside
        // of user namespaces may go beyond net.core.rmem_max.
        match set_socket_recv_buffer_size_force(&socket, ROOM) {
            Err(Errno::PERM) => socket.set_recv_buffer_size(ROOM).expect("a size"),
            forced => forced.expect("a size"),
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut packets, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
            loop {
                let is_last = told.load(Ordering::SeqCst);
                while let Ok(len) = (&socket).read(&mut buffer) {
                    packets.push(buffer[..len].to_vec());
                }
                if is_last {
                    let lost = lost(&socket);
                    assert_eq!(lost, 0, "the watcher lost {lost} frames");
                    return packets;
                }
            }
        });
        Self { thread, is_over }
    }

    /// Writes what was on its way to and from the device without offload: it counts the hops of what comes
    /// from the other one, and has then completed it.
    fn end(self, file: &Path) {
        self.is_over.store(true, Ordering::SeqCst);
        let packets = self.thread.join().unwrap_or_else(|why| resume_unwind(why));
        let mut blocks = Vec::new();
        pcapng::section(&mut blocks);
        pcapng::interface(&mut blocks, "without", LinkType::Raw);
        let behind = packets.iter().filter(|bytes| {
            let header = IpHeader::parse_quoted(bytes);
            header.is_ok_and(|header| {
                let comes_from =
                    |end: usize| ENDS.iter().any(|ends| ip(ends[end]) == header.source);
                comes_from(0) && header.ttl == 63 || comes_from(3) && header.ttl == 64
            })
        });
        for bytes in behind {
            let record = Record {
                interface: 0,
                nanos: 0,
                direction: Direction::Inbound,
                bytes,
                len: bytes.len(),
            };
            pcapng::packet(&mut blocks, &record);
        }
        fs::write(file, blocks).expect("written");
    }
}

/// How many frames a packet socket had no room for.
fn lost(socket: &Socket) -> u32 {
    // struct tpacket_stats: tp_packets and tp_drops
    let mut statistics = [0_u32; 2];
    let mut len = libc::socklen_t::try_from(size_of_val(&statistics)).expect("eight");
    // SAFETY: PACKET_STATISTICS writes at most `len` bytes there, and how many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            statistics.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    statistics[1]
}

/// Something of each protocol and family has been seen, and all its sums were right.
fn judge(text: &str, what: &str) {
    for bad in [
        "incorrect",
        "bad cksum",
        "bad udp",
        "bad icmp6",
        "wrong icmp",
    ] {
        let line = text.lines().find(|line| line.contains(bad));
        assert_eq!(line, None, "{what}");
    }
    for [_, _, _, theirs] in ENDS {
        let of = |sign: &str| {
            let mut lines = text.lines();
            lines.any(|line| line.contains(theirs) && line.contains(sign))
        };
        assert!(of("(correct)"), "TCP of {theirs} in {what}");
        assert!(of("udp sum ok"), "UDP of {theirs} in {what}");
        assert!(of("echo reply"), "ICMP of {theirs} in {what}");
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Bytes of a stream.
const SIZE: usize = 50_000;
/// Bytes that the watcher's queue is to take.
const ROOM: usize = 4 << 20;
const LIMIT: Duration = Duration::from_secs(20);
