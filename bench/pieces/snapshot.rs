//! What is stored of a frozen link: messages to JSON to zstd.

use criterion::{BenchmarkId, Criterion, Throughput};
use shared_chats::sharing::snapshot::encode_blocking;

use crate::words;

pub fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    for (count, bytes) in words::SIZES {
        let messages = words::messages(count, bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("encode", count), &messages, |b, messages| {
            b.iter(|| encode_blocking(messages, &[]).unwrap());
        });
    }
    group.finish();
}
