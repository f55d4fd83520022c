//! The host's own stack, by `tokio::net`.

use super::{ECHO_PORT, SERVICES, announce_ready};
use examples::services::{accept_loop, udp_echo};
use std::io;
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, UdpSocket};

/// Serves on all addresses of this network namespace, for ever.
///
/// # Errors
/// When a port cannot be bound.
pub async fn serve() -> io::Result<()> {
    for (port, service) in SERVICES {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        tokio::spawn(accept_loop(listener, service));
    }
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, ECHO_PORT)).await?;
    announce_ready();
    udp_echo(udp).await;
    Ok(())
}
