//! A bulk transfer both ways at once on one connection, checked by SHA-256.

use super::link::Link;
use anyhow::Context as _;
use examples::digest::{Counted, Pattern};
use indicatif::ProgressBar;
use net_core::tcp::TcpInfo;
use net_tokio::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What the transfer came to.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// From the client to the server.
    pub(crate) up: Direction,
    /// From the server to the client.
    pub(crate) down: Direction,
    /// The connection as each side saw it before its end: client, server.
    pub(crate) infos: [TcpInfo; 2],
}

/// One direction of it.
#[derive(Debug)]
pub(crate) struct Direction {
    /// Bytes that arrived.
    pub(crate) bytes: u64,
    /// Until the last of them had.
    pub(crate) elapsed: Duration,
    /// Whether what arrived is what was sent.
    pub(crate) right: bool,
}

/// Sends `bytes` each way.
pub(crate) async fn run(
    link: &Link,
    bytes: u64,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<Bulk> {
    let address = Link::server_address(PORT);
    let listener = TcpListener::bind_on(&link.server, address).await?;
    let connecting = TcpStream::connect_on(&link.client, address);
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let client = client.context("connecting for the bulk transfer")?;
    let (server, _) = accepted?;
    let (client_end, server_end) = tokio::join!(
        both_ways(client, bytes, seed, bar),
        both_ways(server, bytes, !seed, bar),
    );
    let (client_end, server_end) = (client_end?, server_end?);
    let direction = |sent: &End, received: &End| Direction {
        bytes: received.received,
        elapsed: received.elapsed,
        right: received.received == bytes && sent.sent_digest == received.received_digest,
    };
    Ok(Bulk {
        up: direction(&client_end, &server_end),
        down: direction(&server_end, &client_end),
        infos: [client_end.info, server_end.info],
    })
}

/// What one side sent and received.
struct End {
    sent_digest: String,
    received_digest: String,
    received: u64,
    elapsed: Duration,
    info: TcpInfo,
}

async fn both_ways(
    stream: TcpStream,
    bytes: u64,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<End> {
    let start = Instant::now();
    let (mut reader, mut writer) = stream.into_split();
    let send = async {
        let mut pattern = Pattern::new(seed);
        let mut sent = Counted::default();
        let mut buf = vec![0; BUFFER];
        while sent.bytes < bytes {
            let piece = usize::try_from(bytes - sent.bytes).map_or(BUFFER, |left| left.min(BUFFER));
            let piece = &mut buf[..piece];
            pattern.fill(piece);
            sent.update(piece);
            writer.write_all(piece).await.context("sending")?;
        }
        writer.shutdown().await.context("ending the stream")?;
        anyhow::Ok(sent.hex())
    };
    let receive = async {
        let mut received = Counted::default();
        let mut buf = vec![0; BUFFER];
        loop {
            let count = reader.read(&mut buf).await.context("receiving")?;
            if count == 0 {
                break;
            }
            received.update(&buf[..count]);
            bar.inc(count as u64);
        }
        let info = reader.as_ref().info()?;
        anyhow::Ok((received, start.elapsed(), info))
    };
    let (sent_digest, (received, elapsed, info)) = tokio::try_join!(send, receive)?;
    Ok(End {
        sent_digest,
        received: received.bytes,
        received_digest: received.hex(),
        elapsed,
        info,
    })
}

const PORT: u16 = 9000;
const BUFFER: usize = 64 * 1024;
