//! A router and firewall between two networks: what leaves outwards gets the router's address, which a
//! DHCP server out there leases if one wants, and from outside comes in only what belongs to it. Hosts inside
//! form addresses of IPv6 from a prefix that it advertises there, if one wants.
//!
//! `bash examples/router/two-namespaces.sh` runs it between two network namespaces, without being
//! root, with a real `dnsmasq` outside, and sends a stream through it.

use clap::Parser;
use examples::router::RouterOptions;
use net_tokio::{Dhcp, Net};
use std::io;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    router: RouterOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Arguments::parse().router;
    let net = options.build()?;
    let mut dhcp = options.lease(&net)?;
    // Before the line that says that they may be sent.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("routing between {} and {}", options.inside, options.outside);
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        ended = tell_leases(dhcp.as_mut()) => ended?,
    }
    print!("{}", net.show_filter());
    show_flows(&net);
    if let Some(dhcp) = dhcp {
        dhcp.release().await?;
    }
    net.shutdown().await;
    Ok(())
}

/// Says what is leased whenever that changes, as long as the client lives.
async fn tell_leases(dhcp: Option<&mut Dhcp>) -> io::Result<()> {
    let Some(dhcp) = dhcp else {
        return std::future::pending().await;
    };
    loop {
        dhcp.changed().await?;
        match dhcp.lease() {
            Some(lease) => println!("leased {} from {}", lease.ip(), lease.server),
            None => println!("no lease any more"),
        }
    }
}

fn show_flows(net: &Net) {
    for flow in net.flows() {
        let (original, reply) = (flow.original, flow.reply);
        println!(
            "{} {}:{} -> {}:{}, answered to {}:{}",
            original.protocol,
            original.source,
            original.source_port,
            original.dest,
            original.dest_port,
            reply.dest,
            reply.dest_port
        );
    }
}
