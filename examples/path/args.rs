//! The path and the flows, as the command line describes them.

use anyhow::{Context as _, bail};
use clap::Parser;
use examples::units::{parse_loss, parse_rate, parse_size, parse_time};
use net_core::Seed;
use net_core::config::CongestionAlgorithm;
use net_core::qdisc::{
    AnyQdisc, Cake, CakeConfig, Fq, FqCodel, FqCodelConfig, FqConfig, PfifoFast,
};
use net_core::sim::{GilbertElliott, LinkConfig, Outage};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(about)]
pub(crate) struct Args {
    /// Rate of the link towards the receiver, in Mbit/s unless a unit follows (k, M, G).
    #[arg(long, default_value = "100M", value_parser = parse_rate)]
    pub(crate) rate: u64,
    /// Rate of the way back; that of the way there by default.
    #[arg(long, value_parser = parse_rate)]
    pub(crate) back_rate: Option<u64>,
    /// Round-trip time, in ms unless a unit follows (us, ms, s).
    #[arg(long, default_value = "40ms", value_parser = parse_time)]
    pub(crate) rtt: Duration,
    /// Up to this much longer, at random for each packet there.
    #[arg(long, default_value = "0", value_parser = parse_time)]
    pub(crate) jitter: Duration,
    /// Drop-tail queue in front of the link: bytes (k, M), packets (20p), or a multiple of the product of rate
    /// and round-trip time (1bdp).
    #[arg(long, default_value = "1bdp")]
    pub(crate) buffer: String,
    /// Queueing discipline in front of the link.
    #[arg(long, value_enum, default_value_t = Qdisc::DropTail)]
    pub(crate) qdisc: Qdisc,
    /// Packets lost on the way there, in percent.
    #[arg(long, default_value = "0", value_parser = parse_loss)]
    pub(crate) loss: u32,
    /// Losses in bursts (Gilbert, Elliott): packets lost in percent, and the mean length of a burst.
    #[arg(long, value_name = "LOSS,LENGTH")]
    pub(crate) burst_loss: Option<String>,
    /// Packets to lose by their number, counted from 0.
    #[arg(long, value_delimiter = ',')]
    pub(crate) lose: Vec<u64>,
    /// Acknowledgements lost on the way back, in percent.
    #[arg(long, default_value = "0", value_parser = parse_loss)]
    pub(crate) ack_loss: u32,
    /// Packets overtaken on the way there, in percent.
    #[arg(long, default_value = "0", value_parser = parse_loss)]
    pub(crate) reorder: u32,
    /// By up to how much; a quarter of the round-trip time by default.
    #[arg(long, value_parser = parse_time)]
    pub(crate) reorder_by: Option<Duration>,
    /// Packets that arrive twice, in percent.
    #[arg(long, default_value = "0", value_parser = parse_loss)]
    pub(crate) duplicate: u32,
    /// Packets that get a bit flipped, in percent.
    #[arg(long, default_value = "0", value_parser = parse_loss)]
    pub(crate) corrupt: u32,
    /// Use explicit congestion notification, and mark packets that find more waiting than this
    /// (written as the buffer is).
    #[arg(long)]
    pub(crate) mark: Option<String>,
    /// Largest packet in bytes.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(576..))]
    pub(crate) mtu: u16,
    /// Packets there that are larger than this vanish.
    #[arg(long)]
    pub(crate) black_hole: Option<u16>,
    /// An outage of both directions: when it begins and how long it lasts. May be repeated.
    #[arg(long, value_name = "AT,TIME")]
    pub(crate) outage: Vec<String>,
    /// What leaves during an outage waits instead of being lost.
    #[arg(long)]
    pub(crate) outage_holds: bool,
    /// Another rate of the way there from a time on. May be repeated.
    #[arg(long, value_name = "AT,RATE")]
    pub(crate) rate_at: Vec<String>,
    /// Congestion control of the flows, in turn, by the names that the kernel has for them.
    #[arg(long, default_value = "cubic", value_delimiter = ',', value_parser = parse_algorithm)]
    pub(crate) cc: Vec<CongestionAlgorithm>,
    /// Flows, each between hosts of its own; as many as algorithms by default.
    #[arg(long)]
    pub(crate) flows: Option<usize>,
    /// Time between the starts of two flows.
    #[arg(long, default_value = "0", value_parser = parse_time)]
    pub(crate) stagger: Duration,
    /// Bytes of each flow (k, M, G); without end by default.
    #[arg(long, value_parser = parse_size)]
    pub(crate) bytes: Option<u64>,
    /// Socket buffers at both ends (k, M, G).
    #[arg(long, value_parser = parse_size)]
    pub(crate) socket_buffer: Option<u64>,
    /// Simulated time.
    #[arg(long, default_value = "30s", value_parser = parse_time)]
    pub(crate) duration: Duration,
    /// Determines all chance.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Time between two samples.
    #[arg(long, default_value = "10ms", value_parser = parse_time)]
    pub(crate) sample: Duration,
    /// Where to draw the plots.
    #[arg(long, default_value = "path.html")]
    pub(crate) html: Option<PathBuf>,
    /// Folder for the samples of each flow, as CSV.
    #[arg(long)]
    pub(crate) csv: Option<PathBuf>,
    /// Write what the senders send and receive to this pcapng file.
    #[arg(long)]
    pub(crate) pcap: Option<PathBuf>,
}

/// What stands in front of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Qdisc {
    /// First in, first out, up to the size of the buffer.
    DropTail,
    /// Three bands by the class of packets, as the kernel's default; its limits too.
    PfifoFast,
    /// Flows by turns, each paced, with the kernel's limits.
    Fq,
    /// Flows by turns, each held to a short delay, with the kernel's limits.
    FqCodel,
    /// Hosts and their flows by turns, each held to a short delay, with the kernel's limits.
    Cake,
}

impl Args {
    /// What becomes of packets on the way there.
    pub(crate) fn there(&self) -> anyhow::Result<LinkConfig> {
        if self.mark.is_some() && self.qdisc != Qdisc::DropTail {
            bail!("--mark is for the drop-tail queue");
        }
        let (queue_bytes, queue_packets) = self.queue(&self.buffer)?;
        Ok(LinkConfig {
            rate_bps: Some(self.rate),
            jitter: self.jitter,
            loss_ppm: self.loss,
            burst_loss: self.burst_loss.as_deref().map(parse_bursts).transpose()?,
            lose: self.lose.clone(),
            queue_bytes,
            queue_packets,
            mark_bytes: match &self.mark {
                Some(mark) => Some(self.queue(mark)?.0),
                None => None,
            },
            duplicate_ppm: self.duplicate,
            reorder_ppm: self.reorder,
            reorder_by: Some(self.reorder_by.unwrap_or(self.rtt / 4)),
            corrupt_ppm: self.corrupt,
            black_hole: self.black_hole,
            ..self.clean()
        })
    }

    /// The discipline in front of the link there; `None`: the link's own queue.
    pub(crate) fn discipline(&self) -> Option<AnyQdisc> {
        let seed = Seed::from_u64(self.seed);
        Some(match self.qdisc {
            Qdisc::DropTail => return None,
            Qdisc::PfifoFast => PfifoFast::default().into(),
            Qdisc::Fq => Fq::new(FqConfig::default(), seed).into(),
            Qdisc::FqCodel => FqCodel::new(FqCodelConfig::default(), seed).into(),
            Qdisc::Cake => Cake::new(CakeConfig::default(), seed).into(),
        })
    }

    /// What becomes of packets on the way back.
    pub(crate) fn back(&self) -> LinkConfig {
        LinkConfig {
            rate_bps: Some(self.back_rate.unwrap_or(self.rate)),
            ack_loss_ppm: self.ack_loss,
            queue_bytes: 64 << 20,
            ..self.clean()
        }
    }

    fn clean(&self) -> LinkConfig {
        LinkConfig {
            delay: self.rtt / 2,
            mtu: self.mtu,
            offload: true,
            ..LinkConfig::default()
        }
    }

    /// When the link there is to become another one.
    pub(crate) fn changes(
        &self,
        config: LinkConfig,
    ) -> anyhow::Result<Vec<(Duration, LinkConfig)>> {
        let mut rates = Vec::new();
        for text in &self.rate_at {
            let (at, rate) = pair(text, parse_time, parse_rate)?;
            rates.push((at, rate));
        }
        rates.sort_by_key(|(at, _)| *at);
        let rate_until = |at: Duration| {
            let rate = rates.iter().rev().find(|(from, _)| *from <= at);
            rate.map_or(config.rate_bps, |(_, rate)| Some(*rate))
        };
        let mut changes: Vec<_> = rates.iter().map(|(at, _)| (*at, None)).collect();
        let outage = if self.outage_holds {
            Outage::Hold
        } else {
            Outage::Lose
        };
        for text in &self.outage {
            let (at, time) = pair(text, parse_time, parse_time)?;
            changes.push((at, Some(outage)));
            changes.push((at + time, None));
        }
        changes.sort_by_key(|(at, _)| *at);
        Ok(changes
            .into_iter()
            .map(|(at, outage)| {
                let rate_bps = rate_until(at);
                let changed = LinkConfig {
                    rate_bps,
                    outage,
                    ..config.clone()
                };
                (at, changed)
            })
            .collect())
    }

    /// How many flows.
    pub(crate) fn flows(&self) -> usize {
        self.flows.unwrap_or(self.cc.len()).max(1)
    }

    /// Bytes and packets of a queue.
    fn queue(&self, text: &str) -> anyhow::Result<(usize, usize)> {
        if let Some(times) = text.strip_suffix("bdp") {
            let times: f64 = times
                .parse()
                .with_context(|| format!("{text} is no buffer"))?;
            let bits = u128::from(self.rate) * self.rtt.as_nanos() / 1_000_000_000;
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a buffer need not be exact"
            )]
            return Ok(((bits as f64 / 8.0 * times) as usize, usize::MAX));
        }
        if let Some(packets) = text.strip_suffix('p') {
            let packets = packets
                .parse()
                .with_context(|| format!("{text} is no buffer"))?;
            return Ok((usize::MAX, packets));
        }
        let bytes = parse_size(text).map_err(anyhow::Error::msg)?;
        Ok((usize::try_from(bytes)?, usize::MAX))
    }
}

fn parse_algorithm(text: &str) -> Result<CongestionAlgorithm, String> {
    text.parse().map_err(|_| {
        let names: Vec<_> = CongestionAlgorithm::ALL
            .iter()
            .map(|algorithm| algorithm.name())
            .collect();
        format!("there are {}", names.join(", "))
    })
}

/// `2%,5`: two percent in bursts of five packets.
fn parse_bursts(text: &str) -> anyhow::Result<GilbertElliott> {
    let (loss, length) = pair(text, parse_loss, |text| {
        text.parse::<u32>().map_err(|error| error.to_string())
    })?;
    if length == 0 || loss >= 1_000_000 {
        bail!("{text}: bursts have a length, and something gets through between them");
    }
    let end = 1_000_000 / length;
    // The bad state holds begin / (begin + end) of all packets.
    let begin = u64::from(end) * u64::from(loss) / u64::from(1_000_000 - loss);
    Ok(GilbertElliott {
        good_to_bad_ppm: u32::try_from(begin)?,
        bad_to_good_ppm: end,
        good_loss_ppm: 0,
        bad_loss_ppm: 1_000_000,
    })
}

fn pair<A, B>(
    text: &str,
    first: impl Fn(&str) -> Result<A, String>,
    second: impl Fn(&str) -> Result<B, String>,
) -> anyhow::Result<(A, B)> {
    let (a, b) = text
        .split_once(',')
        .with_context(|| format!("{text}: two values are wanted, with a comma between them"))?;
    Ok((
        first(a).map_err(anyhow::Error::msg)?,
        second(b).map_err(anyhow::Error::msg)?,
    ))
}
