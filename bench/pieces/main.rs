//! The pieces of a request, by themselves: `cargo bench`. The whole is measured by `bench/run.py`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

mod qr_code;
mod snapshot;
mod token;
mod view;
mod words;

use criterion::{criterion_group, criterion_main};

criterion_group!(pieces, snapshot::encode, view::make, token::check, qr_code::render);
criterion_main!(pieces);
