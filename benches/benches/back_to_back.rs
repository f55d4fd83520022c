//! Two stacks joined in memory: ours and smoltcp in the same run.

use benches::back_to_back::{ours, smoltcp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn back_to_back(c: &mut Criterion) {
    let mut group = c.benchmark_group("back to back");
    group.throughput(Throughput::Bytes(BYTES as u64));
    let mut pair = ours::Pair::new(BUFFER);
    group.bench_function("ours", |b| b.iter(|| pair.carry(BYTES)));
    let mut pair = smoltcp::Pair::new(BUFFER);
    group.bench_function("smoltcp", |b| b.iter(|| pair.carry(BYTES)));
}

const BYTES: usize = 16 << 20;
const BUFFER: usize = 256 * 1024;

criterion_group!(benches, back_to_back);
criterion_main!(benches);
