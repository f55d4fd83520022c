//! A router and firewall between two networks, each behind a TUN: what leaves outwards gets the
//! router's address, and from outside comes in only what belongs to it.
//!
//! `bash examples/router/two-namespaces.sh` runs it between two network namespaces, without being
//! root, and sends pings, datagrams and a stream through it.

use anyhow::Context as _;
use clap::Parser;
use net_core::filter::Ruleset;
use net_tokio::device::Tun;
use net_tokio::{Interface, Net};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Name of the TUN to the inner network: one that exists is used, another one is made.
    #[arg(long, default_value = "lan0")]
    inside: String,
    /// The router's address there.
    #[arg(long, value_name = "ADDRESS/LEN", default_value = "10.7.0.1/24")]
    inside_address: String,
    /// Name of the TUN to the outer network.
    #[arg(long, default_value = "wan0")]
    outside: String,
    /// The router's address there.
    #[arg(long, value_name = "ADDRESS/LEN", default_value = "10.9.0.1/24")]
    outside_address: String,
    /// The next router outwards.
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<IpAddr>,
    /// A file with rules, in place of those that are built in.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let rules = match &args.rules {
        Some(file) => fs::read_to_string(file).with_context(|| format!("{}", file.display()))?,
        None => built_in(&args.inside, &args.outside),
    };
    let rules: Ruleset = rules.parse().context("the rules")?;
    let net = Net::builder().build()?;
    let inside = Interface::new(&args.inside, Tun::builder(&args.inside).build()?);
    net.attach(inside.address(&args.inside_address))?;
    let mut outside = Interface::new(&args.outside, Tun::builder(&args.outside).build()?);
    outside = outside.address(&args.outside_address);
    if let Some(gateway) = args.gateway {
        outside = outside.gateway(gateway);
    }
    net.attach(outside)?;
    net.set_filter(rules)?;
    for interface in [&args.inside, &args.outside] {
        net.set_forwarding(interface, true)?;
    }
    println!("routing between {} and {}", args.inside, args.outside);
    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = end.recv() => {}
    }
    print!("{}", net.show_filter());
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
    net.shutdown().await;
    Ok(())
}

/// A firewall that translates what leaves.
fn built_in(inside: &str, outside: &str) -> String {
    format!(
        r#"
table inet router {{
    chain post {{
        type nat hook postrouting priority srcnat
        oifname "{outside}" masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "{inside}" oifname "{outside}" ct state new accept
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "lo" accept
        icmp type echo-request limit rate 10/second accept
        icmpv6 type {{ echo-request, nd-neighbor-solicit, nd-neighbor-advert }} accept
    }}
}}
"#
    )
}
