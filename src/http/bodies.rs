//! What views send, made once and kept. A body is bound to a link's id and revision, so it is
//! immutable and never stale; whether the link still stands is asked elsewhere, each time.

use actix_web::web::{self, Bytes};
use moka::sync::Cache;

use super::{
    coding::Coding,
    documents,
    error::ApiError,
    page::{self, PageArtifact, SharedChatPage},
};
use crate::{
    model::{ShareId, SharedChat},
    sharing::{Content, Links, SharingError},
};

/// In which form a link is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    Json,
    Page,
}

/// A form in a coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    pub medium: Medium,
    pub coding: Coding,
}

impl Variant {
    /// Its name within an entity tag.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.medium, self.coding) {
            (Medium::Json, Coding::Identity) => "json",
            (Medium::Json, Coding::Gzip) => "json.gzip",
            (Medium::Json, Coding::Brotli) => "json.br",
            (Medium::Json, Coding::Zstd) => "json.zstd",
            (Medium::Page, Coding::Identity) => "page",
            (Medium::Page, Coding::Gzip) => "page.gzip",
            (Medium::Page, Coding::Brotli) => "page.br",
            (Medium::Page, Coding::Zstd) => "page.zstd",
        }
    }
}

/// The kept bodies of frozen links, bounded in bytes.
#[derive(Clone)]
pub struct Bodies {
    kept: Cache<(ShareId, i64, Variant), Bytes>,
}

impl Bodies {
    /// Keeps at most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            // The key and the cache's own bookkeeping count as well, or empty chats were free.
            .weigher(|_, body: &Bytes| u32::try_from(body.len() + 256).unwrap_or(u32::MAX))
            .build();
        Self { kept }
    }

    /// The body of a frozen link, if it is kept.
    #[must_use]
    pub fn get(&self, chat: &SharedChat, variant: Variant) -> Option<Bytes> {
        self.kept.get(&(chat.id.clone(), chat.revision, variant))
    }

    /// Keeps the body of a frozen link.
    pub fn keep(&self, chat: &SharedChat, variant: Variant, body: Bytes) {
        self.kept.insert((chat.id.clone(), chat.revision, variant), body);
    }
}

/// Makes a body, on a blocking thread: it is CPU work that grows with the chat.
///
/// # Errors
/// 500 when a stored row is damaged.
pub async fn make(
    chat: &SharedChat,
    content: Content,
    links: &Links,
    variant: Variant,
) -> Result<Bytes, ApiError> {
    let (chat, links) = (chat.clone(), links.clone());
    let making = web::block(move || match variant.medium {
        Medium::Json => json(&chat, &content, &links, variant.coding),
        Medium::Page => {
            let html = html(&chat, &content, &links)?;
            variant.coding.encode(&Bytes::from(html)).map_err(SharingError::defect)
        }
    });
    Ok(making.await.map_err(SharingError::defect)??)
}

fn json(
    chat: &SharedChat,
    content: &Content,
    links: &Links,
    coding: Coding,
) -> Result<Bytes, SharingError> {
    let (before, after) =
        documents::around_messages(chat, content, links).map_err(SharingError::defect)?;
    let whole = Bytes::from([before.as_slice(), content.messages.as_ref(), after].concat());
    coding.encode(&whole).map_err(SharingError::defect)
}

fn html(chat: &SharedChat, content: &Content, links: &Links) -> Result<String, SharingError> {
    // A live chat may have another name by now.
    let chat = SharedChat { name: content.name.clone(), ..chat.clone() };
    let artifacts = documents::artifacts(&chat, content, links).map(|artifacts| {
        let files = artifacts.into_iter().map(|artifact| PageArtifact {
            filename: artifact.filename.to_owned(),
            bytes: artifact.bytes,
            media_type: artifact.media_type,
            created_at: artifact.created_at,
            url: artifact.available.then_some(artifact.url),
        });
        files.collect::<Vec<_>>()
    });
    let events_url = (!chat.is_frozen()).then(|| links.events_path(&chat.id));
    let page = SharedChatPage {
        chat: &chat,
        messages: &content.parse_messages()?,
        artifacts: artifacts.as_deref(),
        qr_code_url: &links.qr_code_path(&chat.id),
        events_url: events_url.as_deref(),
    };
    page::shared_chat(&page).map_err(SharingError::defect)
}
