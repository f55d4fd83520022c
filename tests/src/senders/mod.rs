//! Our sender beside the kernel's: the same algorithm over the same path, with the same losses.
//!
//! The receiver is one stack of ours behind a TUN. The way in is a simulated link: rate, delay, queue,
//! and the loss of the same packets by their number. One time the kernel's own socket sends to it,
//! the other time a second stack of ours behind a TUN of its own, whose packets the kernel forwards:
//!
//! ```text
//! kernel's socket ─────────────────────┐
//! our stack ─► TUN ─► kernel forwards ─┴─► TUN ─► link ─► our stack
//! ```
//!
//! All of it runs in a network namespace of its own. The whole grid takes a quarter of an hour:
//! `cargo run --release -p tests --bin senders`; the name of an algorithm measures its part.

mod impaired;
pub mod tally;

use impaired::Impaired;
use net_core::Config;
use net_core::config::CongestionAlgorithm;
use net_core::seed::Seed;
use net_core::sim::LinkConfig;
use net_core::socket::TcpOption;
use net_tokio::device::Tun;
use net_tokio::{Net, TcpSocket};
use socket2::{Domain, Socket, Type};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::{Ratios, Tally};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream as HostStream;
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The grid of those of the algorithms that are `wanted`, as a table in Markdown, and one more of
/// [`OTHER`]. Where it is the whole grid, what it comes to as well.
#[must_use]
pub fn grid(wanted: impl Fn(CongestionAlgorithm) -> bool) -> (String, Option<Tally>) {
    let (mut tables, mut whole) = (String::new(), None);
    for algorithms in [&ALGORITHMS[..], &[OTHER]] {
        let mut cells = Vec::new();
        for algorithm in algorithms.iter().filter(|each| wanted(**each)) {
            for rtt in ROUND_TRIPS {
                cells.extend(LOSSES.map(|loss| Cell::new(*algorithm, rtt, loss)));
            }
        }
        if !cells.is_empty() {
            let results = measure(&cells, &[1, 2, 3, 4, 5], Duration::from_secs(10));
            let (table, tally) = report(&results);
            tables += &table;
            tables.push('\n');
            if cells.len() == CELLS {
                whole = Some(tally);
            }
        }
    }
    (tables, whole)
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    algorithm: CongestionAlgorithm,
    rtt: Duration,
    /// Packets lost per million.
    loss: u32,
}

impl Cell {
    /// A path with this round-trip time in milliseconds, and so many packets lost per million.
    #[must_use]
    pub const fn new(algorithm: CongestionAlgorithm, rtt_ms: u64, loss: u32) -> Self {
        Self {
            algorithm,
            rtt: Duration::from_millis(rtt_ms),
            loss,
        }
    }

    /// The way to the receiver; the way back takes no time.
    fn link(self) -> LinkConfig {
        let bits = u128::from(RATE) * self.rtt.as_nanos() / 1_000_000_000;
        let product = usize::try_from(bits / 8).expect("a few segments");
        LinkConfig {
            rate_bps: Some(RATE),
            delay: self.rtt,
            loss_ppm: self.loss,
            queue_bytes: product,
            ..LinkConfig::default()
        }
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Kernel,
    Ours,
    /// The kernel once more, to see what two runs of one sender differ by.
    KernelAgain,
}

/// What a cell comes to, in Mbit/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodput {
    /// With the kernel's sender.
    pub kernel: f64,
    /// With ours.
    pub ours: f64,
    /// With the kernel's once more.
    pub kernel_again: f64,
}

/// The goodput in each cell: the medians over `seeds`, each of which takes `time`.
///
/// # Panics
/// When the namespace allows no TUN, or a transfer does not get through.
#[must_use]
pub fn measure(cells: &[Cell], seeds: &[u64], time: Duration) -> Vec<(Cell, Goodput)> {
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("the namespace is ours");
    // A sender is on a host of its own: it does not wait for the receiver's tasks.
    let [receivers, senders] = [(); 2].map(|()| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.enable_all().build().expect("a runtime")
    });
    let mut planned = Vec::new();
    for cell in cells {
        for seed in seeds {
            for sender in [Sender::Kernel, Sender::Ours, Sender::KernelAgain] {
                planned.push(Run {
                    cell: *cell,
                    seed: *seed,
                    sender,
                    time,
                    number: u16::try_from(planned.len() + 1).expect("some hundred runs"),
                });
            }
        }
    }
    let mut runs = Vec::new();
    for wave in planned.chunks(AT_ONCE) {
        let together = Arc::new(Barrier::new(wave.len()));
        let mut running = JoinSet::new();
        for run in wave.iter().copied() {
            let (together, senders) = (together.clone(), senders.handle().clone());
            let goodput = async move { (run, run.goodput(&together, &senders).await) };
            running.spawn_on(goodput, receivers.handle());
        }
        runs.extend(receivers.block_on(running.join_all()));
    }
    let of = |cell: Cell, sender: Sender| {
        let mut goodputs: Vec<f64> = (runs.iter())
            .filter(|(run, _)| run.cell == cell && run.sender == sender)
            .map(|(_, goodput)| *goodput)
            .collect();
        goodputs.sort_by(f64::total_cmp);
        goodputs[goodputs.len() / 2]
    };
    let medians = |cell: Cell| Goodput {
        kernel: of(cell, Sender::Kernel),
        ours: of(cell, Sender::Ours),
        kernel_again: of(cell, Sender::KernelAgain),
    };
    let with_medians = |cell: &Cell| (*cell, medians(*cell));
    cells.iter().map(with_medians).collect()
}

/// One transfer.
#[derive(Debug, Clone, Copy)]
struct Run {
    cell: Cell,
    seed: u64,
    sender: Sender,
    time: Duration,
    /// Its own devices and addresses.
    number: u16,
}

impl Run {
    /// Mbit/s that the receiver reads from its first byte on. Devices come and go while nobody measures,
    /// since the host takes tens of milliseconds for that and keeps a thread of the runtime meanwhile.
    async fn goodput(self, together: &Barrier, senders: &Handle) -> f64 {
        let [high, low] = self.number.to_be_bytes();
        let subnet =
            move |last: u8, side: u8| IpAddr::V4(Ipv4Addr::new(10, low, 4 * high + side, last));
        let tun = self.tun("to", subnet(1, 1));
        let way_in = Impaired::new(tun, self.cell.link(), Seed::from_u64(self.seed));
        let receiver = Net::builder()
            .device("to", way_in)
            .address(format!("{}/24", subnet(2, 1)))
            .gateway(subnet(1, 1))
            .build()
            .expect("a stack");
        let socket = TcpSocket::new_v4_on(&receiver).expect("a socket");
        socket.bind(SocketAddr::new(subnet(2, 1), 0)).expect("free");
        let listener = socket.listen(1).expect("a listener");
        let to = listener.local_addr().expect("bound");
        let sender = (self.sender == Sender::Ours).then(|| {
            let _elsewhere = senders.enter();
            let tun = self.tun("from", subnet(1, 2));
            let mut config = Config::default();
            // The kernel's Reno has none.
            config.tcp.hystart = self.cell.algorithm != CongestionAlgorithm::Reno;
            Net::builder()
                .config(config)
                .device("from", tun)
                .address(format!("{}/24", subnet(2, 2)))
                .gateway(subnet(1, 2))
                .build()
                .expect("a stack")
        });
        together.wait().await;
        let sending = senders.spawn(async move {
            match sender {
                None => self.kernel_sends(to).await,
                Some(stack) => self.we_send(&stack, to).await,
            }
        });
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut buffer = vec![0; 1 << 17];
        let mut got = stream.read(&mut buffer).await.expect("the first byte");
        let begun = Instant::now();
        while let Some(left) = self.time.checked_sub(begun.elapsed()) {
            match timeout(left, stream.read(&mut buffer)).await {
                Ok(more) => got += more.expect("more bytes"),
                Err(_) => break,
            }
        }
        let took = begun.elapsed();
        together.wait().await;
        sending.abort();
        receiver.shutdown().await;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bits = got as f64 * 8.0;
        bits / 1e6 / took.as_secs_f64()
    }

    fn tun(self, role: &str, host: IpAddr) -> Tun {
        Tun::builder(format!("{role}{}", self.number))
            .offload(role == "from")
            .host_address(host, 24)
            .build()
            .expect("a TUN")
    }

    /// The kernel's socket writes until it is told to stop.
    async fn kernel_sends(self, to: SocketAddr) {
        let name: &[u8] = match self.cell.algorithm {
            CongestionAlgorithm::Reno => b"reno",
            CongestionAlgorithm::Cubic => b"cubic",
            // The first version, whichever is ours.
            _ => b"bbr",
        };
        let stream = tokio::task::spawn_blocking(move || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket
                .set_tcp_congestion(name)
                .expect("the kernel has the algorithm");
            socket.connect(&to.into()).expect("connected");
            socket.set_nonblocking(true).expect("an option");
            std::net::TcpStream::from(socket)
        });
        let stream = stream.await.expect("connected");
        let mut stream = HostStream::from_std(stream).expect("a stream");
        while stream.write_all(&[0; 1 << 16]).await.is_ok() {}
    }

    /// So does ours.
    async fn we_send(self, stack: &Net, to: SocketAddr) {
        let socket = TcpSocket::new_v4_on(stack).expect("a socket");
        let option = TcpOption::Congestion(self.cell.algorithm);
        socket.set_option(option).expect("an algorithm");
        let mut stream = socket.connect(to).await.expect("connected");
        while stream.write_all(&[0; 1 << 16]).await.is_ok() {}
    }
}

/// The grid as a table, and what it comes to.
fn report(results: &[(Cell, Goodput)]) -> (String, Tally) {
    let mut out = String::from(HEAD);
    let mut cells = Vec::new();
    for (cell, goodput) in results {
        let ratios = Ratios {
            lost: cell.loss,
            ours: thousandths(goodput.ours / goodput.kernel),
            again: thousandths(goodput.kernel_again / goodput.kernel),
        };
        let _ = writeln!(
            out,
            "| {} | {} ms | {} % | {:.2} | {:.2} | {:.3} | {:.3} |",
            title(cell.algorithm),
            cell.rtt.as_millis(),
            f64::from(cell.loss) / 1e4,
            goodput.kernel,
            goodput.ours,
            f64::from(ratios.ours) / 1e3,
            f64::from(ratios.again) / 1e3,
        );
        cells.push(ratios);
    }
    let ours = Tally::ours(&cells);
    let _ = writeln!(
        out,
        "\nOf {} cells, ours: {ours}. The kernel once more: {}.",
        ours.cells,
        Tally::kernel_again(&cells)
    );
    (out, ours)
}

/// A ratio as it is printed.
fn thousandths(ratio: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a ratio of goodputs is a small positive number"
    )]
    let rounded = (ratio * 1e3).round() as u32;
    rounded
}

/// What both senders run, in the table.
fn title(algorithm: CongestionAlgorithm) -> &'static str {
    match algorithm {
        CongestionAlgorithm::Reno => "Reno",
        CongestionAlgorithm::Cubic => "CUBIC",
        CongestionAlgorithm::Bbr1 => "BBR version 1",
        OTHER => "BBR version 3, the kernel's 1",
        other => other.name(),
    }
}

/// Those of the grid, the same for both senders; the kernel's `bbr` is the first version.
pub const ALGORITHMS: [CongestionAlgorithm; 3] = [
    CongestionAlgorithm::Reno,
    CongestionAlgorithm::Cubic,
    CongestionAlgorithm::Bbr1,
];
/// The version of BBR that the kernel does not have, beside the one that it has.
pub const OTHER: CongestionAlgorithm = CongestionAlgorithm::Bbr;
const HEAD: &str = "| algorithm | RTT | lost | kernel, Mbit/s | ours, Mbit/s | ours / kernel | kernel again / kernel |\n\
|---|---|---|---|---|---|---|\n";
/// Packets lost per million.
const LOSSES: [u32; 5] = [0, 1_000, 3_000, 10_000, 30_000];
/// In milliseconds.
const ROUND_TRIPS: [u64; 2] = [20, 80];
/// In the whole grid.
pub const CELLS: usize = ALGORITHMS.len() * ROUND_TRIPS.len() * LOSSES.len();
/// Bits per second of the link.
const RATE: u64 = 20_000_000;
/// Runs at a time: more would have to wait for a core, and it is we who run on our sender's timers.
const AT_ONCE: usize = 8;
