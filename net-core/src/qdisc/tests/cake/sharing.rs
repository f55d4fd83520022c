//! Hosts and flows have equal shares.

use super::*;

#[test]
fn hosts_have_equal_shares_whatever_their_flows() {
    let mut flows = vec![bulk([1, 9], 1)];
    flows.extend((1..9).map(|port| bulk([2, 9], port)));
    for (mode, one) in [("dual-srchost", 2), ("flows", 9), ("srchost", 2)] {
        let mut queue = cake(&std::format!("bandwidth 80mbit besteffort {mode}"));
        let sent = share(&mut queue, &flows, SECOND);
        let all: u64 = sent.iter().sum();
        assert_near(all, 10_000_000, 1);
        assert_near(sent[0], all / one, 3);
        if mode != "srchost" {
            for of_flow in &sent[1..] {
                assert_near(*of_flow, (all - sent[0]) / 8, 3);
            }
        }
    }
}

#[test]
fn either_side_of_a_link_counts_in_triple_isolation() {
    // One host sends one flow, another eight, all to different hosts; and the other way round.
    for turned in [false, true] {
        let mut flows: Vec<Bulk> = vec![bulk([1, 100], 1)];
        flows.extend((1..9_u8).map(|host| bulk([2, 100 + host], host.into())));
        if turned {
            flows.iter_mut().for_each(|flow| flow.hosts.reverse());
        }
        let mut queue = cake("bandwidth 80mbit besteffort");
        let sent = share(&mut queue, &flows, SECOND);
        let all: u64 = sent.iter().sum();
        assert_near(sent[0], all / 2, 3);
        let mode = if turned {
            "dual-srchost"
        } else {
            "dual-dsthost"
        };
        let mut queue = cake(&std::format!("bandwidth 80mbit besteffort {mode}"));
        let sent = share(&mut queue, &flows, SECOND);
        assert_near(sent[0], all / 9, 3);
    }
}

#[test]
fn hundreds_of_flows_find_queues_of_their_own() {
    let flows: Vec<_> = (0..400).map(|port| bulk([1, 9], port)).collect();
    let mut queue = cake("bandwidth 800mbit besteffort memlimit 100mb");
    let sent = share(&mut queue, &flows, SECOND);
    let all: u64 = sent.iter().sum();
    assert_near(all, 100_000_000, 1);
    // With one place for each, a third of them would share theirs.
    let equal = |sent: &&u64| sent.abs_diff(all / 400) * 20 < all / 400;
    let equal = sent.iter().filter(equal).count();
    assert!(equal > 385, "{equal}");
}

/// A rotation of eight flows in bulk takes longer than the voice is silent, which has less than its share.
#[test]
fn a_flow_below_its_share_waits_for_no_rotation() {
    let mut queue = cake("bandwidth 1mbit besteffort flows");
    for flow in 0..8 {
        (0..40).for_each(|_| queue.put(packet(flow, 1000, 0)));
    }
    let (period, end) = (ms(20), START + SECOND);
    let mut spoken = START + ms(200);
    let mut heard = 0;
    while queue.now < end {
        let leaves = queue.qdisc.next_departure().unwrap().max(queue.now);
        if spoken <= leaves {
            queue.now = spoken;
            queue.put(packet(9, 200, 1));
            spoken += period;
            continue;
        }
        queue.now = leaves;
        if queue.take().unwrap().meta.mark == 1 {
            heard += 1;
            // A packet of 1,000 bytes takes 8 ms, and is not stopped.
            let waited = queue.now.saturating_since(spoken - period);
            assert!(waited <= ms(8), "{waited:?}");
        }
    }
    assert!(heard >= 39, "{heard}");
}

#[test]
fn a_sparse_flow_goes_before_bulk() {
    let mut queue = cake("bandwidth 8mbit");
    for number in 0..100 {
        queue.put(packet(1, 1000, number));
        queue.put(packet(2, 1000, number + 100));
    }
    for _ in 0..10 {
        queue.now += ms(1);
        queue.take().unwrap();
    }
    for round in 0..20 {
        queue.now += ms(7);
        queue.put(packet(3, 100, 1000 + round));
        let wait = queue.qdisc.next_departure().unwrap().max(queue.now);
        assert!(wait.saturating_since(queue.now) <= ms(1));
        queue.now = wait;
        assert_eq!(queue.take().unwrap().meta.mark, 1000 + round);
        queue.numbers();
    }
}
