//! A view's body, made for the first time: in each coding, and as a page.

use criterion::{BenchmarkId, Criterion, Throughput};
use shared_chats::{
    clock::Clock,
    http::{
        headers::coding::Coding,
        page::PageSettings,
        views::representation::{BodyContext, Format, Representation, make_blocking},
    },
    model::{ChatSessionId, Mode, ShareId, SharedChat, UserId, Visibility},
    sharing::{Available, Content, Files, Messages, SharePath, Urls, encode_blocking},
};

use crate::words;

pub fn make(criterion: &mut Criterion) {
    let url = "https://chat.example".parse().unwrap();
    let links = Urls::new(&url, SharePath::parse("/shared/{id}").unwrap());
    let page = PageSettings::default();
    let context = BodyContext { urls: &links, page: &page };
    let chat = chat();
    let mut group = criterion.benchmark_group("view");
    for (count, bytes) in words::SIZES {
        let snapshot = encode_blocking(&words::messages(count, bytes), &[]).unwrap();
        let messages = Messages::Compressed(snapshot.messages);
        group.throughput(Throughput::Bytes(messages.json().unwrap().len() as u64));
        let content = content(&chat, messages);
        for coding in [Coding::Identity, Coding::Zstd, Coding::Gzip, Coding::Brotli] {
            let representation = Representation { format: Format::Json, coding };
            group.bench_function(BenchmarkId::new(representation.name(), count), |b| {
                b.iter(|| make_blocking(&chat, &content, context, representation).unwrap());
            });
        }
        let representation = Representation { format: Format::Page, coding: Coding::Identity };
        group.bench_function(BenchmarkId::new(representation.name(), count), |b| {
            b.iter(|| make_blocking(&chat, &content, context, representation).unwrap());
        });
    }
    for (count, _) in words::SIZES {
        let messages = words::answers(count);
        let snapshot = encode_blocking(&messages, &[]).unwrap();
        let messages = Messages::Compressed(snapshot.messages);
        group.throughput(Throughput::Bytes(messages.json().unwrap().len() as u64));
        let content = content(&chat, messages);
        for format in [Format::Json, Format::Page] {
            let representation = Representation { format, coding: Coding::Identity };
            let name = format!("{} with code and formulas", representation.name());
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| make_blocking(&chat, &content, context, representation).unwrap());
            });
        }
    }
    group.finish();
}

fn content(chat: &SharedChat, messages: Messages) -> Content {
    Content {
        name: chat.name.clone(),
        messages,
        files: Files::Listed(Vec::new()),
        available: Available::All,
        content_hash: None,
    }
}

fn chat() -> SharedChat {
    SharedChat {
        id: ShareId::random(),
        chat_session_id: Some(ChatSessionId::parse("quarterly-report").unwrap()),
        owner_id: Some(UserId::parse("alice").unwrap()),
        name: Some("Why is the quarterly report slow?".to_owned()),
        shared_by: Some("Alice".to_owned()),
        label: None,
        audience: None,
        visibility: Visibility::Public,
        mode: Mode::Frozen,
        includes_artifacts: false,
        is_legacy: false,
        created_at: Clock::system().now(),
        updated_at: Clock::system().now(),
        expires_at: None,
        revision: 1,
        policy: 0,
    }
}
