//! Anything may arrive at any time: the stack survives, its memory is bounded, every segment is
//! accounted for, and when everybody has gone nothing is left.

use super::*;
use crate::config::CongestionAlgorithm;
use crate::seed::{Rng, Seed};
use crate::socket::TcpOption;
use crate::tcp::{RecvFlags, SendFlags, predicted};
use crate::wire::{IcmpMessage, TcpFlags};
use std::println;

/// Bytes that all queues may hold in these tests.
const MEMORY: usize = 200_000;

fn chance(rng: &mut Rng, of: u64) -> bool {
    rng.below(of) == 0
}

fn number(rng: &mut Rng, below: u64) -> u32 {
    u32::try_from(rng.below(below)).unwrap()
}

/// A number at or near `center`, or anywhere.
fn near(rng: &mut Rng, center: u32) -> u32 {
    match rng.below(8) {
        0..=3 => center,
        4 => center.wrapping_sub(number(rng, 3000)),
        5 => center.wrapping_add(number(rng, 3000)),
        6 => center.wrapping_add(number(rng, 70_000)),
        _ => rng.next_u32(),
    }
}

fn flags(rng: &mut Rng) -> TcpFlags {
    match rng.below(24) {
        0 => TcpFlags::from_bits_truncate(u16::try_from(rng.below(512)).unwrap()),
        1 => SYN,
        2 => SYN_ACK,
        3 => FIN_ACK,
        4 => RST,
        _ => ACK,
    }
}

fn segment(rng: &mut Rng, peer: &Peer) -> Seg {
    let mut segment = tcp()
        .flags(flags(rng))
        .seq(near(rng, peer.nxt))
        .ack(near(rng, peer.rcv));
    if segment.flags == RST && !chance(rng, 4) {
        // Mostly one that does no harm, so that stories get longer.
        segment = segment.seq(peer.nxt.wrapping_add(1));
    }
    if chance(rng, 2) {
        segment = segment.data(number(rng, 3000));
    }
    if chance(rng, 10) {
        segment = segment
            .data(number(rng, 60_000))
            .gso(u16::try_from(1 + rng.below(2000)).unwrap());
    }
    if chance(rng, 3) {
        segment = segment.window(u16::try_from(rng.below(65536)).unwrap());
    }
    if chance(rng, 20) {
        segment = segment.window(0);
    }
    if chance(rng, 4) {
        let blocks: std::vec::Vec<_> = (0..1 + rng.below(4))
            .map(|_| {
                let left = near(rng, peer.rcv.wrapping_sub(10_000));
                (left, left.wrapping_add(number(rng, 5000)))
            })
            .collect();
        segment = segment.sacks(&blocks);
    } else if chance(rng, 4) {
        segment = segment.timestamps(near(rng, 1000), rng.next_u32());
    }
    if segment.flags.contains(SYN) || chance(rng, 30) {
        segment = segment.mss(u16::try_from(rng.below(3000)).unwrap());
        if chance(rng, 2) {
            segment = segment.scale(u8::try_from(rng.below(15)).unwrap());
        }
    }
    segment
}

fn application(rng: &mut Rng, peer: &mut Peer) {
    let id = peer.id();
    if peer.stack.tcp(id, peer.now).is_none() {
        return;
    }
    match rng.below(40) {
        0 => peer.finishes(),
        1 => peer.closes(),
        2 => peer.stack.tcp(id, peer.now).unwrap().shutdown_read(),
        3 => peer.sets(TcpOption::NoDelay(chance(rng, 2))),
        4 => peer.sets(TcpOption::Cork(chance(rng, 2))),
        5 => peer.sets(TcpOption::KeepAlive(true)),
        6 => peer.sets(TcpOption::RecvBuffer(1024 + number(rng, 100_000) as usize)),
        7 => peer.sets(TcpOption::MaxSegment(
            88 + u16::try_from(rng.below(2000)).unwrap(),
        )),
        8 => peer.sets(TcpOption::UserTimeout(Some(secs(1 + rng.below(60))))),
        9 => drop(peer.error()),
        10..=24 => drop(peer.try_write(number(rng, 20_000), SendFlags::empty())),
        25..=27 => drop(peer.try_write(number(rng, 500), SendFlags::MORE)),
        _ => {
            let mut buf = std::vec![0; number(rng, 30_000) as usize];
            let mut tcp = peer.stack.tcp(id, peer.now).unwrap();
            let _ = tcp.recv(&mut buf, RecvFlags::empty());
        }
    }
}

/// One of the ways into each of the states.
fn begin(rng: &mut Rng, peer: &mut Peer) {
    let offer = if chance(rng, 2) {
        syn().sack_permitted().scale(3)
    } else {
        syn()
    };
    let offer = if chance(rng, 2) {
        offer.timestamps(1000, 0)
    } else {
        offer
    };
    if chance(rng, 3) {
        peer.connects_with(&[TcpOption::FastOpenConnect(chance(rng, 2))]);
        if chance(rng, 2) {
            peer.skips();
            peer.sends(offer.flags(SYN_ACK).ack(1));
        }
        return;
    }
    if chance(rng, 3) {
        opens_early(rng, peer, offer);
        return;
    }
    peer.listen(2);
    peer.sends(offer);
    peer.skips();
    peer.sends(tcp().timestamps(1000, 0));
    peer.accept();
    match rng.below(5) {
        0 => peer.finishes(),
        1 => peer.sends(tcp().flags(FIN_ACK).timestamps(1001, 0)),
        2 => {
            peer.finishes();
            peer.sends(tcp().flags(FIN_ACK).ack(1).timestamps(1001, 0));
        }
        3 => {
            peer.finishes();
            peer.sends(tcp().ack(2).timestamps(1001, 0));
        }
        _ => {}
    }
}

/// The stack's connection is there before its handshake is complete.
fn opens_early(rng: &mut Rng, peer: &mut Peer, offer: Seg) {
    let cookie = fast_open::listens(peer, 2);
    peer.sends(offer.fast_open(cookie).data(number(rng, 1000)));
    peer.skips();
    peer.accept();
}

/// What may happen, of ten segments so many just what is expected; `look` sees the stack after each step,
/// before what it has sent is forgotten.
fn story(seed: u64, expected: u64, look: &mut dyn FnMut(&mut Peer)) {
    let mut rng = Seed::from_u64(seed).rng("story");
    let reno = chance(&mut rng, 2);
    let switches: [bool; 7] = core::array::from_fn(|_| !chance(&mut rng, 4));
    let mut peer = Peer::build(
        chance(&mut rng, 2),
        |config| {
            config.memory = MEMORY;
            config.tcp.send_buffer = 50_000;
            config.tcp.recv_buffer = 100_000;
            config.tcp.fast_open.server = true;
            config.tcp.fast_open.client = true;
            if reno {
                config.tcp.congestion = CongestionAlgorithm::Reno;
            }
            let recovery = &mut config.tcp.recovery;
            [
                recovery.rack,
                recovery.tail_loss_probe,
                recovery.prr,
                recovery.frto,
                recovery.eifel,
                recovery.dsack,
                recovery.limited_transmit,
            ] = switches;
        },
        crate::DeviceCaps {
            tso: chance(&mut rng, 2),
            ..Default::default()
        },
    );
    begin(&mut rng, &mut peer);
    for _ in 0..number(&mut rng, 150) {
        match rng.below(10) {
            0..=4 => {
                let next = match rng.below(10) < expected {
                    true => tcp().data(number(&mut rng, 2) * number(&mut rng, 1460)),
                    false => segment(&mut rng, &peer),
                };
                peer.sends(next);
            }
            5 => {
                let run = [
                    segment(&mut rng, &peer),
                    segment(&mut rng, &peer),
                    segment(&mut rng, &peer),
                ];
                peer.sends_batch(&run);
            }
            6 => {
                let message = if chance(&mut rng, 2) {
                    IcmpMessage::PacketTooBig {
                        mtu: number(&mut rng, 2000),
                    }
                } else {
                    IcmpMessage::Unreachable { code: 3 }
                };
                let about = near(&mut rng, peer.rcv);
                peer.icmp(message, about);
            }
            7 => {
                let time = ms(rng.below(3000));
                peer.waits(time);
            }
            _ => application(&mut rng, &mut peer),
        }
        look(&mut peer);
        let answers = peer.skips();
        assert!(answers < 2000, "{answers} segments at once");
        let used = peer.stack.memory_used();
        assert!(used < MEMORY + 200_000, "{used} bytes are held");
    }
    let stats = peer.stack.stats();
    let drops: u64 = stats.dropped().map(|(_, count)| count).sum();
    assert!(
        drops <= 2 * (stats.rx_packets + stats.tcp_out_segments),
        "{stats:?}"
    );
    // Everybody goes.
    peer.closes();
    if let Some(listener) = peer.listener {
        while let Ok((id, _)) = peer.stack.accept(listener) {
            peer.stack.close(id, peer.now);
        }
        peer.stack.close(listener, peer.now);
    }
    peer.flush();
    peer.waits(secs(3600));
    assert_eq!(peer.stack.sockets(), 0);
    assert_eq!(peer.stack.memory_used(), 0);
    assert_eq!(peer.stack.poll_timeout(), None);
    assert_eq!(
        (
            peer.stack.tcp.embryos.len(),
            peer.stack.tcp.time_waits.len()
        ),
        (0, 0)
    );
    assert_eq!((peer.stack.tcp.flows.len(), peer.stack.tcp.orphans), (0, 0));
}

#[test]
fn no_segment_at_any_time_does_harm() {
    for seed in 0..1500 {
        println!("seed {seed}");
        story(seed, 0, &mut |_| {});
    }
}

/// What can be seen of a stack and its connection, and some of what cannot.
fn picture(peer: &mut Peer) -> std::string::String {
    let id = peer.id();
    let now = peer.now;
    let info = peer.stack.tcp(id, now).and_then(|tcp| tcp.info());
    let socket = peer.stack.sockets.tcp(id);
    let variables = socket.and_then(|it| it.connection()).map(|it| {
        let receiver = &it.receiver;
        (
            (it.una, it.nxt, it.wnd, it.max_wnd, it.wl1, it.wl2),
            (receiver.nxt, receiver.edge, receiver.window_mark()),
            (it.ts_recent, it.last_ack_sent, it.probes, it.retries),
            (it.heard_at, it.deadline()),
        )
    });
    let drops: std::vec::Vec<_> = peer.stack.stats().dropped().collect();
    std::format!("{:?} {info:?} {variables:?} {drops:?}", peer.sent)
}

/// SPEC 108: the short way through the state machine ends where the long one does.
#[test]
fn a_predicted_segment_leaves_what_the_long_way_does() {
    let mut predicted = 0;
    for seed in 0..400 {
        println!("seed {seed}");
        let mut pictures = std::vec::Vec::new();
        let mut step = 0;
        let expected = 5 + seed % 6;
        predicted::without(|| story(seed, expected, &mut |peer| pictures.push(picture(peer))));
        story(seed, expected, &mut |peer| {
            assert_eq!(pictures.get(step), Some(&picture(peer)), "step {step}");
            step += 1;
            if step == pictures.len() {
                let stats = peer.stack.stats();
                predicted += stats.tcp_predicted_text + stats.tcp_predicted_acks;
            }
        });
        assert_eq!(step, pictures.len());
    }
    assert!(predicted > 100, "only {predicted} were predicted");
}
