//! This stack: the server of the `echo` example on the services that are measured.

use super::{ECHO_PORT, SERVICES, ServerConfig, announce_ready};
use examples::behind_tun::{Switch, TunOptions};
use examples::services::{accept_loop, udp_echo};
use net_tokio::{TcpListener, UdpSocket};

/// Serves on the TUN, for ever.
///
/// # Errors
/// When the TUN cannot be opened or a port not be bound.
pub async fn serve(config: &ServerConfig) -> anyhow::Result<()> {
    let options = TunOptions {
        tun: Some(config.tun.clone()),
        tap: None,
        address: vec![format!("{}/24", config.address)],
        gateway: Vec::new(),
        mtu: None,
        offload: Switch::On,
        busy_poll: config.busy_poll_us,
    };
    let net = options.build()?;
    for (port, service) in SERVICES {
        let listener = TcpListener::bind_on(&net, (config.address, port)).await?;
        tokio::spawn(accept_loop(listener, service));
    }
    let udp = UdpSocket::bind_on(&net, (config.address, ECHO_PORT)).await?;
    announce_ready();
    udp_echo(udp).await;
    Ok(())
}
