//! What a lease has from the options of a server's message, also where some of them are wrong.

use super::lease::{Lease, message};
use super::link::Link;
use super::options::read;
use crate::device::Switch;
use crate::{Net, UdpSocket};
use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use net_core::Seed;
use net_core::iface::IpCidr;
use net_core::wire::MacAddr;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
/// 192.0.2.0/24 by 10.7.0.1.
const ROUTE: [u8; 8] = [24, 192, 0, 2, 10, 7, 0, 1];

/// An acknowledgement of 10.7.0.50/24 with these bytes behind its own options.
fn bytes(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[16..20].copy_from_slice(&[10, 7, 0, 50]);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([53, 1, 5, 54, 4, 10, 7, 0, 1]);
    bytes.extend([1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 3, 232]);
    bytes.extend(options);
    bytes
}

pub(super) fn lease(options: &[u8]) -> Lease {
    let message = read(&bytes(options)).expect("a message");
    Lease::read(&message).expect("a lease")
}

fn option(code: u8, data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(data.len()).expect("one part");
    [&[code, len], data].concat()
}

fn prefix(text: &str) -> IpCidr {
    let (address, len) = text.split_once('/').expect("a prefix");
    IpCidr {
        address: address.parse().expect("an address"),
        prefix_len: len.parse().expect("a length"),
    }
}

/// RFC 3442, also that bits behind the prefix are none of it.
#[test]
fn routes_are_told_in_the_place_of_routers() {
    let routers = option(3, &SERVER.octets());
    assert_eq!(lease(&routers).routers, [SERVER]);
    let told = [
        &ROUTE[..],
        &[20, 172, 16, 31, 10, 7, 0, 2],
        &[16, 10, 9, 0, 0, 0, 0],
        // Bits behind the prefix count for nothing, also where they would make it a group's.
        &[1, 0xe0, 10, 7, 0, 1],
        &[4, 0x7f, 10, 7, 0, 1],
        &[0, 10, 7, 0, 3],
    ]
    .concat();
    let expected = [
        ("192.0.2.0/24", Some([10, 7, 0, 1])),
        ("172.16.16.0/20", Some([10, 7, 0, 2])),
        ("10.9.0.0/16", None),
        ("128.0.0.0/1", Some([10, 7, 0, 1])),
        ("112.0.0.0/4", Some([10, 7, 0, 1])),
        ("0.0.0.0/0", Some([10, 7, 0, 3])),
    ]
    .map(|(to, router)| (prefix(to), router.map(Ipv4Addr::from)));
    for parts in [
        [routers.clone(), option(121, &told)].concat(),
        [option(121, &told), routers.clone()].concat(),
        // RFC 3396: in two parts, and not beside each other.
        [option(121, &told[..11]), routers, option(121, &told[11..])].concat(),
    ] {
        let lease = lease(&parts);
        assert_eq!(lease.routes, expected);
        assert_eq!(lease.routers, [Ipv4Addr::UNSPECIFIED; 0]);
    }
}

/// Neither this host nor a group, no router that is none, and no more than are remembered.
#[test]
fn routes_that_lead_nowhere_are_passed_over() {
    let told = [
        &[8, 127, 10, 7, 0, 1][..],
        &[4, 224, 10, 7, 0, 1],
        &[32, 255, 255, 255, 255, 10, 7, 0, 1],
        &[24, 198, 51, 100, 10, 7, 0, 255],
        &[24, 198, 51, 100, 224, 0, 0, 1],
        &[24, 198, 51, 100, 10, 7, 0, 50],
        &ROUTE,
        // Another one to the same.
        &[24, 192, 0, 2, 10, 7, 0, 9],
    ]
    .concat();
    let only = [(prefix("192.0.2.0/24"), Some(SERVER))];
    assert_eq!(lease(&option(121, &told)).routes, only);
    let many = (0..200_u8).map(|at| option(121, &[24, 10, 8, at, 10, 7, 0, 1]));
    let everywhere = option(121, &[0, 10, 7, 0, 1]);
    let many: Vec<u8> = many.flatten().chain(everywhere).collect();
    let routes = lease(&many).routes;
    assert_eq!(routes.len(), 129);
    assert_eq!(routes[128], (prefix("0.0.0.0/0"), Some(SERVER)));
}

/// What comes behind it is read, and what it was to say is not known.
#[test]
fn an_option_that_is_wrong_spoils_no_other() {
    let routers = option(3, &SERVER.octets());
    let cut = &ROUTE[..6];
    let behind = [&ROUTE[..], &[33, 10, 0, 0, 0, 0, 10, 7, 0, 1]].concat();
    for wrong in [
        option(121, &[]),
        option(121, &[0]),
        option(121, cut),
        option(121, &behind),
        option(26, &[]),
        option(26, &[5]),
        option(26, &[5, 120, 0]),
        option(119, &[]),
        option(119, &[7, b'e', b'x']),
        option(119, &[0xc0, 0]),
        option(119, &[3, b'a', b' ', b'b', 0]),
        option(15, &[0xff, 0xfe]),
        option(6, &[10, 7, 0]),
        option(58, &[1]),
        option(200, &[1, 2, 3]),
    ] {
        let lease = lease(&[&wrong[..], &routers].concat());
        assert_eq!(lease.routers, [SERVER], "{wrong:?}");
        assert!(lease.routes.is_empty() && lease.search.is_empty());
        let rest = (lease.mtu, lease.domain, lease.dns_servers.len());
        assert_eq!(rest, (None, None, 0), "{wrong:?}");
    }
    // Of two that are to be one, and make no sense, neither is taken.
    let twice = [option(26, &[5, 120]), option(26, &[5, 121])].concat();
    assert_eq!(lease(&twice).mtu, None);
    // What is behind one that ends behind the message is lost.
    let open = [option(26, &[5, 120]), vec![119, 200, 3]].concat();
    assert_eq!(lease(&open).mtu, Some(1400));
}

#[test]
fn packets_are_limited_to_what_every_host_takes_and_no_further() {
    for (told, mtu) in [
        (0_u16, None),
        (68, None),
        (575, None),
        (576, Some(576)),
        (1400, Some(1400)),
        (u16::MAX, Some(u16::MAX)),
    ] {
        assert_eq!(lease(&option(26, &told.to_be_bytes())).mtu, mtu);
    }
}

/// RFC 3397: names may be compressed, with pointers into the option, and in two parts.
#[test]
fn domains_to_search_are_read_in_their_order() {
    let names = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04\x03lan\0";
    let all = ["eng.apple.com", "marketing.apple.com", "lan"];
    let domain = option(15, b"apple.com");
    let whole = lease(&[&domain[..], &option(119, names)].concat());
    assert_eq!(whole.search, all);
    assert_eq!(whole.domain.as_deref(), Some("apple.com"));
    let parts = [option(119, &names[..9]), domain, option(119, &names[9..])].concat();
    assert_eq!(lease(&parts).search, all);
    let many = b"\x01a\0".repeat(80);
    assert_eq!(lease(&option(119, &many)).search.len(), 8);
}

/// RFC 2132 §9.3.
#[test]
fn options_may_be_where_the_names_of_file_and_server_were() {
    let mut bytes = bytes(&option(52, &[3]));
    bytes[108..112].copy_from_slice(&[26, 2, 5, 120]);
    bytes[112] = 255;
    bytes[44..50].copy_from_slice(&[3, 4, 10, 7, 0, 1]);
    let lease = Lease::read(&read(&bytes).expect("a message")).expect("a lease");
    assert_eq!((lease.mtu, &lease.routers[..]), (Some(1400), &[SERVER][..]));
}

#[test]
fn what_is_no_message_of_a_server_is_none() {
    let whole = bytes(&option(121, &ROUTE));
    for len in 0..240 {
        assert!(read(&whole[..len]).is_none());
    }
    for (at, value) in [(0, 1), (2, 16), (236, 0)] {
        let mut changed = whole.clone();
        changed[at] = value;
        assert!(read(&changed).is_none());
    }
    // Whatever else it says, it is read.
    let mut rng = Seed::from_u64(26).rng("options");
    for _ in 0..5000 {
        let mut changed = bytes(&option(121, &ROUTE.repeat(20)));
        changed.extend(option(119, b"\x03eng\x05apple\x03com\0\x01m\xc0\x04"));
        for _ in 0..8 {
            let at = usize::try_from(rng.below(changed.len() as u64)).expect("small");
            changed[at] = rng.next_u32().to_le_bytes()[0];
        }
        if let Some(lease) = read(&changed).and_then(|told| Lease::read(&told)) {
            assert!(lease.routes.len() <= 32 && lease.mtu.is_none_or(|mtu| mtu >= 576));
        }
    }
}

/// RFC 3442: in front of routers.
#[test]
fn a_client_asks_for_what_it_reads() {
    let discover = message(MAC, 1, 0, MessageType::Discover);
    let Some(DhcpOption::ParameterRequestList(asked)) =
        discover.opts().get(OptionCode::ParameterRequestList)
    else {
        panic!("{discover:?}");
    };
    let at = |code| asked.iter().position(|each| *each == code);
    assert!(at(OptionCode::ClasslessStaticRoute) < at(OptionCode::Router));
    for code in [
        OptionCode::ClasslessStaticRoute,
        OptionCode::InterfaceMtu,
        OptionCode::DomainSearch,
    ] {
        assert!(at(code).is_some());
    }
}

#[tokio::test]
async fn routes_and_the_size_of_packets_come_and_go_with_the_lease() -> io::Result<()> {
    let net = Net::builder()
        .device("eth0", Switch::new().port())
        .build()?;
    let iface = net.interface_id("eth0")?;
    let mut link = Link::new(&net, "eth0", iface, MAC)?;
    // How large packets may be, and to whom they go.
    let way = async || -> io::Result<(u16, Option<IpAddr>)> {
        let socket = UdpSocket::bind_on(&net, "0.0.0.0:0").await?;
        socket.connect("192.0.2.9:9").await?;
        let routes: Vec<_> = net.engine().look(|core| core.stack().routes().collect());
        let mut routes = routes.iter();
        let route = routes.find(|route| route.prefix == prefix("192.0.2.0/24"));
        Ok((socket.path_mtu()?, route.and_then(|route| route.via)))
    };
    let granted = |mtu: u16| {
        let mtu = option(26, &mtu.to_be_bytes());
        lease(&[option(121, &ROUTE), mtu].concat())
    };
    link.take(&granted(1400)).await?;
    assert_eq!(way().await?, (1400, Some(SERVER.into())));
    // What is larger than what the device takes changes nothing.
    link.take(&granted(9000)).await?;
    assert_eq!(way().await?, (1500, Some(SERVER.into())));
    link.take(&granted(576)).await?;
    assert_eq!(way().await?, (576, Some(SERVER.into())));
    link.give()?;
    let gone = way().await.expect_err("it was the lease's");
    assert_eq!(gone.kind(), io::ErrorKind::NetworkUnreachable);
    net.add_address("eth0", "192.0.2.1/24")?;
    assert_eq!(way().await?, (1500, None));
    net.shutdown().await;
    Ok(())
}

/// A router that the server names no more, or that is this host since, is a way no longer.
#[tokio::test]
async fn an_extended_lease_has_the_routes_that_it_has_now_and_leaves_none_behind() -> io::Result<()>
{
    let net = Net::builder()
        .device("eth0", Switch::new().port())
        .device("eth1", Switch::new().port())
        .build()?;
    let mut link = Link::new(&net, "eth0", net.interface_id("eth0")?, MAC)?;
    let granted = |last: &[u8]| {
        let routers: Vec<u8> = last.iter().flat_map(|&last| [192, 0, 2, last]).collect();
        lease(&option(3, &routers))
    };
    let routers = || -> Vec<IpAddr> {
        let routes: Vec<_> = net.engine().look(|core| core.stack().routes().collect());
        routes.iter().filter_map(|route| route.via).collect()
    };
    let router = |last| IpAddr::from([192, 0, 2, last]);
    link.take(&granted(&[1, 2])).await?;
    assert_eq!(routers(), [router(1), router(2)]);
    link.take(&granted(&[2, 3])).await?;
    assert_eq!(routers(), [router(2), router(3)]);
    net.add_address("eth1", "192.0.2.3/32")?;
    link.take(&granted(&[2, 3])).await?;
    assert_eq!(routers(), [router(2)]);
    link.give()?;
    assert!(routers().is_empty());
    net.shutdown().await;
    Ok(())
}
