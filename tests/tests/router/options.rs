//! Options of IPv4 headers: what we answer is what the kernel answers, and a route that is recorded goes
//! through our router both ways.

use crate::outside::Outside;
use crate::{LIMIT, between, ip_command};
use net_core::wire::checksum::checksum;
use net_tokio::Net;
use net_tokio::device::Tun;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

/// The kernel's address, and ours.
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

#[test]
fn requests_with_options_are_answered_as_by_the_kernel() {
    let name = "options::requests_with_options_are_answered_as_by_the_kernel";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        let tun = Tun::builder("tun7").host_address(KERNEL.into(), 24);
        let tun = tun.build().expect("a TUN");
        let net = runtime.block_on(async {
            let net = Net::builder().device("tun7", tun).address("10.7.0.2/24");
            net.build().expect("a stack")
        });
        let prober = Prober::new(KERNEL);
        let (mut replies, mut problems) = (0, 0);
        for options in requests() {
            let theirs = prober.probe(KERNEL, &options);
            let ours = prober.probe(OURS, &options);
            assert_eq!(ours, theirs, "{options:?}");
            replies += usize::from(matches!(ours, Answer::Reply(_)));
            problems += usize::from(matches!(ours, Answer::Problem(..)));
        }
        assert_eq!((replies, problems), (14, 14));
        runtime.block_on(net.shutdown());
    });
}

/// Options to ask with, `OWN` for the address of who is asked.
fn requests() -> Vec<Vec<u8>> {
    let route = |len: u8, pointer: u8| {
        let mut option = vec![0; usize::from(len)];
        option[..3].copy_from_slice(&[7, len, pointer]);
        option
    };
    let times = |len: u8, pointer: u8, flags: u8, first: [u8; 4]| {
        let mut option = vec![0; usize::from(len)];
        option[..4].copy_from_slice(&[68, len, pointer, flags]);
        for (byte, value) in option[4..].iter_mut().zip(first) {
            *byte = value;
        }
        option
    };
    let nobody = [192, 0, 2, 1];
    let both = [route(15, 4), times(12, 5, 0, [0; 4])].concat();
    vec![
        // Recorded routes: empty, half full, with room for one more alone, and full.
        route(39, 4),
        route(23, 12),
        route(11, 8),
        route(7, 8),
        // Times of each kind, full ones, and kinds that there are not.
        times(36, 5, 0, [0; 4]),
        times(8, 5, 0, [0; 4]),
        times(36, 5, 1, [0; 4]),
        times(20, 5, 3, OWN),
        times(20, 5, 3, nobody),
        times(8, 9, 0x20, [1; 4]),
        times(12, 5, 2, [0; 4]),
        // Room for what the request records, and too little for the answer.
        route(9, 4),
        times(10, 5, 0, [0; 4]),
        // Both, what is between them, and what is behind the end.
        both.clone(),
        [&[1, 1, 0x5e, 4, 9, 9][..], &route(7, 4), &[1]].concat(),
        [&route(7, 4)[..], &[0, 7, 1, 9, 9]].concat(),
        // Broken in each way that there is.
        vec![1, 1, 1, 7],
        vec![0x5e, 1, 1, 1],
        vec![1, 0x5e, 4, 0],
        vec![7, 2, 1, 1],
        route(8, 3),
        vec![7, 6, 4, 0, 0, 0, 0, 0],
        [both, route(7, 4), vec![1]].concat(),
        vec![1, 68, 3, 5],
        times(8, 4, 0, [0; 4]),
        times(8, 5, 1, [0; 4]),
        times(8, 9, 0xf0, [0; 4]),
        [times(8, 5, 0, [0; 4]), times(8, 5, 0, [0; 4])].concat(),
        vec![0x94, 2, 0, 0],
        // A way to go, for whoever may not choose one.
        vec![131, 7, 4, 10, 9, 0, 1, 0],
        vec![137, 7, 3, 10, 9, 0, 1, 0],
    ]
}

/// As `ping -R`: through our router there and back.
#[test]
fn a_recorded_route_names_our_router_both_ways() {
    let name = "options::a_recorded_route_names_our_router_both_ways";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        let net = runtime.block_on(async { between::router() });
        let outside = Outside::new();
        let route = outside.run(|| ip_command(["route", "add", "default", "dev", "wan0"]));
        route.join().expect("set up");
        let [client, server] = [Ipv4Addr::new(10, 7, 0, 9), Ipv4Addr::new(10, 9, 0, 9)];
        let prober = Prober::new(client);
        let mut asked = vec![0; 40];
        asked[..3].copy_from_slice(&[7, 39, 4]);
        let Answer::Reply(options) = prober.ask(server, &asked) else {
            panic!("an answer");
        };
        let way = options[3..]
            .chunks_exact(4)
            .map(|hop| [hop[0], hop[1], hop[2], hop[3]]);
        let expected = [
            [10, 9, 0, 1],
            [10, 9, 0, 9],
            [10, 9, 0, 9],
            [10, 7, 0, 1],
            [10, 7, 0, 9],
            [0; 4],
        ];
        assert_eq!(way.take(6).collect::<Vec<_>>(), expected);
        runtime.block_on(net.shutdown());
    });
}

/// What comes back for a request with options.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// A reply with these.
    Reply(Vec<u8>),
    /// A parameter problem of this code, at this byte.
    Problem(u8, u8),
    /// Nothing.
    None,
}

/// Sends requests whose IP header it writes itself.
struct Prober {
    socket: Socket,
    source: Ipv4Addr,
}

impl Prober {
    fn new(source: Ipv4Addr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4));
        let socket = socket.expect("a raw socket");
        socket.set_header_included_v4(true).expect("an option");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self { socket, source }
    }

    /// The answer, in which what depends on who has been asked is made the same.
    fn probe(&self, to: Ipv4Addr, options: &[u8]) -> Answer {
        let mut asked = options.to_vec();
        replace(&mut asked, OWN, to.octets());
        match self.ask(to, &asked) {
            Answer::Reply(mut options) => {
                for address in [KERNEL, OURS] {
                    replace(&mut options, address.octets(), OWN);
                }
                blot_out_times(&mut options);
                Answer::Reply(options)
            }
            other => other,
        }
    }

    fn ask(&self, to: Ipv4Addr, options: &[u8]) -> Answer {
        self.send(to, options, 1);
        // Whoever has answered this has had the other.
        self.send(to, &[], 2);
        let mut answer = Answer::None;
        loop {
            let mut buffer = [0; 2000];
            let (len, _) =
                recv(&self.socket, &mut buffer[..], RecvFlags::empty()).expect("an answer");
            let (options, message) = taken_apart(&buffer[..len]);
            match message {
                [0, _, _, _, 0x12, 0x34, 0, 2, ..] => return answer,
                [0, _, _, _, 0x12, 0x34, 0, 1, ..] => answer = Answer::Reply(options.to_vec()),
                [12, code, _, _, pointer, _, _, _, quoted @ ..] => {
                    let (_, quoted) = taken_apart(quoted);
                    assert_eq!(quoted[4..8], [0x12, 0x34, 0, 1]);
                    answer = Answer::Problem(*code, *pointer);
                }
                _ => {}
            }
        }
    }

    fn send(&self, to: Ipv4Addr, options: &[u8], number: u8) {
        let mut message = vec![8, 0, 0, 0, 0x12, 0x34, 0, number];
        message.extend(b"anybody?");
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        // The kernel fills in length, identification and checksum.
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        let words = u8::try_from(5 + options.len() / 4).expect("at most 15");
        let mut packet = vec![0x40 | words, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
        packet.extend(self.source.octets());
        packet.extend(to.octets());
        packet.extend(options);
        packet.extend(message);
        let to = SocketAddr::new(to.into(), 0);
        self.socket.send_to(&packet, &to.into()).expect("sent");
    }
}

/// The options of an IPv4 packet, and what is behind the header.
fn taken_apart(packet: &[u8]) -> (&[u8], &[u8]) {
    let (header, behind) = packet.split_at(usize::from(packet[0] & 0xf) * 4);
    (&header[20..], behind)
}

fn replace(options: &mut [u8], from: [u8; 4], to: [u8; 4]) {
    for at in 0..options.len().saturating_sub(3) {
        if options[at..at + 4] == from {
            options[at..at + 4].copy_from_slice(&to);
        }
    }
}

/// Makes all times 0 that have been written into options.
fn blot_out_times(options: &mut [u8]) {
    let mut at = 0;
    while let Some(&kind) = options.get(at).filter(|kind| **kind != 0) {
        if kind == 68 {
            let end = at + usize::from(options[at + 2]) - 1;
            let with_addresses = options[at + 3] & 0xf != 0;
            let written = &mut options[at + 4..end];
            if with_addresses {
                written
                    .chunks_exact_mut(8)
                    .for_each(|entry| entry[4..].fill(0));
            } else {
                written.fill(0);
            }
        }
        at += if kind == 1 {
            1
        } else {
            usize::from(options[at + 1])
        };
    }
}

/// Stands for the address of who is asked.
const OWN: [u8; 4] = [0xff; 4];
