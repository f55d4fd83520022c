//! `ipstack`: a task per connection, fed by one task that reads the TUN.

use super::{ECHO_PORT, MTU, SERVICES, ServerConfig, announce_ready};
use anyhow::Context as _;
use examples::services::Service;
use ipstack::{IpStack, IpStackConfig, IpStackStream, TcpConfig, TcpOptions};
use std::time::Duration;

/// Serves whatever arrives at the TUN, for ever.
///
/// # Errors
/// When the TUN cannot be opened or fails.
pub async fn serve(config: &ServerConfig) -> anyhow::Result<()> {
    let mut tun = tun::Configuration::default();
    // The parent has configured the device; without this the crate would do it again.
    tun.tun_name(&config.tun).platform_config(|platform| {
        platform.ensure_root_privileges(false);
    });
    let device = tun::create_as_async(&tun).context("opening the TUN")?;

    let mut tcp = TcpConfig::default();
    tcp.options = Some(vec![TcpOptions::MaximumSegmentSize(MTU - 40)]);
    tcp.timeout = IDLE_TIMEOUT;
    let mut settings = IpStackConfig::default();
    settings.mtu(MTU)?.with_tcp_config(tcp);
    let mut stack = IpStack::new(settings, device);

    announce_ready();
    loop {
        match stack.accept().await? {
            IpStackStream::Tcp(stream) => {
                let port = stream.peer_addr().port();
                if let Some((_, service)) = SERVICES.iter().find(|(p, _)| *p == port) {
                    tokio::spawn(service.serve(stream));
                }
            }
            // One stream per source address and port: each echoes on its own.
            IpStackStream::Udp(stream) if stream.peer_addr().port() == ECHO_PORT => {
                tokio::spawn(Service::Echo.serve(stream));
            }
            _ => {}
        }
    }
}

/// Longer than any measurement.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
