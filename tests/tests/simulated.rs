//! Programs of production on simulated hosts.

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderName;
use axum::http::header::DATE;
use axum::routing::get;
use bytes::Bytes;
use examples::http::Incoming;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use net_core::iface::IpCidr;
use net_core::time::Duration;
use net_tokio::device::LinkConfig;
use net_tokio::sim::{Cause, Sim, SimError};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use pcap_file::pcapng::{Block, PcapNgReader};
use std::error::Error;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn delay(delay: Duration) -> LinkConfig {
    LinkConfig {
        delay,
        ..LinkConfig::default()
    }
}

/// Three clients behind a bad link ask an axum server, with hyper; the packets, and how long it took.
fn requests_over_a_bad_network(seed: u64) -> (Vec<u8>, Duration) {
    let bad = LinkConfig {
        rate_bps: Some(20_000_000),
        delay: ms(15),
        jitter: ms(2),
        loss_ppm: 20_000,
        reorder_ppm: 10_000,
        duplicate_ppm: 10_000,
        ..LinkConfig::default()
    };
    let mut sim = Sim::new(seed);
    sim.switch("office");
    sim.router("internet");
    sim.connect("office", "internet", bad.clone(), bad);
    sim.connect("server", "internet", delay(ms(5)), delay(ms(5)));
    let server = SocketAddr::new(sim.address("server"), 80);
    sim.service("server", async move {
        let listener = TcpListener::bind(server).await?;
        let app = Router::new().route("/item/{size}", get(item));
        axum::serve(Incoming(listener), app).await
    });
    for number in 0..3 {
        let name = format!("client {number}");
        sim.connect(&name, "office", delay(ms(1)), delay(ms(1)));
        sim.host(&name, ask(server, number));
    }
    sim.run().expect("every answer arrives");
    (sim.capture(), sim.elapsed())
}

/// With a date of its own: the server's would be the host's.
async fn item(Path(size): Path<usize>) -> ([(HeaderName, &'static str); 1], Vec<u8>) {
    sleep(ms(3)).await;
    ([(DATE, "Thu, 01 Jan 1970 00:00:00 GMT")], vec![7; size])
}

async fn ask(server: SocketAddr, number: u64) -> Outcome {
    sleep(ms(40 * number)).await;
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    for size in [10, 3_000, 150_000] {
        let request = Request::get(format!("/item/{size}"))
            .header("host", "server")
            .body(Empty::<Bytes>::new())?;
        let response = timeout(Duration::from_secs(60), sender.send_request(request)).await??;
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, vec![7; size]);
    }
    Ok(())
}

#[test]
fn a_seed_gives_the_same_packets_for_axum_and_hyper_and_another_one_does_not() {
    let first = requests_over_a_bad_network(1);
    assert!(first.0.len() > 400_000);
    assert!(first == requests_over_a_bad_network(1));
    let other = requests_over_a_bad_network(2);
    assert!(first.0 != other.0 && first.1 != other.1);
}

#[test]
fn packets_arrive_at_their_own_nanosecond() {
    let mut sim = Sim::new(3);
    sim.link(LinkConfig {
        rate_bps: Some(7_000_000),
        ..delay(Duration::from_nanos(1_234_567))
    });
    let server = SocketAddr::new(sim.address("server"), 7);
    sim.service("server", async move {
        let socket = UdpSocket::bind(server).await?;
        let mut word = [0; 100];
        loop {
            let (len, from) = socket.recv_from(&mut word).await?;
            socket.send_to(&word[..len], from).await?;
        }
        #[expect(unreachable_code, reason = "it says the type of the error")]
        io::Result::Ok(())
    });
    sim.host("client", async move {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        for _ in 0..10 {
            let begun = Instant::now();
            socket.send_to(&[0; 72], server).await?;
            socket.recv_from(&mut [0; 100]).await?;
            // Four links; a hundred bytes at 7 Mbit/s are 114,285.7 ns.
            let nanos = begun.elapsed().as_nanos();
            assert!((4 * (1_234_567 + 114_285)..=4 * (1_234_567 + 114_286)).contains(&nanos));
            sleep(Duration::from_nanos(333_333)).await;
        }
        io::Result::Ok(())
    });
    sim.run().expect("an echo");
}

#[test]
fn timers_of_tokio_fire_on_time_between_packets() {
    let mut sim = Sim::new(4);
    sim.link(LinkConfig {
        rate_bps: Some(5_000_000),
        ..delay(Duration::from_micros(700))
    });
    let server = SocketAddr::new(sim.address("server"), 9);
    sim.service("server", async move {
        let (mut stream, _) = TcpListener::bind(server).await?.accept().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        io::Result::Ok(())
    });
    sim.host("client", async move {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&[0; 100_000]).await
    });
    sim.host("clock", async {
        let begun = Instant::now();
        for count in 1..200_u32 {
            sleep(ms(1)).await;
            assert_eq!(begun.elapsed(), ms(1) * count);
        }
        io::Result::Ok(())
    });
    sim.run().expect("time goes on");
    assert!(sim.elapsed() >= ms(199));
}

#[test]
fn a_silent_day_takes_no_time() {
    let mut sim = Sim::new(5);
    sim.limit(Duration::from_secs(100_000));
    sim.host("sleeper", async {
        sleep(Duration::from_secs(86_400)).await;
        io::Result::Ok(())
    });
    sim.run().expect("a long sleep");
    assert_eq!(sim.elapsed(), Duration::from_secs(86_400));
}

#[test]
fn tasks_of_a_program_share_its_stack() {
    let mut sim = Sim::new(6);
    let server = SocketAddr::new(sim.address_v6("server"), 7);
    sim.service("server", async move {
        let listener = TcpListener::bind(server).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
        #[expect(unreachable_code, reason = "it says the type of the error")]
        io::Result::Ok(())
    });
    sim.host("client", async move {
        let net = Net::current()?;
        let tasks = (0..5).map(|number| {
            let net = net.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect_on(&net, server).await?;
                stream.write_all(&[number; 50]).await?;
                stream.shutdown().await?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await?;
                assert_eq!(answer, [number; 50]);
                io::Result::Ok(())
            })
        });
        for task in tasks {
            task.await??;
        }
        Outcome::Ok(())
    });
    sim.run().expect("five echoes");
}

#[test]
fn a_link_may_change_while_programs_run() {
    let mut sim = Sim::new(7);
    sim.connect("client", "server", delay(ms(10)), delay(ms(10)));
    sim.change_at(ms(500), "client", "server", delay(ms(200)));
    let server = SocketAddr::new(sim.address("server"), 7);
    sim.service("server", async move {
        let socket = UdpSocket::bind(server).await?;
        loop {
            let (_, from) = socket.recv_from(&mut [0; 9]).await?;
            socket.send_to(b"back", from).await?;
        }
        #[expect(unreachable_code, reason = "it says the type of the error")]
        io::Result::Ok(())
    });
    sim.host("client", async move {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        for expected in [20, 210] {
            let begun = Instant::now();
            socket.send_to(b"there", server).await?;
            socket.recv_from(&mut [0; 9]).await?;
            assert_eq!(begun.elapsed(), ms(expected));
            sleep(ms(500)).await;
        }
        io::Result::Ok(())
    });
    sim.run().expect("two echoes");
    assert_eq!(sim.counters("client", "server").delivered, 2);
}

/// Runs a simulation that fails; its error, and the packets that it left.
fn failure(mut sim: Sim, folder: &str) -> (SimError, Vec<u8>) {
    let folder = std::env::temp_dir().join(format!("{folder}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for captures");
    sim.leave_captures_in(&folder);
    let error = sim.run().expect_err("it fails");
    let file = error.capture().expect("a capture");
    let packets = fs::read(file).expect("the capture");
    assert!(error.to_string().contains(&file.display().to_string()));
    fs::remove_dir_all(folder).expect("the folder is ours");
    (error, packets)
}

/// The lengths of the packets in a capture.
fn lengths(capture: &[u8]) -> Vec<usize> {
    let mut reader = PcapNgReader::new(capture).expect("a head");
    let mut lengths = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.expect("a block") {
            lengths.push(packet.data.len());
        }
    }
    lengths
}

#[test]
fn a_program_that_fails_names_the_seed_and_leaves_the_packets() {
    let mut sim = Sim::new(8);
    let server = SocketAddr::new(sim.address("server"), 9);
    sim.host("client", async move {
        TcpStream::connect(server).await?;
        io::Result::Ok(())
    });
    let (error, packets) = failure(sim, "failing");
    assert!(matches!(error.cause(), Cause::Program { host, .. } if host == "client"));
    assert_eq!(error.seed(), 8);
    assert!(error.to_string().contains("seed 8"));
    // A SYN and a RST, each sent and received.
    assert_eq!(lengths(&packets).len(), 4);
}

#[test]
fn a_program_that_panics_fails_the_simulation() {
    let mut sim = Sim::new(9);
    sim.host("host", async {
        sleep(ms(5)).await;
        assert!(Instant::now().elapsed() > ms(1), "of course not");
        io::Result::Ok(())
    });
    let (error, _) = failure(sim, "panicking");
    assert!(matches!(error.cause(), Cause::Panic { host } if host == "host"));
}

#[test]
fn programs_that_wait_for_ever_run_out_of_time() {
    let mut sim = Sim::new(10);
    sim.limit(Duration::from_secs(30));
    sim.host("host", async {
        TcpListener::bind("0.0.0.0:1").await?.accept().await?;
        io::Result::Ok(())
    });
    let (error, packets) = failure(sim, "waiting");
    assert!(matches!(error.cause(), Cause::TooLong));
    assert!(lengths(&packets).is_empty());
}

#[test]
fn packets_that_go_in_circles_end_the_simulation() {
    let mut sim = Sim::new(11);
    for name in ["left", "right"] {
        sim.switch(name);
    }
    sim.connect("host", "left", delay(ms(1)), delay(ms(1)));
    sim.connect(
        "left",
        "right",
        LinkConfig::default(),
        LinkConfig::default(),
    );
    let all = IpCidr {
        address: Ipv4Addr::UNSPECIFIED.into(),
        prefix_len: 0,
    };
    sim.route(all, "left", "right");
    sim.route(all, "right", "left");
    sim.host("host", async {
        TcpStream::connect("10.99.0.1:1").await?;
        io::Result::Ok(())
    });
    let (error, packets) = failure(sim, "circling");
    let Cause::Livelock(livelock) = error.cause() else {
        panic!("{error}")
    };
    assert!(livelock.to_string().contains("packets from left to right"));
    assert_eq!(lengths(&packets).len(), 1);
}
