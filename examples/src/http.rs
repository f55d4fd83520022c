//! axum over our listener: the one adapter that it asks for.

use net_tokio::{TcpListener, TcpStream};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A listener of ours as `axum::serve` takes it.
#[derive(Debug)]
pub struct Incoming(pub TcpListener);

impl axum::serve::Listener for Incoming {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // A stream that is gone already says so when it is used.
                    let _gone = stream.set_nodelay(true);
                    return (stream, peer);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// After a failed accept, so that running out of sockets is no busy loop.
const PAUSE: Duration = Duration::from_millis(10);
