//! Leases whose address another host uses, as it turns out later.

use super::Claim;
use super::link::Link;
use super::options_tests::lease;
use crate::device::Switch;
use crate::{Dhcp, Net, PacketSocket};
use futures::FutureExt as _;
use net_core::autoconf::Defence;
use net_core::packet::{PacketAddr, PacketKind};
use net_core::wire::{ArpPacket, EtherType, MacAddr};
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use tokio::sync::watch;
use tokio::task::yield_now;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 50);
const MACS: [MacAddr; 2] = [
    MacAddr::new([2, 0, 0, 0, 0, 1]),
    MacAddr::new([2, 0, 0, 0, 0, 2]),
];

/// RFC 5227 §2.4(b): its server hears of it when it is asked to extend the lease, but who asks the client does
/// at once.
#[tokio::test]
async fn a_lease_whose_address_was_given_up_is_shown_no_more() -> io::Result<()> {
    let switch = Switch::new();
    let host = || Net::builder().device("eth0", switch.port()).build();
    let (net, other) = (host()?, host()?);
    net.set_conflict_detection("eth0", Some(Defence::GiveUp))?;
    let iface = net.interface_id("eth0")?;
    let mut link = Link::new(&net, "eth0", iface, MACS[0])?;
    link.take(&lease(&[])).await?;
    let (_tell, told) = watch::channel(Some(lease(&[])));
    let mut dhcp = Dhcp {
        task: tokio::spawn(pending()),
        lease: told,
        engine: net.share_engine(),
        stop: None,
        claim: Claim::new(&net, "eth0", iface)?,
    };
    let arp = PacketSocket::new_on(&other, PacketKind::Cooked, EtherType::ARP)?;
    let says = ArpPacket::request(MACS[1], OURS, OURS).to_bytes();
    let to = PacketAddr {
        iface: other.interface_id("eth0")?,
        ethertype: EtherType::ARP,
        dest: Some(MacAddr::BROADCAST),
    };
    for conflicts in 1..=2 {
        assert_eq!(dhcp.lease(), Some(lease(&[])), "it is defended once");
        arp.send_to(&says, &to).await?;
        while net.stats().address_conflicts < conflicts {
            yield_now().await;
        }
    }
    assert_eq!(dhcp.lease(), None);
    let bound = dhcp.bound().now_or_never();
    assert!(bound.is_none(), "it waits for another");
    net.shutdown().await;
    other.shutdown().await;
    Ok(())
}
