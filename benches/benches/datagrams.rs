//! UDP sockets over the loopback device: datagrams one by one, and in batches.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use net_core::udp::SendMeta;
use net_tokio::{Net, UdpSocket};
use tokio::runtime::Builder;

/// Sends 64 small datagrams and echoes them: there and back, each call for one or for all.
fn echo(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let net = Net::builder().build().expect("a stack");
    let bind = || runtime.block_on(UdpSocket::bind_on(&net, "127.0.0.1:0"));
    let (client, server) = (bind().expect("free"), bind().expect("free"));
    let to = server.local_addr().expect("bound");
    let payload = [7; SIZE];
    let mut group = c.benchmark_group("UDP echo, 64 at a time");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("one by one", |b| {
        let mut buf = [0; SIZE];
        b.iter(|| {
            for _ in 0..COUNT {
                client.try_send_to(&payload, to).expect("room");
            }
            for _ in 0..COUNT {
                let (len, from) = server.try_recv_from(&mut buf).expect("there");
                server.try_send_to(&buf[..len], from).expect("room");
            }
            for _ in 0..COUNT {
                client.try_recv_from(&mut buf).expect("there");
            }
        });
    });
    group.bench_function("in batches", |b| {
        let requests = [(payload, SendMeta::to(to)); COUNT];
        let (mut received, mut answers) = (Vec::new(), Vec::new());
        b.iter(|| {
            assert_eq!(client.try_send_many(&requests).expect("room"), COUNT);
            let count = server.try_recv_many(&mut received, COUNT);
            assert_eq!(count.expect("there"), COUNT);
            for request in received.drain(..) {
                let meta = SendMeta::to(request.source);
                answers.push((request.payload, meta));
            }
            assert_eq!(server.try_send_many(&answers).expect("room"), COUNT);
            answers.clear();
            let count = client.try_recv_many(&mut received, COUNT);
            assert_eq!(count.expect("there"), COUNT);
            received.clear();
        });
    });
}

const COUNT: usize = 64;
const SIZE: usize = 64;

criterion_group!(benches, echo);
criterion_main!(benches);
