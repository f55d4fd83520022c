//! What a discipline of ours says beside what `tc -s qdisc` says of the kernel's with the same parameters.
#![cfg(target_os = "linux")]

use net_core::Seed;
use net_core::qdisc::{
    AnyQdisc, Cake, Fifo, Fq, FqCodel, FqCodelConfig, FqConfig, Millionths, Netem, NetemConfig,
    PfifoFast, Prio, Rate, Tbf, TbfConfig,
};
use net_core::time::{Duration, Instant};
use net_tokio::Net;
use net_tokio::device::channel;
use std::process::Command;
use tests::netns;

/// What of a line has to be the same, numbers of the statistics aside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alike {
    /// Every word.
    Whole,
    /// Every word of ours: the kernel's discipline has more to say.
    Ours,
}

#[test]
fn pfifo_reads_as_the_kernels() {
    compare(
        "pfifo_reads_as_the_kernels",
        "pfifo limit 100",
        Alike::Whole,
        |_| Fifo::packets(100),
    );
}

#[test]
fn bfifo_reads_as_the_kernels() {
    compare(
        "bfifo_reads_as_the_kernels",
        "bfifo limit 10240",
        Alike::Whole,
        |_| Fifo::bytes(10_240),
    );
}

#[test]
fn pfifo_fast_reads_as_the_kernels() {
    compare(
        "pfifo_fast_reads_as_the_kernels",
        "pfifo_fast",
        Alike::Whole,
        |_| PfifoFast::default(),
    );
}

#[test]
fn prio_reads_as_the_kernels() {
    compare("prio_reads_as_the_kernels", "prio", Alike::Whole, |_| {
        Prio::default()
    });
}

#[test]
fn tbf_reads_as_the_kernels() {
    let name = "tbf_reads_as_the_kernels";
    let parameters = "tbf rate 1500kbit burst 5kb limit 10kb";
    compare(name, parameters, Alike::Whole, |now| {
        let config = TbfConfig {
            limit: 10 << 10,
            ..TbfConfig::new(Rate::from_bits(1_500_000), 5 << 10)
        };
        Tbf::new(config, now)
    });
}

#[test]
fn fq_reads_as_the_kernels() {
    compare(
        "fq_reads_as_the_kernels",
        "fq quantum 3028 initial_quantum 15140",
        Alike::Ours,
        |_| Fq::new(FqConfig::default(), SEED),
    );
}

#[test]
fn fq_codel_reads_as_the_kernels() {
    compare(
        "fq_codel_reads_as_the_kernels",
        "fq_codel quantum 1514",
        Alike::Ours,
        |_| FqCodel::new(FqCodelConfig::default(), SEED),
    );
}

#[test]
fn cake_reads_as_the_kernels() {
    let name = "cake_reads_as_the_kernels";
    let parameters = "bandwidth 20mbit diffserv4 dual-srchost rtt 50ms overhead 18 mpu 64";
    compare(name, &format!("cake {parameters}"), Alike::Ours, |_| {
        Cake::new(parameters.parse().expect("its parameters"), SEED)
    });
}

#[test]
fn netem_reads_as_the_kernels() {
    let name = "netem_reads_as_the_kernels";
    let parameters = "netem limit 500 delay 100ms 10ms loss 1% duplicate 2% rate 1mbit";
    compare(name, parameters, Alike::Ours, |_| {
        let config = NetemConfig {
            limit: 500,
            delay: Duration::from_millis(100),
            jitter: Duration::from_millis(10),
            loss: Millionths::percent(1),
            duplicate: Millionths::percent(2),
            rate: Some(Rate::from_bits(1_000_000)),
            ..NetemConfig::default()
        };
        Netem::new(config, SEED)
    });
}

const SEED: Seed = Seed::from_u64(7);

/// Puts the kernel's discipline and ours in front of an interface of the same name.
fn compare<Q: Into<AnyQdisc>>(
    name: &str,
    parameters: &str,
    alike: Alike,
    ours: impl FnOnce(Instant) -> Q,
) {
    netns::run(name, || {
        let added = run("ip", "link add veth0 type veth peer name veth1");
        added.expect("a pair of interfaces");
        for end in ["veth0", "veth1"] {
            run("ip", &format!("link set {end} up")).expect("it is there");
        }
        let set = format!("qdisc replace dev veth0 root handle 1: {parameters}");
        if let Err(why) = run("tc", &set) {
            assert!(lacks(parameters, &why), "{why}");
            netns::missing(name, &why);
            return;
        }
        let theirs = run("tc", "-s qdisc show").expect("what they are");
        let theirs = entry(&theirs);
        let ours = report(ours);
        assert_eq!(ours.len(), theirs.len(), "{ours:#?}\n{theirs:#?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let same = match alike {
                Alike::Whole => ours == theirs,
                Alike::Ours => contains(theirs, ours),
            };
            assert!(same, "{ours:?}\n{theirs:?}");
        }
    });
}

/// Whether a kernel has said that it lacks a discipline that not every one has; those of one queue are in
/// each that has disciplines at all.
fn lacks(parameters: &str, why: &str) -> bool {
    let kind = parameters.split(' ').next();
    !matches!(kind, Some("pfifo" | "bfifo" | "pfifo_fast"))
        && why.ends_with("Error: Specified qdisc kind is unknown.")
}

#[test]
fn only_a_discipline_that_a_kernel_may_lack_is_passed_over() {
    let unknown = "tc qdisc replace: Error: Specified qdisc kind is unknown.";
    assert!(lacks("fq quantum 3028", unknown));
    assert!(!lacks("pfifo limit 100", unknown));
    for why in [
        "cannot run tc: No such file or directory",
        "tc qdisc replace: Error: Exclusivity flag on, cannot modify.",
        "tc qdisc replace: What is \"quantm\"?",
    ] {
        assert!(!lacks("fq quantum 3028", why), "{why}");
    }
}

/// What ours says, as the first interface of a stack.
fn report<Q: Into<AnyQdisc>>(make: impl FnOnce(Instant) -> Q) -> Vec<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let (device, _packets) = channel(1500);
        let net = Net::builder().device("veth0", device).build();
        let net = net.expect("a stack");
        net.set_qdisc("veth0", make).expect("it is there");
        entry(&net.qdisc_report("veth0").expect("it is there"))
    })
}

/// The words of each line about the discipline of `veth0`: its parameters as they are, of all else only what
/// is no number.
fn entry(text: &str) -> Vec<Vec<String>> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains(": dev veth0 root"));
    let first = lines.next().expect("an entry").split_whitespace();
    let parameters = first.clone().skip(NAMED).map(str::to_owned);
    let first = first.take(NAMED).map(without_numbers).chain(parameters);
    let statistics = lines.take_while(|line| line.starts_with(' '));
    let statistics = statistics.map(|line| line.split_whitespace().map(without_numbers).collect());
    std::iter::once(first.collect()).chain(statistics).collect()
}

/// `qdisc pfifo 1: dev veth0 root refcnt 3`, in front of the parameters.
const NAMED: usize = 8;

/// `14b` as `#b`.
fn without_numbers(word: &str) -> String {
    let mut text = String::new();
    for character in word.chars() {
        match character {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

/// Whether all words are there, in this order, maybe with others between them.
fn contains(line: &[String], words: &[String]) -> bool {
    let mut line = line.iter();
    words.iter().all(|word| line.any(|other| other == word))
}

/// What a program prints, or what it complains about.
fn run(program: &str, arguments: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    if output.status.success() {
        return Ok(text(output.stdout));
    }
    Err(format!("{program} {arguments}: {}", text(output.stderr)))
}
