//! HTTP: axum serves, hyper asks, neither knows what carries it.

use super::link::Link;
use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use bytes::Bytes;
use examples::digest::Pattern;
use examples::http::Incoming;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use indicatif::ProgressBar;
use net_tokio::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the requests came to.
#[derive(Debug)]
pub(crate) struct Http {
    /// Answers whose every byte was right.
    pub(crate) right: u64,
    /// Answers with a wrong byte, length or status.
    pub(crate) wrong: u64,
    /// For all of them.
    pub(crate) elapsed: Duration,
}

/// Sends `count` requests on a few connections and compares each answer byte by byte.
pub(crate) async fn run(
    link: &Link,
    count: u64,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<Http> {
    let listener = TcpListener::bind_on(&link.server, Link::server_address(PORT)).await?;
    let app = Router::new()
        .route("/item/{number}", get(item))
        .with_state(seed);
    let server = tokio::spawn(async move { axum::serve(Incoming(listener), app).await });

    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for first in 0..CONNECTIONS.min(count) {
        let stream = TcpStream::connect_on(&link.client, Link::server_address(PORT))
            .await
            .context("connecting to the HTTP server")?;
        stream.set_nodelay(true)?;
        let numbers = (first..count).step_by(usize::try_from(CONNECTIONS)?);
        tasks.spawn(ask(stream, numbers, seed, bar.clone()));
    }
    let mut http = Http {
        right: 0,
        wrong: 0,
        elapsed: Duration::ZERO,
    };
    for result in tasks.join_all().await {
        let (right, wrong) = result?;
        http.right += right;
        http.wrong += wrong;
    }
    http.elapsed = start.elapsed();
    server.abort();
    ensure!(
        http.right + http.wrong == count,
        "a request was not answered"
    );
    Ok(http)
}

/// Asks for those items, one after the other; how many answers were right and wrong.
async fn ask(
    stream: TcpStream,
    numbers: impl Iterator<Item = u64>,
    seed: u64,
    bar: ProgressBar,
) -> anyhow::Result<(u64, u64)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (mut right, mut wrong) = (0, 0);
    for number in numbers {
        let request = Request::get(format!("/item/{number}"))
            .header("host", "demo")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if is_right(status, &body, number, seed) {
            right += 1;
        } else {
            wrong += 1;
        }
        bar.inc(1);
    }
    drop(sender);
    connection.await??;
    Ok((right, wrong))
}

/// Whether that is the answer to the request for an item.
fn is_right(status: StatusCode, body: &[u8], number: u64, seed: u64) -> bool {
    status == StatusCode::OK && body == content(number, seed)
}

async fn item(Path(number): Path<u64>, State(seed): State<u64>) -> Vec<u8> {
    content(number, seed)
}

/// What `/item/{number}` holds: 0 to 8 KiB.
fn content(number: u64, seed: u64) -> Vec<u8> {
    let length = (number % 9) * 1024;
    Pattern::bytes(
        seed ^ number,
        usize::try_from(length).expect("8 KiB at most"),
    )
}

const PORT: u16 = 80;
const CONNECTIONS: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_makes_an_answer_wrong() {
        let (number, seed) = (8, 7);
        let body = content(number, seed);
        assert_eq!(body.len(), 8192);
        let right = |status, body: &[u8]| is_right(status, body, number, seed);
        assert!(right(StatusCode::OK, &body));
        for at in [0, 4000, 8191] {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert!(!right(StatusCode::OK, &changed), "byte {at}");
        }
    }

    #[test]
    fn another_length_status_or_item_makes_an_answer_wrong() {
        let body = content(8, 7);
        assert!(!is_right(StatusCode::OK, &body[1..], 8, 7));
        assert!(!is_right(StatusCode::NOT_FOUND, &body, 8, 7));
        assert!(!is_right(StatusCode::OK, &content(17, 7), 8, 7));
    }
}
