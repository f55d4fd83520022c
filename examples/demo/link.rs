//! The two hosts and the link between them.

use super::Args;
use net_core::Seed;
use net_tokio::Net;
use net_tokio::device::{LinkConfig, LinkStats, pair};
use std::net::SocketAddr;
use std::time::Duration;

/// Two hosts, joined.
pub(crate) struct Link {
    /// The host that connects.
    pub(crate) client: Net,
    /// The host that serves.
    pub(crate) server: Net,
    /// What the link did to the client's packets.
    pub(crate) from_client: LinkStats,
    /// What it did to the server's.
    pub(crate) from_server: LinkStats,
}

impl Link {
    /// Brings both hosts up.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        let bits_in_flight = args
            .rate
            .saturating_mul(u64::try_from(args.rtt.as_micros())?);
        let config = LinkConfig {
            rate_bps: Some(args.rate),
            delay: net_core::time::Duration::from_nanos(u64::try_from(args.rtt.as_nanos())? / 2),
            loss_ppm: args.loss,
            queue_bytes: usize::try_from(bits_in_flight / 8_000_000)?.max(QUEUE_MIN),
            ..LinkConfig::default()
        };
        let seed = Seed::from_u64(args.seed);
        let (near, far) = pair(config.clone(), config, seed);
        let (from_client, from_server) = (near.stats(), far.stats());
        let client = Net::builder()
            .device("link0", near)
            .address("192.0.2.1/24")
            .seed(Seed::from_u64(args.seed.wrapping_add(1)))
            .build()?;
        let server = Net::builder()
            .device("link0", far)
            .address("192.0.2.2/24")
            .seed(Seed::from_u64(args.seed.wrapping_add(2)))
            .build()?;
        Ok(Self {
            client,
            server,
            from_client,
            from_server,
        })
    }

    /// Where the server listens.
    pub(crate) fn server_address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 2], port))
    }

    /// Ends both hosts.
    pub(crate) async fn shutdown(&self) {
        tokio::join!(self.client.shutdown(), self.server.shutdown());
    }
}

/// `20`, `20ms`, `200us`, `1s`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "" | "ms" => number / 1e3,
        "us" | "µs" => number / 1e6,
        "s" => number,
        _ => return Err(format!("{unit} is no unit of time; us, ms or s")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// `1000`, `100M`, `1G`, `1Gbit`: bits per second.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let prefix = unit.trim_end_matches("/s").trim_end_matches("bit");
    let factor = match prefix {
        "k" | "K" => 1e3,
        "" | "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(format!("{unit} is no unit of rate; k, M or G")),
    };
    let bits = number * factor;
    if !(1e3..=1e12).contains(&bits) {
        return Err("a rate lies between 1k and 1000G".into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok(bits as u64)
}

/// `0.5`, `0.5%`: per million.
pub(crate) fn parse_loss(text: &str) -> Result<u32, String> {
    let (percent, unit) = split(text)?;
    if !matches!(unit, "" | "%") || !(0.0..=100.0).contains(&percent) {
        return Err("loss is a percentage, 0 to 100".into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok((percent * 1e4).round() as u32)
}

/// A number and what follows it.
fn split(text: &str) -> Result<(f64, &str), String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number
        .parse()
        .map_err(|_| format!("{text} does not begin with a number"))?;
    Ok((number, unit.trim()))
}

/// A queue in front of the link holds at least this.
const QUEUE_MIN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_units_or_their_usual_one() {
        assert_eq!(parse_time("20"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_time("200us"), Ok(Duration::from_micros(200)));
        assert_eq!(parse_rate("100"), Ok(100_000_000));
        assert_eq!(parse_rate("1Gbit/s"), Ok(1_000_000_000));
        assert_eq!(parse_loss("0.5%"), Ok(5_000));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        assert!(parse_loss("101").is_err());
        assert!(parse_rate("0").is_err());
        assert!(parse_time("fast").is_err());
    }
}
