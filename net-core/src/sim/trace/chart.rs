//! Line charts as SVG, computed in integers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// A chart of lines over time.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the values mean.
    pub unit: Unit,
    /// The lines, drawn in order.
    pub lines: Vec<Line>,
    /// Nanoseconds at the right end; the last point's if 0.
    pub until: u64,
    /// Value at the top; that of the highest point if 0. Points above are drawn at the top.
    pub top: u64,
}

/// A line of a chart.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Nanoseconds and value, in the order of time. A value holds until the next.
    pub points: Vec<(u64, u64)>,
}

/// What the values of a chart mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Things counted.
    #[default]
    Count,
    /// Bytes.
    Bytes,
    /// Bits per second.
    BitRate,
    /// Nanoseconds.
    Time,
    /// Millionths of a whole, shown in percent.
    Share,
}

impl Chart {
    /// Draws it [`WIDTH`](Self::WIDTH) by [`HEIGHT`](Self::HEIGHT) pixels, with its upper left corner
    /// at `y` pixels from the top: part of an SVG image.
    #[must_use]
    pub fn draw(&self, y: u64) -> String {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let (last, highest) = points.fold((0, 0), |(last, highest), (at, value)| {
            (last.max(*at), highest.max(*value))
        });
        let frame = Frame {
            until: if self.until > 0 { self.until } else { last }.max(1),
            top: if self.top > 0 { self.top } else { highest }.max(1),
        };
        let mut out = format!("<g transform=\"translate(0 {y})\">\n");
        self.draw_axes(&frame, &mut out);
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            frame.draw_line(line, colour, &mut out);
            let x = LEFT + 8 + u64::try_from(number).unwrap_or(0) * 150;
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                TOP - 6,
                escaped(&line.name)
            );
        }
        out.push_str("</g>\n");
        out
    }

    /// The chart as an image of its own.
    #[must_use]
    pub fn to_svg(&self) -> String {
        image(&self.draw(0), Self::HEIGHT)
    }

    /// Width of every chart in pixels.
    pub const WIDTH: u64 = 960;
    /// Height of every chart in pixels.
    pub const HEIGHT: u64 = 240;

    fn draw_axes(&self, frame: &Frame, out: &mut String) {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"14\" text-anchor=\"end\" font-weight=\"bold\">{}</text>",
            RIGHT,
            escaped(&self.title)
        );
        let step = nice_step(frame.top, 4);
        for value in (0..)
            .map(|count| count * step)
            .take_while(|value| *value <= frame.top)
        {
            let y = frame.y(value);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                LEFT - 6,
                y + 4,
                self.unit.label(value)
            );
        }
        let step = nice_step(frame.until, 10);
        for at in (0..)
            .map(|count| count * step)
            .take_while(|at| *at <= frame.until)
        {
            let x = frame.x(at);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{x} {TOP}V{BOTTOM}\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                BOTTOM + 16,
                Unit::Time.label(at)
            );
        }
    }
}

/// Makes an image of drawings, `height` pixels high.
pub(super) fn image(drawings: &str, height: u64) -> String {
    let width = Chart::WIDTH;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
<style>.grid{{stroke:#ddd;fill:none}}.line{{fill:none;stroke-width:1.2}}</style>\n\
<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{drawings}</svg>\n"
    )
}

/// The scale of a chart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) until: u64,
    pub(super) top: u64,
}

impl Frame {
    pub(super) fn x(&self, at: u64) -> u64 {
        LEFT + scale(at.min(self.until), RIGHT - LEFT, self.until)
    }

    fn y(&self, value: u64) -> u64 {
        BOTTOM - scale(value.min(self.top), BOTTOM - TOP, self.top)
    }

    /// Draws a line in steps; of the points that share a column of pixels, the extremes.
    fn draw_line(&self, line: &Line, colour: &str, out: &mut String) {
        let _ = write!(out, "<path class=\"line\" stroke=\"{colour}\" d=\"");
        let mut column = None;
        let mut begun = false;
        for (at, value) in &line.points {
            if *at > self.until {
                break;
            }
            let (x, y) = (self.x(*at), self.y(*value));
            let (low, high) = match column {
                Some((old, low, high, _)) if old == x => (y.max(low), y.min(high)),
                Some((_, _, _, last)) => {
                    self.flush(column, out);
                    let _ = write!(out, "V{last}H{x}");
                    (y, y)
                }
                None => (y, y),
            };
            if !begun {
                let _ = write!(out, "M{x} {y}");
                begun = true;
            }
            column = Some((x, low, high, y));
        }
        self.flush(column, out);
        if let Some((_, _, _, last)) = column {
            let _ = write!(out, "V{last}");
        }
        out.push_str("\"/>\n");
    }

    #[expect(clippy::unused_self, reason = "it is part of drawing in this frame")]
    fn flush(&self, column: Option<(u64, u64, u64, u64)>, out: &mut String) {
        if let Some((_, low, high, _)) = column {
            let _ = write!(out, "V{low}V{high}");
        }
    }
}

impl Unit {
    /// A value in words: three digits or four, and a prefix.
    #[must_use]
    pub fn label(self, value: u64) -> String {
        let (scaled, prefix, unit) = match self {
            Self::Count => si(value, ""),
            Self::Bytes => si(value, "B"),
            Self::BitRate => si(value, "bit/s"),
            Self::Time => time(value),
            Self::Share => (value / 1_000, "", "%"),
        };
        let (whole, tenths) = (scaled / 10, scaled % 10);
        let space = if unit.is_empty() && prefix.is_empty() {
            ""
        } else {
            " "
        };
        if tenths == 0 {
            format!("{whole}{space}{prefix}{unit}")
        } else {
            format!("{whole}.{tenths}{space}{prefix}{unit}")
        }
    }
}

/// A value in tenths of a unit with a prefix.
fn si(value: u64, unit: &'static str) -> (u64, &'static str, &'static str) {
    match value {
        0..10_000 => (value * 10, "", unit),
        10_000..10_000_000 => (value / 100, "k", unit),
        10_000_000..10_000_000_000 => (value / 100_000, "M", unit),
        _ => (value / 100_000_000, "G", unit),
    }
}

fn time(nanos: u64) -> (u64, &'static str, &'static str) {
    match nanos {
        0 => (0, "", "s"),
        1..10_000_000 => (nanos / 100, "µ", "s"),
        10_000_000..1_000_000_000 => (nanos / 100_000, "m", "s"),
        _ => (nanos / 100_000_000, "", "s"),
    }
}

/// The distance of at most `count` lines up to `top`: 1, 2 or 5 times a power of ten.
fn nice_step(top: u64, count: u64) -> u64 {
    let least = (top / count).max(1);
    let mut power = 1_u64;
    while power.saturating_mul(10) <= least {
        power = power.saturating_mul(10);
    }
    [1, 2, 5, 10]
        .map(|times| power.saturating_mul(times))
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(least)
}

/// `value` of `whole`, as pixels of `pixels`.
fn scale(value: u64, pixels: u64, whole: u64) -> u64 {
    let wide = u128::from(value) * u128::from(pixels) / u128::from(whole.max(1));
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// Text as XML takes it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) const LEFT: u64 = 80;
pub(super) const RIGHT: u64 = Chart::WIDTH - 20;
const TOP: u64 = 34;
const BOTTOM: u64 = Chart::HEIGHT - 26;
pub(super) const COLOURS: [&str; 8] = [
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f",
];
