//! The client's states under virtual time, against a server that the test plays.

use super::lease::Lease;
use super::link::Link;
use super::machine::{Act, Machine};
use super::{Claim, Client as Task};
use crate::device::Switch;
use crate::{Dhcp, Interface, Net, PacketSocket};
use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};
use net_core::Seed;
use net_core::autoconf::Defence;
use net_core::iface::IpCidr;
use net_core::packet::PacketKind;
use net_core::time::{Duration, Instant};
use net_core::wire::{EtherType, MacAddr};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use tokio::sync::watch;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 50);

struct Client {
    machine: Machine,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let now = Instant::from_millis(1);
        Self {
            machine: Machine::new(MAC, Seed::from_u64(7), now),
            now,
        }
    }

    /// One that has got its lease of 1,000 seconds.
    fn bound() -> Self {
        let mut client = Self::new();
        client.discover();
        let request = client.hear(MessageType::Offer, &[]);
        assert_eq!(requested(&request), Some(OURS));
        client.hear(MessageType::Ack, &[]);
        let acts = client.pass(Duration::from_secs(2));
        assert!(matches!(
            acts[..],
            [Act::Probe(OURS), Act::Probe(OURS), Act::Take(_)]
        ));
        client
    }

    fn discover(&mut self) -> Message {
        let acts = self.pass(Duration::from_secs(1));
        let [Act::Shout(discover)] = &acts[..] else {
            panic!("{acts:?}");
        };
        assert!(discover.opts().has_msg_type(MessageType::Discover));
        assert!(discover.flags().broadcast());
        discover.clone()
    }

    /// What is done within `time`, each thing at its own time.
    fn pass(&mut self, time: Duration) -> Vec<Act> {
        let end = self.now + time;
        let mut acts = Vec::new();
        while self.machine.next() <= end {
            self.now = self.now.max(self.machine.next());
            self.machine.handle_timeout(self.now, &mut acts);
        }
        self.now = end;
        acts
    }

    /// The server says something; what is done about that at once.
    fn hear(&mut self, kind: MessageType, options: &[DhcpOption]) -> Vec<Act> {
        let mut message = Message::default();
        message.set_xid(self.machine.xid()).set_yiaddr(OURS);
        let all = message.opts_mut();
        all.insert(DhcpOption::MessageType(kind));
        all.insert(DhcpOption::ServerIdentifier(SERVER));
        all.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
        all.insert(DhcpOption::Router(vec![SERVER]));
        all.insert(DhcpOption::AddressLeaseTime(1000));
        for option in options {
            all.insert(option.clone());
        }
        let mut acts = Vec::new();
        self.machine.handle_message(&message, self.now, &mut acts);
        acts
    }
}

/// The address that a request which is the one act asks for.
fn requested(acts: &[Act]) -> Option<Ipv4Addr> {
    let [Act::Shout(request)] = acts else {
        return None;
    };
    assert!(request.opts().has_msg_type(MessageType::Request));
    match request.opts().get(OptionCode::RequestedIpAddress) {
        Some(&DhcpOption::RequestedIpAddress(ip)) => Some(ip),
        _ => None,
    }
}

#[test]
fn an_offer_is_asked_for_checked_and_taken() {
    let client = Client::bound();
    let lease = client.machine.lease().unwrap();
    assert_eq!((lease.ip(), lease.address.prefix_len), (OURS, 24));
    assert_eq!((lease.server, &lease.routers[..]), (SERVER, &[SERVER][..]));
}

#[test]
fn a_silent_network_is_asked_less_and_less_often() {
    let mut client = Client::new();
    client.discover();
    let acts = client.pass(Duration::from_secs(600));
    // After 4, 8, 16, 32, and each 64 seconds.
    assert!((11..=13).contains(&acts.len()), "{}", acts.len());
}

#[test]
fn an_address_that_somebody_uses_is_declined_and_ten_seconds_later_another_asked_for() {
    let mut client = Client::new();
    client.discover();
    client.hear(MessageType::Offer, &[]);
    client.hear(MessageType::Ack, &[]);
    client.pass(Duration::from_millis(100));
    assert_eq!(client.machine.checked(), Some(OURS));
    let mut acts = Vec::new();
    client.machine.handle_conflict(client.now, &mut acts);
    let [Act::Shout(decline)] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert!(decline.opts().has_msg_type(MessageType::Decline));
    assert!(client.pass(Duration::from_millis(9900)).is_empty());
    client.discover();
}

#[test]
fn half_of_the_time_over_its_server_is_asked_then_everybody_then_it_is_gone() {
    let mut client = Client::bound();
    let acts = client.pass(Duration::from_secs(500));
    let [Act::Send(request, Some(SERVER))] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert_eq!(request.ciaddr(), OURS);
    assert!(
        request.opts().get(OptionCode::ServerIdentifier).is_none(),
        "RFC 2131 table 5"
    );
    let acts = client.pass(Duration::from_secs(490));
    let to_all = acts.iter().filter(|act| matches!(act, Act::Send(_, None)));
    assert!(to_all.count() >= 1, "{acts:?}");
    assert!(client.machine.lease().is_some());
    let acts = client.pass(Duration::from_secs(11));
    assert!(acts.iter().any(|act| matches!(act, Act::Give)), "{acts:?}");
    assert!(client.machine.lease().is_none());
}

#[test]
fn an_answer_extends_the_lease_and_a_refusal_ends_it() {
    let mut client = Client::bound();
    client.pass(Duration::from_secs(500));
    let acts = client.hear(MessageType::Ack, &[]);
    assert!(matches!(acts[..], [Act::Take(_)]));
    assert!(client.pass(Duration::from_secs(490)).is_empty());
    client.pass(Duration::from_secs(20));
    let acts = client.hear(MessageType::Nak, &[]);
    assert!(matches!(acts[..], [Act::Give]));
    client.pass(Duration::from_millis(900));
    client.discover();
}

#[test]
fn a_server_cannot_make_it_ask_without_end() {
    let mut client = Client::bound();
    client.pass(Duration::from_secs(500));
    let at_once = [DhcpOption::Renewal(0), DhcpOption::Rebinding(0)];
    let acts = client.hear(MessageType::Ack, &at_once);
    assert!(matches!(acts[..], [Act::Take(_)]));
    assert!(client.pass(Duration::from_secs(400)).is_empty());
}

#[test]
fn what_a_server_cannot_mean_is_not_taken() {
    for option in [
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 0, 255, 0)),
        DhcpOption::AddressLeaseTime(0),
    ] {
        let mut client = Client::new();
        client.discover();
        assert!(client.hear(MessageType::Offer, &[option]).is_empty());
    }
    let mut offer = Message::default();
    offer.set_yiaddr(Ipv4Addr::new(224, 0, 0, 1));
    assert_eq!(Lease::read(&offer), None);
}

/// Nor is what would be asked of everybody, of nobody, or of the client itself.
#[test]
fn servers_of_a_lease_are_other_hosts_and_its_domain_has_no_nulls() {
    let told = [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 251],
        [255, 255, 255, 255],
        [10, 7, 0, 255],
        [10, 7, 0, 0],
        OURS.octets(),
        [10, 7, 0, 53],
        [192, 0, 2, 255],
    ];
    let told: Vec<Ipv4Addr> = told.map(Ipv4Addr::from).into();
    let hosts = [[10, 7, 0, 53], [192, 0, 2, 255]].map(Ipv4Addr::from);
    let read = |domain: &str| {
        let mut client = Client::new();
        client.discover();
        let offer = [
            DhcpOption::DomainNameServer(told.clone()),
            DhcpOption::Router(told.clone()),
            DhcpOption::DomainName(domain.to_owned()),
        ];
        client.hear(MessageType::Offer, &offer);
        client.hear(MessageType::Ack, &offer);
        client.pass(Duration::from_secs(2));
        client.machine.lease().cloned().expect("it is granted")
    };
    let lease = read("example.test\0\0");
    assert_eq!(lease.dns_servers, hosts);
    assert_eq!(lease.routers, hosts);
    assert_eq!(lease.domain.as_deref(), Some("example.test"), "RFC 2132 §2");
    assert_eq!(read("\0").domain, None);
}

#[test]
fn a_lease_is_given_back() {
    let mut client = Client::bound();
    let mut acts = Vec::new();
    client.machine.release(client.now, &mut acts);
    assert!(matches!(&acts[..], [Act::Send(_, Some(SERVER)), Act::Give]));
    assert_eq!(client.machine.next(), Instant::MAX);
}

/// RFC 3927 §1.9 and §2.11.
#[test]
fn without_an_answer_an_address_of_the_link_is_chosen_until_there_is_a_lease() {
    let mut client = Client::new();
    let acts = client.pass(Duration::from_secs(5));
    assert!(acts.iter().all(|act| matches!(act, Act::Shout(_))));
    let acts = client.pass(Duration::from_secs(60));
    let chosen = acts
        .iter()
        .filter(|act| matches!(act, Act::LinkLocal(true)));
    assert_eq!(chosen.count(), 1, "{acts:?}");
    let asked = acts.iter().filter(|act| matches!(act, Act::Shout(_)));
    assert!(asked.count() >= 2, "it goes on asking: {acts:?}");
    client.hear(MessageType::Offer, &[]);
    client.hear(MessageType::Ack, &[]);
    let acts = client.pass(Duration::from_secs(2));
    assert!(matches!(
        acts[..],
        [.., Act::Take(_), Act::LinkLocal(false)]
    ));
    // And again when the lease has come to nothing.
    let acts = client.pass(Duration::from_secs(1100));
    let chosen = acts
        .iter()
        .filter(|act| matches!(act, Act::LinkLocal(true)));
    assert_eq!(chosen.count(), 1, "{acts:?}");
}

#[tokio::test]
async fn an_address_that_the_interface_had_before_the_lease_it_keeps_after_it() -> io::Result<()> {
    let switch = Switch::new();
    let net = Net::builder().device("eth0", switch.port()).build()?;
    let iface = net.interface_id("eth0")?;
    let mut link = Link::new(&net, "eth0", iface, MAC)?;
    let has_it = || {
        let all = net.interfaces();
        let eth0 = all.iter().find(|each| each.name == "eth0");
        let mut addresses = eth0.into_iter().flat_map(|each| &each.addresses);
        addresses.any(|cidr| cidr.address == IpAddr::V4(OURS))
    };
    let lease = Lease {
        address: IpCidr {
            address: IpAddr::V4(OURS),
            prefix_len: 24,
        },
        server: SERVER,
        routers: vec![SERVER],
        routes: Vec::new(),
        dns_servers: Vec::new(),
        domain: None,
        search: Vec::new(),
        mtu: None,
        duration: None,
    };
    link.take(&lease).await?;
    // It is extended.
    link.take(&lease).await?;
    assert!(has_it());
    link.give()?;
    assert!(!has_it(), "it was the lease's");
    net.add_address("eth0", "10.7.0.50/24")?;
    link.take(&lease).await?;
    link.give()?;
    assert!(has_it(), "it was given before");
    net.shutdown().await;
    Ok(())
}

/// Such as one that it has given up to another host since (RFC 5227 §2.4(b)).
#[tokio::test]
async fn a_lease_whose_address_the_interface_cannot_use_is_declined() -> io::Result<()> {
    let switch = Switch::new();
    let net = Net::builder().device("eth0", switch.port()).build()?;
    let iface = net.interface_id("eth0")?;
    // It is being checked.
    net.set_conflict_detection("eth0", Some(Defence::GiveUp))?;
    net.add_address("eth0", "10.7.0.50/24")?;
    let machine = Client::bound().machine;
    let lease = machine.lease().expect("it is bound").clone();
    let (tell, told) = watch::channel(None);
    let mut task = Task {
        machine,
        link: Link::new(&net, "eth0", iface, MAC)?,
        _claim: Claim::new(&net, "eth0", iface)?,
        tell,
        epoch: tokio::time::Instant::now(),
    };
    let frames = PacketSocket::new_on(&net, PacketKind::Cooked, EtherType::ALL)?;
    frames.bind(Some("eth0"), EtherType::ALL)?;
    task.perform(&mut vec![Act::Take(lease)]).await?;
    assert_eq!(*told.borrow(), None);
    assert!(task.machine.lease().is_none());
    let kind = [53, 1, u8::from(MessageType::Decline)];
    loop {
        let frame = frames.recv().await?;
        if frame.payload.windows(kind.len()).any(|bytes| bytes == kind) {
            break;
        }
    }
    // What somebody else has given stays.
    let left = net
        .engine()
        .act(|core, _| Ok(core.stack_mut().addresses(iface).count()))?;
    assert_eq!(left, 1);
    net.shutdown().await;
    Ok(())
}

#[test]
fn an_address_that_is_lost_while_it_is_leased_is_given_back_and_declined() {
    let mut client = Client::bound();
    let mut acts = Vec::new();
    client.machine.handle_conflict(client.now, &mut acts);
    let [Act::Give, Act::Shout(decline)] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert!(decline.opts().has_msg_type(MessageType::Decline));
    let options = decline.opts();
    let named = options.get(OptionCode::RequestedIpAddress);
    assert_eq!(named, Some(&DhcpOption::RequestedIpAddress(OURS)));
    assert!(client.machine.lease().is_none());
    assert!(client.pass(Duration::from_millis(9900)).is_empty());
    client.discover();
}

#[tokio::test]
async fn an_address_of_the_link_that_somebody_has_asked_for_outlives_the_fall_back()
-> io::Result<()> {
    let switch = Switch::new();
    for is_asked_for in [false, true] {
        let interface = Interface::new("eth0", switch.port());
        let net = Net::builder().build()?;
        net.attach(if is_asked_for {
            interface.link_local()
        } else {
            interface
        })?;
        let iface = net.interface_id("eth0")?;
        let mut link = Link::new(&net, "eth0", iface, MAC)?;
        let chooses = || {
            net.engine()
                .act(|core, _| Ok(core.stack_mut().link_local_v4(iface)))
        };
        for _ in 0..2 {
            // A second wish for the same is none.
            link.choose(true)?;
            link.choose(true)?;
            assert!(chooses()?);
            link.choose(false)?;
            assert_eq!(chooses()?, is_asked_for);
        }
        // Asked for while the client has fallen back, it stays, too; and what the client alone wanted goes
        // with the client.
        link.choose(true)?;
        net.set_link_local("eth0", true)?;
        link.choose(false)?;
        assert!(chooses()?);
        net.set_link_local("eth0", is_asked_for)?;
        link.choose(true)?;
        drop(link);
        assert_eq!(chooses()?, is_asked_for);
        net.shutdown().await;
    }
    Ok(())
}

/// Two would share what the interface has from either, and each take it from the other.
#[tokio::test]
async fn an_interface_has_one_client_at_a_time() -> io::Result<()> {
    let switch = Switch::new();
    let net = Net::builder()
        .device("eth0", switch.port())
        .device("eth1", switch.port())
        .build()?;
    let first = Dhcp::start(&net, "eth0")?;
    let second = Dhcp::start(&net.clone(), "eth0").expect_err("there is one");
    assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
    assert!(second.to_string().contains("eth0"), "{second}");
    Dhcp::start(&net, "eth1")?;
    drop(first);
    Dhcp::start(&net, "eth0")?.release().await?;
    Dhcp::start(&net, "eth0")?;
    net.shutdown().await;
    Ok(())
}

/// Whoever keeps its handle while he starts another, as a loop that tries again does, is not refused; and
/// what the handle then lets go of is not the other's.
#[tokio::test]
async fn a_client_that_has_ended_by_itself_makes_room_for_another() -> io::Result<()> {
    let switch = Switch::new();
    let net = Net::builder().device("eth0", switch.port()).build()?;
    let iface = net.interface_id("eth0")?;
    // It cannot listen at an interface that is not there.
    let link = Link::new(&net, "eth9", iface, MAC)?;
    let machine = Machine::new(MAC, Seed::from_u64(7), Instant::ZERO);
    let mut first = Dhcp::spawn(&net, Claim::new(&net, "eth0", iface)?, link, machine);
    let ended = first.bound().await.expect_err("it has ended");
    assert_eq!(ended.kind(), io::ErrorKind::BrokenPipe);
    let second = Dhcp::start(&net, "eth0")?;
    first.release().await.expect_err("no such interface");
    let third = Dhcp::start(&net, "eth0").expect_err("the second is at work");
    assert_eq!(third.kind(), io::ErrorKind::ResourceBusy);
    drop(second);
    Dhcp::start(&net, "eth0")?;
    net.shutdown().await;
    Ok(())
}
