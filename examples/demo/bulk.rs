//! A bulk transfer both ways at once on one connection, checked by SHA-256.

use super::link::Link;
use anyhow::Context as _;
use examples::digest::{Counted, Pattern};
use indicatif::ProgressBar;
use net_core::tcp::TcpInfo;
use net_tokio::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

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
    Ok(Bulk {
        up: server_end.received.direction(&client_end.sent, bytes),
        down: client_end.received.direction(&server_end.sent, bytes),
        infos: [client_end.info, server_end.info],
    })
}

/// What one side sent and received.
struct End {
    /// The digest of what it sent.
    sent: String,
    received: Received,
    info: TcpInfo,
}

/// What has arrived at one side.
struct Received {
    digest: String,
    bytes: u64,
    elapsed: Duration,
}

impl Received {
    /// Holds what has arrived against what was sent: so many bytes, with that digest.
    fn direction(&self, sent: &str, bytes: u64) -> Direction {
        Direction {
            bytes: self.bytes,
            elapsed: self.elapsed,
            right: self.bytes == bytes && self.digest == sent,
        }
    }
}

async fn both_ways(
    stream: TcpStream,
    bytes: u64,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<End> {
    let (mut reader, mut writer) = stream.into_split();
    let receive = async {
        let received = receive(&mut reader, bar).await?;
        let info = reader.as_ref().info()?;
        anyhow::Ok((received, info))
    };
    let (sent, (received, info)) = tokio::try_join!(send(&mut writer, bytes, seed), receive)?;
    Ok(End {
        sent,
        received,
        info,
    })
}

/// Writes so many bytes of the pattern, and the end; their digest.
async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: u64,
    seed: u64,
) -> anyhow::Result<String> {
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
    Ok(sent.hex())
}

/// Reads to the end.
async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    bar: &ProgressBar,
) -> anyhow::Result<Received> {
    let start = Instant::now();
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
    Ok(Received {
        bytes: received.bytes,
        digest: received.hex(),
        elapsed: start.elapsed(),
    })
}

const PORT: u16 = 9000;
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a pattern, changes what crosses, and says whether that arrives right.
    async fn arrives_right(change: impl FnOnce(&mut Vec<u8>)) -> bool {
        const BYTES: u64 = 200_001;
        let mut crossing = Vec::new();
        let sent = send(&mut crossing, BYTES, 7).await.expect("room");
        change(&mut crossing);
        let bar = ProgressBar::hidden();
        let received = receive(&mut &crossing[..], &bar).await.expect("bytes");
        received.direction(&sent, BYTES).right
    }

    #[tokio::test]
    async fn one_changed_byte_makes_a_transfer_wrong() {
        assert!(arrives_right(|_| {}).await);
        for at in [0, 100_000, 200_000] {
            assert!(!arrives_right(|bytes| bytes[at] ^= 1).await, "byte {at}");
        }
    }

    #[tokio::test]
    async fn one_byte_too_many_or_too_few_makes_a_transfer_wrong() {
        assert!(!arrives_right(|bytes| bytes.push(0)).await);
        assert!(!arrives_right(|bytes| bytes.truncate(200_000)).await);
    }
}
