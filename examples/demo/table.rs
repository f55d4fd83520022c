//! The closing table: what was carried, and each host's counters.

use super::bulk::{Bulk, Direction};
use super::link::Link;
use super::requests::Http;
use super::udp::Udp;
use anyhow::ensure;
use net_core::stats::Stats;
use net_core::tcp::TcpInfo;
use net_tokio::device::LinkCounters;
use std::fmt::Write as _;

/// What all parts came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) http: Http,
    pub(crate) bulk: Bulk,
    pub(crate) udp: Udp,
}

impl Outcome {
    /// An error if any byte was wrong or missing where none may be.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Self { http, bulk, udp } = self;
        ensure!(http.wrong == 0, "{} HTTP answers were wrong", http.wrong);
        ensure!(bulk.up.right, "the bytes sent to the server arrived wrong");
        ensure!(
            bulk.down.right,
            "the bytes sent to the client arrived wrong"
        );
        ensure!(udp.wrong == 0, "{} datagrams came back changed", udp.wrong);
        ensure!(udp.right > 0, "no datagram came back");
        Ok(())
    }
}

/// The whole report.
pub(crate) fn render(link: &Link, outcome: &Outcome) -> String {
    let Outcome { http, bulk, udp } = outcome;
    let mut text = String::new();
    let mut line = |name: &str, value: String| row(&mut text, name, &[value]);
    line(
        "HTTP",
        format!(
            "{} of {} answers right, {:.0} a second",
            http.right,
            http.right + http.wrong,
            per_second(http.right, http.elapsed.as_secs_f64()),
        ),
    );
    line("bulk, client to server", describe(&bulk.up));
    line("bulk, server to client", describe(&bulk.down));
    line(
        "UDP echo",
        format!(
            "{} of {} came back, {} changed",
            udp.right, udp.sent, udp.wrong
        ),
    );
    text.push('\n');
    row(&mut text, "", &["client".into(), "server".into()]);
    let stats = [link.client.stats(), link.server.stats()];
    let sides = [&bulk.down, &bulk.up];
    let counted = |value: fn(&Stats) -> u64| stats.each_ref().map(|s| value(s).to_string());
    row(&mut text, "goodput received, Mbit/s", &sides.map(goodput));
    row(
        &mut text,
        "RTT, ms (smoothed/least)",
        &bulk.infos.each_ref().map(round_trip),
    );
    row(
        &mut text,
        "TCP segments sent",
        &counted(|s| s.tcp_out_segments),
    );
    row(
        &mut text,
        "TCP segments received",
        &counted(|s| s.tcp_in_segments),
    );
    row(&mut text, "retransmits", &counted(|s| s.tcp_retransmits));
    row(
        &mut text,
        "fast retransmits",
        &counted(|s| s.tcp_fast_retransmits),
    );
    row(&mut text, "timeouts", &counted(|s| s.tcp_timeouts));
    row(
        &mut text,
        "kept out of order",
        &counted(|s| s.tcp_out_of_order),
    );
    row(&mut text, "datagrams sent", &counted(|s| s.udp_out));
    row(&mut text, "datagrams received", &counted(|s| s.udp_in));
    row(
        &mut text,
        "dropped by the host",
        &stats.each_ref().map(drops),
    );
    let lost = [&link.from_client, &link.from_server].map(|link| link.counters());
    row(
        &mut text,
        "its packets dropped by the link",
        &lost.map(link_drops),
    );
    text
}

fn row(text: &mut String, name: &str, cells: &[String]) {
    write!(text, "{name:<33}").expect("a String takes everything");
    for cell in cells {
        write!(text, "{cell:<30}").expect("a String takes everything");
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

fn describe(direction: &Direction) -> String {
    format!(
        "{} bytes, {} Mbit/s, SHA-256 {}",
        direction.bytes,
        goodput(direction),
        if direction.right { "equal" } else { "WRONG" },
    )
}

fn goodput(direction: &Direction) -> String {
    let bits = per_second(direction.bytes * 8, direction.elapsed.as_secs_f64());
    format!("{:.1}", bits / 1e6)
}

fn round_trip(info: &TcpInfo) -> String {
    let ms = |time: Option<net_core::time::Duration>| {
        time.map_or_else(
            || "-".into(),
            |time| format!("{:.1}", time.as_secs_f64() * 1e3),
        )
    };
    format!("{}/{}", ms(info.rtt), ms(info.rtt_min))
}

fn drops(stats: &Stats) -> String {
    list(
        stats
            .dropped()
            .map(|(reason, count)| (reason.name(), count)),
    )
}

fn link_drops(counters: LinkCounters) -> String {
    let reasons = [
        ("lost", counters.lost),
        ("queue_full", counters.queue_full),
        ("too_big", counters.too_big),
        ("malformed", counters.malformed),
        ("closed", counters.closed),
    ];
    list(reasons.into_iter().filter(|&(_, count)| count > 0))
}

fn list<'a>(reasons: impl Iterator<Item = (&'a str, u64)>) -> String {
    let parts: Vec<String> = reasons
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if parts.is_empty() {
        "none".into()
    } else {
        parts.join(", ")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_tokio::{TcpListener, TcpStream};
    use std::time::Duration;

    async fn all_right() -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(address).await.expect("connect");
        let info = || stream.info().expect("connected");
        let direction = || Direction {
            bytes: 1,
            elapsed: Duration::from_secs(1),
            right: true,
        };
        Outcome {
            http: Http {
                right: 1000,
                wrong: 0,
                elapsed: Duration::from_secs(1),
            },
            bulk: Bulk {
                up: direction(),
                down: direction(),
                infos: [info(), info()],
            },
            udp: Udp {
                sent: 500,
                right: 496,
                wrong: 0,
            },
        }
    }

    /// What goes wrong, and how the demo says it.
    type Mistake = (fn(&mut Outcome), &'static str);

    #[tokio::test]
    async fn a_wrong_byte_anywhere_is_an_error() {
        assert!(all_right().await.check().is_ok());
        let mistakes: [Mistake; 5] = [
            (|all| all.http.wrong = 1, "1 HTTP answers"),
            (|all| all.bulk.up.right = false, "to the server"),
            (|all| all.bulk.down.right = false, "to the client"),
            (|all| all.udp.wrong = 2, "2 datagrams"),
            (|all| all.udp.right = 0, "no datagram"),
        ];
        for (happens, text) in mistakes {
            let mut outcome = all_right().await;
            happens(&mut outcome);
            let error = outcome.check().expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
