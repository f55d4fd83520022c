use super::PIECE;
use crate::device::Switch;
use crate::{Net, Routes, UdpSocket};
use net_core::conntrack::TrackConfig;
use net_core::iface::IpCidr;
use net_core::route::{NextHop, Reject, Route, TableId, Weight};
use net_core::socket::Family;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

/// Nearly two hundred pieces.
const MANY: u32 = 200_000;

fn prefix(number: u32) -> IpCidr {
    IpCidr {
        address: Ipv4Addr::from_bits(10 << 24 | number << 6).into(),
        prefix_len: 26,
    }
}

fn net() -> Net {
    let builder = Net::builder().device("eth0", Switch::new().port());
    builder.address("192.0.2.2/24").build().expect("a stack")
}

/// A stack with so many routes besides that to its link.
fn routed(count: u32) -> Net {
    let net = net();
    let iface = net.interface_id("eth0").expect("it is there");
    let added = net.engine().control(|core, _| {
        (0..count).try_for_each(|number| {
            core.stack_mut().add_route(Route {
                prefix: prefix(number),
                via: None,
                iface,
                source: None,
                metric: 0,
            })
        })
    });
    added.expect("room for them");
    net
}

/// Has a thread list all while this one changes routes, and says how often the stack was looked at.
fn looks_of<T: Send>(net: &Net, list: impl FnOnce(&Routes) -> Vec<T> + Send) -> (Vec<T>, usize) {
    let before = net.engine().looks();
    let (done, is_done) = mpsc::channel();
    let listed = thread::scope(|scope| {
        let listing = scope.spawn(move || {
            let listed = list(&net.routes());
            done.send(()).expect("somebody waits");
            listed
        });
        let (routes, other) = (net.routes(), prefix(MANY));
        while is_done.try_recv() == Err(TryRecvError::Empty) {
            routes.reject(other, Reject::Prohibit, 7).expect("a route");
            assert!(routes.remove(other).expect("a stack"));
        }
        listing.join().expect("no panic")
    });
    (listed, net.engine().looks() - before)
}

/// A count, and no time: each look goes through no more than a piece, so that there are as many as it takes.
#[tokio::test]
async fn who_lists_many_routes_lets_others_in_after_each_piece() {
    let net = routed(MANY);
    let all: BTreeSet<IpAddr> = (0..MANY).map(|number| prefix(number).address).collect();
    let is_ours = |prefix: &IpCidr| prefix.prefix_len == 26 && prefix.address != other();
    let least = MANY as usize / PIECE;
    let check = |listed: Vec<IpCidr>, looks: usize| {
        assert!(looks > least, "{looks} looks");
        let ours = listed.iter().filter(|prefix| is_ours(prefix));
        assert_eq!(ours.clone().count(), MANY as usize, "each is there once");
        let ours: BTreeSet<_> = ours.map(|prefix| prefix.address).collect();
        assert!(ours == all, "all are there");
    };
    let (listed, looks) = looks_of(&net, Routes::list);
    check(listed.iter().map(|route| route.prefix).collect(), looks);
    let (listed, looks) = looks_of(&net, |routes| routes.multipaths(TableId::MAIN));
    check(listed.iter().map(|route| route.prefix).collect(), looks);
    let (listed, looks) = looks_of(&net, |routes| routes.entries(TableId::MAIN));
    check(listed.iter().map(|entry| entry.0).collect(), looks);
    let (shown, looks) = looks_of(&net, |routes| vec![routes.show(TableId::MAIN)]);
    let lines = shown[0]
        .lines()
        .filter(|line| line.ends_with("/26 dev eth0"));
    assert_eq!(lines.count(), MANY as usize);
    assert!(looks > least, "{looks} looks");
}

fn other() -> IpAddr {
    prefix(MANY).address
}

#[tokio::test]
async fn a_piece_is_no_longer_than_it_may_be_and_has_all_routes_of_a_prefix() {
    let net = routed(2000);
    let routes = net.routes();
    let iface = net.interface_id("eth0").expect("it is there");
    let hop = |number: u16| NextHop {
        via: Some(Ipv4Addr::from_bits(0xc000_0200 + u32::from(number)).into()),
        iface,
        weight: Weight::ONE,
        onlink: true,
    };
    // Some have a hundred ways.
    for number in (0..2000).step_by(20) {
        let wide = net_core::route::Multipath {
            prefix: prefix(number),
            source: None,
            metric: 0,
            hops: (3..103).map(hop).collect(),
        };
        routes.add_multipath(TableId::MAIN, &wide).expect("a route");
    }
    let pieces = routes.pieces(TableId::MAIN, |_, table, prefix, found| {
        found.extend(table.entries_to(prefix).map(|_| prefix));
    });
    let mut seen = BTreeSet::new();
    for piece in pieces {
        assert!(piece.len() < PIECE + 100, "{} routes", piece.len());
        let prefixes: BTreeSet<_> = piece.iter().map(|prefix| prefix.address).collect();
        assert!(seen.is_disjoint(&prefixes), "one prefix, one piece");
        seen.extend(prefixes);
    }
    assert_eq!(
        seen.iter().filter(|address| is_ten(**address)).count(),
        2000
    );
    let pieces = routes.pieces(TableId::MAIN, |_, _, prefix, found| found.push(prefix));
    let lens: Vec<_> = pieces.map(|piece| piece.len()).collect();
    assert!(
        lens.len() > 1 && lens.iter().all(|&len| len <= PIECE),
        "{lens:?}"
    );
}

fn is_ten(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
}

/// Routes go behind which the listing is to go on, and others come before and behind.
#[tokio::test]
async fn what_was_there_all_along_is_listed_once_while_routes_change() {
    const COUNT: u32 = 6000;
    let net = routed(COUNT);
    let routes = net.routes();
    let mut changed = BTreeSet::new();
    let mut listed = Vec::new();
    let pieces = routes.pieces(TableId::MAIN, |_, _, prefix, found| found.push(prefix));
    for (turn, piece) in (0..).zip(pieces) {
        let last = *piece.last().expect("a piece");
        listed.extend(piece);
        assert!(routes.remove(last).expect("a stack"));
        changed.insert(last.address);
        for number in [turn, COUNT / 2 + turn, COUNT - 1 - turn] {
            routes.remove(prefix(number)).expect("a stack");
            changed.insert(prefix(number).address);
        }
        for number in [COUNT + turn, 2 * COUNT - turn] {
            routes
                .reject(prefix(number), Reject::Blackhole, 0)
                .expect("a route");
        }
    }
    for number in 0..COUNT {
        let prefix = prefix(number);
        let count = listed.iter().filter(|&&listed| listed == prefix).count();
        let is_right = count == 1 || count == 0 && changed.contains(&prefix.address);
        assert!(is_right, "{prefix:?}: {count}");
    }
}

#[tokio::test]
async fn sockets_and_flows_are_told_of_in_pieces() {
    const COUNT: u16 = 3000;
    let net = net();
    net.set_tracking(Some(TrackConfig::default()))
        .expect("a stack");
    let socket = UdpSocket::bind_on(&net, "127.0.0.1:9").await;
    let socket = socket.expect("a port");
    for port in 0..COUNT {
        let to = (Ipv4Addr::LOCALHOST, 1000 + port);
        // The answer that nobody is there for the one before may have come.
        let _ = socket.send_to(b"x", to).await;
    }
    let opened = net.engine().control(|core, _| {
        (0..COUNT).try_for_each(|_| core.stack_mut().udp_open(Family::V4).map(drop))
    });
    opened.expect("sockets");
    let before = net.engine().looks();
    let summaries = net.summaries();
    assert!(net.engine().looks() - before > usize::from(COUNT) / PIECE);
    let ids: BTreeSet<_> = summaries.iter().map(|one| one.socket.index()).collect();
    assert_eq!((summaries.len(), ids.len()), (net.sockets(), net.sockets()));
    let before = net.engine().looks();
    let flows = net.flows();
    let looks = net.engine().looks() - before;
    let known = net.track_stats().expect("they are followed").flows;
    assert_eq!(flows.len(), known);
    assert!(looks > flows.len() / PIECE && flows.len() > 2 * PIECE);
}
