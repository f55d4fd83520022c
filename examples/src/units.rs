//! Times, rates and percentages on the command line.

use std::time::Duration;

/// `20`, `20ms`, `200us`, `1s`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_time(text: &str) -> Result<Duration, String> {
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
///
/// # Errors
/// What is wrong with the text.
pub fn parse_rate(text: &str) -> Result<u64, String> {
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
///
/// # Errors
/// What is wrong with the text.
pub fn parse_loss(text: &str) -> Result<u32, String> {
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

/// `1500`, `64k`, `4M`, `1G`: bytes, in powers of ten.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.trim_end_matches('B') {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(format!("{unit} is no unit of size; k, M or G")),
    };
    let bytes = number * factor;
    if bytes > 1e15 {
        return Err("that is too much".into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok(bytes as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_units_or_their_usual_one() {
        assert_eq!(parse_time("20"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_time("200us"), Ok(Duration::from_micros(200)));
        assert_eq!(parse_rate("100"), Ok(100_000_000));
        assert_eq!(parse_rate("1Gbit/s"), Ok(1_000_000_000));
        assert_eq!(parse_rate("100mbit"), Ok(100_000_000));
        assert_eq!(parse_loss("0.5%"), Ok(5_000));
        assert_eq!(parse_size("64k"), Ok(64_000));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        assert!(parse_loss("101").is_err());
        assert!(parse_rate("0").is_err());
        assert!(parse_time("fast").is_err());
    }
}
