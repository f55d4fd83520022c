//! The workloads and the quantities that each yields.

use clap::ValueEnum;
use serde::Serialize;

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// One stream to the server.
    #[value(name = "up-1")]
    #[serde(rename = "up-1")]
    Up1,
    /// Eight streams to the server.
    #[value(name = "up-8")]
    #[serde(rename = "up-8")]
    Up8,
    /// One stream from the server.
    #[value(name = "down-1")]
    #[serde(rename = "down-1")]
    Down1,
    /// Eight streams from the server.
    #[value(name = "down-8")]
    #[serde(rename = "down-8")]
    Down8,
    /// One byte there and back on one connection.
    #[value(name = "rr-1b-1")]
    #[serde(rename = "rr-1b-1")]
    ByteOne,
    /// One byte there and back on 64 connections.
    #[value(name = "rr-1b-64")]
    #[serde(rename = "rr-1b-64")]
    ByteMany,
    /// 1 KiB there and back on one connection.
    #[value(name = "rr-1k-1")]
    #[serde(rename = "rr-1k-1")]
    KibOne,
    /// 1 KiB there and back on 64 connections.
    #[value(name = "rr-1k-64")]
    #[serde(rename = "rr-1k-64")]
    KibMany,
    /// Connect, one byte there and back, close; 64 at a time.
    Connect,
    /// UDP echo, 64 datagrams of 64 bytes on their way.
    Udp,
    /// Idle connections, and request/response with and without them.
    Idle,
}

impl Workload {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Up1,
        Self::Up8,
        Self::Down1,
        Self::Down8,
        Self::ByteOne,
        Self::ByteMany,
        Self::KibOne,
        Self::KibMany,
        Self::Connect,
        Self::Udp,
        Self::Idle,
    ];

    /// What the table calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up1 => "bulk up, 1 stream",
            Self::Up8 => "bulk up, 8 streams",
            Self::Down1 => "bulk down, 1 stream",
            Self::Down8 => "bulk down, 8 streams",
            Self::ByteOne => "1 B request/response, 1 connection",
            Self::ByteMany => "1 B request/response, 64 connections",
            Self::KibOne => "1 KiB request/response, 1 connection",
            Self::KibMany => "1 KiB request/response, 64 connections",
            Self::Connect => "connect + 1 B + close, 64 at a time",
            Self::Udp => "UDP echo, 64 in flight",
            Self::Idle => "idle connections",
        }
    }

    /// Connections that arrive at the same moment.
    #[must_use]
    pub const fn at_once(self) -> usize {
        match self {
            Self::Up1 | Self::Down1 | Self::ByteOne | Self::KibOne | Self::Udp => 1,
            Self::Up8 | Self::Down8 => 8,
            Self::ByteMany | Self::KibMany | Self::Connect | Self::Idle => 64,
        }
    }
}

/// A quantity that a workload yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Gbit/s that the far application has read.
    Gbit,
    /// CPU seconds of the server process per 10⁹ bytes.
    CpuPerGb,
    /// Thousands a second.
    Rate,
    /// Median round trip in microseconds.
    P50,
    /// 99th percentile of the round trips in microseconds.
    P99,
    /// KiB of resident memory of the server process per idle connection.
    Rss,
    /// Thousands of round trips a second on 64 connections with no idle ones beside them.
    RateAlone,
    /// The same with the idle ones.
    RateWithIdle,
    /// The second as a share of the first.
    Kept,
}

impl Quantity {
    /// What the table calls it.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Gbit => "Gbit/s",
            Self::CpuPerGb => "CPU s/GB",
            Self::Rate => "k/s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::Rss => "RSS KiB each",
            Self::RateAlone => "k/s without",
            Self::RateWithIdle => "k/s with",
            Self::Kept => "with/without",
        }
    }

    /// Whether more is better and ratios make sense as a comparison of speed.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::Gbit | Self::Rate)
    }
}
