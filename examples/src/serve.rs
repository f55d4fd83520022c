//! The example `serve`: an HTTP server on a stack behind a TUN or TAP.

use crate::behind_tun::TunOptions;
use crate::digest::Counted;
use crate::echo::ports;
use crate::http::Incoming;
use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use clap::Args;
use futures::{StreamExt as _, stream};
use net_tokio::{Net, TcpListener};
use serde::Deserialize;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::iter;
use std::net::SocketAddr;

/// Where the stack is, and on which port it serves.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Where it is.
    #[command(flatten)]
    pub tun: TunOptions,
    /// The port to serve.
    #[arg(long, default_value_t = 80, value_parser = ports())]
    pub port: u16,
}

impl ServeOptions {
    /// Brings the stack up and serves on each of its addresses, which are told; call it inside a tokio
    /// runtime. The server ends with that.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub async fn start(&self) -> anyhow::Result<(Net, Vec<SocketAddr>)> {
        let net = self.tun.build()?;
        net.wait_for_addresses().await;
        let app = Router::new()
            .route("/", get(hello))
            .route("/download", get(download))
            .route("/upload", post(upload))
            .route("/stats", get(stats))
            .with_state(net.clone());
        let addresses = self.tun.sockets(self.port)?;
        for &address in &addresses {
            let listener = TcpListener::bind_on(&net, address)
                .await
                .with_context(|| format!("listening on {address}"))?;
            let app = app.clone();
            tokio::spawn(async move { axum::serve(Incoming(listener), app).await });
        }
        Ok((net, addresses))
    }
}

async fn hello() -> &'static str {
    "Hello from a TCP/IP stack in user space.\n"
}

#[derive(Debug, Deserialize)]
struct Download {
    bytes: u64,
}

async fn download(Query(wanted): Query<Download>) -> impl IntoResponse {
    let pieces = stream::unfold(wanted.bytes, |left| async move {
        let piece = usize::try_from(left).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
        let chunk = Bytes::from_static(&CHUNK).slice(..piece);
        (piece > 0).then(|| (Ok::<_, Infallible>(chunk), left - piece as u64))
    });
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, wanted.bytes.to_string()),
    ];
    (headers, Body::from_stream(pieces))
}

async fn upload(body: Body) -> Response {
    let mut pieces = body.into_data_stream();
    let mut counted = Counted::default();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => counted.update(&piece),
            Err(error) => {
                let text = format!("the upload broke off: {error}\n");
                return (axum::http::StatusCode::BAD_REQUEST, text).into_response();
            }
        }
    }
    let bytes = counted.bytes;
    format!("{bytes} bytes, SHA-256 {}\n", counted.hex()).into_response()
}

async fn stats(State(net): State<Net>) -> String {
    let stats = net.stats();
    let sockets = ("sockets", net.sockets() as u64);
    let mut text = String::new();
    for (name, value) in iter::once(sockets).chain(stats.fields()) {
        writeln!(text, "{name} {value}").expect("a String takes everything");
    }
    for (reason, count) in stats.dropped() {
        writeln!(text, "dropped_{reason} {count}").expect("a String takes everything");
    }
    text
}

/// A download repeats this.
static CHUNK: [u8; 64 * 1024] = [b'.'; 64 * 1024];
