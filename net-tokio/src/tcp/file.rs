//! Sending what lies in a file.

use super::TcpStream;
use bytes::BytesMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

impl TcpStream {
    /// Sends what `file` still has, up to `max` bytes, without copying it once more (`sendfile`); how
    /// many bytes. Fewer than `max` where the file ends.
    ///
    /// # Errors
    /// The file's, or `BrokenPipe` and the like from the connection.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: where the future is dropped, up to 64 KiB may have been read from the file and
    /// not sent.
    pub async fn send_file<R: AsyncRead + Unpin>(&self, file: &mut R, max: u64) -> io::Result<u64> {
        let mut sent = 0;
        while sent < max {
            let mut piece = BytesMut::with_capacity(PIECE);
            let mut rest = (&mut *file).take(max - sent);
            if rest.read_buf(&mut piece).await? == 0 {
                break;
            }
            sent += piece.len() as u64;
            self.write_chunk(&mut piece.freeze()).await?;
        }
        Ok(sent)
    }
}

/// Bytes that are read from the file at once.
const PIECE: usize = 64 << 10;
