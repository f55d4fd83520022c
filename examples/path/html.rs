//! The plots.

use super::run::{Run, algorithm};
use super::{args::Args, table};
use net_core::sim::{Chart, Unit, queue_chart};
use std::fmt::Write as _;
use std::time::Duration;

/// One page with everything in it.
pub(crate) fn render(args: &Args, run: &mut Run, took: Duration) -> String {
    let summary = escaped(&table::render(args, run, took));
    let command: Vec<_> = std::env::args().skip(1).collect();
    let command = escaped(&command.join(" "));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>path {command}</title>\n\
<style>body{{font-family:sans-serif;max-width:62em;margin:2em auto;padding:0 1em}}\
pre{{overflow:auto;background:#f4f4f4;padding:1em}}svg{{max-width:100%;height:auto}}</style>\n\
<h1>path {command}</h1>\n<pre>{summary}</pre>\n"
    );
    let series = run.series();
    if series.len() > 1 {
        let lines = series.iter().enumerate().map(|(number, series)| {
            series.delivery_rate(&format!("{number} {:?}", algorithm(args, number)))
        });
        let chart = Chart {
            title: "all flows, delivered".into(),
            unit: Unit::BitRate,
            lines: lines.collect(),
            ..Chart::default()
        };
        page.push_str(&chart.to_svg());
    }
    page.push_str(&queue_chart("queue in front of the link", run.queue()).to_svg());
    for (number, series) in series.iter().enumerate() {
        let title = format!("flow {number}, {:?}", algorithm(args, number));
        let _ = write!(
            page,
            "<h2>{}</h2>\n{}",
            escaped(&title),
            series.to_svg(&title)
        );
    }
    page.push_str("</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
