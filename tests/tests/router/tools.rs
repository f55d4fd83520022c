//! The examples `ping`, `traceroute` and `echo` as their command lines have them, with the kernel.

use crate::{LIMIT, ip, limit};
use clap::{Args, Command, FromArgMatches};
use examples::echo::EchoOptions;
use examples::ping::PingOptions;
use examples::traceroute::TracerouteOptions;
use net_tokio::Net;
use net_tokio::device::Tun;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use tokio::runtime::RuntimeFlavor;
use tokio::time::timeout;

/// What an example makes of its arguments.
pub(crate) fn options<O: Args + FromArgMatches>(arguments: &str) -> O {
    let command = O::augment_args(Command::new("example").no_binary_name(true));
    let found = command.try_get_matches_from(arguments.split_whitespace());
    O::from_arg_matches(&found.expect("arguments")).expect("all that is needed")
}

#[test]
fn ping_is_answered_by_the_kernel_and_by_a_second_stack() {
    let name = "tools::ping_is_answered_by_the_kernel_and_by_a_second_stack";
    tests::netns::run(name, || {
        for (to, size) in [
            ("--tun ping0 --address 10.7.0.2/24 10.7.0.1", 56),
            (
                "--tun ping1 --address 10.8.0.2/24 10.8.0.1 --size 4000",
                4000,
            ),
            ("fd00::2", 56),
        ] {
            let ping: PingOptions = options(&format!("{to} --count 2 --interval 1 --wait 8000"));
            let said = said(async |out| ping.run(out).await);
            let (from, lines) = (ping.target, said.lines().count());
            let answer = format!("{size} bytes from {from}: seq=2 ttl=64 time=");
            assert!(said.contains(&answer), "{said}");
            assert!(
                said.ends_with("2 sent, 2 answered\n") && lines == 3,
                "{said}"
            );
        }
    });
}

#[test]
fn traceroute_shows_the_kernel_as_the_router_before_another_stack() {
    let name = "tools::traceroute_shows_the_kernel_as_the_router_before_another_stack";
    tests::netns::run(name, || {
        if let Err(error) = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1") {
            return tests::netns::skip(name, &format!("cannot make a router: {error}"));
        }
        let runtime = crate::runtime();
        let far = runtime.block_on(async {
            let tun = Tun::builder("far0").host_address(ip("10.8.0.1"), 24);
            Net::builder()
                .device("far0", tun.build().expect("a TUN"))
                .address("10.8.0.2/24")
                .gateway(ip("10.8.0.1"))
                .build()
                .expect("a stack")
        });
        let arguments = "--tun near0 --address 10.7.0.2/24 --gateway 10.7.0.1 --wait 8000 10.8.0.2";
        let trace: TracerouteOptions = options(arguments);
        let said = said(async |out| trace.run(out).await);
        let hops = said.lines().map(|line| line.split("  ").take(2).collect());
        let hops: Vec<Vec<_>> = hops.collect();
        assert_eq!(hops, [[" 1", "10.7.0.1"], [" 2", "10.8.0.2"]], "{said}");
        runtime.block_on(far.shutdown());
    });
}

#[test]
fn echo_behind_a_tap_answers_streams_and_datagrams_of_the_kernel() {
    let name = "tools::echo_behind_a_tap_answers_streams_and_datagrams_of_the_kernel";
    tests::netns::run(name, || {
        let runtime = crate::runtime();
        let arguments = "--tap echo0 --address 10.7.0.2/24 --port 7 --udp 7";
        let echo: EchoOptions = options(arguments);
        let net = runtime.block_on(echo.start()).expect("it listens");
        let to: SocketAddr = "10.7.0.2:7".parse().expect("an address");
        let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connected");
        limit(&stream);
        stream.write_all(b"by stream").expect("sent");
        let mut answer = [0; 9];
        stream.read_exact(&mut answer).expect("and back");
        assert_eq!(&answer, b"by stream");
        let socket = UdpSocket::bind("10.7.0.1:0").expect("a port");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        socket.send_to(b"by datagram", to).expect("sent");
        let mut answer = [0; 20];
        let (len, from) = socket.recv_from(&mut answer).expect("and back");
        assert_eq!((&answer[..len], from), (&b"by datagram"[..], to));
        runtime.block_on(net.shutdown());
    });
}

#[test]
fn echo_serves_discards_and_sends_as_its_flags_say() {
    let name = "tools::echo_serves_discards_and_sends_as_its_flags_say";
    tests::netns::run(name, || {
        let common = "--address 10.7.0.2/24 --port 7 --udp 7 --discard 9 --source 19";
        for (flags, flavor, offload, mtu) in [
            ("--tun echo0", RuntimeFlavor::CurrentThread, true, 1500),
            (
                "--tun echo1 --runtime multi --offload off --mtu 1400",
                RuntimeFlavor::MultiThread,
                false,
                1400,
            ),
        ] {
            let echo: EchoOptions = options(&format!("{common} {flags}"));
            let runtime = echo.runtime().expect("a runtime");
            assert_eq!(runtime.handle().runtime_flavor(), flavor);
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let (ready, is_ready) = std::sync::mpsc::channel();
            let device = flags.split(' ').nth(1).expect("its name").to_owned();
            let serving = std::thread::spawn(move || {
                runtime.block_on(async {
                    let net = echo.start().await.expect("it listens");
                    ready.send(()).expect("somebody waits");
                    let _ = stopped.await;
                    net.shutdown().await;
                });
            });
            is_ready.recv_timeout(LIMIT).expect("in time");
            is_set_up(&device, offload, mtu);
            each_service_answers();
            stop.send(()).expect("it runs");
            serving.join().expect("served");
        }
    });
}

/// What the kernel says of the device.
fn is_set_up(device: &str, offload: bool, mtu: u16) {
    let shown = std::process::Command::new("ip")
        .args(["-details", "link", "show", device])
        .output();
    let shown = String::from_utf8(shown.expect("iproute2").stdout).expect("text");
    assert_eq!(shown.contains("vnet_hdr on"), offload, "{shown}");
    assert!(shown.contains(&format!(" mtu {mtu} ")), "{shown}");
}

fn each_service_answers() {
    let at = |port: u16| SocketAddr::new(ip("10.7.0.2"), port);
    let open = |port| {
        let stream = TcpStream::connect_timeout(&at(port), LIMIT).expect("connected");
        limit(&stream);
        stream
    };
    let data: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let mut echoing = open(7);
    let mut writer = echoing.try_clone().expect("a second handle");
    let sent = data.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).expect("sent");
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("half closed");
    });
    let mut back = Vec::new();
    echoing.read_to_end(&mut back).expect("and back");
    writing.join().expect("sent");
    assert!(back == data, "the echo");
    let mut discarding = open(9);
    discarding.write_all(&data).expect("sent");
    discarding
        .shutdown(std::net::Shutdown::Write)
        .expect("half closed");
    assert_eq!(
        discarding.read(&mut [0]).expect("the end"),
        0,
        "nothing comes back"
    );
    let socket = UdpSocket::bind("10.7.0.1:0").expect("a port");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    for len in [0, 1000, 5000] {
        socket.send_to(&data[..len], at(7)).expect("sent");
        let mut answer = [0; 6000];
        let (got, from) = socket.recv_from(&mut answer).expect("and back");
        assert_eq!(from, at(7));
        assert!(answer[..got] == data[..len], "{len} bytes");
    }
    // The last: what it sends without an end may crowd out datagrams.
    let mut source = open(19);
    let mut got = vec![0; 1 << 20];
    source.read_exact(&mut got).expect("it does not end");
    assert!(got.iter().all(|byte| *byte == b'.'));
}

/// What an example says that comes to a good end.
fn said(run: impl AsyncFnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
    let mut out = Vec::new();
    let ended = crate::runtime().block_on(async { timeout(LIMIT, run(&mut out)).await });
    ended.expect("in time").expect("a good end");
    String::from_utf8(out).expect("text")
}
