//! The rows, by subject.

pub(crate) mod accept;
pub(crate) mod bind;
pub(crate) mod connect;
pub(crate) mod ends;
pub(crate) mod multicast;
pub(crate) mod options;
pub(crate) mod packets;
pub(crate) mod ready;
pub(crate) mod stream;
pub(crate) mod udp;
pub(crate) mod udp_errors;

use super::{host, net};
use crate::log::Log;
use crate::world::World;
use net::{TcpListener, TcpStream};
use std::net::IpAddr;

/// The table of a file.
macro_rules! rows {
    ($($row:ident),* $(,)?) => {
        /// Each row by its name.
        pub(crate) const ROWS: &[crate::compare::Row] =
            &[$((stringify!($row), |world| Box::pin(async move {
                let mut log = crate::log::Log::default();
                $row(&world, &mut log).await;
                log
            }))),*];
    };
}
use rows;

/// Time for a stack that works behind its callers' backs to do what was asked of it.
async fn settled() {
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
}

/// The two ends of a connection over the loopback.
async fn pair(ip: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((ip, 0)).await.expect("a free port");
    let to = listener.local_addr().expect("bound");
    let client = TcpStream::connect(to).await.expect("a listener");
    let (server, _) = listener.accept().await.expect("a connection");
    (client, server)
}
