//! A QR code, drawn for the first time.

use criterion::Criterion;
use shared_chats::qr::{QrFormat, QrOptions, render as draw};

const URL: &str = "https://chat.example/shared/6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11";

pub fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("qr_code");
    for format in [QrFormat::Png, QrFormat::Svg] {
        let options = QrOptions { format, ..QrOptions::default() };
        group.bench_function(format!("{format:?}"), |b| b.iter(|| draw(URL, &options).unwrap()));
    }
    group.finish();
}
