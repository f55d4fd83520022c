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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn page() -> String {
        let options = "--duration 2s --rate 100mbit --rtt 80ms --loss 1% --cc bbr,cubic";
        let args = Args::parse_from(["path"].into_iter().chain(options.split(' ')));
        let mut run = Run::new(&args).expect("a path");
        run.finish(&args).expect("it gets on");
        render(&args, &mut run, Duration::ZERO)
    }

    #[test]
    fn the_page_has_every_plot_and_needs_no_other_file() {
        let page = page();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        for title in ["all flows, delivered", "queue in front of the link"] {
            assert!(page.contains(title), "{title}");
        }
        // Of each flow there is a drawing of its own, with lines in it.
        for title in ["flow 0, Bbr", "flow 1, Cubic"] {
            let at = page.find(&format!("<h2>{title}</h2>")).expect(title);
            let rest = &page[at..];
            let drawing = &rest[rest.find("<svg").expect(title)..rest.find("</svg>").expect(title)];
            assert!(
                drawing.contains("<polyline") || drawing.contains("<path"),
                "{title}"
            );
        }
        assert_eq!(page.matches("<svg").count(), 4);
        assert_eq!(page.matches("</svg>").count(), 4);
        // The name of a namespace is no reference.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for reference in ["src=", "href=", "url(", "@import", "<link", "<script", "//"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn the_same_options_draw_the_same_page() {
        assert!(page() == page());
    }
}
