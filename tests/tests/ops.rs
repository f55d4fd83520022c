//! Two cores over a link that loses, reorders and duplicates; two applications that do anything;
//! and an oracle that knows every byte.

use net_core::socket::{Readiness, TcpOption};
use net_core::time::Duration;
use net_core::{Config, SocketError, SocketId};
use tests::hosts::{Impairment, Pair, pattern};

/// What one application does next.
#[derive(Debug, Clone, Copy)]
enum Op {
    Write(usize),
    Read(usize),
    NoDelay(bool),
    Cork(bool),
    RecvBuffer(usize),
    Wait(Duration),
}

/// A small deterministic generator, so that a seed tells the whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).expect("31 bits");
        high % below
    }

    fn op(&mut self) -> Op {
        match self.roll(16) {
            0..=5 => Op::Write(1 + self.roll(40_000)),
            6 => Op::Write(1 + self.roll(20)),
            7..=10 => Op::Read(1 + self.roll(50_000)),
            11 => Op::NoDelay(self.roll(2) == 0),
            12 => Op::Cork(self.roll(2) == 0),
            13 => Op::RecvBuffer(2000 + self.roll(200_000)),
            _ => Op::Wait(Duration::from_millis(self.roll(300) as u64)),
        }
    }
}

/// One application and what it knows.
#[derive(Debug, Default)]
struct End {
    written: usize,
    read: usize,
    finished: bool,
    ended: bool,
}

fn write(pair: &mut Pair, host: usize, id: SocketId, end: &mut End, len: usize) {
    // Both directions carry the same pattern, shifted.
    let data: Vec<u8> = (end.written..end.written + len)
        .map(|at| pattern(at + host * 77))
        .collect();
    match pair.send(host, id, &data) {
        Ok(count) => end.written += count,
        Err(SocketError::WouldBlock) => {}
        Err(error) => panic!("write: {error}"),
    }
}

fn read(pair: &mut Pair, host: usize, id: SocketId, end: &mut End, len: usize) -> bool {
    let mut buf = vec![0; len];
    match pair.recv(host, id, &mut buf) {
        Ok(0) => {
            end.ended = true;
            false
        }
        Ok(count) => {
            for (index, &byte) in buf[..count].iter().enumerate() {
                let at = end.read + index;
                assert_eq!(
                    byte,
                    pattern(at + (1 - host) * 77),
                    "byte {at} at host {host}"
                );
            }
            end.read += count;
            true
        }
        Err(SocketError::WouldBlock) => false,
        Err(error) => panic!("read: {error}"),
    }
}

fn story(seed: u64, lossy: bool) {
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut config = Config::default();
    config.tcp.sack = dice.roll(3) > 0;
    config.tcp.timestamps = dice.roll(3) > 0;
    config.tcp.window_scaling = dice.roll(3) > 0;
    let ppm = if lossy { 30_000 } else { 0 };
    let link = Impairment {
        delay: Duration::from_millis(1 + dice.roll(60) as u64),
        loss_ppm: ppm,
        reorder_ppm: ppm,
        duplicate_ppm: ppm / 2,
        ..Impairment::default()
    };
    let mut pair = Pair::new(seed, 1500, &config, link);
    let ids = pair.connect(dice.roll(2) == 0);
    let ids = [ids.0, ids.1];
    let mut ends = [End::default(), End::default()];
    for _ in 0..150 {
        let host = dice.roll(2);
        let (id, end) = (ids[host], &mut ends[host]);
        let stack = &mut pair.hosts[host].stack;
        match dice.op() {
            Op::Write(len) => write(&mut pair, host, id, end, len),
            Op::Read(len) => drop(read(&mut pair, host, id, end, len)),
            Op::NoDelay(on) => stack
                .set_tcp_option(id, TcpOption::NoDelay(on), pair.now)
                .expect("set"),
            Op::Cork(on) => stack
                .set_tcp_option(id, TcpOption::Cork(on), pair.now)
                .expect("set"),
            Op::RecvBuffer(size) => stack
                .set_tcp_option(id, TcpOption::RecvBuffer(size), pair.now)
                .expect("set"),
            Op::Wait(time) => pair.run(time),
        }
        pair.flush();
    }
    // Both finish and read to the end.
    let until = pair.now + Duration::from_secs(3600);
    while !(ends[0].ended && ends[1].ended) {
        for host in 0..2 {
            let end = &mut ends[host];
            if !end.finished {
                pair.finish(host, ids[host]);
                end.finished = true;
            }
            while !end.ended && read(&mut pair, host, ids[host], end, 65_536) {}
        }
        let alive = pair.step(until);
        assert!(
            alive || (ends[0].ended && ends[1].ended),
            "stuck at {:?}: {ends:?}",
            pair.now
        );
    }
    assert_eq!(
        (ends[0].written, ends[1].written),
        (ends[1].read, ends[0].read)
    );
    for (host, id) in ids.into_iter().enumerate() {
        let stack = &mut pair.hosts[host].stack;
        assert!(stack.readiness(id).contains(Readiness::PEER_CLOSED));
        stack.close(id, pair.now);
    }
    pair.run(Duration::from_secs(3600));
    for host in &pair.hosts {
        assert_eq!((host.stack.sockets(), host.stack.memory_used()), (0, 0));
        assert_eq!(host.stack.poll_timeout(), None);
    }
}

#[test]
fn whatever_two_applications_do_every_byte_arrives_once_and_in_order() {
    for seed in 0..60 {
        story(seed, true);
    }
}

#[test]
fn over_a_clean_link_too() {
    for seed in 100..130 {
        story(seed, false);
    }
}
