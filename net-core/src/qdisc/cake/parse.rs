//! Parameters by the words of `tc qdisc … cake`.

use super::super::Rate;
use super::config::{MAX_MPU, OVERHEAD};
use super::{CakeAckFilter, CakeConfig, CakeFraming, CakeIsolation, CakeTins};
use crate::text::{ParseError, Words};
use crate::time::Duration;
use core::str::FromStr;

impl FromStr for CakeConfig {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut config = Self::default();
        let mut words = Words::new(text);
        let mut raw = false;
        while let Some(word) = words.next() {
            config.take(word, &mut words)?;
            match word {
                "raw" => raw = true,
                // So it is shown.
                "overhead" if raw && config.overhead == Some(0) => config.overhead = None,
                "overhead" | "conservative" => raw = false,
                _ => {}
            }
        }
        Ok(config)
    }
}

impl CakeConfig {
    /// Takes one parameter.
    fn take(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), ParseError> {
        if let Some(tins) = CakeTins::ALL.into_iter().find(|it| it.name() == word) {
            self.tins = tins;
            return Ok(());
        }
        let mut isolations = CakeIsolation::ALL.into_iter();
        if let Some(isolation) = isolations.find(|it| it.name() == word) {
            self.isolation = isolation;
            return Ok(());
        }
        if let Some(&(_, micros)) = ROUND_TRIPS.iter().find(|(name, _)| *name == word) {
            self.rtt = Duration::from_micros(micros);
            return Ok(());
        }
        match word {
            "bandwidth" if words.take("unlimited") => self.bandwidth = None,
            "bandwidth" => {
                let rate = quantity(words, "rate", rate)?;
                self.bandwidth = Some(rate).filter(|rate| rate.bytes() > 0);
            }
            "unlimited" => self.bandwidth = None,
            "diffserv" => self.tins = CakeTins::Diffserv4,
            "rtt" => self.rtt = quantity(words, "time", time)?,
            "wash" => self.wash = true,
            "nowash" => self.wash = false,
            "no-ack-filter" => self.ack_filter = CakeAckFilter::Off,
            "ack-filter" => self.ack_filter = CakeAckFilter::On,
            "ack-filter-aggressive" => self.ack_filter = CakeAckFilter::Aggressive,
            "split-gso" => self.split_gso = true,
            "no-split-gso" => self.split_gso = false,
            "atm" => self.framing = CakeFraming::Atm,
            "ptm" => self.framing = CakeFraming::Ptm,
            "noatm" => self.framing = CakeFraming::Plain,
            "raw" => (self.framing, self.overhead) = (CakeFraming::Plain, None),
            "conservative" => (self.framing, self.overhead) = (CakeFraming::Atm, Some(48)),
            "overhead" => {
                let overhead = |word: &str| word.parse().ok().filter(|it| OVERHEAD.contains(it));
                self.overhead = Some(quantity(words, "overhead from -64 to 256", overhead)?);
            }
            "mpu" => {
                let mpu = |word: &str| word.parse().ok().filter(|it| *it <= MAX_MPU);
                self.mpu = quantity(words, "size from 0 to 256", mpu)?;
            }
            "memlimit" => {
                let limit = quantity(words, "size", size)?;
                self.memory_limit = Some(limit).filter(|&limit| limit > 0);
            }
            // What there is no other choice of.
            "nonat" | "egress" => {}
            _ => return Err(words.error(format_args!("\"{word}\" is no parameter of cake"))),
        }
        Ok(())
    }
}

/// The next word as what `read` makes of it.
fn quantity<T>(
    words: &mut Words<'_>,
    what: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ParseError> {
    let word = words.next().ok_or_else(|| words.missing(what))?;
    read(word).ok_or_else(|| words.error(format_args!("\"{word}\" is no {what}")))
}

/// `20mbit`, `1.5gbit`; `2mbps` are bytes; a number alone is bits. 0 is none, but not what is less than a
/// byte a second.
fn rate(word: &str) -> Option<Rate> {
    let (number, unit) = split(word);
    let unit = unit.to_ascii_lowercase();
    let (unit, bits) = match unit.strip_suffix("bps") {
        Some(unit) => (unit, 8),
        None => (unit.strip_suffix("bit").unwrap_or(&unit), 1),
    };
    let scale = match unit {
        "" => 1,
        "k" => 1000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        "ti" => 1 << 40,
        _ => return None,
    };
    let rate = Rate::from_bits(decimal(number, scale * bits)?);
    let is_zero = number.bytes().all(|digit| matches!(digit, b'0' | b'.'));
    (is_zero || rate.bytes() > 0).then_some(rate)
}

/// `100ms`, `1.5s`; a number alone is microseconds.
fn time(word: &str) -> Option<Duration> {
    let (number, unit) = split(word);
    let scale = match unit {
        "s" | "sec" | "secs" => 1_000_000_000,
        "ms" | "msec" | "msecs" => 1_000_000,
        "" | "us" | "usec" | "usecs" => 1000,
        _ => return None,
    };
    decimal(number, scale).map(Duration::from_nanos)
}

/// `32mb`, `10k`; a number alone is bytes.
fn size(word: &str) -> Option<u64> {
    let (number, unit) = split(word);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    decimal(number, scale)
}

/// A number and its unit.
fn split(word: &str) -> (&str, &str) {
    let end = word.find(|it: char| !it.is_ascii_digit() && it != '.');
    word.split_at(end.unwrap_or(word.len()))
}

/// A decimal number of units, each of which is `scale`; rounded down.
fn decimal(number: &str, scale: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if part.is_empty() {
        return Some(whole);
    }
    let digits = u32::try_from(part.len()).ok().filter(|it| *it <= 9)?;
    let part = part.parse::<u64>().ok()?;
    let part = u128::from(part) * u128::from(scale) / u128::from(10_u64.pow(digits));
    whole.checked_add(u64::try_from(part).ok()?)
}

/// What kinds of networks are taken to have, in microseconds.
const ROUND_TRIPS: [(&str, u64); 8] = [
    ("datacentre", 100),
    ("lan", 1000),
    ("metro", 10_000),
    ("regional", 30_000),
    ("internet", 100_000),
    ("oceanic", 300_000),
    ("satellite", 1_000_000),
    ("interplanetary", 1_000_000_000),
];
