//! The tables for people and the JSON for programs.

use super::figures::{Figures, Row};
use super::measure::Settings;
use super::targets::{Target, targets};
use super::workload::Quantity;
use crate::host::link::Offloads;
use crate::host::namespace::congestion_control;
use crate::stacks::StackName;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

/// What surrounds the figures.
#[derive(Debug)]
pub struct Report<'a> {
    /// The figures.
    pub figures: &'a Figures,
    /// The stacks, in the order of the columns.
    pub stacks: &'a [StackName],
    /// How it was measured.
    pub settings: Settings,
    /// How often.
    pub runs: usize,
    /// The veth pair's offloads.
    pub offloads: Option<&'a Offloads>,
    /// Why the comparison is void.
    pub objections: &'a [String],
}

impl Report<'_> {
    /// The table of medians.
    #[must_use]
    pub fn absolute(&self) -> String {
        let mut text = self.head("absolute, medians");
        for row in self.figures.rows() {
            self.line(&mut text, row, |stack| self.figures.median(row, stack));
        }
        text
    }

    /// The table of ratios to the kernel.
    #[must_use]
    pub fn ratios(&self) -> String {
        let mut text = self.head("ratio to the kernel");
        for row in self
            .figures
            .rows()
            .filter(|(_, quantity)| quantity.is_rate())
        {
            self.line(&mut text, row, |stack| {
                self.figures.ratio(row, stack, StackName::Kernel)
            });
        }
        text
    }

    /// What this stack is to reach, with a mark at what it does not.
    #[must_use]
    pub fn targets(&self) -> String {
        let mut text = String::new();
        for target in targets(self.figures) {
            let mark = if target.met { "met   " } else { "MISSED" };
            let Target {
                text: aim,
                measured,
                ..
            } = target;
            writeln!(text, "{mark} {aim}: {}", digits(measured))
                .expect("a String takes everything");
        }
        text
    }

    fn head(&self, title: &str) -> String {
        let mut text = format!("{title:<54}");
        for stack in self.stacks {
            write_cell(&mut text, &stack.to_string());
        }
        text.push('\n');
        text
    }

    fn line(&self, text: &mut String, row: Row, value: impl Fn(StackName) -> Option<f64>) {
        let (workload, quantity) = row;
        let label = format!("{:<40} {}", workload.label(), quantity.unit());
        text.push_str(&format!("{label:<54}"));
        for &stack in self.stacks {
            let cell = value(stack).map_or_else(|| "-".into(), digits);
            write_cell(text, &cell);
        }
        text.push('\n');
    }

    /// Everything, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.figures.rows().map(|row| self.json_row(row)).collect();
        json!({
            "unix_time": unix_time(),
            "machine": machine(),
            "kernel": read_line("/proc/sys/kernel/osrelease"),
            "congestion_control_of_the_kernel": congestion_control(),
            "runs": self.runs,
            "seconds": self.settings.time.as_secs_f64(),
            "idle_connections": self.settings.idle,
            "server_threads": self.settings.threads,
            "veth": self.offloads,
            "void": self.objections,
            "targets": targets(self.figures),
            "failures": self.figures.failures(),
            "rows": rows,
        })
    }

    fn json_row(&self, row: Row) -> Value {
        let (workload, quantity) = row;
        let cells = |value: &dyn Fn(StackName) -> Value| -> Value {
            self.stacks
                .iter()
                .map(|&stack| (stack.name().to_owned(), value(stack)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let mut object = json!({
            "workload": workload,
            "quantity": quantity,
            "median": cells(&|stack| json!(self.figures.median(row, stack))),
            "samples": cells(&|stack| json!(self.figures.samples(row, stack))),
        });
        if quantity.is_rate() || quantity == Quantity::CpuPerGb {
            object["ratio_to_kernel"] =
                cells(&|stack| json!(self.figures.ratio(row, stack, StackName::Kernel)));
        }
        object
    }
}

/// One line about the machine.
#[must_use]
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split(':').nth(1)?.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".into());
    format!("{cpus} × {model}")
}

fn write_cell(text: &mut String, cell: &str) {
    write!(text, "{cell:>12}").expect("a String takes everything");
}

/// Three significant digits.
fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn unix_time() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().into())
}
