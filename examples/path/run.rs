//! The simulation.

use super::args::{Args, Qdisc};
use anyhow::Context as _;
use net_core::config::{Config, CongestionAlgorithm};
use net_core::sim::{Discipline, Dumbbell, Flow, FlowId, LinkCounters, Series, queue_to_csv};
use net_core::socket::TcpOption;
use net_core::stats::Stats;
use net_core::time::Instant;
use net_core::{Seed, tcp::TcpInfo};
use std::fs;
use std::path::Path;

/// The path with its flows.
pub(crate) struct Run {
    dumbbell: Dumbbell,
    flows: Vec<FlowId>,
}

impl Run {
    /// Sets everything up.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.tcp.ecn = args.mark.is_some() || matches!(args.qdisc, Qdisc::FqCodel | Qdisc::Cake);
        if let Some(bytes) = args.socket_buffer {
            config.tcp.send_buffer = usize::try_from(bytes)?;
            config.tcp.recv_buffer = usize::try_from(bytes)?;
            config.memory = config.memory.max(config.tcp.send_buffer * 2);
        }
        let pairs = vec![config; args.flows()];
        let (there, back) = (args.there()?, args.back());
        let mut dumbbell = Dumbbell::new(
            Seed::from_u64(args.seed),
            &pairs,
            there.clone(),
            back.clone(),
        );
        let bottleneck = dumbbell.bottleneck();
        let fabric = dumbbell.network_mut().fabric_mut();
        for (port, config) in [(bottleneck, there), (bottleneck.peer(), back)] {
            for (at, changed) in args.changes(config)? {
                fabric.change_at(port, Instant::ZERO + at, changed);
            }
        }
        if let Some(qdisc) = args.discipline() {
            fabric.set_queue(bottleneck, Box::new(Discipline::new(qdisc)));
        }
        let flows = (0..args.flows())
            .map(|number| {
                let start = Instant::ZERO + args.stagger * u32::try_from(number)?;
                let option = TcpOption::Congestion(algorithm(args, number));
                Ok(dumbbell.start(number, |to| Flow {
                    to,
                    start,
                    bytes: args.bytes,
                    options: vec![option],
                }))
            })
            .collect::<anyhow::Result<_>>()?;
        dumbbell.network_mut().trace(args.sample, &[bottleneck]);
        if args.pcap.is_some() {
            for pair in 0..args.flows() {
                let sender = dumbbell.sender(pair);
                dumbbell.network_mut().record(sender);
            }
        }
        Ok(Self { dumbbell, flows })
    }

    /// Lets the time pass.
    pub(crate) fn finish(&mut self, args: &Args) -> anyhow::Result<()> {
        if args.bytes.is_some() {
            self.dumbbell.run_to_end(args.duration)?;
        } else {
            self.dumbbell.run_for(args.duration)?;
        }
        Ok(())
    }

    /// How much time has passed.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.dumbbell
            .network()
            .now()
            .saturating_since(Instant::ZERO)
    }

    /// What each flow came to.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        let now = self.dumbbell.network().now();
        self.flows
            .clone()
            .into_iter()
            .map(|flow| {
                let sent = self.dumbbell.sent(flow).clone();
                let received = self.dumbbell.received(flow);
                let bytes = received.map_or(0, |received| received.bytes);
                let end = received
                    .and_then(|received| received.finished)
                    .unwrap_or(now);
                let sender = self.dumbbell.sender(flow.pair);
                let stack = self.dumbbell.network_mut().stack_mut(sender);
                let info = match sent.socket() {
                    Some(id) => stack.tcp(id, now).and_then(|tcp| tcp.info()),
                    None => sent.info,
                };
                Outcome {
                    bytes,
                    time: end.saturating_since(sent.started),
                    finished: sent.ended.is_some(),
                    error: sent.error.map(|error| error.to_string()),
                    info,
                    stats: stack.stats().clone(),
                }
            })
            .collect()
    }

    /// What the shared link did to packets on the way there.
    pub(crate) fn link(&self) -> LinkCounters {
        let fabric = self.dumbbell.network().fabric();
        *fabric.link(self.dumbbell.bottleneck()).counters()
    }

    /// The course of each flow.
    pub(crate) fn series(&self) -> Vec<&Series> {
        let tracer = self
            .dumbbell
            .network()
            .traced()
            .expect("traced from the start");
        tracer.connections().map(|(_, series)| series).collect()
    }

    /// The course of the queue in front of the shared link.
    pub(crate) fn queue(&self) -> &[net_core::sim::QueueSample] {
        let tracer = self
            .dumbbell
            .network()
            .traced()
            .expect("traced from the start");
        tracer.queues().next().map_or(&[], |(_, samples)| samples)
    }

    /// What the senders sent and received.
    pub(crate) fn capture(&self) -> Vec<u8> {
        let fabric = self.dumbbell.network().fabric();
        let ports: Vec<_> = (0..self.flows.len())
            .flat_map(|pair| fabric.ports(self.dumbbell.sender(pair)))
            .copied()
            .collect();
        fabric.capture(&ports)
    }

    /// Writes a file for each flow and one for the queue.
    pub(crate) fn write_csv(&self, folder: &Path) -> anyhow::Result<()> {
        let write = |name: String, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write to {}", file.display()))
        };
        fs::create_dir_all(folder)?;
        for (number, series) in self.series().into_iter().enumerate() {
            write(format!("flow{number}.csv"), series.to_csv())?;
        }
        write("queue.csv".into(), queue_to_csv(self.queue()))
    }
}

/// What a flow came to.
pub(crate) struct Outcome {
    pub(crate) bytes: u64,
    pub(crate) time: std::time::Duration,
    pub(crate) finished: bool,
    pub(crate) error: Option<String>,
    pub(crate) info: Option<TcpInfo>,
    pub(crate) stats: Stats,
}

impl Outcome {
    /// Payload bits that arrived, per second.
    pub(crate) fn goodput(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bits = self.bytes as f64 * 8.0;
        bits / self.time.as_secs_f64().max(1e-9)
    }
}

/// The congestion control of a flow.
pub(crate) fn algorithm(args: &Args, flow: usize) -> CongestionAlgorithm {
    args.cc[flow % args.cc.len()]
}
