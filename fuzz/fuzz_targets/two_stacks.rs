//! Two stacks over a bad link: the bytes that arrive are those that were sent, in order, each once,
//! and all of them once the link is good again.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use net_core::config::CongestionAlgorithm;
use net_core::socket::TcpOption;
use net_core::time::Duration;
use net_core::{Config, SocketError, SocketId};
use tests::hosts::{Impairment, Pair, pattern};

#[derive(Debug, Arbitrary)]
struct Input {
    seed: u16,
    v6: bool,
    mtu: u16,
    plain: bool,
    reno: bool,
    /// Mechanisms of loss recovery to turn off.
    off: u8,
    buffers: u16,
    ops: Vec<Op>,
}

#[derive(Debug, Arbitrary)]
enum Op {
    Send { host: bool, len: u16 },
    Recv { host: bool, len: u16 },
    Finish { host: bool },
    Run { ms: u8 },
    RunLong { seconds: u8 },
    NoDelay { host: bool, on: bool },
    Cork { host: bool, on: bool },
    Loss { host: bool, percent: u8 },
    Reorder { host: bool, percent: u8 },
    Duplicate { host: bool, percent: u8 },
    LoseNext { host: bool, after: u8 },
}

/// Both ends of the connection, and what went through.
struct Streams {
    pair: Pair,
    ids: [SocketId; 2],
    sent: [usize; 2],
    received: [usize; 2],
    finished: [bool; 2],
    /// The end of the stream, or an error, has been read.
    ended: [bool; 2],
    failed: bool,
}

fuzz_target!(|input: Input| {
    let mut config = Config::default();
    config.tcp.sack = !input.plain;
    config.tcp.timestamps = !input.plain;
    config.tcp.window_scaling = !input.plain;
    if input.reno {
        config.tcp.congestion = CongestionAlgorithm::Reno;
    }
    let recovery = &mut config.tcp.recovery;
    for (bit, switch) in [
        &mut recovery.rack,
        &mut recovery.tail_loss_probe,
        &mut recovery.prr,
        &mut recovery.frto,
        &mut recovery.eifel,
        &mut recovery.dsack,
        &mut recovery.limited_transmit,
    ]
    .into_iter()
    .enumerate()
    {
        *switch = input.off >> bit & 1 == 0;
    }
    config.tcp.recv_buffer = 2048 + usize::from(input.buffers);
    config.tcp.send_buffer = 4096 + usize::from(input.buffers);
    let least = if input.v6 { 1280 } else { 576 };
    let mut pair = Pair::new(
        input.seed.into(),
        input.mtu.clamp(least, 9000),
        &config,
        Impairment::default(),
    );
    let (client, server) = pair.connect(input.v6);
    let mut streams = Streams {
        pair,
        ids: [client, server],
        sent: [0; 2],
        received: [0; 2],
        finished: [false; 2],
        ended: [false; 2],
        failed: false,
    };
    for op in input.ops.iter().take(100) {
        streams.run(op);
    }
    streams.drain();
});

impl Streams {
    fn run(&mut self, op: &Op) {
        match *op {
            Op::Send { host, len } => self.send(host.into(), len.into()),
            Op::Recv { host, len } => {
                self.recv(host.into(), len.into());
            }
            Op::Finish { host } => self.finish(host.into()),
            Op::Run { ms } => self.pair.run(Duration::from_millis(ms.into())),
            Op::RunLong { seconds } => self.pair.run(Duration::from_secs(seconds.into())),
            Op::NoDelay { host, on } => self.set(host.into(), TcpOption::NoDelay(on)),
            Op::Cork { host, on } => self.set(host.into(), TcpOption::Cork(on)),
            Op::Loss { host, percent } => {
                self.pair.links[usize::from(host)].loss_ppm = u64::from(percent % 31) * 10_000;
            }
            Op::Reorder { host, percent } => {
                self.pair.links[usize::from(host)].reorder_ppm = u64::from(percent % 101) * 10_000;
            }
            Op::Duplicate { host, percent } => {
                self.pair.links[usize::from(host)].duplicate_ppm =
                    u64::from(percent % 101) * 10_000;
            }
            Op::LoseNext { host, after } => self.pair.lose[usize::from(host)].push(after.into()),
        }
    }

    fn set(&mut self, host: usize, option: TcpOption) {
        let now = self.pair.now;
        let stack = &mut self.pair.hosts[host].stack;
        let _ = stack.set_tcp_option(self.ids[host], option, now);
    }

    fn send(&mut self, host: usize, len: usize) {
        let begin = self.sent[host];
        let data: Vec<u8> = (begin..begin + len).map(pattern).collect();
        match self.pair.send(host, self.ids[host], &data) {
            Ok(count) => {
                assert!(!self.finished[host] || count == 0);
                self.sent[host] += count;
            }
            Err(SocketError::WouldBlock) => {}
            Err(SocketError::BrokenPipe) => assert!(self.finished[host] || self.failed),
            Err(error) => self.fail(error),
        }
    }

    /// Whether there was something.
    fn recv(&mut self, host: usize, len: usize) -> bool {
        let mut buf = vec![0; len.max(1)];
        match self.pair.recv(host, self.ids[host], &mut buf) {
            Ok(0) => {
                assert!(self.failed || self.finished[1 - host]);
                assert!(self.failed || self.received[host] == self.sent[1 - host]);
                self.ended[host] = true;
                false
            }
            Ok(count) => {
                assert!(!self.ended[host]);
                for &byte in &buf[..count] {
                    assert_eq!(byte, pattern(self.received[host]));
                    self.received[host] += 1;
                }
                assert!(self.received[host] <= self.sent[1 - host]);
                true
            }
            Err(SocketError::WouldBlock) => false,
            Err(error) => {
                self.fail(error);
                self.ended[host] = true;
                false
            }
        }
    }

    /// Only a link that loses much for long breaks a connection.
    fn fail(&mut self, error: SocketError) {
        assert!(
            matches!(error, SocketError::TimedOut | SocketError::ConnectionReset),
            "{error}"
        );
        self.failed = true;
    }

    fn finish(&mut self, host: usize) {
        self.pair.finish(host, self.ids[host]);
        self.finished[host] = true;
    }

    /// Everything arrives and both ends come to an end.
    fn drain(&mut self) {
        self.pair.links = [Impairment::default(); 2];
        self.pair.lose = [Vec::new(), Vec::new()];
        for host in 0..2 {
            self.set(host, TcpOption::Cork(false));
            self.finish(host);
        }
        let until = self.pair.now + Duration::from_secs(3600);
        while !(self.ended[0] && self.ended[1]) {
            for host in 0..2 {
                while !self.ended[host] && self.recv(host, 65536) {}
            }
            if self.ended[0] && self.ended[1] {
                break;
            }
            assert!(self.pair.step(until), "stuck: {:?}", self.received);
        }
        if !self.failed {
            assert_eq!(self.received, [self.sent[1], self.sent[0]]);
        }
        for host in 0..2 {
            let now = self.pair.now;
            self.pair.hosts[host].stack.close(self.ids[host], now);
        }
        self.pair.run(Duration::from_secs(3600));
        for host in &self.pair.hosts {
            assert_eq!(host.stack.sockets(), 0);
            assert_eq!(host.stack.memory_used(), 0);
        }
    }
}
